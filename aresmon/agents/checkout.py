"""Check that a checkout on this machine has no changes that only exist here."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from aresmon.system import git as system_git
from aresmon.system.errors import AresmonError
from aresmon.system.git import Remote
from aresmon.system.process import Completed


def check(folder: Path, branch: str) -> None:
    """Raise AresmonError if this is not a repository, or has changes that were not committed and pushed."""
    if not os.access(folder, os.R_OK):
        raise AresmonError(
            f"{folder} does not exist, or cannot be read",
            hint="correct configs.git in aresmon.yml; a folder is absolute, starts with ~/, or is relative to that of "
            "aresmon.yml",
        )
    if folder.is_file():  # a bundle
        return
    top = folder.parent if folder.name == ".git" else folder
    done = _in_checkout(top, "rev-parse", "--is-bare-repository")
    if done.code != 0:
        raise system_git.failure(Remote(shown=str(folder), url=""), done.err) or _unreadable(top, done)
    if done.out != "true\n":
        _check_clean(top)
        _check_upstream(top, branch)


def _check_clean(top: Path) -> None:
    options = ("--porcelain", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=all")
    done = _in_checkout(top, "status", *options, "--", ":(top,glob)*")
    if done.code != 0:
        raise _unreadable(top, done)
    lines = [line for line in done.out.split("\0") if line]
    # A tracked file may be the target of a link; of untracked ones only configurations matter.
    changed = [
        system_git.without_escapes(line[3:]) for line in lines if not line.startswith("??") or line.endswith(".conf")
    ]
    if changed:
        raise AresmonError(
            f"{top} has uncommitted changes: {system_git.format_names(changed)}",
            hint=f"commit and push them, or set them aside: `{_command(top)} stash --include-untracked`",
        )


def _check_upstream(top: Path, branch: str) -> None:
    form = "--format=%(HEAD)%00%(upstream:short)%00%(upstream:track,nobracket)"
    done = _in_checkout(top, "for-each-ref", form, f"refs/heads/{branch}")
    if done.code != 0:
        raise _unreadable(top, done)
    if done.out.count("\0") != 2:
        return  # no such branch: the fetch reports the existing ones
    head, upstream, track = done.out.rstrip("\n").split("\0")
    if not upstream or not track:
        return
    git = _command(top)
    switch = "" if head == "*" else f"{git} switch {branch} && "
    if "gone" in track:
        what, then = f"its upstream {upstream} does not exist", f"{git} push --set-upstream origin {branch}"
    elif "ahead" in track and "behind" in track:
        what, then = f"it and {upstream} have diverged ({track})", f"{git} pull --rebase && {git} push"
    elif "ahead" in track:
        what, then = f"it has commits that are not in {upstream} ({track})", f"{git} push"
    else:
        what, then = f"it lacks commits of {upstream} ({track})", f"{git} pull --ff-only"
    raise AresmonError(
        f"{top}, branch {branch}: {what}, so nobody else could repeat this push",
        hint=f"run `{switch}{then}` and push again",
    )


def _in_checkout(top: Path, *arguments: str) -> Completed:
    # Without this, git would use a repository that contains the folder.
    return system_git.run_git(
        arguments, cwd=top, env={"GIT_CEILING_DIRECTORIES": str(top.resolve().parent)}, timeout=system_git.LOCALLY
    )


def _command(top: Path) -> str:
    return f"git -C {shlex.quote(str(top))}"


def _unreadable(top: Path, done: Completed) -> AresmonError:
    again = f"try it by hand: `{_command(top)} status`"
    return AresmonError(f"{top}: git status failed: {system_git.clean_output(done.err)}", hint=again)

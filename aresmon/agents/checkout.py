"""A checkout on this machine, held to have nothing that others do not see."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from aresmon.system import git as system_git
from aresmon.system.errors import AresmonError
from aresmon.system.git import Remote
from aresmon.system.process import Completed


def check(folder: Path, branch: str) -> None:
    """Raise AresmonError if this is no repository, or has work that others do not see."""
    if not os.access(folder, os.R_OK):
        raise AresmonError(
            f"{folder} is not there, or not for us to read",
            hint="correct configs.git in aresmon.yml; a folder in it is absolute, starts with ~/, or is relative to "
            "the folder of aresmon.yml",
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
    # Any file that is tracked may be what a link leads to; of the others only a configuration would be missed.
    changed = [system_git.plain(line[3:]) for line in lines if not line.startswith("??") or line.endswith(".conf")]
    if changed:
        raise AresmonError(
            f"{top} has changes that are in no commit: {system_git.listed(changed)}",
            hint=f"commit and push them, or put them aside: `{_command(top)} stash --include-untracked`",
        )


def _check_upstream(top: Path, branch: str) -> None:
    form = "--format=%(HEAD)%00%(upstream:short)%00%(upstream:track,nobracket)"
    done = _in_checkout(top, "for-each-ref", form, f"refs/heads/{branch}")
    if done.code != 0:
        raise _unreadable(top, done)
    if done.out.count("\0") != 2:
        return  # no such branch: the fetch tells which there are
    head, upstream, track = done.out.rstrip("\n").split("\0")
    if not upstream or not track:
        return
    git = _command(top)
    switch = "" if head == "*" else f"{git} switch {branch} && "
    if "gone" in track:
        what, then = f"{upstream}, which it follows, is not there", f"{git} push --set-upstream origin {branch}"
    elif "ahead" in track and "behind" in track:
        what, then = f"it and {upstream} have diverged ({track})", f"{git} pull --rebase && {git} push"
    elif "ahead" in track:
        what, then = f"it has commits that {upstream} has not ({track})", f"{git} push"
    else:
        what, then = f"it lacks commits of {upstream} ({track})", f"{git} pull --ff-only"
    raise AresmonError(
        f"{top}, branch {branch}: {what}; nobody else could repeat this push",
        hint=f"`{switch}{then}`, and push again",
    )


def _in_checkout(top: Path, *arguments: str) -> Completed:
    # A repository around the folder is not the one that was named.
    return system_git.ask(
        arguments, cwd=top, env={"GIT_CEILING_DIRECTORIES": str(top.resolve().parent)}, timeout=system_git.LOCALLY
    )


def _command(top: Path) -> str:
    return f"git -C {shlex.quote(str(top))}"


def _unreadable(top: Path, done: Completed) -> AresmonError:
    again = f"`{_command(top)} status` asks the same"
    return AresmonError(f"{top} cannot be looked at: {system_git.words(done.err)}", hint=again)

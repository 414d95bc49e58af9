"""The site's git repository of agent configurations: fetched, pinned to a commit, read.

The site has its own bare clone, with these refs: `refs/aresmon/branches/<branch>`, the pinned commit, and
`refs/aresmon/incoming`, the newest fetch, which was pinned or rejected.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from aresmon.agents import checkout
from aresmon.config.model import ConfigsSettings
from aresmon.system import files, git
from aresmon.system.errors import AresmonError
from aresmon.system.git import TRY, Remote
from aresmon.system.json_schema import did_you_mean
from aresmon.system.process import Completed

TIMEOUT = 60.0  # seconds, for network operations
_LARGEST = 1 << 20  # bytes of one configuration
_MOST_COMMITS = 10
_NEW, _OLD = ".new", ".old"  # a clone that is being made; the one that it replaces

_INCOMING = "refs/aresmon/incoming"
_BRANCHES = "refs/aresmon/branches/"
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # git knows this object without storing it
_SHA = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: `sha` has 40 digits, `at` is an ISO 8601 date with its offset from UTC."""

    sha: str
    author: str
    at: str
    subject: str

    @property
    def short(self) -> str:
        return self.sha[:7]


@dataclass(frozen=True, slots=True)
class ConfigsRepository:
    """The repository that `settings` names, and its clone in `folder`, which is in the site's `.aresmon/`.

    `fetch` writes and needs the site's lock; the other methods only read, without a network.
    """

    folder: Path
    settings: ConfigsSettings

    def fetch(self) -> Commit:
        """Fetch the branch, pin its newest commit and return it.

        Raises AresmonError, and keeps the pin, if the repository cannot be fetched, if its history was rewritten since
        the pin, or if it is a checkout on this machine with changes that only exist there.
        """
        remote = git.remote(self.settings.git, self.folder.parent.parent)
        if remote.folder is not None:
            checkout.check(remote.folder, self.settings.branch)
        try:
            return self._fetch(remote)
        except OSError as error:
            raise files.cannot_write(self.folder, error) from error

    def pinned(self) -> Commit | None:
        """The pinned commit of this branch; None if it was never fetched, or the clone is damaged."""
        return self._commit(self._pin) if self.folder.is_dir() else None

    def read(self, sha: str, host: str) -> str | None:
        """Return the host's configuration at this commit, unchanged; None if it has none.

        Raises AresmonError if it is not UTF-8, larger than 1 MiB, or not a file.
        """
        entry = self._entry(sha, f"{host}.conf")
        if entry is None:
            return None
        if entry.mode == "120000":
            entry = self._resolve_link(sha, entry)
        return _text(entry, self._content(entry), sha)

    def hosts(self, sha: str) -> list[str]:
        """The names that have a configuration at this commit, whether they are hosts of the site or not."""
        names = (entry.name for entry in self._entries(sha) if entry.kind == "blob")
        return [name.removesuffix(".conf") for name in names if name.endswith(".conf") and name != ".conf"]

    def paths(self, sha: str) -> list[str]:
        """The paths of all files at this commit, in sub-folders too."""
        return [path for path in self._run("ls-tree", "-r", "-z", "--name-only", sha).split("\0") if path]

    def log(self, since: str, until: str, host: str) -> list[Commit]:
        """The commits after `since` up to `until` that changed the host's configuration: newest first, at most 10.

        If `since` is empty, from the first commit on.
        """
        paths = [f"{host}.conf"]
        entry = self._entry(until, paths[0])
        if entry and entry.mode == "120000":
            paths.append(self._content(entry).decode(errors="replace") or paths[0])
        return self._commits(f"{since}..{until}" if since else until, *paths, most=_MOST_COMMITS)

    # Fetching ----------------------------------------------------------------------------------------

    @property
    def _pin(self) -> str:
        # One ref for each branch: another branch in aresmon.yml is not a rewritten history.
        return _BRANCHES + self.settings.branch.replace("/", "%")

    def _fetch(self, remote: Remote) -> Commit:
        aside = self.folder.with_name(self.folder.name + _OLD)
        if aside.exists() and not self.folder.exists():  # ended between the two renames of _put_in_place
            aside.rename(self.folder)
        refs = _saved_refs(self.folder)
        if self._is_sound(refs.get(self._pin)):
            with suppress(_DamagedError):
                return self._update(remote, refs.get(self._pin))
        return self._clone(remote, refs, aside)

    def _clone(self, remote: Remote, refs: Mapping[str, str], aside: Path) -> Commit:
        """Clone beside the old clone and replace it when complete. Refs whose commits still exist are kept."""
        fresh = replace(self, folder=self.folder.with_name(self.folder.name + _NEW))
        shutil.rmtree(fresh.folder, ignore_errors=True)
        fresh.folder.mkdir(mode=0o700, parents=True)
        try:
            fresh._run("init", "--quiet", "--bare", "--template=")
            commit = fresh._update(remote, refs.get(self._pin))
            for name in refs.keys() - {self._pin}:
                fresh._git("update-ref", name, refs[name])
            _replace_folder(fresh.folder, self.folder, aside)
        finally:
            shutil.rmtree(fresh.folder, ignore_errors=True)
        return commit

    def _update(self, remote: Remote, pin: str | None) -> Commit:
        self._configure(remote)
        for left in self.folder.rglob("*.lock"):  # left by a killed git; no other runs, since we hold the site's lock
            left.unlink()
        self._git("update-ref", "-d", _INCOMING)
        self._transfer(remote)
        tip = self._commit(_INCOMING)
        if tip is None or not self._is_sound(tip.sha):
            raise _DamagedError(
                f"{self.folder}: the commits that were fetched from {remote.shown} cannot be read",
                hint=f"check the repository with `git fsck` in {remote.shown}",
            )
        if pin and self._git("merge-base", "--is-ancestor", pin, tip.sha).code != 0:
            raise self._rewritten_error(remote, pin, tip)
        self._run("update-ref", self._pin, tip.sha)
        return tip

    def _transfer(self, remote: Remote) -> None:
        """Fetch the branch into `incoming`. `_update` decides whether it may be pinned."""
        options = ("--no-tags", "--no-prune", "--no-recurse-submodules", "--no-write-fetch-head", "--no-progress")
        branch = f"refs/heads/{self.settings.branch}"
        done = self._over_network(remote, "fetch", *options, "site", f"+{branch}:{_INCOMING}")
        if done.code == 0 and self._commit(_INCOMING):
            return
        if "find remote ref" in done.err or "nvalid refspec" in done.err:
            raise self._unknown_branch(remote)
        raise git.failure(remote, done.err) or _DamagedError(
            f"{remote.shown} cannot be fetched: {git.clean_output(done.err)}", hint=TRY.format(shown=remote.shown)
        )

    def _over_network(self, remote: Remote, *arguments: str) -> Completed:
        command = os.environ.get("GIT_SSH_COMMAND") or self._git("config", "--get", "core.sshCommand").out.strip()
        if not command and "GIT_SSH" not in os.environ:
            command = "ssh"
        env = {"GIT_SSH_COMMAND": git.without_questions(command)} if command else {}
        try:
            return self._git(*arguments, env=env, timeout=TIMEOUT)
        except AresmonError as error:
            if isinstance(error.__cause__, OSError):
                raise
            raise AresmonError(
                f"the fetch from {remote.shown} did not finish within {TIMEOUT:.0f} s",
                hint=f"{TRY.format(shown=remote.shown)}; clone a repository that is too large for that on this machine "
                "by hand, and set configs.git to its folder",
            ) from error

    def _configure(self, remote: Remote) -> None:
        """Write the clone's settings to files, since every process can read command lines."""
        if remote.secret:
            files.write(self.folder / "credentials", f"{remote.secret}\n".encode(), mode=0o600, sync=False)
        else:
            (self.folder / "credentials").unlink(missing_ok=True)
        files.write(self.folder / "config", _config(remote).encode(), mode=0o600)

    # Errors ------------------------------------------------------------------------------------------

    def _is_sound(self, sha: str | None) -> bool:
        """Whether this is a clone in which this commit's history and the files at its top level can be read."""
        if not self.folder.is_dir() or self._git("rev-parse", "--is-bare-repository").out != "true\n":
            return False
        if sha is None:
            return True
        plainly = ("--numstat", "--no-renames", "--no-ext-diff", "--no-textconv")
        contents = self._git("diff-tree", "-r", *plainly, _EMPTY_TREE, sha, "--", ":(glob)*")
        return contents.code == 0 and self._git("rev-list", "--count", sha).code == 0

    def _rewritten_error(self, remote: Remote, pin: str, tip: Commit) -> AresmonError:
        gone = self._git("rev-list", "--count", f"{tip.sha}..{pin}").out.strip()
        shown = [f"  {one.short} {one.subject}" for one in self._commits_or_none(f"{tip.sha}..{pin}")]
        if shown and int(gone) > len(shown):
            shown.append(f"  and {int(gone) - len(shown)} more")
        lost = "\n".join(["; it no longer has these commits:", *shown]) if shown else ""
        folder = str(self.folder).removesuffix(_NEW)
        look = f"git --git-dir={shlex.quote(folder)} log {pin[:7]}"
        return AresmonError(
            f"{remote.shown}: the history of {self.settings.branch} was rewritten: the last fetch was at {pin[:7]}, "
            f"which is not an ancestor of {tip.short} ({tip.subject}){lost}",
            hint=f"`{look}` shows the old history. If this is intended, or configs.git is another repository now, "
            f"remove the folder {folder} and push again, which clones the repository",
        )

    def _commits_or_none(self, revisions: str) -> list[Commit]:
        with suppress(AresmonError):
            return self._commits(revisions, most=5)
        return []

    def _unknown_branch(self, remote: Remote) -> AresmonError:
        branch = self.settings.branch
        listed = self._over_network(remote, "ls-remote", "--heads", "site").out.splitlines()
        known = [git.without_escapes(line.partition("refs/heads/")[2]) for line in listed]
        if not known:
            return AresmonError(
                f"{remote.shown} has no branch yet", hint=f"commit to {branch} and push it to the repository"
            )
        return AresmonError(
            f"{remote.shown} has no branch {branch}{did_you_mean(branch, known)}",
            hint=f"set configs.branch in aresmon.yml to one of its branches: {git.format_names(known)}",
        )

    # Reading -----------------------------------------------------------------------------------------

    def _commit(self, revision: str) -> Commit | None:
        found = self._git("rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}")
        with suppress(AresmonError):
            return self._commits(found.out.strip(), most=1)[0] if found.code == 0 else None
        return None

    def _commits(self, revisions: str, *paths: str, most: int) -> list[Commit]:
        form = ("-z", "--format=%H%x00%an%x00%aI%x00%s", "--encoding=UTF-8", "--no-show-signature")
        literal = (f":(literal){path}" for path in paths)
        output = self._run("log", *form, f"--max-count={most}", revisions, "--", *literal)
        words = [git.without_escapes(word) for word in output.removesuffix("\0").split("\0")] if output else []
        return [Commit(*words[at : at + 4]) for at in range(0, len(words), 4)]

    def _entries(self, sha: str, *names: str) -> Iterator[_Entry]:
        for line in self._run("ls-tree", "-z", "--long", sha, "--", *names).split("\0"):
            head, _, name = line.partition("\t")
            if head:
                mode, kind, blob, size = head.split()
                yield _Entry(name=name, mode=mode, kind=kind, blob=blob, size=int(size) if size.isdigit() else 0)

    def _entry(self, sha: str, name: str) -> _Entry | None:
        return next((entry for entry in self._entries(sha, name) if entry.name == name), None)

    def _resolve_link(self, sha: str, link: _Entry) -> _Entry:
        target = self._content(link).decode(errors="replace")
        entry = self._entry(sha, target) if target and "/" not in target else None
        if entry is None or not entry.mode.startswith("100"):
            raise AresmonError(
                f"{link.name} at commit {sha[:7]} is a link to {git.without_escapes(target)!r}, which is not followed",
                hint="make it a file, or a link to a file in the same folder; then commit and push",
            )
        return entry

    def _content(self, entry: _Entry) -> bytes:
        """The committed bytes, by way of a file: git's output would be decoded as text, and its line ends changed."""
        if entry.kind != "blob" or entry.size > _LARGEST:
            return b""
        try:
            with TemporaryDirectory(dir=self.folder) as folder:
                name = self._run("unpack-file", entry.blob, cwd=Path(folder)).strip()
                return (Path(folder) / name).read_bytes()
        except OSError as error:
            raise files.cannot_write(self.folder, error) from error

    def _run(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run git in the clone and return its output. Raises AresmonError if it fails."""
        done = self._git(*arguments, cwd=cwd)
        if done.code != 0:
            raise _DamagedError(
                f"{self.folder}: git {arguments[0]} failed: {git.clean_output(done.err)}",
                hint=f"if the clone is damaged, remove the folder {self.folder}: the next push clones it again",
            )
        return done.out

    def _git(
        self,
        *arguments: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = git.LOCALLY,
    ) -> Completed:
        # With --git-dir, git accepts a repository of another owner: the site's, while aresmon runs as root.
        argv = [f"--git-dir={self.folder.absolute()}", *arguments]
        return git.run_git(argv, cwd=cwd or self.folder, env=env, timeout=timeout)


class _DamagedError(AresmonError):
    """The clone cannot be used; a new one may work."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of a git tree: `mode` as git writes it, `size` in bytes."""

    name: str
    mode: str
    kind: str
    blob: str
    size: int


def _config(remote: Remote) -> str:
    """The clone's git settings: no hooks, no background jobs, synced writes."""
    lines = [
        "[core]",
        *("repositoryformatversion = 0", "bare = true", "hooksPath = /dev/null", "logAllRefUpdates = false"),
        "fsync = all",
        "[gc]",
        "autoDetach = false",
        '[remote "site"]',
        f"url = {_quoted(remote.url)}",
    ]
    if remote.secret:  # and no other helper, which might store the secret elsewhere
        lines += ["[credential]", "helper =", 'helper = "store --file=credentials"']
    elif remote.user:
        lines += ["[credential]", f"username = {_quoted(remote.user)}"]
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _replace_folder(new: Path, old: Path, aside: Path) -> None:
    shutil.rmtree(aside, ignore_errors=True)
    if old.exists():
        old.rename(aside)
    new.rename(old)
    shutil.rmtree(aside, ignore_errors=True)


def _saved_refs(folder: Path) -> dict[str, str]:
    """Read aresmon's refs from their files, which a clone that git can no longer read may still have."""
    found: dict[str, str] = {}
    with suppress(OSError):
        lines = (folder / "packed-refs").read_text(encoding="utf-8", errors="replace").splitlines()
        found = {name: sha for sha, _, name in (line.partition(" ") for line in lines)}
    for path in (folder / "refs" / "aresmon").glob("*/*"):
        with suppress(OSError):
            found[str(path.relative_to(folder))] = path.read_text(encoding="utf-8", errors="replace").strip()
    ours = {name: sha for name, sha in found.items() if name.startswith(_BRANCHES)}
    return {name: sha for name, sha in ours.items() if _SHA.fullmatch(sha)}


def _text(entry: _Entry, content: bytes, sha: str) -> str:
    name = git.without_escapes(entry.name)
    where = f"{name} at commit {sha[:7]}"
    if entry.kind != "blob":
        raise AresmonError(
            f"{where} is a {'folder' if entry.kind == 'tree' else 'submodule'}, not a file",
            hint=f"put the configuration into a file {name}, commit and push it; or rename the folder",
        )
    if entry.size > _LARGEST:
        raise AresmonError(
            f"{where} has {entry.size / _LARGEST:.1f} MiB; the limit is 1 MiB",
            hint="check that the file is a configuration",
        )
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise AresmonError(
            f"{where} is not text: byte {error.start} is not UTF-8", hint="save it as UTF-8, commit and push it"
        ) from None
    git.check_content(text, where)
    return text

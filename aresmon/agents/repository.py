"""The site's git repository of agent configurations: brought here, pinned to a commit, read.

What is brought is a bare clone of our own, so nothing of ours is ever uncommitted. In it are these refs:
`refs/aresmon/branches/<branch>`, the pin; `refs/aresmon/incoming`, the newest fetch, pinned or refused.
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

TIMEOUT = 60.0  # seconds, for what goes over a network
_LARGEST = 1 << 20  # bytes of one configuration
_MOST_COMMITS = 10
_NEW, _OLD = ".new", ".old"  # a clone that is being made; the one it takes the place of

_INCOMING = "refs/aresmon/incoming"
_BRANCHES = "refs/aresmon/branches/"
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # git knows it without having it
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
    """The repository that `settings` names, and our clone of it in `folder`, which is in the site's `.aresmon/`.

    `fetch` and `mark` write and want the site's lock; the rest only reads, without a network.
    """

    folder: Path
    settings: ConfigsSettings

    def fetch(self) -> Commit:
        """Bring the branch, pin it, and return the commit at its tip.

        Raises AresmonError, with the old pin kept, where the repository cannot be had, where its history was
        rewritten since the pin, and where it is a checkout on this machine that has what others do not see.
        """
        remote = git.remote(self.settings.git, self.folder.parent.parent)
        if remote.folder is not None:
            checkout.check(remote.folder, self.settings.branch)
        try:
            return self._brought(remote)
        except OSError as error:
            raise files.cannot_write(self.folder, error) from error

    def pinned(self) -> Commit | None:
        """The commit of the last fetch of this branch; None if there was none, or the clone is damaged."""
        return self._commit(self._pin) if self.folder.is_dir() else None

    def read(self, sha: str, host: str) -> str | None:
        """The host's configuration at this commit, byte for byte; None if it has none.

        Raises AresmonError where it is no UTF-8, larger than 1 MiB, or no file.
        """
        entry = self._entry(sha, f"{host}.conf")
        if entry is None:
            return None
        if entry.mode == "120000":
            entry = self._followed(sha, entry)
        return _text(entry, self._content(entry), sha)

    def hosts(self, sha: str) -> list[str]:
        """The names of those that have a configuration at this commit, hosts of the site or not."""
        names = (entry.name for entry in self._entries(sha) if entry.kind == "blob")
        return [name.removesuffix(".conf") for name in names if name.endswith(".conf") and name != ".conf"]

    def log(self, since: str, until: str, host: str) -> list[Commit]:
        """The commits after `since` up to `until` that touched the host's configuration: newest first, at most 10.

        Without `since`, from the beginning.
        """
        paths = [f"{host}.conf"]
        entry = self._entry(until, paths[0])
        if entry and entry.mode == "120000":
            paths.append(self._content(entry).decode(errors="replace") or paths[0])
        return self._commits(f"{since}..{until}" if since else until, *paths, most=_MOST_COMMITS)

    # Bringing ----------------------------------------------------------------------------------------

    @property
    def _pin(self) -> str:
        # A name for each branch: another branch in aresmon.yml is no rewritten history.
        return _BRANCHES + self.settings.branch.replace("/", "%")

    def _brought(self, remote: Remote) -> Commit:
        aside = self.folder.with_name(self.folder.name + _OLD)
        if aside.exists() and not self.folder.exists():  # ended between the two renames of _put_in_place
            aside.rename(self.folder)
        refs = _saved_refs(self.folder)
        if self._is_sound(refs.get(self._pin)):
            with suppress(_DamagedError):
                return self._update(remote, refs.get(self._pin))
        return self._anew(remote, refs, aside)

    def _anew(self, remote: Remote, refs: Mapping[str, str], aside: Path) -> Commit:
        """Clone, beside what is there, and put it in its place when it is whole; with the refs that still have
        their commits."""
        fresh = replace(self, folder=self.folder.with_name(self.folder.name + _NEW))
        shutil.rmtree(fresh.folder, ignore_errors=True)
        fresh.folder.mkdir(mode=0o700, parents=True)
        try:
            fresh._done("init", "--quiet", "--bare", "--template=")
            commit = fresh._update(remote, refs.get(self._pin))
            for name in refs.keys() - {self._pin}:
                fresh._git("update-ref", name, refs[name])
            _replace_folder(fresh.folder, self.folder, aside)
        finally:
            shutil.rmtree(fresh.folder, ignore_errors=True)
        return commit

    def _update(self, remote: Remote, pin: str | None) -> Commit:
        self._configure(remote)
        for left in self.folder.rglob("*.lock"):  # of a git that was killed; we alone have the site's lock
            left.unlink()
        self._git("update-ref", "-d", _INCOMING)
        self._transfer(remote)
        tip = self._commit(_INCOMING)
        if tip is None or not self._is_sound(tip.sha):
            raise _DamagedError(
                f"{self.folder}: what was fetched of {remote.shown} cannot be read",
                hint=f"`git fsck` in {remote.shown} tells whether it is damaged there",
            )
        if pin and self._git("merge-base", "--is-ancestor", pin, tip.sha).code != 0:
            raise self._rewritten(remote, pin, tip)
        self._done("update-ref", self._pin, tip.sha)
        return tip

    def _transfer(self, remote: Remote) -> None:
        """Fetch the branch into `incoming`. Whether it may be pinned is decided on what then is here."""
        options = ("--no-tags", "--no-prune", "--no-recurse-submodules", "--no-write-fetch-head", "--no-progress")
        branch = f"refs/heads/{self.settings.branch}"
        done = self._over_network(remote, "fetch", *options, "site", f"+{branch}:{_INCOMING}")
        if done.code == 0 and self._commit(_INCOMING):
            return
        if "find remote ref" in done.err or "nvalid refspec" in done.err:
            raise self._unknown_branch(remote)
        raise git.failure(remote, done.err) or _DamagedError(
            f"{remote.shown} could not be fetched: {git.words(done.err)}", hint=TRY.format(shown=remote.shown)
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
                f"{remote.shown} did not answer to the end within {TIMEOUT:.0f} s",
                hint=f"{TRY.format(shown=remote.shown)}; a repository too large for that is better cloned on this "
                "machine by hand, with its folder in configs.git",
            ) from error

    def _configure(self, remote: Remote) -> None:
        """Write our clone's settings. In files, since command lines can be read by every process."""
        if remote.secret:
            files.write(self.folder / "credentials", f"{remote.secret}\n".encode(), mode=0o600, sync=False)
        else:
            (self.folder / "credentials").unlink(missing_ok=True)
        files.write(self.folder / "config", _config(remote).encode(), mode=0o600)

    # What goes wrong ---------------------------------------------------------------------------------

    def _is_sound(self, sha: str | None) -> bool:
        """Whether this is a clone, and of this commit the history and what may be a configuration can be read."""
        if not self.folder.is_dir() or self._git("rev-parse", "--is-bare-repository").out != "true\n":
            return False
        if sha is None:
            return True
        plainly = ("--numstat", "--no-renames", "--no-ext-diff", "--no-textconv")
        contents = self._git("diff-tree", "-r", *plainly, _EMPTY_TREE, sha, "--", ":(glob)*")
        return contents.code == 0 and self._git("rev-list", "--count", sha).code == 0

    def _rewritten(self, remote: Remote, pin: str, tip: Commit) -> AresmonError:
        gone = self._git("rev-list", "--count", f"{tip.sha}..{pin}").out.strip()
        shown = [f"  {one.short} {one.subject}" for one in self._commits_or_none(f"{tip.sha}..{pin}")]
        if shown and int(gone) > len(shown):
            shown.append(f"  and {int(gone) - len(shown)} more")
        lost = "\n".join(["; these commits are not in it any more:", *shown]) if shown else ""
        folder = str(self.folder).removesuffix(_NEW)
        look = f"git --git-dir={shlex.quote(folder)} log {pin[:7]}"
        return AresmonError(
            f"{remote.shown}: the history of {self.settings.branch} was rewritten: it was at {pin[:7]} when it was "
            f"last fetched, and {tip.short} ({tip.subject}) does not follow from that{lost}",
            hint=f"`{look}` shows what was there. If this is meant, or configs.git names another repository now, "
            f"remove the folder {folder} and push again: it is cloned anew",
        )

    def _commits_or_none(self, revisions: str) -> list[Commit]:
        with suppress(AresmonError):
            return self._commits(revisions, most=5)
        return []

    def _unknown_branch(self, remote: Remote) -> AresmonError:
        branch = self.settings.branch
        listed = self._over_network(remote, "ls-remote", "--heads", "site").out.splitlines()
        known = [git.plain(line.partition("refs/heads/")[2]) for line in listed]
        if not known:
            return AresmonError(f"{remote.shown} has no branch yet", hint=f"commit to {branch} and push it there")
        return AresmonError(
            f"{remote.shown} has no branch {branch}{did_you_mean(branch, known)}",
            hint=f"set configs.branch in aresmon.yml to one that it has: {git.listed(known)}",
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
        said = self._done("log", *form, f"--max-count={most}", revisions, "--", *literal)
        words = [git.plain(word) for word in said.removesuffix("\0").split("\0")] if said else []
        return [Commit(*words[at : at + 4]) for at in range(0, len(words), 4)]

    def _entries(self, sha: str, *names: str) -> Iterator[_Entry]:
        for line in self._done("ls-tree", "-z", "--long", sha, "--", *names).split("\0"):
            head, _, name = line.partition("\t")
            if head:
                mode, kind, blob, size = head.split()
                yield _Entry(name=name, mode=mode, kind=kind, blob=blob, size=int(size) if size.isdigit() else 0)

    def _entry(self, sha: str, name: str) -> _Entry | None:
        return next((entry for entry in self._entries(sha, name) if entry.name == name), None)

    def _followed(self, sha: str, link: _Entry) -> _Entry:
        target = self._content(link).decode(errors="replace")
        entry = self._entry(sha, target) if target and "/" not in target else None
        if entry is None or not entry.mode.startswith("100"):
            raise AresmonError(
                f"{link.name} at commit {sha[:7]} is a link to {git.plain(target)!r}",
                hint="only a link to a file beside it is followed; make it one, or a file of its own",
            )
        return entry

    def _content(self, entry: _Entry) -> bytes:
        """The bytes as they were committed; what a program prints would be read as text, and its lines changed."""
        if entry.kind != "blob" or entry.size > _LARGEST:
            return b""
        try:
            with TemporaryDirectory(dir=self.folder) as folder:
                name = self._done("unpack-file", entry.blob, cwd=Path(folder)).strip()
                return (Path(folder) / name).read_bytes()
        except OSError as error:
            raise files.cannot_write(self.folder, error) from error

    def _done(self, *arguments: str, cwd: Path | None = None) -> str:
        """What git says in our clone. Raises AresmonError if it fails."""
        done = self._git(*arguments, cwd=cwd)
        if done.code != 0:
            raise _DamagedError(
                f"{self.folder}: git {arguments[0]} failed: {git.words(done.err)}",
                hint="if that clone is damaged, remove it: the next push clones it anew",
            )
        return done.out

    def _git(
        self,
        *arguments: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = git.LOCALLY,
    ) -> Completed:
        # Named by --git-dir, a repository may belong to anybody: the site's owner, with us as root.
        argv = [f"--git-dir={self.folder.absolute()}", *arguments]
        return git.ask(argv, cwd=cwd or self.folder, env=env, timeout=timeout)


class _DamagedError(AresmonError):
    """Our clone is of no use, for what reason ever; a new one may be."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of a tree: `mode` as git writes it, `size` in bytes."""

    name: str
    mode: str
    kind: str
    blob: str
    size: int


def _config(remote: Remote) -> str:
    """Our clone's git settings: no hooks, nothing that goes on in the background, what is written is synced."""
    lines = [
        "[core]",
        *("repositoryformatversion = 0", "bare = true", "hooksPath = /dev/null", "logAllRefUpdates = false"),
        "fsync = all",
        "[gc]",
        "autoDetach = false",
        '[remote "site"]',
        f"url = {_quoted(remote.url)}",
    ]
    if remote.secret:  # and no other helper: none is to keep what is kept here
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
    """Our refs, from their files: a clone in which git reads nothing any more may still have them."""
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
    where = f"{git.plain(entry.name)} at commit {sha[:7]}"
    if entry.kind != "blob":
        raise AresmonError(f"{where} is a {'folder' if entry.kind == 'tree' else 'submodule'}", hint="make it a file")
    if entry.size > _LARGEST:
        raise AresmonError(
            f"{where} has {entry.size / _LARGEST:.1f} MiB; 1 MiB is the most", hint="is it a configuration at all?"
        )
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise AresmonError(
            f"{where} is no text: byte {error.start} is not UTF-8", hint="save it as UTF-8, commit and push it"
        ) from None

"""The site's git repository of agent configurations: brought here, pinned to a commit, read.

What is brought is a bare clone of our own, so nothing of ours is ever uncommitted. In it are these refs:
`refs/aresmon/branches/<branch>`, the pin; `refs/aresmon/incoming`, the newest fetch, pinned or refused;
`refs/aresmon/hosts/<host>`, the commit whose `<host>.conf` was proven last.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote, unquote

from aresmon import files
from aresmon.errors import AresmonError
from aresmon.fleet import Configs
from aresmon.process import Completed, run
from aresmon.schema import did_you_mean

TIMEOUT = 60.0  # seconds, for what goes over a network
_LOCALLY = 30.0  # seconds, for what does not
_LARGEST = 1 << 20  # bytes of one configuration
_MOST_COMMITS = 10
_NEW, _OLD = ".new", ".old"  # a clone that is being made; the one it takes the place of

_INCOMING = "refs/aresmon/incoming"
_BRANCHES, _HOSTS = "refs/aresmon/branches/", "refs/aresmon/hosts/"
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # git knows it without having it
_SHA = re.compile(r"[0-9a-f]{40}")

# What ties git to the repository of whoever called us: a hook, a rebase. Settings (GIT_CONFIG_…) stay.
_OF_A_CALLER = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_NAMESPACE", "GIT_CONFIG"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE"),
    *("GIT_REPLACE_REF_BASE", "GIT_QUARANTINE_PATH", "GIT_INTERNAL_SUPER_PREFIX", "GIT_IMPLICIT_WORK_TREE"),
)
_LITERALLY = ("GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS")

_TRY = "`git ls-remote {shown}` asks the same"
_FAILURES = (  # what git says of it, what is the matter, what next; the first that fits
    (
        "dubious ownership",
        "belongs to another user, and git reads no such repository",
        "run aresmon as its owner, or trust it: `{trust}`",
    ),
    (
        "shallow (roots|update)",
        "has only a part of its history",
        "bring the rest into it: `git fetch --unshallow` there",
    ),
    (
        "Host key verification failed|HOST IDENTIFICATION HAS CHANGED|No .* host key is known",
        "is on a machine whose key ssh does not know",
        "connect to it once with `ssh`, compare the key, and try again",
    ),
    (
        r"Permission denied \(|Authentication failed|could not read (Username|Password)|terminal prompts disabled"
        r"|HTTP Basic: Access denied|error: 40[13]\b|Too many authentication failures",
        "does not let us in",
        f"nobody is asked for a password here: give ssh a key, or git's credential helper a token, that may read it; "
        f"{_TRY}",
    ),
    (
        r"does not appear to be a git repo|not a git repository|[Rr]epository .*not found|is this a git repository"
        r"|error: 404\b|could not be found|is not valid: is this|does not exist|no such repo",
        "is no git repository, or not one that we may see",
        f"correct configs.git in aresmon.yml; {_TRY}",
    ),
    (
        r"[Cc]ould not resolve|[Cc]onnection (refused|timed out|reset|closed)|[Nn]etwork is unreachable"
        r"|No route to host|Failed to connect|[Cc]ould(n't| not) connect|unable to connect|timed out|SSL|certificate"
        r"|hung up|early EOF|error: 5\d\d\b|Could not read from remote",
        "cannot be reached",
        f"is its address right in configs.git of aresmon.yml, and the network there? {_TRY}",
    ),
)


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
class Source:
    """The repository that `settings` names, and our clone of it in `folder`, which is in the site's `.aresmon/`.

    `fetch` and `mark` write and want the site's lock; the rest only reads, without a network.
    """

    folder: Path
    settings: Configs

    def fetch(self) -> Commit:
        """Bring the branch, pin it, and return the commit at its tip.

        Raises AresmonError, with the old pin kept, where the repository cannot be had, where its history was
        rewritten since the pin, and where it is a checkout on this machine that has what others do not see.
        """
        remote = _remote(self.settings.git, self.folder.parent.parent)
        if remote.folder is not None:
            _check_folder(remote.folder, self.settings.branch)
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

    def mark(self, host: str, sha: str) -> None:
        """Note that the host runs its configuration of this commit, and that this was proven."""
        self._done("update-ref", _host_ref(host), sha)

    def marked(self, host: str) -> str | None:
        """The commit that was marked last; None if none was, or it is not in the clone any more."""
        commit = self._commit(_host_ref(host)) if self.folder.is_dir() else None
        return commit.sha if commit else None

    # Bringing ----------------------------------------------------------------------------------------

    @property
    def _pin(self) -> str:
        # A name for each branch: another branch in aresmon.yml is no rewritten history.
        return _BRANCHES + self.settings.branch.replace("/", "%")

    def _brought(self, remote: _Remote) -> Commit:
        aside = self.folder.with_name(self.folder.name + _OLD)
        if aside.exists() and not self.folder.exists():  # ended between the two renames of _put_in_place
            aside.rename(self.folder)
        refs = _saved_refs(self.folder)
        if self._is_sound(refs.get(self._pin)):
            with suppress(_DamagedError):
                return self._update(remote, refs.get(self._pin))
        return self._anew(remote, refs, aside)

    def _anew(self, remote: _Remote, refs: Mapping[str, str], aside: Path) -> Commit:
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
            _put_in_place(fresh.folder, self.folder, aside)
        finally:
            shutil.rmtree(fresh.folder, ignore_errors=True)
        return commit

    def _update(self, remote: _Remote, pin: str | None) -> Commit:
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

    def _transfer(self, remote: _Remote) -> None:
        """Fetch the branch into `incoming`. Whether it may be pinned is decided on what then is here."""
        options = ("--no-tags", "--no-prune", "--no-recurse-submodules", "--no-write-fetch-head", "--no-progress")
        branch = f"refs/heads/{self.settings.branch}"
        done = self._over_network(remote, "fetch", *options, "site", f"+{branch}:{_INCOMING}")
        if done.code == 0 and self._commit(_INCOMING):
            return
        if "find remote ref" in done.err or "nvalid refspec" in done.err:
            raise self._unknown_branch(remote)
        raise _failure(remote, done.err) or _DamagedError(
            f"{remote.shown} could not be fetched: {_words(done.err)}", hint=_TRY.format(shown=remote.shown)
        )

    def _over_network(self, remote: _Remote, *arguments: str) -> Completed:
        command = os.environ.get("GIT_SSH_COMMAND") or self._git("config", "--get", "core.sshCommand").out.strip()
        if not command and "GIT_SSH" not in os.environ:
            command = "ssh"
        env = {"GIT_SSH_COMMAND": _without_questions(command)} if command else {}
        try:
            return self._git(*arguments, env=env, timeout=TIMEOUT)
        except AresmonError as error:
            if isinstance(error.__cause__, OSError):
                raise
            raise AresmonError(
                f"{remote.shown} did not answer to the end within {TIMEOUT:.0f} s",
                hint=f"{_TRY.format(shown=remote.shown)}; a repository too large for that is better cloned on this "
                "machine by hand, with its folder in configs.git",
            ) from error

    def _configure(self, remote: _Remote) -> None:
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

    def _rewritten(self, remote: _Remote, pin: str, tip: Commit) -> AresmonError:
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

    def _unknown_branch(self, remote: _Remote) -> AresmonError:
        branch = self.settings.branch
        listed = self._over_network(remote, "ls-remote", "--heads", "site").out.splitlines()
        known = [_plain(line.partition("refs/heads/")[2]) for line in listed]
        if not known:
            return AresmonError(f"{remote.shown} has no branch yet", hint=f"commit to {branch} and push it there")
        return AresmonError(
            f"{remote.shown} has no branch {branch}{did_you_mean(branch, known)}",
            hint=f"set configs.branch in aresmon.yml to one that it has: {_list(known)}",
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
        words = [_plain(word) for word in said.removesuffix("\0").split("\0")] if said else []
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
                f"{link.name} at commit {sha[:7]} is a link to {_plain(target)!r}",
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
                f"{self.folder}: git {arguments[0]} failed: {_words(done.err)}",
                hint="if that clone is damaged, remove it: the next push clones it anew",
            )
        return done.out

    def _git(
        self,
        *arguments: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = _LOCALLY,
    ) -> Completed:
        # Named by --git-dir, a repository may belong to anybody: the site's owner, with us as root.
        argv = [f"--git-dir={self.folder.absolute()}", *arguments]
        return _git(argv, cwd=cwd or self.folder, env=env, timeout=timeout)


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


@dataclass(frozen=True, slots=True)
class _Remote:
    """Where the repository is. `shown` and `url` are without secrets; `secret` is a line of git's credential
    store, `user` the name to log in with where there is only that; `folder` is set if it is on this machine."""

    shown: str
    url: str
    user: str = ""
    secret: str = ""
    folder: Path | None = None


def _remote(address: str, root: Path) -> _Remote:
    """Take an address apart; a folder is absolute, starts with `~/`, or is relative to `root`."""
    if address.startswith("file://"):
        path = root / unquote(address.removeprefix("file://"))
        return _Remote(shown=address, url=address if path.is_absolute() else str(path), folder=path)
    if ":" not in address.partition("/")[0]:
        path = Path(address).expanduser() if address.startswith("~/") else root / address
        return _Remote(shown=str(path), url=str(path), folder=path)
    found = re.fullmatch(r"(https?://)(?:([^/?#]*)@)?([^/?#@]*)(.*)", address)
    return _web(*found.groups(), shown=_masked(address)) if found else _Remote(shown=_masked(address), url=address)


def _web(scheme: str, login: str | None, host: str, path: str, *, shown: str) -> _Remote:
    """An http address, less the login: git would put it on the command line of its helper."""
    if "@" in path and not re.fullmatch(r"[^:]*|\[[^]]*\]|.*:[0-9]+", host):
        raise AresmonError(
            f"{shown} is no address", hint="in the login of configs.git write / as %2F, @ as %40, : as %3A, ? as %3F"
        )
    url = f"{scheme}{host}{path}"
    if not login:
        return _Remote(shown=shown, url=url)
    user, colon, password = login.partition(":")
    if not colon:
        return _Remote(shown=shown, url=url, user=unquote(user))
    encoded = ":".join(quote(unquote(word), safe="") for word in (user, password))
    return _Remote(shown=shown, url=url, secret=f"{scheme}{encoded}@{host}")


def _config(remote: _Remote) -> str:
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


def _host_ref(host: str) -> str:
    return _HOSTS + host + ("%" if host.endswith(".lock") else "")  # git keeps that ending for itself


def _put_in_place(new: Path, old: Path, aside: Path) -> None:
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
    ours = {name: sha for name, sha in found.items() if name.startswith((_BRANCHES, _HOSTS))}
    return {name: sha for name, sha in ours.items() if _SHA.fullmatch(sha)}


def _text(entry: _Entry, content: bytes, sha: str) -> str:
    where = f"{_plain(entry.name)} at commit {sha[:7]}"
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


# A checkout on this machine --------------------------------------------------------------------------


def _check_folder(folder: Path, branch: str) -> None:
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
        raise _failure(_Remote(shown=str(folder), url=""), done.err) or _refused(top, done)
    if done.out != "true\n":
        _check_clean(top)
        _check_upstream(top, branch)


def _check_clean(top: Path) -> None:
    options = ("--porcelain", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=all")
    done = _in_checkout(top, "status", *options, "--", ":(top,glob)*")
    if done.code != 0:
        raise _refused(top, done)
    lines = [line for line in done.out.split("\0") if line]
    # Any file that is tracked may be what a link leads to; of the others only a configuration would be missed.
    changed = [_plain(line[3:]) for line in lines if not line.startswith("??") or line.endswith(".conf")]
    if changed:
        raise AresmonError(
            f"{top} has changes that are in no commit: {_list(changed)}",
            hint=f"commit and push them, or put them aside: `{_command(top)} stash --include-untracked`",
        )


def _check_upstream(top: Path, branch: str) -> None:
    form = "--format=%(HEAD)%00%(upstream:short)%00%(upstream:track,nobracket)"
    done = _in_checkout(top, "for-each-ref", form, f"refs/heads/{branch}")
    if done.code != 0:
        raise _refused(top, done)
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
    return _git(arguments, cwd=top, env={"GIT_CEILING_DIRECTORIES": str(top.resolve().parent)}, timeout=_LOCALLY)


def _command(top: Path) -> str:
    return f"git -C {shlex.quote(str(top))}"


def _refused(top: Path, done: Completed) -> AresmonError:
    again = f"`{_command(top)} status` asks the same"
    return AresmonError(f"{top} cannot be looked at: {_words(done.err)}", hint=again)


# Git, and what it says -------------------------------------------------------------------------------


def _git(arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None, timeout: float) -> Completed:
    if shutil.which("git") is None:
        raise AresmonError(
            "git is not installed, or not on the PATH", hint="install it (Debian, Ubuntu: `sudo apt-get install git`)"
        )
    return run(["git", *arguments], env={**_environment(), **(env or {})}, cwd=cwd, timeout=timeout, check=False)


def _environment() -> dict[str, str | None]:
    """What git sees otherwise than we do: nobody to ask, no repository of a caller's, and English."""
    traces = [name for name in os.environ if name.startswith("GIT_TRACE")]
    changed: dict[str, str | None] = dict.fromkeys((*_OF_A_CALLER, *_LITERALLY, *traces))
    changed |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS_REQUIRE": "never"}
    changed |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_DEFAULT_HASH": "sha1", "GIT_DEFAULT_REF_FORMAT": "files"}
    return changed | {"LC_ALL": "C"}


def _without_questions(command: str) -> str:
    """An ssh command that asks nobody. What is not ssh itself knows other options and is left as it is."""
    try:
        program = Path(shlex.split(command)[0]).name
    except (ValueError, IndexError):
        return command
    return f"{command} -o BatchMode=yes -o ConnectTimeout=20" if program == "ssh" else command


def _failure(remote: _Remote, said: str) -> AresmonError | None:
    """Why git did not get at a repository, from its own words; None if that is none of the known reasons."""
    for pattern, what, then in _FAILURES:
        if re.search(pattern, said):
            trust = re.search(r"git config --global --add safe\.directory \S.*", said)
            hint = then.format(shown=remote.shown, trust=_plain(trust[0]) if trust else "git config safe.directory")
            return AresmonError(f"{remote.shown} {what}: {_words(said)}", hint=hint)
    return None


def _words(said: str) -> str:
    """What git said, in a line, without its advice and without secrets."""
    dull = re.compile(r"Please make sure|and the repository exists|hint:|From |To add an exception|\s*git config|@@@")
    lines = [line.strip() for line in said.splitlines() if line.strip() and not dull.match(line)]
    told = [line for line in lines if "Could not read from remote" not in line] or lines
    return _plain(_masked("; ".join(told[-3:]))) or "git said nothing"


def _masked(text: str) -> str:
    """The text with no login of an http address, and no password of any other."""
    text = re.sub(r"(https?://)\S*@", r"\1***@", text)
    return re.sub(r"(://[^\s/:@]*):[^\s/]*@", r"\1:***@", text)


def _plain(text: str) -> str:
    """The text without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more

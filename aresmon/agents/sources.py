"""Where a host's configuration comes from: `configs`, the site's own file, or its collectors."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aresmon.agents import near_files
from aresmon.agents import repository as agents_repository
from aresmon.config.model import Host
from aresmon.render import telegraf
from aresmon.render.telegraf import TelegrafTemplates
from aresmon.site.folder import HostFiles
from aresmon.site.project import Project
from aresmon.system import files
from aresmon.system.errors import AresmonError
from aresmon.system.git import format_names, without_escapes
from aresmon.system.json_file import JsonFile


@dataclass(frozen=True, slots=True)
class ConfigSources(HostFiles):
    """The complete configurations by host, which replace its collectors, and the commits of those from `configs`.

    `unmatched` are the names in `configs` that are no hosts of the site; `near` are paths there, by host, that may be
    meant for one without a file.
    """

    commits: Mapping[str, str] = field(default_factory=dict)
    unmatched: tuple[str, ...] = ()
    near: Mapping[str, Sequence[str]] = field(default_factory=dict)


def repository(project: Project) -> agents_repository.ConfigsRepository | None:
    """Return the site's repository of configurations; None if it has none."""
    return (
        None
        if project.config.configs is None
        else agents_repository.ConfigsRepository(project.site.configs, project.config.configs)
    )


def fetch(project: Project, hosts: Sequence[Host], *, change_source: Collection[str] = ()) -> ConfigSources:
    """Fetch the repository; returns its configurations of these hosts, and those in `overrides/agents/` of the others.

    A host whose last release came from `configs`, and which has no file there now, is among the `errors`, unless
    it is in `change_source`. Raises AresmonError if the repository cannot be fetched, or its history was rewritten.
    """
    own, names = project.site.own_agents(), [host.name for host in hosts]
    texts, commits, errors, near = dict(own.texts), dict[str, str](), dict(own.errors), dict[str, Sequence[str]]()
    source = repository(project)
    sha = source.fetch().sha if source else ""
    named = source.hosts(sha) if source else []
    paths = source.paths(sha) if source and not set(names) <= set(named) else []
    missing = [name for name in names if name not in named and not near_files.is_top_level(paths, name)]
    for name in names:
        if source is None or name in missing:
            continue
        errors.pop(name, None)
        try:
            text = source.read(sha, name)
        except AresmonError as error:
            errors[name] = error
            continue
        if text is not None:
            texts[name], commits[name] = text, sha
    known = {host.name for host in project.config.hosts}
    for name in missing:
        near[name] = [without_escapes(path) for path in near_files.near(paths, name, known)]
        newest = None if name in change_source else Releases(project.site.releases(name)).newest()
        if newest is not None and newest.commit and name not in errors:
            instead = f"overrides/agents/{name}.conf" if name in own.texts else "its collectors"
            errors[name] = _gone(name, newest.commit, source, sha, near=near[name], instead=instead)
    return ConfigSources(texts, errors, commits, tuple(name for name in named if name not in known), near)


def _gone(
    host: str,
    commit: str,
    source: agents_repository.ConfigsRepository | None,
    sha: str,
    *,
    near: Sequence[str],
    instead: str,
) -> AresmonError:
    """The error for a host whose last configuration came from `configs`, where there is none any more."""
    then = f"to deploy {instead} instead, run `aresmon push-config {host} --change-source`"
    if source is None:
        return AresmonError(
            f"it was last deployed from commit {commit[:7]} of `configs`, which aresmon.yml no longer has",
            hint=f"set `configs` in aresmon.yml again; {then}",
        )
    removed = list[agents_repository.Commit]()
    with suppress(AresmonError):  # the commit of that release may be of another repository
        removed = source.log(commit, sha, host)
    by = f" since commit {removed[0].short} ({removed[0].subject})" if removed else f" at commit {sha[:7]}"
    found = f"; it has {format_names(near)}" if near else ""
    back = f"move {near[0]} to {host}.conf at the top of the repository" if near else f"put {host}.conf back"
    return AresmonError(
        f"it was last deployed from {host}.conf in `configs` (commit {commit[:7]}), and the repository "
        f"has no {host}.conf{by}{found}",
        hint=f"{back}, commit and push it, then deploy again; {then}",
    )


@dataclass(frozen=True, slots=True)
class VerifiedPushes:
    """The last verified push of each host: its config ID, and its configuration if it came from `configs`."""

    config_ids: Mapping[str, str]
    bodies: Mapping[str, str]


def read_verified(project: Project, hosts: Iterable[Host], *, unusable: Collection[str] = ()) -> VerifiedPushes:
    """Read the last verified push of each of these hosts; nothing is fetched.

    The configuration of a host in `unusable` is returned wherever it came from. Raises AresmonError if the server's own
    cannot be read.
    """
    config_ids, bodies = dict[str, str](), dict[str, str]()
    for host in hosts:
        kept = Releases(project.site.releases(host.name))
        newest_of = kept.newest()
        if newest_of is not None:
            config_ids[host.name] = newest_of.config_id
            if host.name in unusable or (newest_of.commit and project.config.configs is not None):
                try:
                    bodies[host.name] = kept.body(newest_of.number)
                except AresmonError:
                    if host == project.config.sidecar:
                        raise
    return VerifiedPushes(config_ids, bodies)


KEPT = 50
"""The number of releases that are kept of each host; the oldest are deleted first."""


@dataclass(frozen=True, slots=True)
class Release:
    """A configuration of a host that was verified, and its config ID.

    `number` counts from 1; 0 is the configuration before the first push. `commit` is that of the `configs` repository,
    `at` in seconds since 1970, `why` the reason that was given for the push. The fields are the keys of the release's
    JSON file, where the config ID is `mark`. A configuration as it was found on the host, whatever it says, has no
    config ID."""

    number: int
    config_id: str
    by: str
    at: float
    commit: str = ""
    why: str = ""

    @property
    def is_as_found(self) -> bool:
        return not self.config_id


_FOUND = "as it was found"


@dataclass(frozen=True, slots=True)
class Releases:
    """The releases of one host, in a folder of their own."""

    folder: Path

    def all(self) -> list[Release]:
        """All releases, the oldest first."""
        return sorted(self._read(), key=lambda one: one.number)

    def newest(self) -> Release | None:
        """The last release, or None."""
        return next(self._read(), None)

    def body(self, number: int) -> str:
        """Return the configuration of a release, without its config ID.

        Raises AresmonError if it does not exist, or is not UTF-8.
        """
        try:
            return self.content(number).decode()  # keeps the line ends
        except UnicodeDecodeError as error:
            raise AresmonError(
                f"release {number} of {self.folder.name} is not text: byte {error.start} is not UTF-8",
                hint=f"`aresmon rollback-config {self.folder.name} --to {number}` deploys it as it is",
            ) from None

    def content(self, number: int) -> bytes:
        """Return the same as bytes. Raises AresmonError if the release does not exist."""
        try:
            return self._conf(number).read_bytes()
        except OSError:
            known = ", ".join(str(one.number) for one in self.all()) or "none"
            raise AresmonError(
                f"{self.folder.name} has no release {number}",
                hint=f"its releases are: {known}; `aresmon history {self.folder.name}` lists them",
            ) from None

    def add(self, body: str | bytes, release: Release) -> None:
        """Store a release, and delete the oldest ones above the limit; the first found configuration is kept."""
        content = body if isinstance(body, bytes) else body.encode()
        about = self._about(release.number)
        files.write_together({self._conf(release.number): content, about.path: about.encode(release)}, mode=0o600)
        if sum(1 for _ in self.folder.glob("*.json")) <= KEPT:
            return
        for old in [one for one in self.all() if one.by != _FOUND][:-KEPT]:
            self._about(old.number).delete()
            self._conf(old.number).unlink(missing_ok=True)

    def add_found(self, content: bytes) -> None:
        """Store a configuration as it was found on the host, byte for byte; nothing if it is stored already."""
        if not any(self.content(one.number) == content for one in self.all() if one.by == _FOUND):
            number = 0 if self.newest() is None else self.next_number()
            self.add(content, Release(number, "", _FOUND, time.time()))

    def get(self, number: int) -> Release | None:
        """A release; None if it does not exist."""
        with suppress(AresmonError):
            return self._about(number).read()
        return None

    def replaceable(self, templates: TelegrafTemplates) -> tuple[str, ...]:
        """The SHA-256 of the files on the host that a first push may replace, since they are kept here."""
        newest, kept = self.newest(), list[bytes]()
        with suppress(AresmonError):  # a release whose content is gone keeps nothing
            if newest is not None and not newest.is_as_found:
                kept.append(telegraf.with_config_id(self.body(newest.number), newest.config_id, templates).encode())
            if newest is not None and self.get(0) is not None:
                kept.append(self.content(0))
        return tuple(hashlib.sha256(content).hexdigest() for content in kept)

    def next_number(self) -> int:
        """The number of the next release."""
        newest = self.newest()
        return newest.number + 1 if newest else 1

    def _read(self) -> Iterator[Release]:
        """The releases, the newest first: most callers want no other."""
        for path in sorted(self.folder.glob("*.json"), key=lambda path: path.stem.zfill(9), reverse=True):
            try:
                release = _file(path).read()
            except AresmonError:
                continue  # written by a version that knew more, or by hand: not a release of ours
            if release is not None:
                yield release

    def _conf(self, number: int) -> Path:
        return self.folder / f"{number:05}.conf"

    def _about(self, number: int) -> JsonFile[Release]:
        return _file(self.folder / f"{number:05}.json")


def _file(path: Path) -> JsonFile[Release]:
    return JsonFile(path, lambda data: Release(config_id=data.pop("mark"), **data), _as_json)


def _as_json(release: Release) -> dict[str, Any]:
    """Without an empty reason: earlier versions do not read a release with a key that they do not know."""
    said = {"mark" if key == "config_id" else key: value for key, value in asdict(release).items()}
    return {key: value for key, value in said.items() if key != "why" or value}

"""An archive as a stream: a tar whose first member is the manifest, which names all others in their order."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from aresmon.backup.checksums import Checksum, Fingerprint, Key
from aresmon.system import files
from aresmon.system.errors import AresmonError, ExitCode

_PIECE = 1 << 20
_BLOCK = 512
_LONGEST_MANIFEST = 256 << 20


class ByteStream(Protocol):
    """What is read from its beginning to its end."""

    def read(self, size: int = -1, /) -> bytes: ...


class DamagedError(AresmonError):
    """An archive that is not what it was when it was made."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the archive is damaged: {what}",
            hint="take another: `aresmon backup list`; nothing was changed",
            code=ExitCode.BROKEN,
        )


def member(name: str, path: Path) -> ArchiveMember:
    """A file as a member of an archive. Raises AresmonError where it cannot be read."""
    digest, size = hashlib.sha256(), 0
    for piece in _read(name, path):
        digest.update(piece)
        size += len(piece)
    return ArchiveMember(name, size, digest.hexdigest())


def size(content: bytes, members: Sequence[ArchiveMember]) -> int:
    """Bytes of the archive with this manifest."""
    entries = [_header(NAME, len(content)), *(_header(one.name, one.size) for one in members)]
    sizes = [len(content), *(one.size for one in members)]
    return sum(map(len, entries)) + sum(-(-one // _BLOCK) * _BLOCK for one in sizes) + 2 * _BLOCK


def pieces(content: bytes, members: Sequence[ArchiveMember], path_of: Callable[[str], Path]) -> Iterator[bytes]:
    """The archive, piece by piece. Raises AresmonError where a file is not what the manifest says any more."""
    yield _header(NAME, len(content)) + content + _padding(len(content))
    for one in members:
        path = path_of(one.name)
        yield _header(one.name, one.size, is_program=os.access(path, os.X_OK))
        digest = hashlib.sha256()
        for piece in _read(one.name, path):
            digest.update(piece)
            yield piece
        if digest.hexdigest() != one.sha256:
            raise AresmonError(f"{one.name} changed while it was being packed", hint="run the same command again")
        yield _padding(one.size)
    yield bytes(2 * _BLOCK)


def _read(name: str, path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
    except OSError as error:
        raise AresmonError(f"{name} cannot be read: {error.strerror} ({path})") from None


def read_manifest(stream: ByteStream) -> Manifest:
    """The manifest alone, from the beginning of an archive."""
    with _open(stream) as tar:
        return _manifest(tar)


def unpack(
    stream: ByteStream,
    *,
    accept: Callable[[Manifest], None],
    place: Callable[[str], Path | None],
    each: Callable[[ArchiveMember], None] = lambda _: None,
) -> Manifest:
    """Write the members of an archive to their places, each held against its hash; None is a place for none.

    `accept` is shown the manifest before anything is written, and may raise. `each` is told of each member.
    Raises DamagedError naming the member that is not what it was, or where the archive is cut short.
    """
    with _open(stream) as tar:
        said = _manifest(tar)
        accept(said)
        for one in said.members:
            each(one)
            try:
                entry = tar.next()
            except (tarfile.TarError, EOFError):
                entry = None
            if entry is None:
                raise DamagedError(f"it is cut short, or not readable, before {one.name}")
            if entry.name != one.name or not entry.isreg():
                raise DamagedError(f"{entry.name!r} stands where {one.name} should")
            _take(tar, entry, one, place(one.name))
        return said


def check_name(name: str) -> bool:
    """Whether this is the name of a member that stays in its place."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and str(path) == name and "\0" not in name


def _take(tar: tarfile.TarFile, entry: tarfile.TarInfo, wanted: ArchiveMember, path: Path | None) -> None:
    digest, size = hashlib.sha256(), 0
    with _new(path) as sink:
        for piece in _content(tar, entry, wanted.name):
            digest.update(piece)
            size += len(piece)
            sink(piece)
    if size != wanted.size:
        raise DamagedError(f"it is cut short in {wanted.name}")
    if digest.hexdigest() != wanted.sha256:
        raise DamagedError(f"{wanted.name} has another hash than when it was made")
    if path is not None and entry.mode & stat.S_IXUSR:
        path.chmod(path.stat().st_mode | stat.S_IXUSR)


@contextmanager
def _new(path: Path | None) -> Iterator[Callable[[bytes], object]]:
    """Where a member is written; nowhere, for None."""
    if path is None:
        yield lambda _: None
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            yield file.write
    except OSError as error:
        raise files.cannot_write(path, error) from error


def _content(tar: tarfile.TarFile, entry: tarfile.TarInfo, name: str) -> Iterator[bytes]:
    try:
        content = tar.extractfile(entry)
        while content is not None and (piece := content.read(_PIECE)):
            yield piece
    except (tarfile.TarError, EOFError):
        raise DamagedError(f"it is cut short in {name}") from None


def _open(stream: ByteStream) -> tarfile.TarFile:
    whole: Any = stream
    try:
        return tarfile.open(fileobj=whole, mode="r|", format=tarfile.PAX_FORMAT)
    except (tarfile.TarError, EOFError):
        raise DamagedError("it is no tar, or its beginning is missing") from None


def _manifest(tar: tarfile.TarFile) -> Manifest:
    try:
        entry = tar.next()
    except (tarfile.TarError, EOFError):
        entry = None
    if entry is None or entry.name != NAME or not 0 < entry.size <= _LONGEST_MANIFEST:
        raise DamagedError(f"it does not begin with its {NAME}")
    details = b"".join(_content(tar, entry, NAME))
    if len(details) != entry.size:
        raise DamagedError(f"it is cut short in its {NAME}")
    try:
        said = read(details)
    except UnreadableError:
        raise DamagedError(f"its {NAME} is not what it was") from None
    for name in _wrong_names(one.name for one in said.members):
        raise DamagedError(f"a member is named {name!r}")
    return said


def _wrong_names(names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if not check_name(name))


def _header(name: str, size: int, *, is_program: bool = False) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o700 if is_program else 0o600
    return entry.tobuf(format=tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


FORMAT = 1
NAME = "manifest.json"


class UnreadableError(AresmonError):
    """What stands where the manifest should is none, or is not what it was."""

    def __init__(self) -> None:
        super().__init__("its manifest cannot be read: this is no archive of aresmon's, or a damaged one")


Days = Mapping[Key, tuple[Checksum, Checksum]]
"""Of each day what its points added up to before the snapshot, and after. The same twice: what is restored must be
the same too. Else points came in meanwhile, and it must have as many as something in between."""


@dataclass(frozen=True, slots=True)
class ArchiveMember:
    """A file in the archive; `sha256` in hexadecimal digits."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ArchiveOrigin:
    """Who made the archive, of what, and when (seconds since 1970). `images` are by service, `influxdb` is the version
    that wrote the points, `keep` the hours that each policy kept them, 0 for ever."""

    site: str
    host: str
    aresmon: str
    influxdb: str
    begun: float
    ended: float
    images: Mapping[str, str]
    keep: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Manifest:
    """All of it. `windows` are the seconds by which sums were taken, by policy."""

    origin: ArchiveOrigin
    members: tuple[ArchiveMember, ...]
    windows: Mapping[str, int]
    days: Days

    @property
    def size(self) -> int:
        """Bytes of all members."""
        return sum(member.size for member in self.members)

    def size_of(self, part: str) -> int:
        """Bytes of the members of a part: `influxdb`, `grafana`, `site`."""
        return sum(member.size for member in self.members if member.name.startswith(f"{part}/"))

    def has(self, part: str) -> bool:
        """Whether anything of this part is in the archive."""
        return any(member.name.startswith(f"{part}/") for member in self.members)


@dataclass(frozen=True, slots=True)
class DataMismatch:
    """A day whose points are not what the manifest says; numbers are of values, fields of points."""

    policy: str
    measurement: str
    day: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.policy} {self.measurement} {self.day}: expected {self.expected}, found {self.found}"


def differences(days: Days, found: Fingerprint) -> list[DataMismatch]:
    """What does not agree; nothing where a restored database holds what it should."""
    return list(_differences(days, found))


def _differences(days: Days, found: Fingerprint) -> Iterator[DataMismatch]:
    for key in sorted({*days, *found}):
        before, after = days.get(key, (Checksum(), Checksum()))
        is_now = found.get(key, Checksum())
        least, most = sorted((before.values, after.values))
        details = f"{is_now.values} values"
        if before == after and is_now == before:
            continue
        if before != after and least <= is_now.values <= most:
            continue
        if before != after:
            yield _difference(key, f"{least} to {most} values", details)
        elif before.values == is_now.values:
            yield _difference(key, f"{details} with the mark {before.mark:016x}", f"other values ({is_now.mark:016x})")
        else:
            yield _difference(key, f"{before.values} values", details)


def write(manifest: Manifest) -> bytes:
    """As JSON."""
    details: dict[str, Any] = {"format": FORMAT, **asdict(manifest.origin)}
    details |= {"members": [asdict(member) for member in manifest.members], "windows": dict(manifest.windows)}
    points: dict[str, dict[str, dict[str, list[Any]]]] = {}
    for (policy, measurement, day), marks in sorted(manifest.days.items()):
        kept = marks[:1] if marks[0] == marks[1] else marks
        row = [part for mark in kept for part in (mark.values, f"{mark.mark:016x}")]
        points.setdefault(policy, {}).setdefault(measurement, {})[_date(day)] = row
    details["points"] = points
    return _json({**details, "sha256": _digest(details)})


def read(content: bytes) -> Manifest:
    """Raises UnreadableError for what is no manifest or not what it was, AresmonError for one of a newer format than
    this aresmon knows, whose digest is made in the same way."""
    try:
        data = json.loads(content)
        newest, digest = int(data["format"]), data.pop("sha256")
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UnreadableError from None
    if _digest(data) != digest:
        raise UnreadableError
    if newest > FORMAT:
        raise AresmonError(
            f"the archive has the format {newest}, and this aresmon knows those up to {FORMAT}",
            hint="restore it with the aresmon that made it, or a newer one",
        )
    try:
        return Manifest(
            origin=ArchiveOrigin(**{name: data[name] for name in ArchiveOrigin.__dataclass_fields__}),
            members=tuple(ArchiveMember(**member) for member in data["members"]),
            windows={str(policy): int(window) for policy, window in data["windows"].items()},
            days=dict(_days(data["points"])),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UnreadableError from None


def _json(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


def _digest(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(_json(data)).hexdigest()


def _days(
    points: Mapping[str, Mapping[str, Mapping[str, Sequence[Any]]]],
) -> Iterator[tuple[Key, tuple[Checksum, Checksum]]]:
    for policy, measurements in points.items():
        for measurement, days in measurements.items():
            for date, row in days.items():
                before, after = Checksum(int(row[0]), int(row[1], 16)), Checksum(int(row[-2]), int(row[-1], 16))
                yield (policy, measurement, _second(date)), (before, after)


def _difference(key: Key, expected: str, found: str) -> DataMismatch:
    policy, measurement, day = key
    return DataMismatch(policy, measurement, _date(day), expected, found)


def _date(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d")


def _second(date: str) -> int:
    return int(datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())

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
    """A stream of bytes, read from start to end."""

    def read(self, size: int = -1, /) -> bytes: ...


class DamagedError(AresmonError):
    """The archive has changed since it was created, or is incomplete."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the archive is damaged: {what}",
            hint="use another archive (`aresmon backup list`); nothing was changed",
            code=ExitCode.BROKEN,
        )


def hash_member(name: str, path: Path) -> ArchiveMember:
    """Hash a file that becomes a member of an archive. Raises AresmonError if it cannot be read."""
    digest, size = hashlib.sha256(), 0
    for piece in _read(name, path):
        digest.update(piece)
        size += len(piece)
    return ArchiveMember(name, size, digest.hexdigest())


def archive_size(content: bytes, members: Sequence[ArchiveMember]) -> int:
    """The size in bytes of the archive with this manifest."""
    entries = [_header(NAME, len(content)), *(_header(one.name, one.size) for one in members)]
    sizes = [len(content), *(one.size for one in members)]
    return sum(map(len, entries)) + sum(-(-one // _BLOCK) * _BLOCK for one in sizes) + 2 * _BLOCK


def stream_archive(content: bytes, members: Sequence[ArchiveMember], path_of: Callable[[str], Path]) -> Iterator[bytes]:
    """Yield the archive, piece by piece. Raises AresmonError if a file has changed since the manifest was made."""
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
    """Read only the manifest, from the beginning of an archive."""
    with _open(stream) as tar:
        return _manifest(tar)


def unpack(
    stream: ByteStream,
    *,
    accept: Callable[[Manifest], None],
    place: Callable[[str], Path | None],
    each: Callable[[ArchiveMember], None] = lambda _: None,
) -> Manifest:
    """Write the members of an archive to the paths that `place` returns, None to skip one. Every hash is checked.

    `accept` is called with the manifest before anything is written, and may raise. `each` is called with each member.
    Raises DamagedError, which names the member, if a hash does not match or the archive is incomplete.
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
                raise DamagedError(f"it ends or cannot be read before {one.name}")
            if entry.name != one.name or not entry.isreg():
                raise DamagedError(f"it contains {entry.name!r} where {one.name} should be")
            _take(tar, entry, one, place(one.name))
        return said


def is_safe_name(name: str) -> bool:
    """Whether this member's name stays inside the target folder."""
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
        raise DamagedError(f"it ends within {wanted.name}")
    if digest.hexdigest() != wanted.sha256:
        raise DamagedError(f"the hash of {wanted.name} does not match the manifest")
    if path is not None and entry.mode & stat.S_IXUSR:
        path.chmod(path.stat().st_mode | stat.S_IXUSR)


@contextmanager
def _new(path: Path | None) -> Iterator[Callable[[bytes], object]]:
    """The function that writes a member; for None, it discards the data."""
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
        raise DamagedError(f"it ends within {name}") from None


def _open(stream: ByteStream) -> tarfile.TarFile:
    whole: Any = stream
    try:
        return tarfile.open(fileobj=whole, mode="r|", format=tarfile.PAX_FORMAT)
    except (tarfile.TarError, EOFError):
        raise DamagedError("it is not a tar archive, or its beginning is missing") from None


def _manifest(tar: tarfile.TarFile) -> Manifest:
    try:
        entry = tar.next()
    except (tarfile.TarError, EOFError):
        entry = None
    if entry is None or entry.name != NAME or not 0 < entry.size <= _LONGEST_MANIFEST:
        raise DamagedError(f"its first member is not {NAME}")
    details = b"".join(_content(tar, entry, NAME))
    if len(details) != entry.size:
        raise DamagedError(f"it ends within {NAME}")
    try:
        said = decode_manifest(details)
    except UnreadableError:
        raise DamagedError(f"its {NAME} has changed since it was written") from None
    for name in _wrong_names(one.name for one in said.members):
        raise DamagedError(f"it has a member with an unsafe name, {name!r}")
    return said


def _wrong_names(names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if not is_safe_name(name))


def _header(name: str, size: int, *, is_program: bool = False) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o700 if is_program else 0o600
    return entry.tobuf(format=tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


FORMAT = 1
NAME = "manifest.json"


class UnreadableError(AresmonError):
    """The manifest cannot be read, or has changed since it was written."""

    def __init__(self) -> None:
        super().__init__("its manifest cannot be read: the file is not an archive of aresmon, or is damaged")


Days = Mapping[Key, tuple[Checksum, Checksum]]
"""For each day the checksum of its points before the backup, and after. If they are equal, the restored day must have
the same one. Otherwise points arrived meanwhile, and the restored number of points must be in between."""


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
    """The contents of the manifest. `windows` are the seconds that one sum covers, by policy."""

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
    """A day whose points differ from the manifest; numbers are of values, that is, fields of points."""

    policy: str
    measurement: str
    day: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.policy} {self.measurement} {self.day}: expected {self.expected}, found {self.found}"


def compare(days: Days, found: Fingerprint) -> list[DataMismatch]:
    """The days on which a restored database differs from the manifest; none if it has what it should."""
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
            yield _difference(
                key, f"{details} with the checksum {before.digest:016x}", f"other values ({is_now.digest:016x})"
            )
        else:
            yield _difference(key, f"{before.values} values", details)


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest as JSON."""
    details: dict[str, Any] = {"format": FORMAT, **asdict(manifest.origin)}
    details |= {"members": [asdict(member) for member in manifest.members], "windows": dict(manifest.windows)}
    points: dict[str, dict[str, dict[str, list[Any]]]] = {}
    for (policy, measurement, day), marks in sorted(manifest.days.items()):
        kept = marks[:1] if marks[0] == marks[1] else marks
        row = [part for mark in kept for part in (mark.values, f"{mark.digest:016x}")]
        points.setdefault(policy, {}).setdefault(measurement, {})[_date(day)] = row
    details["points"] = points
    return _json({**details, "sha256": _digest(details)})


def decode_manifest(content: bytes) -> Manifest:
    """Parse a manifest. Raises UnreadableError if it is not one or has changed, AresmonError for a newer format."""
    try:
        data = json.loads(content)
        newest, digest = int(data["format"]), data.pop("sha256")
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UnreadableError from None
    if _digest(data) != digest:
        raise UnreadableError
    if newest > FORMAT:
        raise AresmonError(
            f"the archive has format {newest}, and this release supports formats up to {FORMAT}",
            hint="restore it with the release of aresmon that created it, or a newer one",
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

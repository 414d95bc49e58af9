"""An archive as a stream: a tar whose first member is the manifest, which names all others in their order."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from aresmon import files, manifest
from aresmon.errors import AresmonError, ExitCode
from aresmon.manifest import Manifest, Member

_PIECE = 1 << 20
_BLOCK = 512
_LONGEST_MANIFEST = 256 << 20


class Readable(Protocol):
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


def member(name: str, path: Path) -> Member:
    """A file as a member of an archive. Raises AresmonError where it cannot be read."""
    digest, size = hashlib.sha256(), 0
    for piece in _read(name, path):
        digest.update(piece)
        size += len(piece)
    return Member(name, size, digest.hexdigest())


def size(content: bytes, members: Sequence[Member]) -> int:
    """Bytes of the archive with this manifest."""
    entries = [_header(manifest.NAME, len(content)), *(_header(one.name, one.size) for one in members)]
    sizes = [len(content), *(one.size for one in members)]
    return sum(map(len, entries)) + sum(-(-one // _BLOCK) * _BLOCK for one in sizes) + 2 * _BLOCK


def pieces(content: bytes, members: Sequence[Member], path_of: Callable[[str], Path]) -> Iterator[bytes]:
    """The archive, piece by piece. Raises AresmonError where a file is not what the manifest says any more."""
    yield _header(manifest.NAME, len(content)) + content + _padding(len(content))
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


def read_manifest(stream: Readable) -> Manifest:
    """The manifest alone, from the beginning of an archive."""
    with _open(stream) as tar:
        return _manifest(tar)


def unpack(
    stream: Readable,
    *,
    accept: Callable[[Manifest], None],
    place: Callable[[str], Path | None],
    each: Callable[[Member], None] = lambda _: None,
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


def _take(tar: tarfile.TarFile, entry: tarfile.TarInfo, wanted: Member, path: Path | None) -> None:
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


def _open(stream: Readable) -> tarfile.TarFile:
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
    if entry is None or entry.name != manifest.NAME or not 0 < entry.size <= _LONGEST_MANIFEST:
        raise DamagedError(f"it does not begin with its {manifest.NAME}")
    told = b"".join(_content(tar, entry, manifest.NAME))
    if len(told) != entry.size:
        raise DamagedError(f"it is cut short in its {manifest.NAME}")
    try:
        said = manifest.read(told)
    except manifest.UnreadableError:
        raise DamagedError(f"its {manifest.NAME} is not what it was") from None
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

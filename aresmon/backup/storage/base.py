"""What each place for backups can do, and how an archive is named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from aresmon.system import files
from aresmon.system.errors import AresmonError

PIECE = 1 << 20
"""Bytes that are read or sent at a time; what is in memory at any moment is a few of these."""

_FORM = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(?P<site>[a-z0-9][a-z0-9-]*)-(?P<at>[0-9]{8}T[0-9]{6}Z)\.tar")


@dataclass(frozen=True, slots=True)
class StoredArchive:
    """An archive in a store: its size in bytes, and when it was begun, as its name says, in UTC."""

    name: str
    size: int
    at: datetime


class Readable(Protocol):
    """An archive being read, from its beginning to its end; `tarfile.open(fileobj=…, mode="r|")` takes it."""

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes at the most, all that is left for -1, and none at the end. Raises AresmonError."""


class StoreError(AresmonError):
    """A store that could not be reached, or did not do what it was asked; which one is in the message."""


class Pieces:
    """An archive that comes in pieces, as something to read from."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces, self._rest = iter(pieces), b""

    def read(self, size: int = -1, /) -> bytes:
        """As `Readable` has it; what an error of the pieces raises passes through."""
        if size < 0:
            rest, self._rest = self._rest, b""
            return b"".join([rest, *self._pieces])
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = piece
        found, self._rest = self._rest[:size], self._rest[size:]
        return found


class Store(Protocol):
    """A place for archives of one site. Each method raises StoreError, with what to do."""

    @property
    def where(self) -> str:
        """What a person calls it, unique among a site's stores; no secret is in it."""

    def put(self, name: str, pieces: Iterable[bytes], size: int | None = None) -> None:
        """Keep an archive of this name, whole or not at all, and on the disk before this returns.

        An archive that is there already is not overwritten: that is an error. `size`, where it is known, is held
        against the room there is, and against what came. What an error of `pieces` raises passes through, and nothing
        of the archive stays. What a killed `put` left is removed by the next one.
        """

    def get(self, name: str) -> AbstractContextManager[Readable]:
        """An archive, to be read while the context lasts."""

    def list(self) -> list[StoredArchive]:
        """The site's archives, the newest last; whatever else is there is nobody's business."""

    def delete(self, name: str) -> None:
        """Remove an archive; one that is not there is none the less gone."""

    def free(self) -> int | None:
        """The bytes of room there, None where nobody can say."""


def named(site: str, at: datetime) -> str:
    """`ares-20260102T030405Z.tar`, for an archive of this site begun at this time."""
    return f"{site}-{at.astimezone(UTC).strftime(_FORM)}.tar"


def stored(site: str, name: str, size: int) -> StoredArchive | None:
    """The archive of this name, or None where it is none of this site."""
    found = _NAME.fullmatch(name)
    if found is None or found["site"] != site:
        return None
    try:
        return StoredArchive(name, size, datetime.strptime(found["at"], _FORM).replace(tzinfo=UTC))
    except ValueError:
        return None


def in_order(archives: Iterable[StoredArchive | None]) -> list[StoredArchive]:
    """Those that are archives, the newest last."""
    return sorted((one for one in archives if one is not None), key=lambda one: (one.at, one.name))


def check_name(site: str, name: str) -> None:
    """Raise StoreError for a name that an archive of this site cannot have: a path, or another site's."""
    if stored(site, name, 0) is None:
        raise StoreError(
            f"{name!r} is no archive of {site}", hint=f"`aresmon backup list` has them; as {site}-20260102T030405Z.tar"
        )


def check_room(where: str, size: int | None, free: int | None) -> None:
    """Raise StoreError where an archive of this size does not go into that much room."""
    if size is not None and free is not None and size > free:
        raise StoreError(
            f"{where}: the archive has {megabytes(size)}, and {megabytes(free)} are free",
            hint="make room there, or keep fewer: `backup.keep`, then `aresmon backup prune`",
        )


MARK = ".aresmon-backups"
"""Stands in every folder that archives were put into. Where it is gone, another disk is mounted there, or none."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The places that archives were put into before, in a file of the site's state, one a line."""

    file: Path

    def has(self, where: str) -> bool:
        """Whether archives were put there."""
        try:
            return where in self.file.read_text(encoding="utf-8").splitlines()
        except OSError:
            return False

    def add(self, where: str) -> None:
        """Remember that they are. Raises AresmonError where that cannot be written."""
        if not self.has(where):
            known = self.file.read_text(encoding="utf-8") if self.file.exists() else ""
            files.write(self.file, f"{known}{where}\n".encode())


def left_of(site: str, name: str) -> bool:
    """Whether a hidden file is what a killed `put` left of an archive of this site."""
    return stored(site, name.removeprefix(".").removesuffix(".part"), 0) is not None and name.endswith(".part")


def is_there(where: str, name: str) -> StoreError:
    """The error for an archive that would be overwritten."""
    return StoreError(f"{where}: {name} is there already", hint="it is left as it is; nothing was written")


def missing(path: str) -> StoreError:
    """The error for an archive that is not there, or not any more."""
    return StoreError(f"{path} does not exist", hint="`aresmon backup list` shows what there is")


def unmarked(where: str, mark: str) -> StoreError:
    """The error for a folder that had the mark and has not."""
    return StoreError(
        f"{where} had archives, and its mark {MARK} is gone: is its disk not mounted?",
        hint=f"mount it; or, if it is the right folder, `{mark}`",
    )


def megabytes(size: int) -> str:
    """`1,234.5 MB`"""
    return f"{size / 1e6:,.1f} MB"


def held(pieces: Iterable[bytes], size: int | None, where: str) -> Iterator[bytes]:
    """The same pieces. Raises StoreError at their end where they were not `size` bytes."""
    came = 0
    for piece in pieces:
        came += len(piece)
        yield piece
    if size is not None and came != size:
        raise StoreError(f"{where}: {came} bytes came of an archive of {size}", hint="nothing is kept of it")

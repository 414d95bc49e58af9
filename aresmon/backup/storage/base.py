"""What each destination for backups can do, and how archives are named."""

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
"""Bytes that are read or sent at a time; a few of these pieces are in memory at once."""

_FORM = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(?P<site>[a-z0-9][a-z0-9-]*)-(?P<at>[0-9]{8}T[0-9]{6}Z)\.tar")


@dataclass(frozen=True, slots=True)
class StoredArchive:
    """An archive in a store: its size in bytes, and the time of the backup in UTC, from its name."""

    name: str
    size: int
    at: datetime


class Readable(Protocol):
    """A stream of an archive, for `tarfile.open(fileobj=…, mode="r|")`."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most so many bytes, all remaining ones for -1, none at the end. Raises AresmonError."""


class StoreError(AresmonError):
    """A store could not be reached, or an operation failed there; the message names it."""


class Pieces:
    """A readable stream made from pieces."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces, self._rest = iter(pieces), b""

    def read(self, size: int = -1, /) -> bytes:
        """See `Readable`. Exceptions of the pieces pass through."""
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
    """A destination for the archives of one site. Each method raises StoreError, with the next step."""

    @property
    def where(self) -> str:
        """Its name in messages, unique within a site and without secrets."""

    def put(self, name: str, pieces: Iterable[bytes], size: int | None = None) -> None:
        """Store an archive completely or not at all; it is on the disk when this returns.

        An existing archive is not overwritten: that is an error. `size`, if known, is compared with the free space and
        with the bytes received. Exceptions of `pieces` pass through, and nothing of the archive is kept. The remains of
        a killed `put` are removed by the next one.
        """

    def get(self, name: str) -> AbstractContextManager[Readable]:
        """Open an archive for reading, while the context lasts."""

    def list(self) -> list[StoredArchive]:
        """The site's archives, the newest last; other files are ignored."""

    def delete(self, name: str) -> None:
        """Delete an archive, if it exists."""

    def free(self) -> int | None:
        """The free bytes there, None if unknown."""


def archive_name(site: str, at: datetime) -> str:
    """The name of this site's archive of this time: `ares-20260102T030405Z.tar`."""
    return f"{site}-{at.astimezone(UTC).strftime(_FORM)}.tar"


def parse_name(site: str, name: str, size: int) -> StoredArchive | None:
    """The archive of this name, or None if it is not one of this site."""
    found = _NAME.fullmatch(name)
    if found is None or found["site"] != site:
        return None
    try:
        return StoredArchive(name, size, datetime.strptime(found["at"], _FORM).replace(tzinfo=UTC))
    except ValueError:
        return None


def sort_archives(archives: Iterable[StoredArchive | None]) -> list[StoredArchive]:
    """Those that are not None, the newest last."""
    return sorted((one for one in archives if one is not None), key=lambda one: (one.at, one.name))


def check_name(site: str, name: str) -> None:
    """Raise StoreError unless this can be the name of an archive of this site, rather than a path or another site's."""
    if parse_name(site, name, 0) is None:
        raise StoreError(
            f"{name!r} is not the name of an archive of {site}",
            hint=f"they are named like {site}-20260102T030405Z.tar; `aresmon backup list` shows them",
        )


def check_room(where: str, size: int | None, free: int | None) -> None:
    """Raise StoreError if an archive of this size does not fit into the free space."""
    if size is not None and free is not None and size > free:
        raise StoreError(
            f"{where}: the archive needs {megabytes(size)}, and {megabytes(free)} are free",
            hint="free some space there, or keep fewer archives: `backup.keep`, then `aresmon backup prune`",
        )


MARK = ".aresmon-backups"
"""A file in every folder that has received archives. If it is missing, another disk is mounted there, or none."""


@dataclass(frozen=True, slots=True)
class KnownFolders:
    """The folders that have received archives, in a file of the site's state, one a line."""

    file: Path

    def has(self, where: str) -> bool:
        """Whether the folder has received archives."""
        try:
            return where in self.file.read_text(encoding="utf-8").splitlines()
        except OSError:
            return False

    def add(self, where: str) -> None:
        """Record that the folder has received archives. Raises AresmonError if the file cannot be written."""
        if not self.has(where):
            known = self.file.read_text(encoding="utf-8") if self.file.exists() else ""
            files.write(self.file, f"{known}{where}\n".encode())


def is_leftover(site: str, name: str) -> bool:
    """Whether a hidden file is the remains of a killed `put` of this site."""
    return parse_name(site, name.removeprefix(".").removesuffix(".part"), 0) is not None and name.endswith(".part")


def exists_error(where: str, name: str) -> StoreError:
    """The error for an archive that would be overwritten."""
    return StoreError(f"{where}: {name} already exists", hint="it is not overwritten; nothing was changed")


def missing_error(path: str) -> StoreError:
    """The error for an archive that does not exist."""
    return StoreError(f"{path} does not exist", hint="`aresmon backup list` shows the archives")


def unmarked_error(where: str, mark: str) -> StoreError:
    """The error for a folder whose marker file is missing."""
    return StoreError(
        f"{where} had archives, but its marker file {MARK} is missing: is its disk not mounted?",
        hint=f"mount the disk; or, if it is the right folder, `{mark}`",
    )


def megabytes(size: int) -> str:
    """`1,234.5 MB`"""
    return f"{size / 1e6:,.1f} MB"


def check_size(pieces: Iterable[bytes], size: int | None, where: str) -> Iterator[bytes]:
    """Yield the same pieces. Raises StoreError at their end if they were not `size` bytes."""
    came = 0
    for piece in pieces:
        came += len(piece)
        yield piece
    if size is not None and came != size:
        raise StoreError(f"{where}: received {came} bytes of an archive of {size}", hint="nothing of it was stored")

"""Archives in a folder of this machine, such as a mounted disk."""

from __future__ import annotations

import errno
import os
from builtins import list as listing
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from aresmon.backup.storage import base
from aresmon.backup.storage.base import MARK, PIECE, KnownFolders, Pieces, Readable, StoredArchive, StoreError
from aresmon.system import files


@dataclass(frozen=True, slots=True)
class FolderStore:
    """A store (see `base.Store`). A folder `within` the site is created if it is missing; others must exist."""

    site: str
    path: Path
    memory: KnownFolders
    within: bool = False

    @property
    def where(self) -> str:
        return str(self.path)

    def put(self, name: str, pieces: Iterable[bytes], size: int | None = None) -> None:
        base.check_name(self.site, name)
        target, part = self.path / name, self.path / f".{name}.part"
        self._prepare()
        base.check_room(self.where, size, self.free())
        if target.exists():
            raise base.exists_error(self.where, name)
        try:
            self._write(part, base.check_size(pieces, size, self.where))
            with self._storage_errors(target):
                part.rename(target)
                files.sync_folder(self.path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
        self.memory.add(self.where)

    @contextmanager
    def get(self, name: str) -> Iterator[Readable]:
        base.check_name(self.site, name)
        self._check()
        with self._storage_errors(self.path / name, reading=True):
            file = (self.path / name).open("rb", buffering=0)
        with file:
            yield Pieces(self._pieces(file.fileno(), self.path / name))

    def list(self) -> listing[StoredArchive]:
        self._check()
        with self._storage_errors(self.path, reading=True):
            entries = os.scandir(self.path) if self.path.is_dir() else ()
            found = [(entry.name, entry.stat().st_size) for entry in entries if entry.is_file()]
        return base.sort_archives(base.parse_name(self.site, name, size) for name, size in found)

    def delete(self, name: str) -> None:
        base.check_name(self.site, name)
        self._check()
        with self._storage_errors(self.path / name):
            (self.path / name).unlink(missing_ok=True)
            files.sync_folder(self.path)

    def free(self) -> int | None:
        try:
            status = os.statvfs(self.path)
        except OSError:
            return None
        return status.f_bavail * status.f_frsize

    def _write(self, part: Path, pieces: Iterable[bytes]) -> None:
        with self._storage_errors(part):
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            for piece in pieces:  # not within _storage_errors: an error of the pieces is not this folder's
                with self._storage_errors(part):
                    _write_all(handle, piece)
            with self._storage_errors(part):
                os.fsync(handle)
        finally:
            os.close(handle)

    def _pieces(self, handle: int, path: Path) -> Iterator[bytes]:
        while True:
            with self._storage_errors(path, reading=True):
                piece = os.read(handle, PIECE)
            if not piece:
                return
            yield piece

    def _prepare(self) -> None:
        """Create the folder and its marker file, and delete the remains of a killed run."""
        self._check()
        with self._storage_errors(self.path):
            if self.within:
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in self.path.glob(f".{self.site}-*.tar.part"):
                if base.is_leftover(self.site, left.name):
                    left.unlink(missing_ok=True)
            (self.path / MARK).touch(mode=0o600)

    def _check(self) -> None:
        """Raise StoreError if the folder is not the same as before: an empty mount point must not be filled."""
        if not self.path.is_dir():
            if self.within:
                return
            raise StoreError(
                f"{self.path} is not a folder on this machine: is its disk not mounted?",
                hint=f"mount the disk; or, the first time, `mkdir -m 700 {self.path}`",
            )
        if self.memory.has(self.where) and not (self.path / MARK).exists():
            raise base.unmarked_error(self.where, f"touch {self.path / MARK}")

    @contextmanager
    def _storage_errors(self, path: Path, *, reading: bool = False) -> Iterator[None]:
        """Turn errors of the file system into StoreError."""
        try:
            yield
        except FileNotFoundError:
            raise base.missing_error(str(path)) from None
        except OSError as error:
            if reading:
                raise StoreError(
                    f"{path} cannot be read: {error.strerror}", hint=f"check its permissions: `ls -ld {path}`"
                ) from None
            details = files.cannot_write(path, error)
            raise StoreError(details.message, hint=details.hint or "check the disk: `dmesg` may show more") from None


def _write_all(handle: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        written = os.write(handle, rest)
        if not written:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rest = rest[written:]

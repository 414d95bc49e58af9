"""Archives in a folder on a server with SFTP, connected to as ~/.ssh/config says; root is not needed there.

Source: asyncssh, through `ssh/client.py`. SFTP's own rename overwrites nothing on OpenSSH; the file is synced before it
if the server supports OpenSSH's `fsync`.
"""

from __future__ import annotations

import asyncio
import threading
from builtins import list as listing
from collections.abc import Awaitable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar, cast

from aresmon.backup.storage import base
from aresmon.backup.storage.base import MARK, PIECE, KnownFolders, Pieces, Readable, StoredArchive, StoreError
from aresmon.ssh.client import Connections, Ssh
from aresmon.ssh.library import asyncssh
from aresmon.system.errors import AresmonError

T = TypeVar("T")
_CLOSED_WITHIN = 3.0  # seconds
_FULL = 1 << 20  # bytes; a disk with less is reported as full


class _AbsentError(StoreError):
    """The file does not exist."""


class _UnsupportedError(StoreError):
    """The server does not support the operation."""


@dataclass(frozen=True, slots=True)
class SftpStore:
    """A store (see `base.Store`). `destination` is an alias or user@name; `folder` is relative to the home there."""

    site: str
    destination: str
    folder: str
    memory: KnownFolders

    @property
    def where(self) -> str:
        return f"{self.destination}:{self.folder}"

    def put(self, name: str, pieces: Iterable[bytes], size: int | None = None) -> None:
        base.check_name(self.site, name)
        with self._session() as session:
            self._prepare(session)
            base.check_room(self.where, size, session.free())
            target, part = self._path(name), self._path(f".{name}.part")
            if session.run(session.sftp.exists(target)):
                raise base.exists_error(self.where, name)
            try:
                session.write(part, base.check_size(pieces, size, self.where))
                session.run(session.sftp.rename(part, target))
            except BaseException:
                with suppress(Exception):  # what is left of it is removed by the next one
                    session.run(session.sftp.remove(part))
                raise
        self.memory.add(self.where)

    @contextmanager
    def get(self, name: str) -> Iterator[Readable]:
        base.check_name(self.site, name)
        with self._session() as session:
            self._check(session)
            file = session.run(session.sftp.open(self._path(name), "rb"))
            yield Pieces(session.pieces(file))

    def list(self) -> listing[StoredArchive]:
        with self._session() as session:
            self._check(session)
            entries = session.run(session.sftp.readdir(self.folder))
        return base.sort_archives(
            base.parse_name(self.site, str(one.filename), one.attrs.size or 0)
            for one in entries
            if one.attrs.type == asyncssh.FILEXFER_TYPE_REGULAR
        )

    def delete(self, name: str) -> None:
        base.check_name(self.site, name)
        with self._session() as session:
            self._check(session)
            with suppress(_AbsentError):
                session.run(session.sftp.remove(self._path(name)))

    def free(self) -> int | None:
        with self._session() as session:
            return session.free()

    def _prepare(self, session: _Session) -> None:
        """Create the marker file, and delete the remains of a killed run."""
        self._check(session)
        names = [str(one.filename) for one in session.run(session.sftp.readdir(self.folder))]
        for name in names:
            if base.is_leftover(self.site, name):
                session.run(session.sftp.remove(self._path(name)))
        if MARK not in names:
            session.write(self._path(MARK), [b"aresmon stores its archives here.\n"])

    def _check(self, session: _Session) -> None:
        """Raise StoreError if the folder is not the same as before: an empty mount point must not be filled."""
        if not session.run(session.sftp.isdir(self.folder)):
            raise StoreError(
                f"{self.where} is not a folder on that machine: is its disk not mounted?",
                hint=f"mount the disk; or, the first time, `ssh {self.destination} mkdir -p -m 700 '{self.folder}'`",
            )
        if self.memory.has(self.where) and not session.run(session.sftp.exists(self._path(MARK))):
            raise base.unmarked_error(self.where, f"ssh {self.destination} touch '{self._path(MARK)}'")

    def _path(self, name: str) -> str:
        return str(PurePosixPath(self.folder) / name)

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        """A connection, as long as the context lasts. Raises StoreError."""
        with _loop() as loop:
            session = _Session(self, loop)
            try:
                session.open()
                yield session
            finally:
                session.close()


class _Session:
    """An SFTP connection, for code without an event loop."""

    sftp: asyncssh.SFTPClient

    def __init__(self, place: SftpStore, loop: asyncio.AbstractEventLoop) -> None:
        self._place, self._loop = place, loop
        self._over = asyncio.Event()
        self._holding: Future[None] | None = None

    def open(self) -> None:
        """Connect. Raises StoreError."""
        ready: Future[asyncssh.SFTPClient] = Future()
        self._holding = asyncio.run_coroutine_threadsafe(self._hold(ready), self._loop)
        try:
            self.sftp = ready.result()
        except AresmonError as error:
            raise StoreError(error.message, hint=error.hint) from None
        except (asyncssh.Error, OSError) as error:
            raise StoreError(
                f"{self._place.where}: the server does not offer SFTP: {error}",
                hint="enable it with `Subsystem sftp internal-sftp` in its sshd_config",
            ) from None

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        if self._holding is not None:
            with suppress(Exception):
                self._holding.result(_CLOSED_WITHIN)

    async def _hold(self, ready: Future[asyncssh.SFTPClient]) -> None:
        try:
            name = self._place.destination.rpartition("@")[2]
            server = Ssh(name, self._place.destination, Connections())
            async with server.connect() as connection, connection.start_sftp_client() as sftp:
                ready.set_result(sftp)
                await self._over.wait()
        except Exception as error:
            if not ready.done():
                ready.set_exception(error)

    def run(self, work: Awaitable[T]) -> T:
        """The result of something done over the connection. Raises StoreError."""
        return self._result(asyncio.run_coroutine_threadsafe(_awaited(work), self._loop))

    def write(self, path: str, pieces: Iterable[bytes]) -> None:
        """Write a new file, readable only by its owner, and sync it. The next piece is computed while one is sent."""
        file = self.run(self.sftp.open(path, "xb", asyncssh.SFTPAttrs(permissions=0o600)))
        sending: Future[int] | None = None
        try:
            for piece in pieces:
                if sending is not None:
                    self._result(sending)
                sending = asyncio.run_coroutine_threadsafe(file.write(piece), self._loop)
            if sending is not None:
                self._result(sending)
            with suppress(_UnsupportedError):
                self.run(file.fsync())
        except BaseException:
            if sending is not None:
                sending.cancel()
            raise
        finally:
            with suppress(StoreError):
                self.run(file.close())

    def pieces(self, file: asyncssh.SFTPClientFile) -> Iterator[bytes]:
        """Yield the contents of a file that was opened for bytes."""
        while piece := self.run(file.read(PIECE)):
            yield cast(bytes, piece)

    def free(self) -> int | None:
        """The free bytes there, None if the server does not support OpenSSH's `statvfs`."""
        try:
            found = asyncio.run_coroutine_threadsafe(self.sftp.statvfs(self._place.folder), self._loop).result()
        except (asyncssh.Error, OSError):
            return None
        return int(found.bavail * found.frsize)

    def _result(self, future: Future[T]) -> T:
        try:
            return future.result()
        except asyncssh.SFTPNoSuchFile:
            raise _AbsentError(
                f"{self._place.where} has no archive of this name", hint="`aresmon backup list` shows the archives"
            ) from None
        except asyncssh.SFTPOpUnsupported as error:
            raise _UnsupportedError(f"{self._place.where}: {error.reason}") from None
        except asyncssh.SFTPConnectionLost:
            raise self._lost() from None
        except asyncssh.SFTPError as error:
            raise self._failed(error) from None
        except (asyncssh.Error, OSError):
            raise self._lost() from None
        except BaseException:
            future.cancel()
            raise

    def _lost(self) -> StoreError:
        return StoreError(
            f"{self._place.where}: the connection was lost",
            hint=f"`ssh {self._place.destination}` shows whether it is back; then run the same command again",
        )

    def _failed(self, error: asyncssh.SFTPError) -> StoreError:
        """The error for a failed operation. OpenSSH says only `Failure` for a full disk, hence the check."""
        where, destination = self._place.where, self._place.destination
        if isinstance(error, asyncssh.SFTPPermissionDenied):
            hint = f"`ssh {destination} ls -ld '{self._place.folder}'`: the folder must belong to that user"
            return StoreError(f"{where}: permission denied", hint=hint)
        free = self.free()
        if free is not None and free < _FULL:
            return StoreError(
                f"{where}: its disk is full",
                hint="free some space there, or keep fewer archives: `backup.keep`, then `aresmon backup prune`",
            )
        return StoreError(
            f"{where}: the server reports: {error.reason or 'failure'}",
            hint=f"a quota may be used up, or a disk may be failing: `ssh {destination} quota`, and the server's logs",
        )


async def _awaited(work: Awaitable[T]) -> T:
    return await work


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread of its own; at the end, its remaining tasks are cancelled."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def live() -> None:
        over = asyncio.Event()
        started.set_result((asyncio.get_running_loop(), over))
        await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(live()), daemon=True)
    thread.start()
    loop, over = started.result()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(_CLOSED_WITHIN)

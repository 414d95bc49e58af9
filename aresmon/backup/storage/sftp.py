"""Archives in a folder at the other end of ssh, as ~/.ssh/config says; SFTP is all that it takes there, and no root.

Source: asyncssh, by `hosts/ssh.py`. The rename is SFTP's own, which overwrites nothing on OpenSSH; what was written is
synced before it where the server knows OpenSSH's `fsync`.
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
from aresmon.backup.storage.base import MARK, PIECE, Memory, Pieces, Readable, StoredArchive, StoreError
from aresmon.ssh.client import Connections, Ssh
from aresmon.ssh.library import asyncssh
from aresmon.system.errors import AresmonError

T = TypeVar("T")
_CLOSED_WITHIN = 3.0  # seconds
_FULL = 1 << 20  # bytes; a disk with less is told to be full


class _AbsentError(StoreError):
    """What is not there."""


class _UnsupportedError(StoreError):
    """What the server does not know."""


@dataclass(frozen=True, slots=True)
class SftpStore:
    """A store (see `store.Store`). `destination` is an alias or user@name; `folder` is there, relative to the home."""

    site: str
    destination: str
    folder: str
    memory: Memory

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
                raise base.is_there(self.where, name)
            try:
                session.write(part, base.held(pieces, size, self.where))
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
        return base.in_order(
            base.stored(self.site, str(one.filename), one.attrs.size or 0)
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
        """Have the folder with its mark, and without what a killed run left."""
        self._check(session)
        names = [str(one.filename) for one in session.run(session.sftp.readdir(self.folder))]
        for name in names:
            if base.left_of(self.site, name):
                session.run(session.sftp.remove(self._path(name)))
        if MARK not in names:
            session.write(self._path(MARK), [b"Archives of aresmon are put here.\n"])

    def _check(self, session: _Session) -> None:
        """Raise StoreError where the folder is not what it was: a disk that is not mounted must not be filled."""
        if not session.run(session.sftp.isdir(self.folder)):
            raise StoreError(
                f"{self.where} is no folder there: is its disk not mounted?",
                hint=f"mount it; or, the first time, `ssh {self.destination} mkdir -p -m 700 '{self.folder}'`",
            )
        if self.memory.has(self.where) and not session.run(session.sftp.exists(self._path(MARK))):
            raise base.unmarked(self.where, f"ssh {self.destination} touch '{self._path(MARK)}'")

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
    """A connection with SFTP, for code that knows nothing of an event loop."""

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
                f"{self._place.where}: it has no SFTP: {error}",
                hint="`Subsystem sftp internal-sftp` in its sshd_config gives it one",
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
        """A new file, for its owner alone, on the disk when this returns. The next piece is made while one is sent."""
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
        """What is in a file that was opened for bytes."""
        while piece := self.run(file.read(PIECE)):
            yield cast(bytes, piece)

    def free(self) -> int | None:
        """The bytes of room there, None where the server does not know OpenSSH's `statvfs`."""
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
                f"{self._place.where} has none of this name", hint="`aresmon backup list` shows what there is"
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
            f"{self._place.where}: the connection broke",
            hint=f"`ssh {self._place.destination}` shows whether it is back; then run the same command again",
        )

    def _failed(self, error: asyncssh.SFTPError) -> StoreError:
        """What the server refused. It says `Failure` for a full disk; how full that is, it tells."""
        where, destination = self._place.where, self._place.destination
        if isinstance(error, asyncssh.SFTPPermissionDenied):
            hint = f"`ssh {destination} ls -ld '{self._place.folder}'`: the folder must be that user's"
            return StoreError(f"{where}: permission denied", hint=hint)
        free = self.free()
        if free is not None and free < _FULL:
            return StoreError(
                f"{where}: its disk is full",
                hint="make room there, or keep fewer: `backup.keep`, then `aresmon backup prune`",
            )
        return StoreError(
            f"{where}: it says {error.reason or 'no'}",
            hint=f"a quota that is used up, or a disk that fails: `ssh {destination} quota`, and its logs",
        )


async def _awaited(work: Awaitable[T]) -> T:
    return await work


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread of its own; at the end, what still goes on in it is cancelled."""
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

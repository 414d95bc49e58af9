"""Files that several processes read, change and write: no change is lost to another that was made meanwhile."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aresmon.system import files
from aresmon.system.errors import AresmonError

Change = Callable[[bytes | None], bytes | None]
"""Computes a file's new content from its present one, None where there is no file; None changes nothing."""


def read(path: Path) -> bytes | None:
    """The file's content; None where there is no file. Raises AresmonError where it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AresmonError(f"{path} cannot be read: {error.strerror}") from None


def update(path: Path, change: Change) -> bool:
    """Change a file that another process may be changing too; whether its content is another one now.

    Raises AresmonError, with nothing changed, where it cannot be read or written.
    """
    if not path.parent.exists() and change(None) is None:
        return False  # no folder is made for a file that is not written
    with _locked(path.parent):
        before = read(path)
        after = change(before)
        if after is None or after == before:
            return False
        _write(path, after, mode=None)
        return True


def swap(path: Path, expected: bytes | None, content: bytes, *, mode: int | None = None) -> bool:
    """Write a file if its content is still `expected` (None: there is no file); whether it was.

    An existing file keeps its mode, unless another is given, and its owner.
    """
    with _locked(path.parent):
        if read(path) != expected:
            return False
        _write(path, content, mode=mode)
        return True


def _write(path: Path, content: bytes, *, mode: int | None) -> None:
    try:
        status = path.stat()
    except OSError:
        files.write(path, content, mode=mode or 0o644)
        return
    owner = status.st_uid if os.getuid() == 0 else None
    files.write(path, content, mode=mode or status.st_mode & 0o777, owner=owner)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which `stack/remote.bash` takes too, for the moment of one change."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise files.cannot_write(folder, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

"""Files that are whole or not there."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from aresmon.system.errors import AresmonError, ExitCode


def write(path: Path, content: bytes, *, mode: int = 0o644, owner: int | None = None, sync: bool = True) -> None:
    """Write a file so that it is the old one or the new one at any moment, with `sync` also after a power cut.

    Raises AresmonError, with nothing changed, where it cannot be written.
    """
    _write(path, content, mode, owner, sync=sync)
    if sync:
        _sync_folder_of(path)


def write_together(contents: Mapping[Path, bytes], *, mode: int = 0o644) -> None:
    """Write files of one folder in this order, each as `write` does; the folder is synced once, after the last one.

    Raises AresmonError, with the ones before it written, for the first that cannot be written.
    """
    for path, content in contents.items():
        _write(path, content, mode, None, sync=True)
    _sync_folder_of(next(iter(contents)))


def _write(path: Path, content: bytes, mode: int, owner: int | None, *, sync: bool) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
                os.fchmod(file.fileno(), mode)
                if owner is not None and owner != os.fstat(file.fileno()).st_uid:
                    os.fchown(file.fileno(), owner, owner)
            os.replace(name, path)  # noqa: PTH105 (mkstemp gives a name)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error


def _sync_folder_of(path: Path) -> None:
    try:
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> AresmonError:
    """The error a person can act on, for a file or folder that cannot be written."""
    hints = {
        errno.ENOSPC: "make room on that filesystem (`df -h`), then run the same command again",
        errno.EDQUOT: "the quota there is used up; make room, then run the same command again",
        errno.EROFS: "that filesystem is mounted read-only",
        errno.EACCES: f"it belongs to somebody else (`ls -ld {path.parent}`): use sudo, or another folder",
        errno.EPERM: f"it belongs to somebody else (`ls -ld {path.parent}`): use sudo, or another folder",
    }
    return AresmonError(f"{path} cannot be written: {error.strerror}", hint=hints.get(error.errno or 0, ""))


def sync_folder(folder: Path) -> None:
    """Have what was renamed in a folder, or removed from it, outlast a power cut. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_tree(folder: Path) -> None:
    """Remove a folder and all that is in it; of one where something is mounted, what is in it.

    Raises AresmonError with code 4, with a part of it gone, where something in it cannot be removed.
    """
    try:
        if not folder.is_mount():
            shutil.rmtree(folder)
            return
        for inner in folder.iterdir():
            shutil.rmtree(inner) if inner.is_dir() and not inner.is_symlink() else inner.unlink()
    except OSError as error:
        raise AresmonError(
            f"{error.filename} cannot be removed: {error.strerror}", hint=f"`sudo rm -r {folder}`", code=ExitCode.BROKEN
        ) from None

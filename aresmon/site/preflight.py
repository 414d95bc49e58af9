"""Looks before anything starts: folders, room on the disk, ports. Each trouble ends in one clear error."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path

from aresmon.config.model import ListenAddress
from aresmon.system import files
from aresmon.system.errors import AresmonError

LEAST_ROOM = 256 << 20
"""Bytes that must be free where InfluxDB writes: it cannot even compact with less."""
_ENTERED = 0o755  # the edge enters the socket's folder; nobody else does, since the one above is closed


def check_folder(folder: Path, owner: int, what: str) -> None:
    """Look whether a service can use its folder, and change nothing.

    Raises AresmonError where `prepare_folder` would.
    """
    if folder.exists():
        _check_existing(folder, owner, what)
        return
    above = next(parent for parent in folder.parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise AresmonError(
            f"{what}'s folder {folder} cannot be made: {above} is not writable for you",
            hint=f"make it: `sudo install -d -o {owner} -g {owner} {folder}`",
        )


def prepare_folder(folder: Path, owner: int, what: str) -> bool:
    """Make a service's folder, owned by the user id that the service runs as; whether nothing was in it.

    A folder with something in it is never given to another owner: what is in it may be somebody's data.
    """
    check_folder(folder, owner, what)
    try:
        is_new = not folder.exists() or not any(folder.iterdir())
        folder.mkdir(parents=True, exist_ok=True)
        if folder.stat().st_uid != owner:
            os.chown(folder, owner, owner)
    except OSError as error:
        raise files.cannot_write(folder, error) from error
    return is_new


def give(folder: Path, owner: int) -> None:
    """Make a folder of aresmon's own that a service reads, and give it and all in it to the service's user.

    What is in it is ours, and never somebody's data: also where a restore, or another account, made it. Other services
    may enter it, whatever the umask.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o777 != _ENTERED:
            folder.chmod(_ENTERED)
        for path in (folder, *folder.iterdir()):
            if path.lstat().st_uid != owner:
                os.chown(path, owner, owner, follow_symlinks=False)
    except OSError as error:
        raise files.cannot_write(folder, error) from error


def check_room(folder: Path) -> None:
    """Raise AresmonError if the filesystem of this folder is all but full."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < LEAST_ROOM:
        raise AresmonError(
            f"{there}: {free >> 20} MiB are free, InfluxDB needs {LEAST_ROOM >> 20} to start safely",
            hint="make room there (`df -h`, `docker system df`), or move storage.data; nothing was changed",
        )


def check_ports(listens: Iterable[tuple[str, ListenAddress]]) -> None:
    """Raise AresmonError naming every address and port that somebody else has already."""
    taken = [trouble for setting, listen in listens if (trouble := _taken(setting, listen))]
    if taken:
        port = taken[0].rpartition(":")[2].split(" ")[0]
        raise AresmonError(
            "\n".join(taken),
            hint=f"stop what listens there (`sudo ss -ltnp 'sport = :{port}'` names it), or set another port",
        )


def _check_existing(folder: Path, owner: int, what: str) -> None:
    if not folder.is_dir():
        raise AresmonError(
            f"{what}'s folder {folder} is a file", hint="move it away, or name another folder in aresmon.yml"
        )
    status = folder.stat()
    if status.st_uid == owner:
        if not status.st_mode & 0o200:
            raise AresmonError(
                f"{what}'s folder {folder} is not writable for its owner", hint=f"`sudo chmod u+rwx {folder}`"
            )
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            raise AresmonError(
                f"{what}'s folder {folder} is on a filesystem mounted read-only", hint="mount it writable"
            )
        return
    remedy = f"`sudo chown -R {owner}:{owner} {folder}`"
    mine = f"{what}'s folder {folder} belongs to user {status.st_uid}, and {what} runs as user {owner}"
    try:
        is_empty = not any(folder.iterdir())
    except OSError:
        is_empty = False
    if not is_empty:
        raise AresmonError(mine, hint=f"if it is this site's data: {remedy}; else name another folder in aresmon.yml")
    if os.getuid() != 0:
        raise AresmonError(mine, hint=remedy)


def _taken(setting: str, listen: ListenAddress) -> str:
    family = socket.AF_INET6 if ":" in listen.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listen.address, listen.port))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                return f"{setting}: this machine has no address {listen.address}"
            if error.errno == errno.EADDRINUSE:
                return f"{setting}: somebody else listens on {listen}"
    return ""

"""Checks before anything starts: folders, free disk space, ports. Each problem becomes one clear error."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path

from aresmon.config.listen import ListenAddress
from aresmon.system import files
from aresmon.system.errors import AresmonError

LEAST_ROOM = 256 << 20
"""Bytes that must be free where InfluxDB writes: with less it cannot even compact its data."""
_ENTERED = 0o755  # the edge must enter the socket's folder; other users cannot, since its parent folder is closed


def check_folder(folder: Path, owner: int, what: str) -> None:
    """Check whether a service can use its folder, and change nothing.

    Raises AresmonError if `prepare_folder` would.
    """
    if folder.exists():
        _check_existing(folder, owner, what)
        return
    above = next(parent for parent in folder.parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise AresmonError(
            f"{what}'s folder {folder} cannot be created: {above} is not writable for the current user",
            hint=f"create it: `sudo install -d -o {owner} -g {owner} {folder}`",
        )


def prepare_folder(folder: Path, owner: int, what: str) -> bool:
    """Create a service's folder, owned by the user ID that the service runs as; return whether it is empty.

    The owner of a folder that is not empty is never changed: it may hold other data.
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


def give_to_service(folder: Path, owner: int) -> None:
    """Create one of aresmon's own folders that a service reads, and give it and its files to the service's user.

    Its files are aresmon's and never anyone's data, even if a restore or another account created it. Other services
    can enter it with any umask.
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
    """Raise AresmonError if the filesystem of this folder is almost full."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < LEAST_ROOM:
        raise AresmonError(
            f"{there}: {free >> 20} MiB free, InfluxDB needs {LEAST_ROOM >> 20} MiB to start safely",
            hint="free some space there (`df -h`, `docker system df`), or move storage.data; nothing was changed",
        )


def check_ports(listens: Iterable[tuple[str, ListenAddress]]) -> None:
    """Raise AresmonError naming every address and port that another process uses."""
    taken = [problem for setting, listen in listens if (problem := _port_problem(setting, listen))]
    if taken:
        port = taken[0].rpartition(":")[2].split(" ")[0]
        raise AresmonError(
            "\n".join(taken),
            hint=f"stop the process that listens there (`sudo ss -ltnp 'sport = :{port}'` shows it), or set another "
            "port",
        )


def _check_existing(folder: Path, owner: int, what: str) -> None:
    if not folder.is_dir():
        raise AresmonError(
            f"{what}'s folder {folder} is a file", hint="move the file, or name another folder in aresmon.yml"
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
    wrong_owner = f"{what}'s folder {folder} belongs to user {status.st_uid}, but {what} runs as user {owner}"
    try:
        is_empty = not any(folder.iterdir())
    except OSError:
        is_empty = False
    if not is_empty:
        raise AresmonError(
            wrong_owner, hint=f"if it is this site's data: {remedy}; otherwise name another folder in aresmon.yml"
        )
    if os.getuid() != 0:
        raise AresmonError(wrong_owner, hint=remedy)


def _port_problem(setting: str, listen: ListenAddress) -> str:
    family = socket.AF_INET6 if ":" in listen.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listen.address, listen.port))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                return f"{setting}: this machine has no address {listen.address}"
            if error.errno == errno.EADDRINUSE:
                return f"{setting}: another process listens on {listen}"
    return ""

"""A data folder as it is now, kept inside itself while its service is stopped: files that are never written again as
links, which takes neither time nor room, and copies of the rest.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aresmon.system import files
from aresmon.system.errors import AresmonError
from aresmon.system.json_file import JsonFile

# InfluxDB writes these under another name, renames them and from then on only reads them (tsdb/engine/tsm1/compact.go,
# tsdb/index/tsi1/partition.go). Series files, logs of the index, tombstones and fields are written in place.
_IMMUTABLE = (".tsm", ".tsi")
PREFIX = ".aresmon-"
_INTERNAL = (PREFIX, f".{PREFIX}")  # the second are temporary files of the first
_DISCARDED = f"{PREFIX}discarded"
_MARGIN = 64 << 20
_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class SnapshotSize:
    """What a snapshot takes, in bytes: what is copied, and what is only linked."""

    copied: int
    linked: int


def measure(folder: Path) -> SnapshotSize:
    """What a snapshot of this folder would take. What its service, at work, removes meanwhile weighs nothing."""
    copied = linked = 0
    for child in folder.iterdir():
        for path, size in _sizes(child) if not child.name.startswith(_INTERNAL) else ():
            copied, linked = (copied, linked + size) if _is_immutable(path) else (copied + size, linked)
    return SnapshotSize(copied, linked)


def check_room(folder: Path) -> SnapshotSize:
    """What a snapshot takes. Raises AresmonError where there is no room for it; nothing was changed."""
    weight, free = measure(folder), shutil.disk_usage(folder).free
    if free < weight.copied + _MARGIN:
        raise AresmonError(
            f"{folder}: a copy needs {weight.copied >> 20} MiB, and {free >> 20} MiB are free",
            hint="nothing was changed; free some space there (`df -h`, `docker system df`), then run the command again",
        )
    return weight


def create(folder: Path, name: str) -> None:
    """Keep the folder, whose service is stopped, as `folder/name`; it is whole once this returns.

    Files that are linked lose their right to be written to, so that whoever opens the folder next cannot change them
    in both places.
    """
    target, seals = folder / name, {}
    try:
        _create_like(folder, target)
        for child in list_contents(folder):
            for path in _walk(child):
                copy = target / path.relative_to(folder)
                if _is_immutable(path):
                    path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_WRITE)
                    os.link(path, copy)
                    seals[str(path.relative_to(folder))] = _fingerprint(path)
                else:
                    _copy(path, copy)
        _fingerprints(folder, name).write(seals)
        os.sync()
    except OSError as error:
        raise files.cannot_write(target, error) from error


def list_modified(folder: Path, name: str) -> list[str]:
    """The linked files of such a snapshot, still in its place, that somebody wrote to since."""
    seals = _fingerprints(folder, name).read_or({})
    place = folder / name
    return [path for path, seal in seals.items() if not (place / path).exists() or _fingerprint(place / path) != seal]


def delete(folder: Path, name: str) -> None:
    """Delete a snapshot, or what is left of one. Interrupted, its rest has a name that nobody takes for whole."""
    gone = folder / _DISCARDED
    try:
        if gone.exists():
            shutil.rmtree(gone)
        if (folder / name).exists():
            (folder / name).rename(gone)
            shutil.rmtree(gone)
        _fingerprints(folder, name).delete()
    except OSError as error:
        raise files.cannot_write(folder, error) from error


def list_contents(folder: Path) -> list[Path]:
    """The children of a folder that are its service's: all but ours, and but sockets, which belong to processes."""
    return sorted(one for one in folder.iterdir() if not one.name.startswith(_INTERNAL) and _is_included(one))


def _fingerprints(folder: Path, name: str) -> JsonFile[Mapping[str, list[int]]]:
    """Size and modification time of each linked file, by its path in the data folder."""
    return JsonFile(folder / f"{name}.json", lambda data: dict(data.items()), dict)


def _fingerprint(path: Path) -> list[int]:
    details = path.stat()
    return [details.st_size, details.st_mtime_ns]


def _is_immutable(path: Path) -> bool:
    return path.suffix in _IMMUTABLE and not path.is_symlink()


def _sizes(path: Path) -> Iterator[tuple[Path, int]]:
    """A file, or those in a folder, with their bytes; without those that are gone by the time they are looked at."""
    with suppress(FileNotFoundError):
        details = path.lstat()
        if stat.S_ISDIR(details.st_mode):
            for inner in path.iterdir():
                yield from _sizes(inner)
        elif _is_included(path):
            yield path, details.st_size


def _walk(path: Path) -> Iterator[Path]:
    """A file or a folder, then what is in it; without sockets and the like."""
    if not _is_included(path):
        return
    yield path
    if path.is_dir() and not path.is_symlink():
        for inner in sorted(path.iterdir()):
            yield from _walk(inner)


def _copy(path: Path, copy: Path) -> None:
    """The same folder without what is in it, file or link, with its owner, mode and times."""
    if path.is_symlink():
        copy.symlink_to(path.readlink())
    elif path.is_dir():
        copy.mkdir()
        shutil.copystat(path, copy)
    else:
        shutil.copy2(path, copy)
    if os.getuid() == 0:
        details = path.lstat()
        os.chown(copy, details.st_uid, details.st_gid, follow_symlinks=False)


def _is_included(path: Path) -> bool:
    mode = path.lstat().st_mode
    return stat.S_ISDIR(mode) or stat.S_ISREG(mode) or stat.S_ISLNK(mode)


def _create_like(folder: Path, place: Path) -> None:
    """Make a place inside the folder, with the folder's own owner and mode."""
    place.mkdir()
    details = folder.stat()
    if os.getuid() == 0:
        os.chown(place, details.st_uid, details.st_gid)
    place.chmod(stat.S_IMODE(details.st_mode))

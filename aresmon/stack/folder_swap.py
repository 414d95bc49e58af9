"""Exchange the contents of folders by renames, with a journal: after an interruption the next command completes it.

The journal is written once the new contents are verified, and deleted when all are in their places. In between, a
service's folder may contain a mixture of old and new; `finish` makes it the new.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aresmon.config.layout import Layout
from aresmon.engine.docker import Engine
from aresmon.influxdb.scratch import FOLDER, remove_folder
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.system import files
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.json_file import JsonFile
from aresmon.system.progress import Progress

SERVICES = ("influxdb", "grafana")
"""The services whose folders are exchanged."""

_FILE = "restore.json"

Rename = Callable[[Path, Path], object]


@dataclass(frozen=True, slots=True)
class FolderSwap:
    """What to exchange in one folder, all on one file system: the names in `added` come from the folder `incoming`;
    those in `removed`, and what `added` replaces, go to the folder `previous`."""

    folder: Path
    incoming: Path
    previous: Path
    added: tuple[str, ...]
    removed: tuple[str, ...]

    def reversed(self, rejected: Path) -> FolderSwap:
        """The swap that undoes this one after its completion; what this one added goes to the folder `rejected`."""
        names = (*self.added, *self.removed)
        returned = tuple(name for name in names if (self.previous / name).exists())
        return FolderSwap(
            self.folder, self.previous, rejected, returned, tuple(one for one in names if one not in returned)
        )


def plan_swap(folder: Path, incoming: Path, former: Path, names: Sequence[str]) -> FolderSwap:
    """The swap that adds everything in `incoming` and removes what exists of these names at that time: a service that
    stops may leave files that it did not have before."""
    brought = tuple(sorted(path.name for path in incoming.iterdir()))
    return FolderSwap(folder, incoming, former, brought, tuple(name for name in names if name not in brought))


def begin(site: Layout, moves: Iterable[FolderSwap], *, project: str = "") -> None:
    """Write the journal: from here on, `finish` must be run. `project` is the Compose project of the services that use
    the folders; empty if none does."""
    _file(site).write((project, list(moves)))


def pending(site: Layout) -> list[FolderSwap]:
    """The swaps of an interrupted restore; none if there is no such restore.

    Raises AresmonError for a journal that cannot be read.
    """
    return _journal(site)[1]


def _journal(site: Layout) -> tuple[str, list[FolderSwap]]:
    """The Compose project whose services use the folders, and the swaps."""
    return _file(site).read() or ("", [])


def _file(site: Layout) -> JsonFile[tuple[str, list[FolderSwap]]]:
    return JsonFile(
        site.state / _FILE,
        _parse,
        _serialise,
        description="the journal of an interrupted restore",
        hint="look into the data folders' .aresmon-former-... before anything else",
        code=ExitCode.BROKEN,
    )


def _parse(data: Any) -> tuple[str, list[FolderSwap]]:
    return str(data["project"]), [
        FolderSwap(
            Path(one["folder"]),
            Path(one["incoming"]),
            Path(one["former"]),
            tuple(one["brought"]),
            tuple(one["taken"]),
        )
        for one in data["moves"]
    ]


def _serialise(journal: tuple[str, list[FolderSwap]]) -> Any:
    project, swaps = journal
    return {
        "project": project,
        "moves": [
            {
                "folder": str(one.folder),
                "incoming": str(one.incoming),
                "former": str(one.previous),
                "brought": one.added,
                "taken": one.removed,
            }
            for one in swaps
        ],
    }


def check_none(site: Layout) -> None:
    """Raise AresmonError if a restore was interrupted while it moved folders."""
    if pending(site):
        raise AresmonError(
            "a restore was interrupted while it moved the data into place", hint="`aresmon up` completes it first"
        )


def finish(site: Layout, *, rename: Rename = os.rename) -> list[FolderSwap]:
    """Complete the swaps of the journal, then delete it; return them. The folders must not be in use."""
    moves = pending(site)
    for one in moves:
        try:
            _exchange(one, rename)
        except OSError as error:
            raise files.cannot_write(one.folder, error) from error
    if moves:
        for one in moves:
            drop_if_empty(one.previous)
        (site.state / _FILE).unlink(missing_ok=True)
        files.sync_folder(site.state)
    return moves


def finish_interrupted(site: Site, engine: Engine, progress: Progress) -> None:
    """Complete an interrupted restore. Call it before anything else: aresmon.yml itself may be among the files."""
    if pending(site):
        with site.lock("restore"):
            finish_locked(site, engine, progress)


def finish_locked(site: Site, engine: Engine, progress: Progress) -> None:
    """Complete an interrupted restore if the site's lock is already held; its services are stopped first."""
    project, moves = _journal(site)
    if not moves:
        return
    with progress.stage("completing an interrupted restore"):
        if project:
            stop_services(engine, project, SERVICES)
        moves = finish(site)
    kept = [str(one.previous) for one in moves if one.previous.is_dir()]
    progress.note(
        "an interrupted restore was completed" + (f"; the previous data is in {', '.join(kept)}" if kept else "")
    )


def stop_services(engine: Engine, project: str, services: Sequence[str]) -> None:
    """Stop those of these services that have a container. Raises AresmonError if one keeps running."""
    for name, one in engine.containers(project).items():
        if name in services:
            engine.stop(one)


def _exchange(one: FolderSwap, rename: Rename) -> None:
    one.previous.mkdir(mode=0o700, exist_ok=True)
    for name in one.added:
        if (one.incoming / name).exists():
            _put_away(one, name, rename)
            rename(one.incoming / name, one.folder / name)
    for name in one.removed:
        if not (one.previous / name).exists():
            _put_away(one, name, rename)
    for folder in (one.folder, one.previous):
        files.sync_folder(folder)


def drop_if_empty(folder: Path) -> None:
    """Delete a folder that contains no file."""
    if folder.is_dir() and all(path.is_dir() for path in folder.rglob("*")):
        shutil.rmtree(folder)


def _put_away(one: FolderSwap, name: str, rename: Rename) -> None:
    if not (one.folder / name).exists():
        return
    place = one.previous / name
    while place.exists():  # written in between by a service that somebody started: keep both
        place = place.with_name(f"{place.name}~")
    rename(one.folder / name, place)


STAGING = ".aresmon-backup"


def remove_staging(project: Project) -> None:
    """Delete the staging folders of an interrupted backup."""
    for folder in (staging_folder(project), site_staging_folder(project.site)):
        remove_folder(folder)


def remove_leftovers(project: Project, engine: Engine) -> None:
    """Delete what an interrupted backup, verification or restore left, as far as possible."""
    data = (project.site.root / project.config.data, project.site.root / project.config.grafana.data)
    left = [staging_folder(project), site_staging_folder(project.site), *(folder / FOLDER for folder in data)]
    if any(folder.exists() for folder in left):
        engine.remove_leftovers(project.config.site)
        for folder in left:
            with suppress(AresmonError):
                remove_folder(folder)


def staging_folder(project: Project) -> Path:
    """The folder inside InfluxDB's data folder in which a backup collects its files."""
    return project.site.root / project.config.data / STAGING


def site_staging_folder(site: Site) -> Path:
    """The folder in the site's state in which a backup collects the site's files."""
    return site.state / "staging"

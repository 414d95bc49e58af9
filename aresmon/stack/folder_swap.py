"""Folders' contents exchanged by renames, with a journal: interrupted anywhere, the rest is done by whoever comes next.

The journal is written when what comes in has proved itself, and removed when all is in its place. In between, what
is under the service's names may be neither the old nor the new; `finish` makes it the new.
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
"""Those whose folders are exchanged."""

_FILE = "restore.json"

Rename = Callable[[Path, Path], object]


@dataclass(frozen=True, slots=True)
class FolderSwap:
    """What is to be exchanged in one folder, all on one file system: `brought` comes from `incoming`, where each of
    these is; `taken`, and whatever `brought` stands in for, goes to `former`."""

    folder: Path
    incoming: Path
    former: Path
    brought: tuple[str, ...]
    taken: tuple[str, ...]

    def back(self, rejected: Path) -> FolderSwap:
        """The move that brings back what this one, when it was complete, took away."""
        names = (*self.brought, *self.taken)
        returned = tuple(name for name in names if (self.former / name).exists())
        return FolderSwap(
            self.folder, self.former, rejected, returned, tuple(one for one in names if one not in returned)
        )


def move(folder: Path, incoming: Path, former: Path, names: Sequence[str]) -> FolderSwap:
    """The move that brings everything in `incoming`, and takes away what there is of these names when it is done: a
    service that ends may leave files that it did not have before."""
    brought = tuple(sorted(path.name for path in incoming.iterdir()))
    return FolderSwap(folder, incoming, former, brought, tuple(name for name in names if name not in brought))


def begin(site: Layout, moves: Iterable[FolderSwap], *, project: str = "") -> None:
    """Write the journal: from here on, `finish` is what has to be done. `project` is the one of the services that use
    the folders; empty where none does."""
    _file(site).write((project, list(moves)))


def pending(site: Layout) -> list[FolderSwap]:
    """The moves that are to be finished; none where no restore was interrupted within them.

    Raises AresmonError for a journal that cannot be read.
    """
    return _journal(site)[1]


def _journal(site: Layout) -> tuple[str, list[FolderSwap]]:
    """The project whose services use the folders, and the moves."""
    return _file(site).read() or ("", [])


def _file(site: Layout) -> JsonFile[tuple[str, list[FolderSwap]]]:
    return JsonFile(
        site.state / _FILE,
        _parse,
        _serialise,
        description="the journal of an interrupted restore",
        hint="look into the data folders' .aresmon-former-… before anything else",
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
                "former": str(one.former),
                "brought": one.brought,
                "taken": one.taken,
            }
            for one in swaps
        ],
    }


def check_none(site: Layout) -> None:
    """Raise AresmonError where a restore was interrupted within its moves."""
    if pending(site):
        raise AresmonError(
            "a restore was interrupted while it moved the data into place", hint="`aresmon up` completes it first"
        )


def finish(site: Layout, *, rename: Rename = os.rename) -> list[FolderSwap]:
    """Do what the journal says and is not done yet, then remove it; the moves. Nobody may use the folders meanwhile."""
    moves = pending(site)
    for one in moves:
        try:
            _exchange(one, rename)
        except OSError as error:
            raise files.cannot_write(one.folder, error) from error
    if moves:
        for one in moves:
            drop_if_empty(one.former)
        (site.state / _FILE).unlink(missing_ok=True)
        files.sync_folder(site.state)
    return moves


def recover(site: Site, engine: Engine, progress: Progress) -> None:
    """Finish what an interrupted restore began: first of all, since aresmon.yml itself may be what was on its way."""
    if pending(site):
        with site.lock("restore"):
            complete(site, engine, progress)


def complete(site: Site, engine: Engine, progress: Progress) -> None:
    """The same for who holds the site's lock; its services are stopped for it."""
    project, moves = _journal(site)
    if not moves:
        return
    with progress.stage("completing an interrupted restore"):
        if project:
            stop(engine, project, SERVICES)
        moves = finish(site)
    kept = [str(one.former) for one in moves if one.former.is_dir()]
    progress.note(
        "an interrupted restore was completed" + (f"; what was there before is in {', '.join(kept)}" if kept else "")
    )


def stop(engine: Engine, project: str, services: Sequence[str]) -> None:
    """Bring those of these services to rest that have a container. Raises AresmonError if one goes on."""
    for name, one in engine.containers(project).items():
        if name in services:
            engine.stop(one)


def _exchange(one: FolderSwap, rename: Rename) -> None:
    one.former.mkdir(mode=0o700, exist_ok=True)
    for name in one.brought:
        if (one.incoming / name).exists():
            _put_away(one, name, rename)
            rename(one.incoming / name, one.folder / name)
    for name in one.taken:
        if not (one.former / name).exists():
            _put_away(one, name, rename)
    for folder in (one.folder, one.former):
        files.sync_folder(folder)


def drop_if_empty(folder: Path) -> None:
    """Remove a folder in which is no file: nothing that was there before was worth keeping."""
    if folder.is_dir() and all(path.is_dir() for path in folder.rglob("*")):
        shutil.rmtree(folder)


def _put_away(one: FolderSwap, name: str, rename: Rename) -> None:
    if not (one.folder / name).exists():
        return
    place = one.former / name
    while place.exists():  # made in between by a service that somebody started: neither is lost
        place = place.with_name(f"{place.name}~")
    rename(one.folder / name, place)


STAGING = ".aresmon-backup"


def clear(project: Project) -> None:
    """Remove what an interrupted backup left."""
    for folder in (_staging(project), _own(project.site)):
        remove_folder(folder)


def tidy(project: Project, engine: Engine) -> None:
    """Remove what an interrupted backup, verification or restore left, as far as that can be done now."""
    data = (project.site.root / project.config.data, project.site.root / project.config.grafana.data)
    left = [_staging(project), _own(project.site), *(folder / FOLDER for folder in data)]
    if any(folder.exists() for folder in left):
        engine.remove_leftovers(project.config.site)
        for folder in left:
            with suppress(AresmonError):
                remove_folder(folder)


def _staging(project: Project) -> Path:
    return project.site.root / project.config.data / STAGING


def _own(site: Site) -> Path:
    return site.state / "staging"

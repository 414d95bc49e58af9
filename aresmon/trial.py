"""An archive brought into a second InfluxDB for trial, and held against what it says of itself."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from aresmon import __version__, fingerprint, manifest, packing, scratch
from aresmon.archives.destinations import stores
from aresmon.archives.store import Readable, Store, Stored
from aresmon.engine import Engine
from aresmon.errors import AresmonError
from aresmon.fleet import Fleet
from aresmon.influxdb import InfluxDB
from aresmon.manifest import Difference, Manifest, Member
from aresmon.preflight import LEAST_ROOM
from aresmon.progress import Progress
from aresmon.scratch import Form, Scratch
from aresmon.site import Site

LATEST = "latest"
# What is unpacked, then taken in: InfluxDB's files are packed a little tighter than they lie in its folder.
_ROOM = 3
_PAUSES = (0.0, 3.0)  # seconds before the points are added up, and once more where they differ


@dataclass(frozen=True, slots=True)
class Source:
    """An archive: its name, where it is, and how it is opened, as often as one likes."""

    name: str
    where: str
    open: Callable[[], AbstractContextManager[Readable]]


@dataclass(frozen=True, slots=True)
class Trial:
    """What an archive became: a running InfluxDB with its points, and in which of them it differs."""

    manifest: Manifest
    scratch: Scratch
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Also:
    """What else is wanted of an archive: `accept` is shown its manifest first, `place` says where another member goes.
    Without `points` the database's are only held against their hashes."""

    accept: Callable[[Manifest], None]
    place: Callable[[str], Path | None]
    points: bool = True


def of_file(path: Path) -> Source:
    """An archive that is a file here."""
    return Source(path.name, str(path.parent.resolve()), lambda: path.open("rb"))


def find(site: Site, fleet: Fleet, archive: str) -> Source:
    """The archive of this name: a file here, one of the site's stores', or the newest of them all.

    Raises AresmonError where there is none.
    """
    if archive != LATEST and Path(archive).is_file():
        return of_file(Path(archive))
    told: list[str] = []
    found: list[tuple[Stored, Source]] = []
    for store in stores(site, fleet):
        try:
            listed = store.list()
        except AresmonError as error:
            told.append(f"{store.where}: {error.message}")
            continue
        wanted = listed[-1:] if archive == LATEST else [one for one in listed if one.name == archive]
        found.extend((one, Source(one.name, store.where, _opener(store, one.name))) for one in wanted)
    if archive == LATEST and told and found:
        raise AresmonError(
            f"which archive is the latest cannot be told: {'; '.join(told)}",
            hint="name one: `aresmon backup list` shows those of the other places; nothing was changed",
        )
    if not found:
        silent = f" ({'; '.join(told)})" if told else ""
        what = "there is no archive yet" if archive == LATEST else f"there is no archive {archive}"
        raise AresmonError(f"{what}{silent}", hint="`aresmon backup list` shows those there are")
    return max(found, key=lambda pair: pair[0].at)[1]


def check(said: Manifest) -> None:
    """Raise AresmonError for an archive that a newer aresmon made: it may hold what this one knows nothing of."""
    if _numbers(said.origin.aresmon) > _numbers(__version__):
        raise AresmonError(
            f"the archive is of aresmon {said.origin.aresmon}, and this is {__version__}",
            hint="bring aresmon to that version first",
        )


def check_room(folder: Path, said: Manifest) -> None:
    """Raise AresmonError where the points of an archive would not fit in, twice over, beside what is there."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free, needed = shutil.disk_usage(there).free, _ROOM * said.size_of("influxdb") + LEAST_ROOM
    if free < needed:
        raise AresmonError(
            f"{there}: {free >> 20} MiB are free, and this archive needs {needed >> 20} there for a while",
            hint="make room there (`df -h`, `docker system df`); nothing was changed",
        )


@contextmanager
def tried(site: Site, engine: Engine, source: Source, form: Form, *, progress: Progress, also: Also) -> Iterator[Trial]:
    """Unpack an archive, have a second InfluxDB take its points in, and add them up.

    Raises DamagedError for an archive that is not what it was, AresmonError for one of a newer InfluxDB.
    """
    scratch.remove(form.folder)
    said = unpack(source, form.folder, form.user, progress=progress, also=also)
    with (
        progress.stage("restoring the points into a second InfluxDB") as stage,
        scratch.running(site, engine, form) as running,
    ):
        version = running.influxdb.version()
        if _numbers(said.origin.influxdb) > _numbers(version):
            raise AresmonError(
                f"the archive is of InfluxDB {said.origin.influxdb}, and the image here is {version}",
                hint="name that version in `images:`, or upgrade first",
            )
        running.restore()
        stage.say("adding up its points")
        yield Trial(said, running, _differences(running.influxdb, said))


def _differences(influxdb: InfluxDB, said: Manifest) -> tuple[Difference, ...]:
    """What differs, and does so twice: InfluxDB leaves a shard that it is opening out of its answers, unsaid."""
    differences: list[Difference] = []
    for pause in _PAUSES:
        time.sleep(pause)
        shards = fingerprint.shards(influxdb)
        found = fingerprint.take(influxdb, fingerprint.days(shards), said.windows)
        differences = manifest.differences(said.days, found)
        if not differences:
            break
    return tuple(differences)


def unpack(source: Source, folder: Path, user: int, *, progress: Progress, also: Also) -> Manifest:
    """Bring the points' files to `incoming` in this folder, for InfluxDB's user, and others where they are wanted."""
    incoming = folder / "incoming"

    def accept(said: Manifest) -> None:
        check(said)
        also.accept(said)
        if also.points:
            check_room(folder, said)
            scratch.make(folder, user)
            scratch.make(incoming, user)

    def place(name: str) -> Path | None:
        if name.startswith("influxdb/"):
            return incoming / name.removeprefix("influxdb/") if also.points else None
        return also.place(name)

    with progress.stage(f"reading {source.name} from {source.where}") as stage, source.open() as stream:

        def each(member: Member) -> None:
            stage.say(member.name)

        said = packing.unpack(stream, accept=accept, place=place, each=each)
    scratch.give(incoming, user)
    return said


def grafana_fault(path: Path) -> str:
    """What is wrong with this copy of Grafana's database; nothing for a sound one."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)) as database:
            said = str(database.execute("PRAGMA integrity_check").fetchone()[0])
    except sqlite3.Error as error:
        said = str(error)
    return "" if said == "ok" else f"Grafana's database is not sound: {said}"


def _opener(store: Store, name: str) -> Callable[[], AbstractContextManager[Readable]]:
    return lambda: store.get(name)


def _numbers(version: str) -> tuple[int, ...]:
    """`1.13.1` as numbers that can be compared; what follows them counts for nothing."""
    return tuple(int(part) for part in version.split("-")[0].split("+")[0].split(".") if part.isdigit())

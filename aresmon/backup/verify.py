"""An archive proven: restored into a second InfluxDB and compared, with nothing that runs touched."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from aresmon import __version__
from aresmon.backup import archive as backup_archive
from aresmon.backup import checksums, contents, record
from aresmon.backup.archive import ArchiveMember, DamagedError, DataMismatch, Manifest
from aresmon.backup.record import Verification
from aresmon.backup.storage.base import Readable, Store, StoredArchive
from aresmon.backup.storage.destinations import stores
from aresmon.engine import images
from aresmon.engine.docker import Engine
from aresmon.influxdb import events, service
from aresmon.influxdb import scratch as influxdb_scratch
from aresmon.influxdb.client import InfluxDB
from aresmon.influxdb.scratch import FOLDER, Scratch, ScratchOptions
from aresmon.site import folder as site_folder
from aresmon.site import secrets
from aresmon.site.folder import Site
from aresmon.site.preflight import LEAST_ROOM
from aresmon.site.project import Project
from aresmon.stack import folder_swap
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.progress import Progress


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What verifying found: of how many values on how many days, and what does not hold. `notes` are what could not
    be looked at."""

    archive: str
    where: str
    values: int
    days: int
    differences: tuple[DataMismatch, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        return not self.differences and not self.faults

    @property
    def code(self) -> ExitCode:
        return ExitCode.DONE if self.ok else ExitCode.BROKEN

    @property
    def what(self) -> str:
        """In one line."""
        if self.ok:
            return f"{self.values} values on {self.days} days of measurements are as they were"
        details = [*self.faults, *map(str, self.differences[:1])]
        more = len(self.differences) - 1
        return "; ".join(details) + (f" and {more} more days" if more > 0 else "")


def verify(project: Project, engine: Engine, archive: str, progress: Progress) -> VerifyResult:
    """Restore an archive for trial, compare it with its manifest, and remember what came out.

    Raises AresmonError where it cannot be tried; that an archive is damaged is a verdict.
    """
    site, config = project.site, project.config
    with site.lock("backup --verify"):
        folder_swap.check_none(site)
        source = find(project, archive)
        folder = site.state / "staging-verify"
        influxdb_scratch.remove_folder(folder)
        try:
            verdict = _verify(project, engine, source, folder=folder, progress=progress)
        except DamagedError as error:
            verdict = VerifyResult(source.name, source.where, 0, 0, (), (error.message,), (), 0.0)
        finally:
            influxdb_scratch.remove_folder(folder)
            influxdb_scratch.remove_folder(site.root / config.data / FOLDER)
        record.note_verified(site, Verification(time.time(), verdict.archive, verdict.ok, verdict.what))
        if verdict.ok:
            with suppress(AresmonError):
                events.record_backup(service.influxdb(site), config.server, "proven", verdict.archive)
        return verdict


def form(project: Project, engine: Engine) -> ScratchOptions:
    """How a second InfluxDB is run here. Raises AresmonError where there is no image for it."""
    running = engine.containers(project.config.site).get("influxdb")
    image = (
        running.image
        if running
        else images.local(engine, images.used_pins(project.config)).references.get("influxdb", "")
    )
    if not image:
        raise AresmonError("there is no image of InfluxDB here", hint="`aresmon images pull influxdb`, or `build`")
    return ScratchOptions(
        folder=project.site.root / project.config.data / FOLDER,
        image=image,
        user=site_folder.users()["influxdb"],
        memory=dict(project.config.memory)["influxdb"],
        project=project.config.site,
    )


def _verify(
    project: Project, engine: Engine, source: ArchiveSource, *, folder: Path, progress: Progress
) -> VerifyResult:
    begun = time.monotonic()

    def accept(said: Manifest) -> None:
        if said.origin.site != project.config.site:
            raise AresmonError(f"{source.name} is of the site {said.origin.site}, and this is {project.config.site}")

    def place(name: str) -> Path | None:
        return folder / name if name in ("grafana/grafana.db", contents.SECRETS) else None

    also = Also(accept, place)
    with tried(project.site, engine, source, form(project, engine), progress=progress, also=also) as found:
        said, differences = found.manifest, found.differences
    faults, notes = _look_at_rest(project.site, said, folder)
    return VerifyResult(
        archive=source.name,
        where=source.where,
        values=sum(marks[1].values for marks in said.days.values()),
        days=len(said.days),
        differences=differences,
        faults=tuple(faults),
        notes=tuple(notes),
        seconds=time.monotonic() - begun,
    )


def _look_at_rest(site: Site, said: Manifest, folder: Path) -> tuple[list[str], list[str]]:
    """What is wrong with Grafana's database and the secrets, and what could not be looked at."""
    faults, notes = [], []
    if said.has("grafana"):
        fault = grafana_fault(folder / "grafana/grafana.db")
        faults.extend([fault] if fault else [])
    else:
        notes.append("Grafana's database is not in it: it never ran when the archive was made")
    try:
        contents.unseal((folder / contents.SECRETS).read_bytes(), secrets.read(site.secrets, secrets.BACKUP))
    except contents.WrongPassphraseError:
        faults.append("its secrets do not open with the passphrase that the site has now")
    except OSError:
        notes.append("there are no secrets in it")
    return faults, notes


LATEST = "latest"
# What is unpacked, then taken in: InfluxDB's files are packed a little tighter than they lie in its folder.
_ROOM = 3
_PAUSES = (0.0, 3.0)  # seconds before the points are added up, and once more where they differ


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """An archive: its name, where it is, and how it is opened, as often as one likes."""

    name: str
    where: str
    open: Callable[[], AbstractContextManager[Readable]]


@dataclass(frozen=True, slots=True)
class TrialRestore:
    """What an archive became: a running InfluxDB with its points, and in which of them it differs."""

    manifest: Manifest
    scratch: Scratch
    differences: tuple[DataMismatch, ...]


@dataclass(frozen=True, slots=True)
class Also:
    """What else is wanted of an archive: `accept` is shown its manifest first, `place` says where another member goes.
    Without `points` the database's are only held against their hashes."""

    accept: Callable[[Manifest], None]
    place: Callable[[str], Path | None]
    points: bool = True


def of_file(path: Path) -> ArchiveSource:
    """An archive that is a file here."""
    return ArchiveSource(path.name, str(path.parent.resolve()), lambda: path.open("rb"))


def find(project: Project, archive: str) -> ArchiveSource:
    """The archive of this name: a file here, one of the site's stores', or the newest of them all.

    Raises AresmonError where there is none.
    """
    if archive != LATEST and Path(archive).is_file():
        return of_file(Path(archive))
    details: list[str] = []
    found: list[tuple[StoredArchive, ArchiveSource]] = []
    for store in stores(project):
        try:
            listed = store.list()
        except AresmonError as error:
            details.append(f"{store.where}: {error.message}")
            continue
        wanted = listed[-1:] if archive == LATEST else [one for one in listed if one.name == archive]
        found.extend((one, ArchiveSource(one.name, store.where, _opener(store, one.name))) for one in wanted)
    if archive == LATEST and details and found:
        raise AresmonError(
            f"which archive is the latest cannot be told: {'; '.join(details)}",
            hint="name one: `aresmon backup list` shows those of the other places; nothing was changed",
        )
    if not found:
        silent = f" ({'; '.join(details)})" if details else ""
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
def tried(
    site: Site, engine: Engine, source: ArchiveSource, form: ScratchOptions, *, progress: Progress, also: Also
) -> Iterator[TrialRestore]:
    """Unpack an archive, have a second InfluxDB take its points in, and add them up.

    Raises DamagedError for an archive that is not what it was, AresmonError for one of a newer InfluxDB.
    """
    influxdb_scratch.remove_folder(form.folder)
    said = unpack(source, form.folder, form.user, progress=progress, also=also)
    with (
        progress.stage("restoring the points into a second InfluxDB") as stage,
        influxdb_scratch.running(site, engine, form) as running,
    ):
        version = running.influxdb.version()
        if _numbers(said.origin.influxdb) > _numbers(version):
            raise AresmonError(
                f"the archive is of InfluxDB {said.origin.influxdb}, and the image here is {version}",
                hint="name that version in `images:`, or upgrade first",
            )
        running.restore()
        stage.say("adding up its points")
        yield TrialRestore(said, running, _differences(running.influxdb, said))


def _differences(influxdb: InfluxDB, said: Manifest) -> tuple[DataMismatch, ...]:
    """What differs, and does so twice: InfluxDB leaves a shard that it is opening out of its answers, unsaid."""
    differences: list[DataMismatch] = []
    for pause in _PAUSES:
        time.sleep(pause)
        shards = checksums.list_shards(influxdb)
        found = checksums.take(influxdb, checksums.days(shards), said.windows)
        differences = backup_archive.differences(said.days, found)
        if not differences:
            break
    return tuple(differences)


def unpack(source: ArchiveSource, folder: Path, user: int, *, progress: Progress, also: Also) -> Manifest:
    """Bring the points' files to `incoming` in this folder, for InfluxDB's user, and others where they are wanted."""
    incoming = folder / "incoming"

    def accept(said: Manifest) -> None:
        check(said)
        also.accept(said)
        if also.points:
            check_room(folder, said)
            influxdb_scratch.create_folder(folder, user)
            influxdb_scratch.create_folder(incoming, user)

    def place(name: str) -> Path | None:
        if name.startswith("influxdb/"):
            return incoming / name.removeprefix("influxdb/") if also.points else None
        return also.place(name)

    with progress.stage(f"reading {source.name} from {source.where}") as stage, source.open() as stream:

        def each(member: ArchiveMember) -> None:
            stage.say(member.name)

        said = backup_archive.unpack(stream, accept=accept, place=place, each=each)
    influxdb_scratch.chown_contents(incoming, user)
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

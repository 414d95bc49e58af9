"""Verify an archive: restore it into a second InfluxDB and compare. The running services are not touched."""

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
    """The result of a verification: the number of values and days compared, and what differs or is faulty. `notes` are
    the parts that could not be checked."""

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
        """The result in one line."""
        if self.ok:
            return f"{self.values} values in {self.days} measurement-days match the manifest"
        details = [*self.faults, *map(str, self.differences[:1])]
        more = len(self.differences) - 1
        return "; ".join(details) + (f" and {more} more days" if more > 0 else "")


def verify(project: Project, engine: Engine, archive: str, progress: Progress) -> VerifyResult:
    """Restore an archive into a second InfluxDB, compare it with its manifest, and record the result.

    Raises AresmonError if that cannot be done. A damaged archive is a result, not an error.
    """
    site, config = project.site, project.config
    with site.lock("backup --verify"):
        folder_swap.check_none(site)
        source = find_archive(project, archive)
        folder = site.state / "staging-verify"
        influxdb_scratch.remove_folder(folder)
        try:
            verdict = _verify(project, engine, source, folder=folder, progress=progress)
        except DamagedError as error:
            verdict = VerifyResult(source.name, source.where, 0, 0, (), (error.message,), (), 0.0)
        finally:
            influxdb_scratch.remove_folder(folder)
            influxdb_scratch.remove_folder(site.root / config.data / FOLDER)
        record.save_verified(site, Verification(time.time(), verdict.archive, verdict.ok, verdict.what))
        if verdict.ok:
            with suppress(AresmonError):
                events.record_backup(service.admin_client(site), config.server, "proven", verdict.archive)
        return verdict


def scratch_options(project: Project, engine: Engine) -> ScratchOptions:
    """How to run a second InfluxDB here. Raises AresmonError if there is no image for it."""
    running = engine.containers(project.config.site).get("influxdb")
    image = (
        running.image
        if running
        else images.local(engine, images.used_pins(project.config)).references.get("influxdb", "")
    )
    if not image:
        raise AresmonError("this machine has no image of InfluxDB", hint="`aresmon images pull influxdb`, or `build`")
    return ScratchOptions(
        folder=project.site.root / project.config.data / FOLDER,
        image=image,
        user=site_folder.service_user_ids()["influxdb"],
        memory=dict(project.config.memory)["influxdb"],
        project=project.config.site,
    )


def _verify(
    project: Project, engine: Engine, source: ArchiveSource, *, folder: Path, progress: Progress
) -> VerifyResult:
    begun = time.monotonic()

    def accept(said: Manifest) -> None:
        if said.origin.site != project.config.site:
            raise AresmonError(
                f"{source.name} is an archive of the site {said.origin.site}, and this site is {project.config.site}"
            )

    def place(name: str) -> Path | None:
        return folder / name if name in ("grafana/grafana.db", contents.SECRETS) else None

    also = TrialOptions(accept, place)
    with try_restore(
        project.site, engine, source, scratch_options(project, engine), progress=progress, also=also
    ) as found:
        said, differences = found.manifest, found.differences
    faults, notes = _check_rest(project.site, said, folder)
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


def _check_rest(site: Site, said: Manifest, folder: Path) -> tuple[list[str], list[str]]:
    """The faults of Grafana's database and of the secrets, and notes on what could not be checked."""
    faults, notes = [], []
    if said.has("grafana"):
        fault = check_grafana(folder / "grafana/grafana.db")
        faults.extend([fault] if fault else [])
    else:
        notes.append("the archive has no Grafana database: Grafana had never run when it was created")
    try:
        contents.decrypt((folder / contents.SECRETS).read_bytes(), secrets.read(site.secrets, secrets.BACKUP))
    except contents.WrongPassphraseError:
        faults.append("its secrets cannot be decrypted with the site's present passphrase")
    except OSError:
        notes.append("the archive has no secrets")
    return faults, notes


LATEST = "latest"
# The unpacked files and the restored ones: InfluxDB's backup is a little smaller than its data folder.
_ROOM = 3
_PAUSES = (0.0, 3.0)  # seconds before the points are compared, and again if they differ


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """An archive: its name, its location, and how to open it, which can be done repeatedly."""

    name: str
    where: str
    open: Callable[[], AbstractContextManager[Readable]]


@dataclass(frozen=True, slots=True)
class TrialRestore:
    """A running InfluxDB with the points of an archive, and the days on which they differ from the manifest."""

    manifest: Manifest
    scratch: Scratch
    differences: tuple[DataMismatch, ...]


@dataclass(frozen=True, slots=True)
class TrialOptions:
    """What else to do with an archive: `accept` is called with its manifest first, `place` returns the path of another
    member. Without `points`, only the hashes of the database's files are checked."""

    accept: Callable[[Manifest], None]
    place: Callable[[str], Path | None]
    points: bool = True


def from_file(path: Path) -> ArchiveSource:
    """The archive in this file."""
    return ArchiveSource(path.name, str(path.parent.resolve()), lambda: path.open("rb"))


def find_archive(project: Project, archive: str) -> ArchiveSource:
    """The archive of this name: a file, an archive in one of the destinations, or the newest of them.

    Raises AresmonError if there is none.
    """
    if archive != LATEST and Path(archive).is_file():
        return from_file(Path(archive))
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
            f"the latest archive cannot be determined: {'; '.join(details)}",
            hint="name an archive: `aresmon backup list` shows those of the other destinations; nothing was changed",
        )
    if not found:
        silent = f" ({'; '.join(details)})" if details else ""
        what = "there is no archive yet" if archive == LATEST else f"there is no archive {archive}"
        raise AresmonError(f"{what}{silent}", hint="`aresmon backup list` shows the archives")
    return max(found, key=lambda pair: pair[0].at)[1]


def check_version(said: Manifest) -> None:
    """Raise AresmonError for an archive of a newer release of aresmon, which may contain what this one cannot read."""
    if _numbers(said.origin.aresmon) > _numbers(__version__):
        raise AresmonError(
            f"the archive was created by aresmon {said.origin.aresmon}, and this is {__version__}",
            hint="install that release of aresmon first",
        )


def check_room(folder: Path, said: Manifest) -> None:
    """Raise AresmonError if there is not enough disk space for the archive's points, unpacked and restored."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free, needed = shutil.disk_usage(there).free, _ROOM * said.size_of("influxdb") + LEAST_ROOM
    if free < needed:
        raise AresmonError(
            f"{there}: {free >> 20} MiB are free, and this archive temporarily needs {needed >> 20} MiB there",
            hint="free some space there (`df -h`, `docker system df`); nothing was changed",
        )


@contextmanager
def try_restore(
    site: Site, engine: Engine, source: ArchiveSource, form: ScratchOptions, *, progress: Progress, also: TrialOptions
) -> Iterator[TrialRestore]:
    """Unpack an archive, restore its points into a second InfluxDB, and compare them with the manifest.

    Raises DamagedError for a damaged archive, AresmonError for one of a newer InfluxDB.
    """
    influxdb_scratch.remove_folder(form.folder)
    said = unpack(source, form.folder, form.user, progress=progress, also=also)
    with (
        progress.stage("restoring the points into a second InfluxDB") as stage,
        influxdb_scratch.run_scratch(site, engine, form) as running,
    ):
        version = running.influxdb.version()
        if _numbers(said.origin.influxdb) > _numbers(version):
            raise AresmonError(
                f"the archive was created by InfluxDB {said.origin.influxdb}, and the image here is {version}",
                hint="set `images.influxdb` to that version, or upgrade first",
            )
        running.restore()
        stage.say("computing checksums of its points")
        yield TrialRestore(said, running, _differences(running.influxdb, said))


def _differences(influxdb: InfluxDB, said: Manifest) -> tuple[DataMismatch, ...]:
    """The differences, if they persist: InfluxDB silently omits a shard that it is still opening."""
    differences: list[DataMismatch] = []
    for pause in _PAUSES:
        time.sleep(pause)
        shards = checksums.list_shard_spans(influxdb)
        found = checksums.compute(influxdb, checksums.days(shards), said.windows)
        differences = backup_archive.compare(said.days, found)
        if not differences:
            break
    return tuple(differences)


def unpack(source: ArchiveSource, folder: Path, user: int, *, progress: Progress, also: TrialOptions) -> Manifest:
    """Unpack the files of the points to `incoming` in this folder, owned by InfluxDB's user, and others as wanted."""
    incoming = folder / "incoming"

    def accept(said: Manifest) -> None:
        check_version(said)
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


def check_grafana(path: Path) -> str:
    """Check this copy of Grafana's database; return what is wrong, or nothing."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)) as database:
            said = str(database.execute("PRAGMA integrity_check").fetchone()[0])
    except sqlite3.Error as error:
        said = str(error)
    return "" if said == "ok" else f"Grafana's database is damaged: {said}"


def _opener(store: Store, name: str) -> Callable[[], AbstractContextManager[Readable]]:
    return lambda: store.get(name)


def _numbers(version: str) -> tuple[int, ...]:
    """`1.13.1` as comparable numbers; a suffix is ignored."""
    return tuple(int(part) for part in version.split("-")[0].split("+")[0].split(".") if part.isdigit())

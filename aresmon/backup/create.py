"""Create a backup: collect its contents, stream the archive to each destination, record the result."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aresmon import __version__
from aresmon.backup import archive as backup_archive
from aresmon.backup import checksums, contents, pruning, record
from aresmon.backup.archive import ArchiveOrigin, Manifest
from aresmon.backup.checksums import Checksum
from aresmon.backup.record import CompletedBackup, FailedBackup
from aresmon.backup.storage.base import Store, archive_name
from aresmon.backup.storage.destinations import stores
from aresmon.engine.docker import Engine
from aresmon.influxdb import events, influxql, service, shards
from aresmon.influxdb.client import InfluxDB
from aresmon.site import folder as site_folder
from aresmon.site import init, secrets
from aresmon.site.folder import Site
from aresmon.site.preflight import LEAST_ROOM
from aresmon.site.project import Project
from aresmon.stack import folder_swap
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.progress import Progress


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """What a backup would do. Sizes are in bytes: `database` is the present size of the points, which is larger than
    the archive; `room` must be free at `staging` during the backup, and `free` is."""

    site: str
    destinations: tuple[str, ...]
    database: int
    has_grafana: bool
    staging: str
    room: int
    free: int


@dataclass(frozen=True, slots=True)
class BackupResult:
    """The result of a backup: the destinations that stored it, those that failed and why, and the archives that were
    pruned. `damaged` are the days that InfluxDB could not read, which are missing from it."""

    archive: str
    bytes: int
    stored: tuple[str, ...]
    failed: Mapping[str, str]
    pruned: Mapping[str, Sequence[str]]
    has_grafana: bool
    days: int
    damaged: tuple[str, ...]
    seconds: float

    @property
    def code(self) -> ExitCode:
        return ExitCode.DEGRADED if self.failed or self.damaged else ExitCode.DONE


def plan(project: Project) -> BackupPlan:
    """Return what a backup would do. Raises AresmonError if a backup cannot be made."""
    data = project.site.root / project.config.data
    if not data.is_dir():
        raise AresmonError(f"{data} does not exist, so there is nothing to back up", hint="`aresmon up` creates it")
    database = contents.folder_size(data / "data") + contents.folder_size(data / "wal")
    wanted = BackupPlan(
        site=project.config.site,
        destinations=tuple(one.where for one in stores(project)),
        database=database,
        has_grafana=(project.site.root / project.config.grafana.data / "grafana.db").is_file(),
        staging=str(data),
        room=database + LEAST_ROOM,
        free=shutil.disk_usage(data).free,
    )
    if wanted.free < wanted.room:
        raise AresmonError(
            f"{data}: {wanted.free >> 20} MiB are free, and a backup temporarily needs {wanted.room >> 20} MiB there",
            hint="free some space there (`df -h`, `docker system df`); nothing was changed",
        )
    return wanted


def make(project: Project, engine: Engine, progress: Progress) -> BackupResult:
    """Create an archive and store it in each destination.

    Raises AresmonError if it could not be created, or no destination stored it. The running services are not changed.
    """
    site = project.site
    try:
        with site.lock("backup"):
            folder_swap.check_none(site)
            return _make(project, engine, progress)
    except AresmonError as error:
        record.save_failed(site, FailedBackup(time.time(), error.message))
        raise
    except OSError as error:
        details = f"{error.filename or 'a file'}: {error.strerror}"
        record.save_failed(site, FailedBackup(time.time(), details))
        raise AresmonError(f"no backup was made: {details}", hint="fix it, then run `aresmon backup` again") from None


def is_passphrase_kept(site: Site) -> bool:
    """Whether the present passphrase of archives has been displayed."""
    try:
        return record.read(site).kept_passphrase == _passphrase_mark(site)
    except AresmonError:
        return True  # there is none yet, so nothing is encrypted with it


def show_passphrase(site: Site) -> str:
    """The passphrase, created if there is none. Call `record_passphrase_shown` after it was displayed."""
    with site.lock("backup passphrase"):
        _ensure_secrets(site)
    return secrets.read(site.secrets, secrets.BACKUP)


def record_passphrase_shown(site: Site) -> None:
    """Record that the passphrase was displayed."""
    record.save_passphrase(site, _passphrase_mark(site))


def _passphrase_mark(site: Site) -> str:
    return record.passphrase_digest(secrets.read(site.secrets, secrets.BACKUP))


def _ensure_secrets(site: Site) -> None:
    secrets.ensure(site.secrets, dict.fromkeys((secrets.SITE_KEY, secrets.BACKUP), os.getuid()))


def _make(project: Project, engine: Engine, progress: Progress) -> BackupResult:
    begun = time.time()
    plan(project)
    _ensure_secrets(project.site)
    influxdb = service.admin_client(project.site)
    with _staging(project):
        with progress.stage("computing checksums of the points"):
            before = checksums.update(checksums.read(project.site), influxdb, contents.shard_states(project))
        paths = _take(project, engine, progress)
        with progress.stage("computing checksums of the points that arrived meanwhile"):
            after = checksums.update(before, influxdb, contents.shard_states(project))
        checksums.write(project.site, after)
        with progress.stage("hashing"):
            members = [backup_archive.hash_member(name, path) for name, path in paths.items()]
        days = {
            key: (before.days.get(key, Checksum()), after.days.get(key, Checksum()))
            for key in {*before.days, *after.days}
        }
        origin = _origin(project, engine, influxdb, begun)
        said = Manifest(origin, tuple(members), {**before.windows, **after.windows}, days)
        return _store(project, said, paths, _damaged(project, influxdb), progress)


@contextmanager
def _staging(project: Project) -> Iterator[None]:
    """Empty staging folders, which are deleted at the end."""
    folder_swap.remove_staging(project)
    try:
        yield
    finally:
        folder_swap.remove_staging(project)


def _take(project: Project, engine: Engine, progress: Progress) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    with progress.stage("copying the files of the site and of Grafana"):
        paths |= contents.collect_site(project.site)
        paths |= contents.collect_secrets(project.site)
        paths |= contents.collect_grafana(project)
    with progress.stage("backing up InfluxDB"):
        paths |= contents.collect_influxdb(project, engine, user=site_folder.service_user_ids()["influxdb"])
    return paths


def _origin(project: Project, engine: Engine, influxdb: InfluxDB, begun: float) -> ArchiveOrigin:
    return ArchiveOrigin(
        site=project.config.site,
        host=init.this_host(),
        aresmon=__version__,
        influxdb=influxdb.version(),
        begun=begun,
        ended=time.time(),
        images={name: one.image for name, one in engine.containers(project.config.site).items()},
        keep={policy: influxql.retention_hours(project.config.keep, policy) for policy in influxql.POLICIES},
    )


def _damaged(project: Project, influxdb: InfluxDB) -> tuple[str, ...]:
    """The days with points that InfluxDB cannot read, which are missing from the archive without any other message."""
    folder = project.site.root / project.config.data
    aside = shards.list_quarantined(folder, shards.list_locations(influxdb))
    damages = [*shards.list_unopened(influxdb, folder, now=time.time()), *aside]
    return tuple(dict.fromkeys(f"{one.place.days} in {one.place.policy}" for one in damages))


def _store(
    project: Project, said: Manifest, paths: Mapping[str, Path], damaged: tuple[str, ...], progress: Progress
) -> BackupResult:
    content = backup_archive.encode_manifest(said)
    name = archive_name(project.config.site, datetime.fromtimestamp(said.origin.begun, UTC))
    size = backup_archive.archive_size(content, said.members)
    stored, failed, pruned = [], {}, {}
    for one in stores(project):
        with progress.stage(f"storing {name} in {one.where}") as stage:
            try:
                one.put(name, backup_archive.stream_archive(content, said.members, paths.__getitem__), size)
                stored.append(one.where)
                if not damaged:  # else an older archive may be the only one that has those days
                    pruned[one.where] = _prune(project, one, progress)
            except AresmonError as error:
                stage.fail("not stored")
                why = error.message.removeprefix(f"{one.where}: ")
                failed[one.where] = f"{why}; {error.hint}" if error.hint else why
    if not stored:
        details = "; ".join(f"{where}: {why}" for where, why in failed.items())
        raise AresmonError(
            f"no destination stored the archive: {details}", hint="fix it, then run `aresmon backup` again"
        )
    record.save_made(project.site, CompletedBackup(said.origin.begun, name, size, ", ".join(stored)))
    events.record_backup(service.admin_client(project.site), project.config.server, "made", name)
    if failed:
        details = "; ".join(f"{where}: {why}" for where, why in failed.items())
        record.save_failed(project.site, FailedBackup(time.time(), details))
    return BackupResult(
        archive=name,
        bytes=size,
        stored=tuple(stored),
        failed=failed,
        pruned=pruned,
        has_grafana=said.has("grafana"),
        days=len(said.days),
        damaged=damaged,
        seconds=time.time() - said.origin.begun,
    )


def _prune(project: Project, one: Store, progress: Progress) -> list[str]:
    """Delete the archives that no rule keeps; return their names. A failure is only a warning: the backup exists."""
    try:
        return pruning.prune(one, project.config.backup.keep, pruning.read_verification(project.site))
    except AresmonError as error:
        progress.warn(f"older archives could not be removed: {error.message}", hint=error.hint)
        return []

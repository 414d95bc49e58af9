"""Restore an archive: verify it, swap it in for the present data, and roll back unless fresh data arrives."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aresmon.backup import archive as backup_archive
from aresmon.backup import create, restore_site, verify
from aresmon.backup.archive import Manifest
from aresmon.backup.restore_site import Key
from aresmon.backup.verify import ArchiveSource, TrialOptions
from aresmon.engine import images
from aresmon.engine.docker import Engine
from aresmon.influxdb import backfill, downsampling, freshness, scratch
from aresmon.influxdb import service as influxdb_service
from aresmon.influxdb import users as influxdb_users
from aresmon.influxdb.backfill import BackfillTask
from aresmon.influxdb.client import InfluxDB
from aresmon.influxdb.scratch import FOLDER
from aresmon.site import folder as site_folder
from aresmon.site import preflight
from aresmon.site import secrets as site_secrets
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.stack import folder_swap, image_versions, up, upgrade_journal
from aresmon.stack.folder_swap import FolderSwap
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.poll import poll
from aresmon.system.progress import Progress

PARTS = ("influxdb", "grafana", "site")
NAMES = {
    "influxdb": ("meta", "data", "wal"),
    "grafana": ("grafana.db", "grafana.db-journal", "grafana.db-wal", "grafana.db-shm"),
}
"""The files of a data folder that an archive replaces. SQLite would apply an old journal to a new database."""
_DATA_WITHIN = 90.0


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """What to restore. `only` is one of PARTS, or empty; `of_site` names another site whose archive is accepted;
    `accepted` accepts points that differ from the manifest, `shorten` a shorter retention that deletes points."""

    only: str = ""
    of_site: str = ""
    key: Key = field(default_factory=lambda: Key(False, str))
    accepted: bool = False
    shorten: bool = False


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What a restore would do. `replaced` are the folders and files whose present contents are moved aside."""

    archive: str
    where: str
    made: float
    site: str
    parts: tuple[str, ...]
    replaced: tuple[str, ...]
    is_new: bool
    values: int


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What was restored, where the previous data is kept, and why the result could not be verified, if so."""

    archive: str
    parts: tuple[str, ...]
    former: tuple[str, ...]
    unproven: str
    code: ExitCode


@dataclass(frozen=True, slots=True)
class _Work:
    """What one restore works with; `owed` are the backfills that the previous data still needs."""

    project: Project
    engine: Engine
    source: ArchiveSource
    options: RestoreOptions
    progress: Progress
    owed: list[BackfillTask]


@dataclass(frozen=True, slots=True)
class _Started:
    """The state of the stack with the restored data: why it must be rolled back, or what could not be verified."""

    failed: str = ""
    unproven: str = ""
    code: ExitCode = ExitCode.DONE


def find_source(site: Site, archive: str) -> ArchiveSource:
    """The archive of this name: a file, or one in the site's destinations. Raises AresmonError if there is none."""
    if Path(archive).is_file():
        return verify.from_file(Path(archive))
    if not site.file.exists():
        raise AresmonError(
            f"there is no file {archive}, and no {site.file} with destinations to search",
            hint="copy the archive to this machine, then run `aresmon restore FILE.tar` in the folder of the new site",
        )
    return verify.find_archive(Project.load(site), archive)


def plan(site: Site, source: ArchiveSource, options: RestoreOptions) -> RestorePlan:
    """Return what a restore would do. Raises AresmonError if the archive cannot be restored here."""
    with source.open() as stream:
        said = backup_archive.read_manifest(stream)
    verify.check_version(said)
    is_new = not site.file.exists()
    project = None if is_new else Project.load(site)
    config = None if project is None else project.config
    if config is not None and said.origin.site not in (config.site, options.of_site):
        raise AresmonError(
            f"{source.name} is an archive of the site {said.origin.site}, and this site is {config.site}",
            hint=f"to restore it here, add --from-site {said.origin.site}; nothing was changed",
        )
    parts = _parts(said, options, is_new=is_new)
    if "influxdb" in parts:
        verify.check_room(site.root if config is None else site.root / config.data, said)
    return RestorePlan(
        archive=source.name,
        where=source.where,
        made=said.origin.begun,
        site=said.origin.site,
        parts=parts,
        replaced=tuple(str(path) for path in _replaced(site, project, parts)),
        is_new=is_new,
        values=sum(marks[1].values for marks in said.days.values()),
    )


def restore(
    site: Site, engine: Engine, source: ArchiveSource, options: RestoreOptions, progress: Progress
) -> RestoreResult:
    """Restore an archive. Services are stopped only after its verification; without fresh data it is rolled back.

    Raises AresmonError: code 1 or 4 with nothing changed, 3 after a roll-back, 4 if the roll-back failed.
    """
    planned = plan(site, source, options)
    former = f".aresmon-former-{_stamp()}"
    data = [part for part in planned.parts if part != "site"]
    moves: list[FolderSwap] = []
    exchanged: list[FolderSwap] = []
    active: list[str] = []
    with site.lock("restore"):
        upgrade_journal.check_none(site)
        folder_swap.finish_locked(site, engine, progress)
        if "site" in planned.parts:
            moves += restore_site.restore_files(
                site, source, site.state / former.removeprefix(".aresmon-"), options.key, progress
            )
            if options.key.wanted:
                create.record_passphrase_shown(site)  # whoever restores an archive has it
        work = _Work(
            Project.load(site), engine, source, options, progress, backfill.read_journal(site.state / backfill.JOURNAL)
        )
        if data:
            ready, filling = _prepared(work, data, former)
            active = _active(work)
            since = time.time()
            exchanged = _exchange(work, ready, filling)
        moves += exchanged
        site.record(command="restore", archive=source.name, parts=planned.parts, former=_kept(moves))
        if not data:
            return RestoreResult(source.name, planned.parts, tuple(_kept(moves)), "", ExitCode.DONE)
        # Within the lock: no other command may start before it is clear which data stays.
        started = _start(work, active, since)
        if started.failed and not planned.is_new:
            _undo(work, exchanged, started.failed)
    if started.failed:
        raise AresmonError(
            f"everything is restored, but the stack does not start: {started.failed}",
            hint="`aresmon up` continues from here",
        )
    return RestoreResult(source.name, planned.parts, tuple(_kept(moves)), started.unproven, started.code)


def _parts(said: Manifest, options: RestoreOptions, *, is_new: bool) -> tuple[str, ...]:
    if options.only:
        if not said.has(options.only):
            raise AresmonError(f"the archive does not contain {options.only}")
        if is_new and options.only != "site":
            raise AresmonError("there is no site here yet", hint="without --only, everything is restored")
        return (options.only,)
    return tuple(part for part in PARTS if said.has(part) and (part != "site" or is_new))


def _replaced(site: Site, project: Project | None, parts: tuple[str, ...]) -> list[Path]:
    found: list[Path] = [site.file] if "site" in parts and site.file.exists() else []
    if project is not None:
        folders = project.data_folders()
        for part, names in NAMES.items():
            if part in parts and any((folders[part] / name).exists() for name in names):
                found.append(folders[part])
    return found


def _prepared(work: _Work, parts: list[str], former: str) -> tuple[list[FolderSwap], list[BackfillTask]]:
    """Prepare, and delete the remains if that fails."""
    try:
        return _prepare(work, parts, former)
    except BaseException:
        for folder in work.project.data_folders().values():
            scratch.remove_folder(folder / FOLDER)
        raise


def _prepare(work: _Work, parts: list[str], former: str) -> tuple[list[FolderSwap], list[BackfillTask]]:
    """Do everything that is possible before services are stopped; return the swaps, and the backfills to do
    afterwards."""
    _check_images(work, parts)
    folders, users = work.project.data_folders(), site_folder.service_user_ids()
    for part in parts:
        if preflight.prepare_folder(folders[part], users[part], part):
            work.project.site.record_folder(folders[part])
    grafana = folders["grafana"] / FOLDER
    scratch.remove_folder(grafana)
    if "grafana" in parts:
        scratch.create_folder(grafana, users["grafana"])

    def place(name: str) -> Path | None:
        wanted = "grafana" in parts and name.startswith("grafana/")
        return grafana / name.removeprefix("grafana/") if wanted else None

    also, filling = TrialOptions(lambda _: None, place, points="influxdb" in parts), work.owed
    if "influxdb" in parts:
        filling = backfill.merge_tasks(work.owed, _try_points(work, also))
    else:
        verify.unpack(work.source, folders["influxdb"] / FOLDER, 0, progress=work.progress, also=also)
    if "grafana" in parts:
        if fault := verify.check_grafana(grafana / "grafana.db"):
            raise AresmonError(f"{work.source.name}: {fault}", hint="use another archive; nothing was changed")
        scratch.chown_contents(grafana, users["grafana"])
    moves = [
        folder_swap.plan_swap(folders[one], folders[one] / FOLDER, folders[one] / former, NAMES[one]) for one in parts
    ]
    return moves, filling


def _check_images(work: _Work, parts: list[str]) -> None:
    """Raise AresmonError if no image can run on the restored data: the stack would not start afterwards."""
    # A folder that is empty now has no version yet; the restore must not be taken for an older one.
    image_versions.write(work.project.site, image_versions.read_current(work.project))
    pinned = images.used_pins(work.project.config)
    wanted = {"influxdb": pinned["influxdb"]} if "influxdb" in parts else {}
    lacking = images.obtain(work.engine, wanted, work.progress).missing
    found, _ = image_versions.select_images(
        work.project, work.engine, images.local(work.engine, pinned), everything=True
    )
    if "influxdb" in found.missing:
        why = lacking.get("influxdb", found.missing["influxdb"])
        raise AresmonError(
            f"there is no image for InfluxDB: {why}", hint="`aresmon images pull influxdb`; nothing was changed"
        )


def _try_points(work: _Work, also: TrialOptions) -> list[BackfillTask]:
    """Prepare a data folder beside InfluxDB's present one; return the backfills that it needs."""
    form = verify.scratch_options(work.project, work.engine)
    with verify.try_restore(
        work.project.site, work.engine, work.source, form, progress=work.progress, also=also
    ) as tried:
        for difference in tried.differences[:20]:
            work.progress.warn(f"{work.source.name}: {difference}")
        if tried.differences and not work.options.accepted:
            raise AresmonError(
                f"{work.source.name} failed its verification: {len(tried.differences)} measurement-days differ",
                hint="use another archive, or add --accept-differences if there is none; nothing was changed",
                code=ExitCode.BROKEN,
            )
        return _define(work.project, tried.scratch.influxdb, shorten=work.options.shorten)


def _define(project: Project, influxdb: InfluxDB, *, shorten: bool) -> list[BackfillTask]:
    """Create users, permissions, policies and continuous queries, which archives do not contain, so that the first
    agent that connects is accepted. Return the backfills, which the database could not show afterwards."""
    secrets = site_secrets.ensure(
        project.site.secrets, site_secrets.owners(project.config, site_folder.service_user_ids())
    )
    secrets |= site_secrets.read_next_values(project.site.secrets, secrets)
    influxdb_users.reset_admin(influxdb, secrets)
    influxdb_users.apply(influxdb, influxdb_users.plan(influxdb, project.config, secrets, shorten=shorten))
    views = project.views
    changes = downsampling.plan(influxdb, project.config, views)
    due = influxdb_service.plan_backfill(influxdb, project.config, views, changes)
    downsampling.apply(influxdb, changes)
    return due


def _active(work: _Work) -> list[str]:
    """The hosts whose data arrives now."""
    if not work.engine.is_running(work.project.config.site, "influxdb"):
        return []
    try:
        influxdb = influxdb_service.admin_client(work.project.site)
        oldest = time.time() - freshness.FRESH_WITHIN
        return [host.name for host in work.project.config.hosts if freshness.newest_point(influxdb, host.name) > oldest]
    except AresmonError:
        return []


def _exchange(work: _Work, moves: list[FolderSwap], filling: list[BackfillTask]) -> list[FolderSwap]:
    touched = {one.folder for one in moves}
    services = [name for name, folder in work.project.data_folders().items() if folder in touched]
    there = [name for name in services if name in work.engine.containers(work.project.config.site)]
    if there:
        with work.progress.stage(f"stopping {', '.join(there)}"):
            folder_swap.stop_services(work.engine, work.project.config.site, there)
    with work.progress.stage("moving the data into place"):
        # Before the swap: after an interruption, the next `up` backfills whichever data is there; repeating it is safe.
        backfill.write_journal(work.project.site.state / backfill.JOURNAL, filling)
        folder_swap.begin(work.project.site, moves, project=work.project.config.site)
        folder_swap.finish(work.project.site)
        for one in moves:
            folder_swap.drop_if_empty(one.incoming)
    return moves


def _start(work: _Work, active: list[str], since: float) -> _Started:
    """Start the stack, and wait for data of the hosts that sent before."""
    try:
        outcome = up.up_locked(
            work.project, work.engine, work.progress, announce=lambda _: None, shorten=work.options.shorten, hold=True
        )
    except AresmonError as error:
        return _Started(failed=error.message)
    code = ExitCode.DEGRADED if outcome.missing or outcome.unverified else ExitCode.DONE
    lacking = [f"{service} is not running: {why}" for service, why in outcome.missing.items()]
    if not active:
        why = outcome.unverified or "no host was sending data before the restore, so none was waited for"
        return _Started(unproven="; ".join([why, *lacking]), code=code)
    with work.progress.stage(f"waiting for data of {', '.join(active[:5])}"):
        failed = _wait_for(influxdb_service.admin_client(work.project.site), active, since)
        return _Started(failed=failed, unproven="; ".join(lacking), code=code)


def _wait_for(influxdb: InfluxDB, hosts: list[str], since: float) -> str:
    reason = ""

    def has_arrived() -> bool | None:
        nonlocal reason
        try:
            arrived, reason = any(freshness.newest_point(influxdb, host) > since for host in hosts), ""
        except AresmonError as error:  # InfluxDB may be restarting
            arrived, reason = False, f" ({error.message})"
        return arrived or None

    if poll(has_arrived, within=_DATA_WITHIN, every=0.5):
        return ""
    names = ", ".join(hosts[:5])
    return f"no data of {names} arrived within {_DATA_WITHIN:.0f} s, though it did before the restore{reason}"


def _undo(work: _Work, moves: list[FolderSwap], why: str) -> None:
    """Restore the previous data; always raises."""
    rejected = f".aresmon-rejected-{_stamp()}"
    work.progress.warn(f"rolling back the restore: {why}")
    back = _exchange(work, [one.reversed(one.folder / rejected) for one in moves], work.owed)
    details = f"the restore was rolled back: {why}"
    where = f"the restored data is in {', '.join(_kept(back))}"
    try:
        up.up_locked(work.project, work.engine, work.progress, announce=lambda _: None, hold=True)
    except AresmonError as error:
        raise AresmonError(
            f"{details}. The previous data is back, but the stack does not start with it either: {error.message}",
            hint=f"{error.hint or '`aresmon up` continues from here'}; {where}",
            code=ExitCode.BROKEN,
        ) from None
    raise AresmonError(details, hint=f"the stack is running with the previous data; {where}", code=ExitCode.ROLLED_BACK)


def _stamp() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def _kept(moves: list[FolderSwap]) -> list[str]:
    """The folders with the previous data."""
    return [str(one.previous) for one in moves if one.previous.is_dir()]

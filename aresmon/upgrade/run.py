"""`upgrade`: the site's file, its configuration and its images brought to this release, one service after the other."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from aresmon import __version__
from aresmon.config import migrations as config_migrations
from aresmon.config.layout import FILE
from aresmon.config.migrations import Migration
from aresmon.engine import images
from aresmon.engine.docker import Engine
from aresmon.engine.images import Images, used_pins
from aresmon.influxdb import events
from aresmon.influxdb import service as influxdb_service
from aresmon.influxdb.events import HostEvent
from aresmon.site.folder import Site
from aresmon.site.project import Project, parse
from aresmon.stack import image_versions, upgrade_journal
from aresmon.stack import up as stack_up
from aresmon.stack.image_versions import ServiceHistory, Versions
from aresmon.stack.plan import plugins
from aresmon.stack.readiness import WITHIN
from aresmon.stack.upgrade_journal import UpgradeJournal
from aresmon.system import files
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.progress import Progress
from aresmon.system.yaml_document import read_text
from aresmon.upgrade import service as upgrade_service
from aresmon.upgrade import snapshot, verification
from aresmon.upgrade.service import RolledBackError, UpgradeWork
from aresmon.upgrade.snapshot import SnapshotSize

COMMAND = "upgrade"
ORDER = ("influxdb", "edge", "grafana", "telegraf")
"""InfluxDB first: all others stand on it, and are then proven on it. The edge next, which Grafana reads through. The
server's agent last: it is what proves the others, so it must be the one that is known."""

Backup = Callable[[], str]
"""Makes a backup; the archive's name."""


@dataclass(frozen=True, slots=True)
class UpgradeStep:
    """A service that is to get another image; `wanted.id` is empty where that is not on this machine yet, `weight` is
    what the copy of its data takes, if it has any."""

    service: str
    former: ServiceHistory
    wanted: ServiceHistory
    weight: SnapshotSize | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain data, for scripts."""
        return {"service": self.service, "from": self.former.image, "to": self.wanted.image}


@dataclass(frozen=True, slots=True)
class UpgradePlan:
    """What an upgrade would do. `was` is the release that brought the site up, `text` its file afterwards, `up` what
    `up` would do with the images that run; `missing` are services without an image, and why."""

    was: str
    turns: tuple[UpgradeStep, ...]
    migrations: tuple[Migration, ...]
    text: str
    difference: str
    up: stack_up.UpResult
    missing: Mapping[str, str]

    @property
    def is_empty(self) -> bool:
        return not (self.turns or self.migrations or self.up.changed or self.was not in ("", __version__))

    def as_json(self) -> dict[str, Any]:
        """Plain data, for scripts."""
        return {
            "changed": not self.is_empty,
            "from": self.was,
            "to": __version__,
            "migrations": [step.why for step in self.migrations],
            "steps": [asdict(step) for step in self.up.steps],
            "upgrades": [step.as_json() for step in self.turns],
            "missing": dict(self.missing),
        }


@dataclass(frozen=True, slots=True)
class UpgradeResult:
    """What an upgrade did: the services with another image now, and the backup that was made before. `changed` is
    whether it did anything; `missing` are the services whose image could not be had, and why."""

    turns: tuple[UpgradeStep, ...]
    archive: str
    unproven: str
    missing: Mapping[str, str]
    changed: bool = False

    @property
    def code(self) -> ExitCode:
        return ExitCode.DEGRADED if self.missing or self.unproven else ExitCode.DONE

    def as_json(self) -> dict[str, Any]:
        """Plain data, for scripts."""
        return {
            "code": self.code,
            "changed": self.changed,
            "upgraded": [step.as_json() for step in self.turns],
            "backup": self.archive,
            "missing": dict(self.missing),
            "unverified": self.unproven,
        }


def load(site: Site) -> Project:
    """The site as its file describes it once it is migrated."""
    text = read_text(site.file)
    changed, _ = config_migrations.migrate(text)
    return Project.load(site) if changed == text else Project(site, parse(site, changed))


def plan(site: Site, engine: Engine, found: Images | None = None) -> UpgradePlan:
    """Decide, and change nothing. `found` are the images that could be had of those that are pinned; without them it is
    taken for granted that those can be had that are not here.

    Raises AresmonError where the data forbids it, or there is no room for a copy of it.
    """
    image_versions.check_release(site)
    migrated = load(site)
    wanted = migrated.config
    text = read_text(site.file)
    changed, steps = config_migrations.migrate(text)
    is_hoped = found is None
    found = found or images.local(engine, used_pins(wanted))
    known = image_versions.read_current(migrated)
    now = image_versions.find_images(engine, wanted.site, known)
    if not now:
        raise AresmonError(
            "the images that ran here no longer exist" if known.services else "this site has not run here yet",
            hint="`aresmon up` starts it with this release's images, or reports which ones the data needs",
        )
    turns = _plan_services(migrated, engine, found, now, known)
    return UpgradePlan(
        was=known.aresmon,
        turns=tuple(turn for turn in turns if turn.wanted.id or is_hoped),
        migrations=steps,
        text=changed,
        difference="".join(
            difflib.unified_diff(text.splitlines(keepends=True), changed.splitlines(keepends=True), FILE, FILE)
        ),
        up=stack_up.dry_run(migrated, engine, hold=True),
        missing={name: why for name, why in found.missing.items() if name not in now or not is_hoped},
    )


def recover(site: Site, engine: Engine, progress: Progress) -> bool:
    """Complete or undo what an interrupted upgrade left; whether there was anything.

    Raises AresmonError with code 4 where the way back fails; the next run tries again.
    """
    left = upgrade_journal.read(site)
    if left is None:
        return False
    with site.lock(COMMAND):
        left = upgrade_journal.read(site)
        if left is None:
            return False
        project = Project.load(site)
        engine.remove_leftovers(project.config.site)
        try:
            upgrade_service.resume(UpgradeWork(project, engine, progress), left)
        except RolledBackError as error:
            _record(project, left, "rolled back")
            progress.warn(error.message, hint=error.hint)
        else:
            _record(project, left, "resumed")
    return True


def upgrade(
    site: Site,
    engine: Engine,
    progress: Progress,
    *,
    announce: Callable[[UpgradePlan], None],
    backup: Backup | None,
    within: float = WITHIN,
) -> UpgradeResult:
    """Carry it out, after telling `announce` the plan. `within` is how many seconds a new image has to prove itself.

    Raises TakenBackError (code 3) where a new image failed and the former one runs again with its data; the services
    after it are left alone. Else AresmonError: code 1 if nothing was changed, 4 if a person must look.
    """
    recover(site, engine, progress)
    wanted = load(site)
    found = images.obtain(engine, used_pins(wanted.config), progress, plugins=plugins(wanted))
    decided = plan(site, engine, found)
    announce(decided)
    if decided.is_empty:
        return UpgradeResult((), "", "", decided.missing)
    archive = backup() if backup is not None and decided.turns else ""
    if decided.migrations:
        _migrate(site, decided, progress)
    project = Project.load(site)
    before = stack_up.up(project, engine, progress, announce=lambda _: None, hold=True)
    with site.lock(COMMAND):
        work = UpgradeWork(project, engine, progress, within)
        taken = tuple(_upgrade_one(work, turn, archive) for turn in decided.turns)
    return UpgradeResult(taken, archive, before.unverified, decided.missing, changed=True)


def _plan_services(
    project: Project, engine: Engine, found: Images, now: Mapping[str, ServiceHistory], known: Versions
) -> Iterator[UpgradeStep]:
    site, wanted = project.site, project.config
    pins, folders = used_pins(wanted), project.data_folders()
    for service in (name for name in ORDER if name in pins and name in now):
        image, image_id = found.references.get(service, pins[service].pull), found.ids.get(service, "")
        if image_id == now[service].id or (not image_id and image == now[service].image):
            continue
        former = _previous(engine, wanted.site, service, now[service], known.of(service))
        then = ServiceHistory(image, image_id, _version(engine, wanted.site, service, image, image_id))
        _check_data_allows(site, service, former.newest, then)
        folder = folders.get(service)
        weight = snapshot.check_room(folder) if folder is not None and folder.is_dir() else None
        yield UpgradeStep(service, former, then, weight)


def _previous(engine: Engine, project: str, service: str, now: ServiceHistory, known: ServiceHistory) -> ServiceHistory:
    """What runs, with what is known of it from before this release too, when nothing was remembered."""
    if known.id == now.id and known.newest:
        return known
    version = now.version or _version(engine, project, service, now.image, now.id)
    return replace(now, version=version, newest=image_versions.newer(known.newest, version))


def _version(engine: Engine, project: str, service: str, image: str, image_id: str) -> str:
    if not image_id or service not in image_versions.KEEPS_DATA:
        return image_versions.version_in(image)
    return image_versions.find_version(engine, project, service, image, image_id)


def _check_data_allows(site: Site, service: str, newest: str, then: ServiceHistory) -> None:
    """Raise AresmonError where what this service's data was written by forbids the image."""
    why = image_versions.find_objection(service, newest, then.version)
    if not why:
        return
    archives = (
        event["archive"] for event in reversed(site.history(COMMAND)) if _went_from(event, service, then.version)
    )
    archive = next(archives, "ARCHIVE")
    folder = load(site).data_folders()[service]
    raise AresmonError(
        f"{service} cannot run as {then.image}: {why}",
        hint=f"set `images.{service}` to {newest} or newer; or restore a backup (`aresmon backup list`): "
        f"`aresmon down`, move {folder} away, `aresmon up`, `aresmon restore {archive} --only {service}`. "
        "Nothing was changed",
    )


def _went_from(event: Mapping[str, object], service: str, version: str) -> bool:
    return bool(
        event.get("service") == service
        and event.get("archive")
        and image_versions.is_same_line(str(event.get("from_version", "")), version)
    )


def _migrate(site: Site, decided: UpgradePlan, progress: Progress) -> None:
    """Write the migrated file; the former one is kept in `.aresmon/`."""
    site.create_state_folder()
    kept = site.state / f"{FILE}.{time.strftime('%Y%m%d-%H%M%S')}"
    files.write(kept, site.file.read_bytes(), mode=0o600)
    files.write(site.file.resolve(), decided.text.encode(), mode=site.file.stat().st_mode & 0o777)
    progress.note(f"{FILE} is migrated; the previous file is {kept}")


def _upgrade_one(work: UpgradeWork, turn: UpgradeStep, archive: str) -> UpgradeStep:
    """Carry out one service's turn; the turn, with the former image under the name that still leads to it."""
    hosts = verification.sending_hosts(
        influxdb_service.admin_client(work.project.site), [host.name for host in work.project.config.hosts]
    )
    former = image_versions.ensure_tag(work.engine, turn.service, turn.former)
    begun = UpgradeJournal(turn.service, former, turn.wanted, time.time(), hosts=hosts, archive=archive)
    try:
        upgrade_service.execute(work, begun)
    except RolledBackError:
        _record(work.project, begun, "rolled back")
        raise
    _record(work.project, begun, "upgraded")
    return replace(turn, former=former)


def _record(project: Project, taken: UpgradeJournal, outcome: str) -> None:
    """In the site's history, and as a mark in the graphs of the server."""
    project.site.record(
        command=COMMAND,
        service=taken.service,
        outcome=outcome,
        **{"from": taken.former.image, "to": taken.wanted.image},
        from_version=taken.former.version,
        archive=taken.archive,
        version=__version__,
    )
    title = f"upgrade of {taken.service}: {outcome}"
    event = HostEvent(project.config.server, COMMAND, title, f"{taken.former.image} to {taken.wanted.image}")
    with suppress(AresmonError):
        events.record_events(influxdb_service.admin_client(project.site), [event])

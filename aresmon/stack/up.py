"""`up` and `down`: from the site's file to a running, proven stack, by steps that can all be taken again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aresmon import __version__
from aresmon.agents import check
from aresmon.config import names as config_names
from aresmon.engine import images
from aresmon.engine.compose import Compose
from aresmon.engine.containers import Container
from aresmon.engine.docker import Engine
from aresmon.engine.images import Images, used_pins
from aresmon.grafana import users as grafana_users
from aresmon.influxdb import freshness, retention
from aresmon.influxdb import service as influxdb_service
from aresmon.influxdb.client import InfluxDBUnreachableError
from aresmon.render import telegraf
from aresmon.render.compose import AGENT_ENVIRONMENT
from aresmon.render.grafana import alert_rules
from aresmon.site import bundle, ca, certificates, external_secrets, preflight, tls_migration
from aresmon.site import secrets as site_secrets
from aresmon.site.bundle import BundleDifference
from aresmon.site.folder import Site, users
from aresmon.site.project import Project
from aresmon.stack import folder_swap, image_versions, readiness, upgrade_journal
from aresmon.stack.image_versions import KeptImage
from aresmon.stack.plan import (
    DesiredState,
    Step,
    check_name,
    decide,
    look,
    plugins,
    project_of,
    remember_hashes,
    variable_of,
)
from aresmon.system import files
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.process import ProcessError
from aresmon.system.progress import Progress

_TRIES = 3


@dataclass(frozen=True, slots=True)
class UpResult:
    """What `up` did, or with `--dry-run` would do. `missing` are services without an image, and why;
    `people` is what changed of Grafana's users, `kept` are services that run another image than the pinned one;
    `unseen` is why `--dry-run` could not look into the database."""

    steps: tuple[Step, ...]
    difference: BundleDifference
    statements: tuple[str, ...]
    missing: Mapping[str, str]
    unproven: str = ""
    people: tuple[str, ...] = ()
    kept: tuple[KeptImage, ...] = ()
    unseen: str = ""

    @property
    def changed(self) -> bool:
        return bool(self.steps or self.difference or self.statements or self.people)

    @property
    def code(self) -> ExitCode:
        is_short = self.missing or self.unproven or any(one.lacks_other for one in self.kept)
        return ExitCode.DEGRADED if is_short else ExitCode.DONE


def dry_run(project: Project, engine: Engine, *, shorten: bool = False, hold: bool = False) -> UpResult:
    """What `up` would do. Nothing is changed or fetched.

    Of Grafana's users nothing is said: to look at them, its administrator may have to be let in first.
    """
    folder_swap.check_none(project.site)
    image_versions.check_release(project.site)
    look(project, engine)
    _refuse_losses(project, shorten=shorten)
    found, kept = image_versions.held(project, engine, images.local(engine, used_pins(project.config)), everything=hold)
    intent = decide(project, engine, found)
    statements, unseen = influxdb_service.foresee(project, engine, users(), shorten=shorten)
    return UpResult(tuple(intent.steps), intent.difference, statements, found.missing, kept=kept, unseen=unseen)


def up(
    project: Project,
    engine: Engine,
    progress: Progress,
    *,
    announce: Callable[[UpResult], None],
    shorten: bool = False,
    hold: bool = False,
) -> UpResult:
    """Bring the stack to what the site's file says, and wait until its data is seen to arrive.

    `announce` is told the plan before anything is changed. Every step may be interrupted and taken again. With `hold`
    every service keeps the image that it has.

    Raises AresmonError: code 1 if nothing was changed, 4 if a service does not come up.
    """
    with project.site.lock("up"):
        return up_locked(project, engine, progress, announce=announce, shorten=shorten, hold=hold)


def up_locked(
    project: Project,
    engine: Engine,
    progress: Progress,
    *,
    announce: Callable[[UpResult], None],
    shorten: bool = False,
    hold: bool = False,
) -> UpResult:
    """The same for who holds the site's lock."""
    site, config = project.site, project.config
    project.remember_valid()  # on a first run there was no folder for it when the file was read
    upgrade_journal.check_none(site)
    folder_swap.complete(site, engine, progress)
    folder_swap.tidy(project, engine)
    image_versions.check_release(site)
    look(project, engine)
    _refuse_losses(project, shorten=shorten)
    found, kept = _choose(project, engine, progress, hold=hold)
    tls_migration.begin(project)
    if config.edge.channel.by_site:
        ca.ensure(site.authority, ca.names(config), datetime.now(UTC))
    secrets = site_secrets.ensure(site.secrets, site_secrets.owners(config, users()))
    secrets |= site_secrets.under_way(site.secrets, secrets)
    intent = decide(project, engine, found)
    announce(UpResult(tuple(intent.steps), intent.difference, (), found.missing, kept=kept))
    _check_agent(intent, engine, progress)
    _prepare_folders(project)
    _write(site, intent, progress)
    remember_hashes(site, intent)
    image_versions.note(project, engine, found)
    statements = _carry_out(project, intent, engine, secrets, progress, shorten=shorten)
    unproven = _prove(site, intent, progress)
    people = _look_after_people(project, intent, engine, secrets, progress)
    outcome = UpResult(tuple(intent.steps), intent.difference, statements, found.missing, unproven, people, kept)
    _record(site, outcome)
    return outcome


def bring(
    project: Project,
    engine: Engine,
    progress: Progress,
    *,
    service: str,
    found: Images,
    within: float = readiness.WITHIN,
) -> None:
    """Make one service's container anew with these images, and wait until it is ready; the others are left alone.

    Raises AresmonError, code 4, where it is not within so many seconds.
    """
    intent = decide(project, engine, found)
    _write(project.site, intent, progress)
    remember_hashes(project.site, intent)
    step = Step(service, "recreate", f"as {found.references[service]}")
    _start(project.site, [step], intent, engine, progress, within=within)


def down(project: Project, engine: Engine, progress: Progress, *, volumes: bool = False) -> list[Path]:
    """Remove the containers and networks; with `volumes` the data folders as well, which are returned.

    Only folders that were empty when they became this site's are deleted: `storage.data` may name any folder.
    """
    site, config = project.site, project.config
    with site.lock("down"):
        check_name(project, engine.containers(config.site))
        for name in sorted({config.site, project_of(bundle.read_of(site))} - {""}):
            with progress.stage(f"stopping {name}"):
                engine.remove_project(name)
        gone = deletable_folders(project) if volumes else []
        for folder in gone:
            with progress.stage(f"removing {folder}"):
                files.remove_tree(folder)
        if gone:
            upgrade_journal.forget_deleted(site, project.data_folders())
        site.record(command="down", removed=[str(folder) for folder in gone])
        return gone


def deletable_folders(project: Project) -> list[Path]:
    """The data folders of which aresmon knows that all in them is the site's."""
    filled = project.site.filled_folders()
    return [folder for folder in project.data_folders().values() if folder.exists() and folder in filled]


def _refuse_losses(project: Project, *, shorten: bool) -> None:
    """Raise AresmonError, with what is lost, where a retention gets shorter and nobody said that it may."""
    lost = () if shorten else influxdb_service.losses(project)
    if lost:
        raise retention.shortening_error(lost)


def _choose(
    project: Project, engine: Engine, progress: Progress, *, hold: bool
) -> tuple[Images, tuple[KeptImage, ...]]:
    """The image of each service: fetched or built where it has to be, and what keeps the one that it has.

    Raises AresmonError where there is none for InfluxDB, or the data forbids it.
    """
    pinned = used_pins(project.config)
    found = images.local(engine, pinned) if hold else images.obtain(engine, pinned, progress, plugins=plugins(project))
    found, kept = image_versions.held(project, engine, found, everything=hold)
    if "influxdb" in found.missing:
        raise AresmonError(
            f"InfluxDB cannot run, and nothing can without it: {found.missing['influxdb']}",
            hint="nothing was changed; where a registry answers: `aresmon images pull influxdb`, or carry it over "
            "with `aresmon images save` and `load`, then `aresmon up`",
        )
    return image_versions.named(engine, found, kept), kept


def _record(site: Site, outcome: UpResult) -> None:
    if outcome.changed:
        steps = [f"{step.action} {step.service}" for step in outcome.steps]
        site.record(
            command="up",
            version=__version__,
            steps=steps,
            database=outcome.statements,
            grafana=outcome.people,
            code=int(outcome.code),
        )


def _check_agent(intent: DesiredState, engine: Engine, progress: Progress) -> None:
    sidecar = intent.config.sidecar
    if sidecar is None or "telegraf" in intent.images.missing:
        return
    if any(step.service == "telegraf" for step in intent.steps):
        with progress.stage("checking the agent's configuration with its own Telegraf"):
            check.check(
                engine,
                intent.images.references["telegraf"],
                sidecar.name,
                intent.files[f"agents/{sidecar.name}/telegraf.conf"],
                telegraf.variables(sidecar, intent.config),
                project=intent.config.site,
            )


def _prepare_folders(project: Project) -> None:
    for service, folder in project.data_folders().items():
        if preflight.prepare_folder(folder, users()[service], service):
            project.site.remember_folder(folder)
    preflight.give(project.site.socket_folder, users()["influxdb"])
    preflight.give(project.site.tls, users()["edge"])
    external_secrets.prepare(project.site.secrets, users()["grafana"])
    certificates.bring(project.site.root, project.config.grafana.door.tls, project.site.tls, users()["edge"])
    if project.config.edge.channel.by_site:
        ca.bring(project.site.authority, project.site.tls / certificates.FILES["edge"], users()["edge"])
    else:
        certificates.bring(
            project.site.root, project.config.edge.channel.pair, project.site.tls, users()["edge"], door="edge"
        )


def _write(site: Site, intent: DesiredState, progress: Progress) -> None:
    former = intent.bundle.version
    if former not in ("", __version__):
        progress.note(f"the bundle was rendered by aresmon {former}; it is rendered anew by {__version__}")
    for name, what in (("INFLUXDB_DATA", "storage.data"), ("GRAFANA_DATA", "grafana.data")):
        was, becomes = variable_of(intent.bundle.files, name), variable_of(intent.files, name)
        if was not in ("", becomes):
            progress.warn(
                f"{what} moves from {was} to {becomes}; what is in the former folder stays there",
                hint="to take it along: `aresmon down`, move the folder, `aresmon up`",
            )
    if variable_of(intent.bundle.files, "AGENTS_TLS") == "yes" != variable_of(intent.files, "AGENTS_TLS"):
        progress.warn(
            "edge.tls is off: agents that come by https are refused from now on",
            hint="`aresmon push-config --all`; until then each holds what it has, ten minutes of it and more",
        )
    site.remember_provisioned(alert_rules.uids(intent.files))
    aside = bundle.write(intent.bundle, intent.files)
    if aside is not None:
        progress.warn(
            f"edited by hand, and put back: {', '.join(intent.difference.edited)}",
            hint=f"your version is kept in {aside}; what should stay belongs into overrides/",
        )


def _carry_out(
    project: Project,
    intent: DesiredState,
    engine: Engine,
    secrets: Mapping[str, str],
    progress: Progress,
    *,
    shorten: bool,
) -> tuple[str, ...]:
    """Take the steps: InfluxDB first, its users before those who use them. What changed in the database."""
    engine.remove_leftovers(intent.config.site)
    _remove_strays(intent, engine, progress)
    due = [step for step in intent.steps if step.action != "remove"]
    due += close_edge(project, engine, due)
    store_steps = [step for step in due if step.service == "influxdb"]
    for tries_left in reversed(range(_TRIES)):
        try:
            _start(project.site, store_steps, intent, engine, progress)
            statements = influxdb_service.ensure(project, engine, secrets, progress, shorten=shorten)
            break
        except InfluxDBUnreachableError:
            if not tries_left:
                raise
            progress.note("InfluxDB went away; it is started again")
            store_steps = [Step("influxdb", "recreate", "it went away")]
    _start(project.site, [step for step in due if step.service != "influxdb"], intent, engine, progress)
    return statements


def _remove_strays(intent: DesiredState, engine: Engine, progress: Progress) -> None:
    if intent.former:
        with progress.stage(f"removing {intent.former}, the site's former name"):
            engine.remove_project(intent.former)
        return
    for step in intent.steps:
        if step.action == "remove":
            with progress.stage(f"removing {step.service}"):
                engine.remove_service(intent.config.site, step.service)


def _start(
    site: Site,
    steps: Sequence[Step],
    intent: DesiredState,
    engine: Engine,
    progress: Progress,
    *,
    within: float = readiness.WITHIN,
) -> None:
    """Have Compose start the services of these steps, and wait until they are ready."""
    if not steps:
        return
    names = [step.service for step in steps]
    # Compose compares configurations; what is only sick or looks into a deleted folder, it would leave.
    forced = [step.service for step in steps if step.action == "recreate"]
    compose = Compose(site.bundle, site.bundle)
    with progress.stage(f"starting {', '.join(names)}"):
        for container in engine.containers(intent.config.site).values():
            if container.service in names and container.state == "paused":
                engine.unpause(container)
        try:
            compose.up(forced, recreate=True)
            compose.up([name for name in names if name not in forced])
        except ProcessError as error:
            raise _refused(names, engine.containers(intent.config.site), error) from None
        ready = readiness.probes(intent.config, influxdb_service.nobody(site))
        readiness.wait(engine, intent.config.site, names, ready, within=within)


def _refused(names: Sequence[str], containers: Mapping[str, Container], error: ProcessError) -> AresmonError:
    """What the engine says of the container it could not start, else what Compose says."""
    for name in names:
        if name in containers and containers[name].error:
            return readiness.failure(name, containers[name])
    error.code = ExitCode.BROKEN
    return error


def _prove(site: Site, intent: DesiredState, progress: Progress) -> str:
    """Wait for the server's own data; why it is not proven, or nothing."""
    sidecar = intent.config.sidecar
    if sidecar is None or "telegraf" in intent.images.missing:
        return ""
    is_new = any(step.service == "telegraf" for step in intent.steps)
    since = time.time() if is_new else time.time() - freshness.FRESH_WITHIN
    with progress.stage(f"waiting for data of {sidecar.name}"):
        unproven = freshness.wait_for_data(influxdb_service.influxdb(site), sidecar.name, since)
    if not unproven and b'ARESMON_URL: "https:' in intent.files[AGENT_ENVIRONMENT]:
        trusted = intent.files.get(f"agents/{sidecar.name}/{config_names.AUTHORITY}", b"")
        tls_migration.record_tls(site, sidecar.name, trusted)
    return unproven


def _look_after_people(
    project: Project, intent: DesiredState, engine: Engine, secrets: Mapping[str, str], progress: Progress
) -> tuple[str, ...]:
    """Grafana's users as the site wants them; what changed. Last, since the stack works without."""
    if "grafana" in intent.images.missing:
        return ()
    return grafana_users.ensure(project, engine, secrets, progress)


def close_edge(project: Project, engine: Engine, steps: Sequence[Step]) -> list[Step]:
    """Stop the edge where InfluxDB is about to start without any data: until it has an admin, it makes one for whoever
    asks. The step by which the edge runs again, where these have none."""
    edge = engine.containers(project.config.site).get("edge")
    if edge is None or (project.site.root / project.config.data / "meta" / "meta.db").exists():
        return []
    engine.stop(edge)
    return [] if any(step.service == "edge" for step in steps) else [Step("edge", "start", "InfluxDB began anew")]

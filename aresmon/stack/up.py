"""`up`: start the stack or update it to match aresmon.yml, and wait for its data. Every step can be repeated."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from aresmon import __version__
from aresmon.agents import check
from aresmon.config import names as config_names
from aresmon.engine import images
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
from aresmon.site.folder import Site, service_user_ids
from aresmon.site.project import Project
from aresmon.stack import agent_trial, folder_swap, image_versions, readiness, services, upgrade_journal
from aresmon.stack.image_versions import KeptImage
from aresmon.stack.plan import (
    DesiredState,
    Step,
    check_preconditions,
    decide,
    plugins,
    remember_hashes,
    variable_of,
)
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.progress import Progress

_TRIES = 3


@dataclass(frozen=True, slots=True)
class UpResult:
    """What `up` did, or with `--dry-run` would do. `missing` are services without an image, and why; `unverified` is
    why the data of the server could not be verified; `kept` are services that run another image than the pinned one;
    `unseen` is why `--dry-run` could not query the database."""

    steps: tuple[Step, ...]
    difference: BundleDifference
    statements: tuple[str, ...]
    missing: Mapping[str, str]
    unverified: str = ""
    grafana_changes: tuple[str, ...] = ()
    kept: tuple[KeptImage, ...] = ()
    unseen: str = ""

    @property
    def changed(self) -> bool:
        return bool(self.steps or self.difference or self.statements or self.grafana_changes)

    @property
    def code(self) -> ExitCode:
        is_short = self.missing or self.unverified or any(one.is_pinned_missing for one in self.kept)
        return ExitCode.DEGRADED if is_short else ExitCode.DONE


def dry_run(project: Project, engine: Engine, *, shorten: bool = False, hold: bool = False) -> UpResult:
    """Return what `up` would do. Changes and downloads nothing.

    Changes to Grafana's users are not included: reading them may require a reset of the administrator's password.
    """
    folder_swap.check_none(project.site)
    image_versions.check_release(project.site)
    check_preconditions(project, engine)
    _check_losses(project, shorten=shorten)
    found, kept = image_versions.select_images(
        project, engine, images.local(engine, used_pins(project.config)), everything=hold
    )
    intent = decide(project, engine, found)
    statements, unseen = influxdb_service.preview(project, engine, service_user_ids(), shorten=shorten)
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
    """Start the stack or update it to match aresmon.yml, and wait until its data arrives.

    `announce` is called with the plan before anything is changed. Every step can be interrupted and repeated. With
    `hold`, every service keeps the image that it has.

    Raises AresmonError: code 1 if nothing was changed, 4 if a service does not start.
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
    """Do what `up` does, if the site's lock is already held."""
    site, config = project.site, project.config
    project.record_valid()  # on a first run there was no folder for it when the file was read
    upgrade_journal.check_none(site)
    folder_swap.finish_locked(site, engine, progress)
    folder_swap.remove_leftovers(project, engine)
    image_versions.check_release(site)
    check_preconditions(project, engine)
    _check_losses(project, shorten=shorten)
    found, kept = _choose_images(project, engine, progress, hold=hold)
    tls_migration.begin(project)
    if config.edge.channel.by_site:
        ca.ensure(site.authority, ca.server_names(config), datetime.now(UTC))
    secrets = site_secrets.ensure(site.secrets, site_secrets.owners(config, service_user_ids()))
    secrets |= site_secrets.read_next_values(site.secrets, secrets)
    intent = decide(project, engine, found)
    announce(UpResult(tuple(intent.steps), intent.difference, (), found.missing, kept=kept))
    _check_agent(intent, engine, progress)
    _prepare_folders(project)
    _write(site, intent, progress)
    remember_hashes(site, intent)
    image_versions.record_start(project, engine, found)
    statements = _carry_out(project, intent, engine, secrets, progress, shorten=shorten)
    agent_trial.warn_of_inputs(project, intent, engine, progress)
    unverified = _wait_for_data(site, intent, progress)
    users_changed = _ensure_grafana_users(project, intent, engine, secrets, progress)
    outcome = UpResult(
        tuple(intent.steps), intent.difference, statements, found.missing, unverified, users_changed, kept
    )
    _record(site, outcome)
    return outcome


def recreate_service(
    project: Project,
    engine: Engine,
    progress: Progress,
    *,
    service: str,
    found: Images,
    within: float = readiness.WITHIN,
) -> None:
    """Recreate the container of one service with these images, and wait until it is ready. Leaves the others alone.

    Raises AresmonError, code 4, if it is not ready within so many seconds.
    """
    intent = decide(project, engine, found)
    _write(project.site, intent, progress)
    remember_hashes(project.site, intent)
    step = Step(service, "recreate", f"as {found.references[service]}")
    services.start(project.site, [step], intent, engine, progress, within=within)


def _check_losses(project: Project, *, shorten: bool) -> None:
    """Raise AresmonError, with what would be deleted, if a retention gets shorter and `shorten` is not set."""
    lost = () if shorten else influxdb_service.find_losses(project)
    if lost:
        raise retention.shortening_error(lost)


def _choose_images(
    project: Project, engine: Engine, progress: Progress, *, hold: bool
) -> tuple[Images, tuple[KeptImage, ...]]:
    """The image of each service, pulled or built if necessary, and the services that keep the image that they have.

    Raises AresmonError if there is none for InfluxDB, or the data requires another version.
    """
    pinned = used_pins(project.config)
    found = images.local(engine, pinned) if hold else images.obtain(engine, pinned, progress, plugins=plugins(project))
    found, kept = image_versions.select_images(project, engine, found, everything=hold)
    if "influxdb" in found.missing:
        raise AresmonError(
            f"there is no image for InfluxDB, which every other service needs: {found.missing['influxdb']}",
            hint="nothing was changed; pull the image with `aresmon images pull influxdb`, or copy it from another "
            "machine with `aresmon images save` and `load`; then `aresmon up`",
        )
    return image_versions.tag_kept(engine, found, kept), kept


def _record(site: Site, outcome: UpResult) -> None:
    if outcome.changed:
        steps = [f"{step.action} {step.service}" for step in outcome.steps]
        site.record(
            command="up",
            version=__version__,
            steps=steps,
            database=outcome.statements,
            grafana=outcome.grafana_changes,
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
                telegraf.placeholders(sidecar) | telegraf.variables(sidecar, intent.config),
                project=intent.config.site,
            )


def _prepare_folders(project: Project) -> None:
    for service, folder in project.data_folders().items():
        if preflight.prepare_folder(folder, service_user_ids()[service], service):
            project.site.record_folder(folder)
    preflight.give_to_service(project.site.socket_folder, service_user_ids()["influxdb"])
    preflight.give_to_service(project.site.tls, service_user_ids()["edge"])
    external_secrets.prepare_folder(project.site.secrets, service_user_ids()["grafana"])
    certificates.install(
        project.site.root, project.config.grafana.access.tls, project.site.tls, service_user_ids()["edge"]
    )
    if project.config.edge.channel.by_site:
        ca.install(project.site.authority, project.site.tls / certificates.FILES["edge"], service_user_ids()["edge"])
    else:
        certificates.install(
            project.site.root,
            project.config.edge.channel.pair,
            project.site.tls,
            service_user_ids()["edge"],
            service="edge",
        )


def _write(site: Site, intent: DesiredState, progress: Progress) -> None:
    former = intent.bundle.version
    if former not in ("", __version__):
        progress.note(f"the bundle was rendered by aresmon {former}; it is rendered again by {__version__}")
    for name, what in (("INFLUXDB_DATA", "storage.data"), ("GRAFANA_DATA", "grafana.data")):
        was, becomes = variable_of(intent.bundle.files, name), variable_of(intent.files, name)
        if was not in ("", becomes):
            progress.warn(
                f"{what} changes from {was} to {becomes}; the data in the previous folder is not moved",
                hint="to keep that data: `aresmon down`, move the folder, `aresmon up`",
            )
    if variable_of(intent.bundle.files, "AGENTS_TLS") == "yes" != variable_of(intent.files, "AGENTS_TLS"):
        progress.warn(
            "edge.tls is off: agents that connect with https are rejected from now on",
            hint="`aresmon push-config --all`; until then each agent buffers its data, for at least ten minutes",
        )
    site.record_provisioned(alert_rules.uids(intent.files))
    aside = bundle.write(intent.bundle, intent.files)
    if aside is not None:
        progress.warn(
            f"these generated files were edited and have been restored: {', '.join(intent.difference.edited)}",
            hint=f"your version is kept in {aside}; put permanent changes into overrides/",
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
    """Take the steps: InfluxDB first, and its users before the services that use them; what changed in the database."""
    engine.remove_leftovers(intent.config.site)
    services.remove_unwanted(intent, engine, progress)
    due = [step for step in intent.steps if step.action != "remove"]
    due += services.stop_exposed_edge(project, engine, due)
    store_steps = [step for step in due if step.service == "influxdb"]
    for tries_left in reversed(range(_TRIES)):
        try:
            services.start(project.site, store_steps, intent, engine, progress)
            statements = influxdb_service.ensure(project, engine, secrets, progress, shorten=shorten)
            break
        except InfluxDBUnreachableError:
            if not tries_left:
                raise
            progress.note("InfluxDB stopped responding; it is restarted")
            store_steps = [Step("influxdb", "recreate", "it stopped responding")]
    services.start(project.site, [step for step in due if step.service != "influxdb"], intent, engine, progress)
    return statements


def _wait_for_data(site: Site, intent: DesiredState, progress: Progress) -> str:
    """Wait for the server's own data; return why it could not be verified, or nothing."""
    sidecar = intent.config.sidecar
    if sidecar is None or "telegraf" in intent.images.missing:
        return ""
    is_new = any(step.service == "telegraf" for step in intent.steps)
    since = time.time() if is_new else time.time() - freshness.FRESH_WITHIN
    with progress.stage(f"waiting for data of {sidecar.name}"):
        unverified = freshness.wait_for_data(influxdb_service.admin_client(site), sidecar.name, since)
    if not unverified and b'ARESMON_URL: "https:' in intent.files[AGENT_ENVIRONMENT]:
        trusted = intent.files.get(f"agents/{sidecar.name}/{config_names.AUTHORITY}", b"")
        tls_migration.record_tls(site, sidecar.name, trusted)
    return unverified


def _ensure_grafana_users(
    project: Project, intent: DesiredState, engine: Engine, secrets: Mapping[str, str], progress: Progress
) -> tuple[str, ...]:
    """Create or change Grafana's users as aresmon.yml says; what changed. Last, because the stack works without it."""
    if "grafana" in intent.images.missing:
        return ()
    return grafana_users.ensure(project, engine, secrets, progress)

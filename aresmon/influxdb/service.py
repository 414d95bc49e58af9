"""InfluxDB, running and as the site wants it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from aresmon.config.layout import SOCKET
from aresmon.config.model import Config
from aresmon.config.views import Views
from aresmon.engine.compose import Compose
from aresmon.engine.docker import Engine
from aresmon.influxdb import backfill, capacity, downsampling, influxql, retention, scratch
from aresmon.influxdb import users as influxdb_users
from aresmon.influxdb.backfill import BackfillResult, BackfillTask
from aresmon.influxdb.client import InfluxDB, InfluxDBUnreachableError
from aresmon.influxdb.retention import Loss
from aresmon.influxdb.users import DatabaseChange
from aresmon.influxdb.users import admin_client as admin_client
from aresmon.site import secrets as site_secrets
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.system.errors import AresmonError
from aresmon.system.json_file import JsonFile
from aresmon.system.poll import retry
from aresmon.system.progress import Progress

_ANSWERS_WITHIN = 120.0
_OPEN = "/run/reset"  # inside the container
_WITHOUT_PASSWORDS = ("-e", "INFLUXDB_HTTP_AUTH_ENABLED=false", "-e", f"INFLUXDB_HTTP_BIND_SOCKET={_OPEN}/{SOCKET}")
_DAY = 86400  # seconds
_MOST_DAYS = 31  # that `up` itself downsamples; more would keep it waiting for hours


def anonymous_client(site: Site) -> InfluxDB:
    """The same, as nobody in particular."""
    return InfluxDB(site.socket_folder / SOCKET)


def ensure(
    project: Project, engine: Engine, secrets: Mapping[str, str], progress: Progress, *, shorten: bool
) -> tuple[str, ...]:
    """Create or change the database, policies, users, permissions and downsampling as the site wants; what was changed.

    Raises UnreachableError if InfluxDB is not running or does not answer within two minutes.
    """
    unnamed = anonymous_client(project.site)

    def is_running() -> bool:
        return engine.is_running(project.config.site, "influxdb")

    with progress.stage("configuring InfluxDB: users and permissions"):
        _wait(unnamed, is_running)
        secrets = {**secrets, site_secrets.INFLUXDB_ADMIN: adopt_admin(project.site, unnamed)}
        _tell_under_way(secrets, progress)
        try:
            admin = influxdb_users.connect_as_admin(unnamed, secrets)
        except influxdb_users.AdminUnknownError:
            progress.note("the password of InfluxDB's admin differs from the site's secret; it is reset")
            _reset_admin(project.site, engine, secrets)
            _wait(unnamed, is_running)
            admin = influxdb_users.connect_as_admin(unnamed, secrets)
        changes = influxdb_users.plan(admin, influxdb_users.without_blocked_hosts(project), secrets, shorten=shorten)
        influxdb_users.apply(admin, changes)
        _tell_other_admins(admin, progress)
        views = project.views
        coarser = downsampling.plan(admin, project.config, views)
        journal, filling = project.site.state / backfill.JOURNAL, _filling(project, admin, coarser)
        kept = {policy: influxql.retention_hours(project.config.keep, policy) for policy in influxql.POLICIES}
        if changes or not _retention_file(project.site).path.exists():
            _retention_file(project.site).write(kept)
    # Noted before the continuous queries are made, since their absence shows what is due; filled afterwards,
    # since what arrives meanwhile is theirs.
    if filling:
        backfill.write_journal(journal, filling)
    downsampling.apply(admin, coarser)
    if filling:
        filled = backfill.run(admin, project.config, views, filling, journal=journal, progress=progress)
        _tell_filled(admin, project.config, filling, filled, progress)
    return tuple(change.description for change in [*changes, *coarser])


def preview(
    project: Project, engine: Engine, users: Mapping[str, int], *, shorten: bool
) -> tuple[tuple[str, ...], str]:
    """What `ensure` would change in the database, or why that is unknown. Changes nothing."""
    if not engine.is_running(project.config.site, "influxdb"):
        return (), "InfluxDB is not running"
    try:
        changes, coarser = plan_changes(project, admin_client(project.site), users, shorten=shorten)
        return tuple(change.description for change in [*changes, *coarser]), ""
    except AresmonError as error:
        return (), error.message


def plan_changes(
    project: Project, admin: InfluxDB, users: Mapping[str, int], *, shorten: bool
) -> tuple[list[DatabaseChange], list[DatabaseChange]]:
    """What `ensure` would change of policies, users and rights, and of downsampling. Nothing is changed.

    Raises AresmonError where a retention would get shorter and `shorten` is not set.
    """
    secrets = site_secrets.read_or_placeholders(project.site.secrets, site_secrets.owners(project.config, users))
    secrets |= site_secrets.read_next_values(project.site.secrets, secrets)
    changes = influxdb_users.plan(admin, influxdb_users.without_blocked_hosts(project), secrets, shorten=shorten)
    return changes, downsampling.plan(admin, project.config, project.views)


def _filling(project: Project, admin: InfluxDB, changes: list[DatabaseChange]) -> list[BackfillTask]:
    """What is to be downsampled of the points that are there: by new continuous queries, or left by an interruption."""
    return backfill.merge_tasks(
        backfill.read_journal(project.site.state / backfill.JOURNAL),
        plan_backfill(admin, project.config, project.views, changes),
    )


def plan_backfill(admin: InfluxDB, config: Config, views: Views, changes: list[DatabaseChange]) -> list[BackfillTask]:
    """What the continuous queries that a plan adds would have made of the points that are there. To be asked before
    the plan is carried out, since their absence shows it."""
    now, new = time.time(), downsampling.added_with_points(admin, changes, views)
    options = backfill.BackfillOptions(since=int(now) - _MOST_DAYS * _DAY)
    return backfill.plan(admin, config, new, options, now=now) if new else []


def _tell_filled(
    admin: InfluxDB, config: Config, tasks: list[BackfillTask], filled: BackfillResult, progress: Progress
) -> None:
    for rejected in filled.rejected:
        progress.warn(
            f"{rejected}; existing points there are unchanged",
            hint=backfill.OTHER_TYPE_HINT,
        )
    more = backfill.unfilled_before(tasks, capacity.list_shards(admin), config, now=time.time())
    for policy, since in more.items():
        when = datetime.fromtimestamp(since, UTC)
        progress.note(
            f"{policy} could be filled back to {when:%Y-%m-%d}, and was for {_MOST_DAYS} days: "
            f"`aresmon data backfill --policy {policy}` does the rest"
        )


def adopt_admin(site: Site, unnamed: InfluxDB) -> str:
    """The admin's password; where a rotation of it was interrupted, the one of the two that InfluxDB takes.

    Of the next one nothing is left afterwards: it has become the present one, or was never set.
    """
    name = site_secrets.INFLUXDB_ADMIN
    current = site_secrets.read(site.secrets, name)
    following = site_secrets.read_next_values(site.secrets, [name]).get(site_secrets.next_name(name))
    if following is None:
        return current
    if unnamed.check_credentials([(influxdb_users.ADMIN, current), (influxdb_users.ADMIN, following)]) == [False, True]:
        site_secrets.replace(site.secrets, name, following, os.getuid())
        current = following
    site_secrets.remove(site.secrets, site_secrets.next_name(name))
    return current


def rotate_admin(site: Site) -> None:
    """Give InfluxDB's admin another password. It is written down before InfluxDB has it, so that none is ever lost."""
    name = site_secrets.INFLUXDB_ADMIN
    unnamed = anonymous_client(site)
    current, following = adopt_admin(site, unnamed), site_secrets.generate()
    site_secrets.replace(site.secrets, site_secrets.next_name(name), following, os.getuid())
    InfluxDB(unnamed.socket, influxdb_users.ADMIN, current).query(
        influxql.set_password(influxdb_users.ADMIN, following)
    )
    site_secrets.replace(site.secrets, name, following, os.getuid())
    site_secrets.remove(site.secrets, site_secrets.next_name(name))


def _tell_under_way(secrets: Mapping[str, str], progress: Progress) -> None:
    for name in sorted(secrets):
        if site_secrets.next_name(name) in secrets:
            progress.note(f"{name} is being rotated: `aresmon secrets rotate {name}` completes it")


def _tell_other_admins(admin: InfluxDB, progress: Progress) -> None:
    for name in influxdb_users.list_other_admins(admin):
        progress.warn(
            f"InfluxDB has an admin that aresmon does not manage: {name} may read, write and delete everything",
            hint="if nobody needs it, remove it as docs/security.md describes (Another admin)",
        )


def find_losses(project: Project) -> tuple[Loss, ...]:
    """What retentions that get shorter delete: by what the last `up` remembers of them, so that nothing has to run
    yet, and by the database if it runs."""
    kept = _retention_file(project.site).read_or({})
    if kept and not retention.shortened_policies(kept, project.config):
        return ()
    try:
        return retention.measure_losses(admin_client(project.site), project.config, project.views, now=time.time())
    except AresmonError:
        return retention.shortened_policies(kept, project.config)


def _retention_file(site: Site) -> JsonFile[Mapping[str, int]]:
    """The hours of each retention policy, as the last `up` set them."""
    return JsonFile(
        site.state / "retention.json",
        lambda data: {str(policy): int(hours) for policy, hours in data.items()},
        dict,
        mode=0o644,
    )


def _wait(influxdb: InfluxDB, is_running: Callable[[], bool]) -> None:
    retry(influxdb.version, on=InfluxDBUnreachableError, within=_ANSWERS_WITHIN, every=0.3, keep_trying=is_running)


def _reset_admin(site: Site, engine: Engine, secrets: Mapping[str, str]) -> None:
    """Give the admin its password without knowing the former one: by a run without authentication, in a container
    that nothing reaches but through a socket of its own, which the edge does not know. Then start InfluxDB again."""
    compose, sockets = Compose(site.bundle, site.bundle), site.state / "run" / "reset"
    compose.stop("influxdb")
    scratch.create_folder(sockets, site.socket_folder.stat().st_uid)
    container = compose.run(
        "run", "--detach", "--no-deps", *_WITHOUT_PASSWORDS, "--volume", f"{sockets}:{_OPEN}", "influxdb"
    ).split()[-1]
    try:
        unlocked = InfluxDB(sockets / SOCKET)
        _wait(unlocked, lambda: engine.is_alive(container))
        influxdb_users.reset_admin(unlocked, secrets)
    finally:
        engine.remove_container(container)
        compose.up(["influxdb"])
        scratch.remove_folder(sockets)

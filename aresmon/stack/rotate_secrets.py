"""Rotate the stack's own secrets: InfluxDB's admin, Grafana's database user and administrator, the site key."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aresmon.engine.docker import Engine
from aresmon.grafana import manage_users
from aresmon.influxdb import service, users
from aresmon.site import folder, secrets
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.site.secret_inventory import SiteSecret
from aresmon.stack import up
from aresmon.system.errors import AresmonError
from aresmon.system.progress import Progress

COMMAND = "secrets rotate"
_NEEDS_UP = frozenset({secrets.INFLUXDB_GRAFANA, secrets.GRAFANA_ADMIN, secrets.SITE_KEY})


@dataclass(frozen=True, slots=True)
class RotationResult:
    """The result for one secret: the `reason` why it was not rotated, empty if it was, and the `next` step."""

    name: str
    reason: str = ""
    next: str = ""


def check(project: Project, engine: Engine, chosen: Sequence[SiteSecret]) -> None:
    """Raise AresmonError if `up` has other changes to make: the rotation would make them too."""
    reader = secrets.next_name(secrets.INFLUXDB_GRAFANA)
    if not any(one.name in _NEEDS_UP for one in chosen) or (project.site.secrets / reader).exists():
        return
    if up.dry_run(project, engine).changed:
        raise AresmonError(
            "`aresmon up` has pending changes, which the rotation would make too",
            hint="run `aresmon up` first (`--dry-run` shows the changes); nothing was changed",
        )


def rotate(project: Project, engine: Engine, progress: Progress, chosen: Sequence[SiteSecret]) -> list[RotationResult]:
    """Give these secrets new values and apply them to the stack; return the result for each.

    Each step can be interrupted: InfluxDB's admin and Grafana's database user have two passwords until the new one is
    accepted, and the next `up` applies what was only saved.
    """
    done = [_one(project, engine, progress, secret) for secret in chosen]
    changed = {one.name for one in done if not one.reason}
    if changed & _NEEDS_UP:
        up.up(project, engine, progress, announce=lambda _: None)
    if secrets.INFLUXDB_GRAFANA in changed:
        with project.site.lock(COMMAND):
            _end_reader(project.site)
    for one in done:
        if not one.reason:
            project.site.record(command=COMMAND, secret=one.name, outcome="rotated")
    return done


def _one(project: Project, engine: Engine, progress: Progress, secret: SiteSecret) -> RotationResult:
    try:
        if secret.kind == "person":
            manage_users.set_password(project, engine, progress, login=secret.subject, password=secrets.generate())
        else:
            with project.site.lock(COMMAND):
                _ACTS[secret.kind](project.site)
    except AresmonError as error:
        return RotationResult(secret.name, error.message, error.hint)
    return RotationResult(secret.name)


def _begin_reader(site: Site) -> None:
    """Create Grafana's second database user and give Grafana its password, which it reads when it starts."""
    name, owner = secrets.INFLUXDB_GRAFANA, folder.service_user_ids()["grafana"]
    begun = secrets.read_next_values(site.secrets, [name]).get(secrets.next_name(name), "")
    following = secrets.next_value(name, secrets.read(site.secrets, name), begun)
    secrets.replace(site.secrets, secrets.next_name(name), following, os.getuid())
    influxdb = service.admin_client(site)
    users.apply(influxdb, users.plan_user(influxdb, name, following))
    secrets.replace(site.secrets, name, following, owner)


def _end_reader(site: Site) -> None:
    """Remove Grafana's previous database user, which nothing uses any more."""
    name = secrets.INFLUXDB_GRAFANA
    account = secrets.database_user(name, secrets.read(site.secrets, name))
    users.remove_users(service.admin_client(site), secrets.other_user(account))
    secrets.remove(site.secrets, secrets.next_name(name))


def _replace_key(site: Site) -> None:
    secrets.replace(site.secrets, secrets.SITE_KEY, secrets.generate(), os.getuid())


_ACTS: dict[str, Callable[[Site], None]] = {
    "admin": service.rotate_admin,
    "reader": _begin_reader,
    "mark": _replace_key,
}

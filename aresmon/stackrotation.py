"""The stack's own secrets given other values: InfluxDB's admin, Grafana's ways in, the key of the marks."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aresmon import credentials, database, intent, roster, stack, store
from aresmon.engine import Engine
from aresmon.errors import AresmonError
from aresmon.progress import Progress
from aresmon.rotation import Secret
from aresmon.site import Site

COMMAND = "secrets rotate"
_NEEDS_UP = frozenset({credentials.INFLUXDB_GRAFANA, credentials.GRAFANA_ADMIN, credentials.SITE_KEY})


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one secret; `why` it was not rotated, empty where it was, and what is `next` then."""

    name: str
    why: str = ""
    next: str = ""


def check(site: Site, engine: Engine, chosen: Sequence[Secret]) -> None:
    """Raise AresmonError where `up` has other things to do: to rotate would do them too, unasked."""
    reader = credentials.upcoming(credentials.INFLUXDB_GRAFANA)
    if not any(one.name in _NEEDS_UP for one in chosen) or (site.secrets / reader).exists():
        return
    if stack.dry_run(site, engine).changed:
        raise AresmonError(
            "`aresmon up` has something to do, which this would do too",
            hint="`aresmon up` first (`--dry-run` shows what); nothing was changed",
        )


def rotate(site: Site, engine: Engine, progress: Progress, chosen: Sequence[Secret]) -> list[Done]:
    """Give these secrets other values and bring the stack to them; what became of each.

    Each step may be interrupted: InfluxDB's admin and Grafana's reader have two values until the new one is taken,
    and what was only written down is brought by the next `up`.
    """
    done = [_one(site, engine, progress, secret) for secret in chosen]
    changed = {one.name for one in done if not one.why}
    if changed & _NEEDS_UP:
        stack.up(site, engine, progress, announce=lambda _: None)
    if credentials.INFLUXDB_GRAFANA in changed:
        with site.lock(COMMAND):
            _end_reader(site)
    for one in done:
        if not one.why:
            site.record(command=COMMAND, secret=one.name, outcome="rotated")
    return done


def _one(site: Site, engine: Engine, progress: Progress, secret: Secret) -> Done:
    try:
        if secret.kind == "person":
            roster.set_password(site, engine, progress, login=secret.subject, password=credentials.generated())
        else:
            with site.lock(COMMAND):
                _ACTS[secret.kind](site)
    except AresmonError as error:
        return Done(secret.name, error.message, error.hint)
    return Done(secret.name)


def _begin_reader(site: Site) -> None:
    """Make Grafana's other database user, and have its password be Grafana's: it is read when Grafana starts."""
    name, owner = credentials.INFLUXDB_GRAFANA, intent.users()["grafana"]
    begun = credentials.under_way(site.secrets, [name]).get(credentials.upcoming(name), "")
    following = credentials.following(name, credentials.read(site.secrets, name), begun)
    credentials.replace(site.secrets, credentials.upcoming(name), following, os.getuid())
    influxdb = store.influxdb(site)
    database.apply(influxdb, database.changes_of(influxdb, name, following))
    credentials.replace(site.secrets, name, following, owner)


def _end_reader(site: Site) -> None:
    """Remove Grafana's former database user: no Grafana knows it any more."""
    name = credentials.INFLUXDB_GRAFANA
    account = credentials.account(name, credentials.read(site.secrets, name))
    database.remove_users(store.influxdb(site), credentials.other(account))
    credentials.remove(site.secrets, credentials.upcoming(name))


def _replace_key(site: Site) -> None:
    credentials.replace(site.secrets, credentials.SITE_KEY, credentials.generated(), os.getuid())


_ACTS: dict[str, Callable[[Site], None]] = {
    "admin": store.rotate_admin,
    "reader": _begin_reader,
    "mark": _replace_key,
}

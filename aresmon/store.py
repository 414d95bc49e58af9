"""InfluxDB, running and as the site wants it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping

from aresmon import credentials, database, files, tiers
from aresmon.compose import Compose
from aresmon.engine import Engine
from aresmon.fleet import Fleet
from aresmon.influxdb import InfluxDB, UnreachableError
from aresmon.layout import SOCKET
from aresmon.progress import Progress
from aresmon.render import influxql
from aresmon.site import Site

_ANSWERS_WITHIN = 120.0
_RETENTION = "retention.json"


def influxdb(site: Site) -> InfluxDB:
    """The site's InfluxDB, as its admin. Raises AresmonError where its secret cannot be read."""
    return InfluxDB(
        site.socket_folder / SOCKET, database.ADMIN, credentials.read(site.secrets, credentials.INFLUXDB_ADMIN)
    )


def nobody(site: Site) -> InfluxDB:
    """The same, as nobody in particular."""
    return InfluxDB(site.socket_folder / SOCKET)


def ensure(
    site: Site, fleet: Fleet, engine: Engine, secrets: Mapping[str, str], progress: Progress, *, shorten: bool
) -> tuple[str, ...]:
    """Bring database, policies, users, rights and downsampling to what the site wants; what was changed.

    Raises UnreachableError if InfluxDB is not running or does not answer within two minutes.
    """
    unnamed = nobody(site)

    def is_running() -> bool:
        return engine.is_running(fleet.site, "influxdb")

    with progress.stage("looking after the database, its users and rights"):
        _wait(unnamed, is_running)
        try:
            admin = database.admin(unnamed, secrets)
        except database.AdminUnknownError:
            progress.note("InfluxDB's admin has another password than the site's secrets say: it is set anew")
            _reset_admin(unnamed, Compose(site.bundle, site.bundle), engine, secrets, is_running)
            admin = database.admin(unnamed, secrets)
        changes = database.plan(admin, fleet, secrets, shorten=shorten)
        database.apply(admin, changes)
        views = site.views()
        coarser = tiers.plan(admin, fleet, views)
        kept = {policy: influxql.keep_hours(fleet.keep, policy) for policy in influxql.POLICIES}
        if changes or not (site.state / _RETENTION).exists():
            files.write(site.state / _RETENTION, json.dumps(kept).encode())
    # Before the continuous queries are made: an `up` that is interrupted here does it again.
    due = tiers.due(admin, coarser, views)
    if due:
        with progress.stage("downsampling the points that are there already"):
            for one in due:
                tiers.fill(admin, one, fleet)
    tiers.apply(admin, coarser)
    return tuple(change.what for change in [*changes, *coarser])


def check_retention(site: Site, fleet: Fleet) -> None:
    """Raise AresmonError if a retention would get shorter than it was at the last `up`.

    By what is remembered of it, so that nothing has to run yet; the database itself is looked at later.
    """
    try:
        kept = json.loads((site.state / _RETENTION).read_bytes())
        database.check_retention({str(policy): int(hours) for policy, hours in kept.items()}, fleet)
    except (OSError, ValueError, AttributeError):
        return


def _wait(influxdb: InfluxDB, is_running: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _ANSWERS_WITHIN
    while True:
        try:
            influxdb.version()
            return
        except UnreachableError:
            if time.monotonic() > deadline or not is_running():
                raise
            time.sleep(0.3)


def _reset_admin(
    unnamed: InfluxDB, compose: Compose, engine: Engine, secrets: Mapping[str, str], is_running: Callable[[], bool]
) -> None:
    """Give the admin its password without knowing the former one: by a run without authentication, in a
    container that nothing can reach but through the socket."""
    compose.stop("influxdb")
    container = compose.run(
        "run", "--detach", "--no-deps", "-e", "INFLUXDB_HTTP_AUTH_ENABLED=false", "influxdb"
    ).split()[-1]
    try:
        _wait(unnamed, lambda: engine.is_alive(container))
        database.reset_admin(unnamed, secrets)
    finally:
        engine.remove_container(container)
        compose.up(["influxdb"])
    _wait(unnamed, is_running)

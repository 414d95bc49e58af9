"""InfluxDB, running and as the site wants it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from aresmon import credentials, database
from aresmon.engine import Compose, Engine
from aresmon.fleet import Fleet
from aresmon.influxdb import InfluxDB, UnreachableError
from aresmon.progress import Progress
from aresmon.site import Site

_SOCKET = "influxdb.sock"
_ANSWERS_WITHIN = 120.0


def influxdb(site: Site) -> InfluxDB:
    """The site's InfluxDB, as its admin. Raises AresmonError where its secret cannot be read."""
    return InfluxDB(
        site.socket_folder / _SOCKET, database.ADMIN, credentials.read(site.secrets, credentials.INFLUXDB_ADMIN)
    )


def ensure(
    site: Site, fleet: Fleet, engine: Engine, secrets: Mapping[str, str], progress: Progress, *, shorten: bool
) -> tuple[str, ...]:
    """Bring database, policies, users and rights to what the site wants; what was changed.

    Raises UnreachableError if InfluxDB is not running or does not answer within two minutes.
    """
    nobody = InfluxDB(site.socket_folder / _SOCKET)
    with progress.stage("looking after the database, its users and rights"):
        _wait(nobody, lambda: engine.is_running(fleet.site, "influxdb"))
        try:
            admin = database.admin(nobody, secrets)
        except database.AdminUnknownError:
            progress.note("InfluxDB's admin has another password than the site's secrets say: it is set anew")
            _reset_admin(nobody, Compose(site.bundle, site.bundle), engine, secrets)
            admin = database.admin(nobody, secrets)
        changes = database.plan(admin, fleet, secrets, shorten=shorten)
        database.apply(admin, changes)
        return tuple(change.what for change in changes)


def _wait(nobody: InfluxDB, is_running: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _ANSWERS_WITHIN
    while True:
        try:
            nobody.version()
            return
        except UnreachableError:
            if time.monotonic() > deadline or not is_running():
                raise
            time.sleep(0.3)


def _reset_admin(nobody: InfluxDB, compose: Compose, engine: Engine, secrets: Mapping[str, str]) -> None:
    """Give the admin its password without knowing the former one: by a run without authentication, in a
    container that nothing can reach but through the socket."""
    compose.stop("influxdb")
    container = compose.run(
        "run", "--detach", "--no-deps", "-e", "INFLUXDB_HTTP_AUTH_ENABLED=false", "influxdb"
    ).split()[-1]
    try:
        _wait(nobody, lambda: engine.is_alive(container))
        database.reset_admin(nobody, secrets)
    finally:
        engine.remove_container(container)
        compose.up(["influxdb"])

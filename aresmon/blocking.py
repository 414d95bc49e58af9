"""Hosts that may not write for now: what floods the database is cut off there, until somebody has mended it.

A host that makes new series without end costs the database its memory, and every host its dashboards; the way to stop
it must not lead over that host. Its users are taken away, and `up` does not bring them back before it is let in again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from aresmon import database, files
from aresmon.credentials import account, agent, other, upcoming
from aresmon.errors import AresmonError
from aresmon.fleet import Fleet
from aresmon.influxdb import InfluxDB
from aresmon.site import Site

FILE = "blocked.json"


def blocked(site: Site) -> Mapping[str, str]:
    """The hosts that may not write, and since when (ISO 8601, UTC). Raises AresmonError where that cannot be known."""
    path = site.state / FILE
    try:
        return parse(path.read_bytes(), str(path))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unreadable(str(path), error) from None


def parse(content: bytes, where: str) -> Mapping[str, str]:
    """The same of a file's content; `where` it is, is told where AresmonError is raised."""
    try:
        return {str(host): str(since) for host, since in json.loads(content).items()}
    except (ValueError, AttributeError) as error:
        raise _unreadable(where, error) from None


def admitted(site: Site, fleet: Fleet) -> Fleet:
    """The fleet without the hosts that may not write."""
    out = blocked(site)
    return replace(fleet, hosts=tuple(host for host in fleet.hosts if host.name not in out))


def block(site: Site, influxdb: InfluxDB, host: str) -> bool:
    """Let a host write no more; whether it could before. Interrupted, the next `up` completes it."""
    known = blocked(site)
    if host not in known:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        files.write(site.state / FILE, json.dumps({**known, host: now}).encode())
    first = account(agent(host), "")
    database.remove_users(influxdb, first, other(first))
    return host not in known


def unblock(site: Site, influxdb: InfluxDB, secrets: Mapping[str, str], host: str) -> bool:
    """Let a host of the site write again, with the password that it has; whether it could not before."""
    # The users first: interrupted, the host is still blocked, and the same command goes on.
    for name in (agent(host), upcoming(agent(host))):
        if name in secrets:
            database.apply(influxdb, database.changes_of(influxdb, agent(host), secrets[name]))
    return forget(site, host)


def forget(site: Site, host: str) -> bool:
    """Remember no more that a host may not write; whether it might not."""
    known = dict(blocked(site))
    was = known.pop(host, None)
    if was is not None:
        files.write(site.state / FILE, json.dumps(known).encode())
    return was is not None


def _unreadable(where: str, error: Exception) -> AresmonError:
    return AresmonError(
        f"{where}, the hosts that may not write, cannot be read: {error}",
        hint="remove it, and block those again: `aresmon hosts block HOST`",
    )

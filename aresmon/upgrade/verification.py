"""What an upgraded stack is compared with: what its database had before, that it takes points, that agents' arrive."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from aresmon.config.names import DATABASE, EVENT
from aresmon.influxdb import freshness
from aresmon.influxdb.client import InfluxDB, InfluxDBUnreachableError
from aresmon.influxdb.downsampling import FOREVER_POLICY
from aresmon.influxdb.events import HostEvent
from aresmon.system.errors import AresmonError
from aresmon.system.poll import poll, retry

_DAY = 86400
_IN_FLIGHT = 60  # seconds: what is newer may still be on its way when it is counted
_EVERY = 0.5


@dataclass(frozen=True, slots=True)
class DataSummary:
    """What a database has: its measurements, and how many points of the agents, by host, of the day before."""

    measurements: frozenset[str]
    points: Mapping[str, int]


def summarise(influxdb: InfluxDB, until: float) -> DataSummary:
    """What there is of the time until then, in seconds since 1970: nothing that comes later is in it."""
    end = int(until) - _IN_FLIGHT
    measurements, points = influxdb.query(
        "SHOW MEASUREMENTS",
        f'SELECT count("metrics_gathered") FROM "internal_agent" WHERE time > {end - _DAY}s AND time <= {end}s '
        'GROUP BY "host"',
        database=DATABASE,
    )
    return DataSummary(
        frozenset(str(row["name"]) for series in measurements for row in series.rows),
        {series.tags["host"]: int(series.rows[0]["count"]) for series in points},
    )


def missing_data(had: DataSummary, has: DataSummary) -> str:
    """What is no longer there, in words; empty where all is."""
    gone = sorted(had.measurements - has.measurements)
    if gone:
        return f"the measurements {', '.join(gone[:5])}"
    fewer = [host for host, points in had.points.items() if has.points.get(host, 0) < points]
    return f"points of {', '.join(fewer[:5])}" if fewer else ""


def wait_for_answer(influxdb: InfluxDB, within: float) -> None:
    """Wait until it answers queries; it answers a ping before it has opened all of its data."""
    retry(lambda: influxdb.query("SHOW DATABASES"), on=AresmonError, within=within, every=_EVERY)


def check_write(influxdb: InfluxDB, server: str, text: str) -> None:
    """Write a point, which is the dashboards' annotation of the upgrade, and read it.

    Raises AresmonError where it is refused, or not there afterwards.
    """
    at = int(time.time())
    influxdb.write(
        HostEvent(server, "upgrade", "upgrade of influxdb", text).line(at), database=DATABASE, policy=FOREVER_POLICY
    )
    statement = f'SELECT "text" FROM "{FOREVER_POLICY}"."{EVENT}" WHERE "kind" = \'upgrade\' AND time >= {at}s'
    if not influxdb.query(statement, database=DATABASE)[0]:
        raise AresmonError("it accepts a point, but does not return it afterwards")


def sending_hosts(influxdb: InfluxDB, hosts: Collection[str]) -> tuple[str, ...]:
    """Those of these hosts of which fresh data is there; none where InfluxDB cannot be asked."""
    try:
        return tuple(sorted(freshness.hosts_with_data(influxdb, time.time() - freshness.FRESH_WITHIN) & set(hosts)))
    except AresmonError:
        return ()


def wait_for_any_host(influxdb: InfluxDB, hosts: Collection[str], since: float, *, within: float) -> str:
    """Wait for a point of one of these hosts that was taken since; why not, or nothing."""

    def has_arrived() -> bool | None:
        try:
            return bool(freshness.hosts_with_data(influxdb, since) & set(hosts)) or None
        except InfluxDBUnreachableError:
            return None

    if poll(has_arrived, within=within, every=_EVERY):
        return ""
    return f"no data from {format_hosts(hosts)} arrived within {within:.0f} s"


def format_hosts(hosts: Collection[str]) -> str:
    """Some hosts, as a sentence has them: `biere, lewi, ronflex ...`"""
    some = sorted(hosts)
    return ", ".join(some[:3]) + (" ..." if some[3:] else "")

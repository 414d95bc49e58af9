"""Whether data arrives: the newest points of hosts in InfluxDB. This is the only evidence that an agent works."""

from __future__ import annotations

import time

from aresmon.config.names import DATABASE
from aresmon.influxdb import influxql
from aresmon.influxdb.client import InfluxDB, InfluxDBUnreachableError
from aresmon.system.poll import poll

FRESH_WITHIN = 40.0
"""Seconds: an agent whose newest point is older is late. Interval, flush interval and jitter add up to 22."""

_WITHIN = 60.0
_EVERY = 0.5


def wait_for_data(influxdb: InfluxDB, host: str, since: float) -> str:
    """Wait until the database has a point of this host that is newer than `since`, in seconds since 1970.

    Returns an empty string once it has, or after a minute a message about the missing data.
    """
    seen = 0.0

    def has_arrived() -> bool | None:
        nonlocal seen
        try:
            seen = newest_point(influxdb, host)
        except InfluxDBUnreachableError:
            seen = 0.0
        return seen >= since or None

    if poll(has_arrived, within=_WITHIN, every=_EVERY):
        return ""
    when = f"the newest point is {time.time() - seen:.0f} s old" if seen else "the database has no data from it"
    return f"no data from {host} arrived within {_WITHIN:.0f} s; {when}"


def newest_point(influxdb: InfluxDB, host: str) -> float:
    """The time of the host's newest point, in seconds since 1970; 0 if there is none.

    Points dated in the future are ignored: they were written while a clock was wrong.
    """
    statement = (
        f'SELECT last("metrics_gathered") FROM "internal_agent" WHERE "host" = {influxql.string(host)} '
        f"AND time <= {int(time.time() + FRESH_WITHIN)}s"
    )
    series = influxdb.query(statement, database=DATABASE)[0]
    return float(series[0].rows[0]["time"]) if series else 0.0


def hosts_with_data(influxdb: InfluxDB, since: float) -> frozenset[str]:
    """The hosts with a point since `since` (seconds since 1970) that is not dated in the future."""
    now = int(time.time() + FRESH_WITHIN)
    statement = (
        f'SELECT last("metrics_gathered") FROM "internal_agent" WHERE time >= {int(since * 1000)}ms AND time <= {now}s '
        'GROUP BY "host"'
    )
    return frozenset(series.tags["host"] for series in influxdb.query(statement, database=DATABASE)[0])

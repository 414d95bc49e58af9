"""The only proof that an agent works: its points, seen in InfluxDB."""

from __future__ import annotations

import time

from aresmon.config.names import DATABASE
from aresmon.influxdb import influxql
from aresmon.influxdb.client import InfluxDB, InfluxDBUnreachableError
from aresmon.system.poll import poll

FRESH_WITHIN = 40.0
"""Seconds: an agent whose newest point is older is late. Interval, flush and jitter are 22 together."""

_WITHIN = 60.0
_EVERY = 0.5


def wait_for_data(influxdb: InfluxDB, host: str, since: float) -> str:
    """Wait until a point of this host, newer than `since` (seconds since 1970), is in the database.

    Returns nothing once it is, or after a minute what is known of why not.
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
    when = f"the newest is {time.time() - seen:.0f} s old" if seen else "there is none at all"
    return f"no data of {host} arrived within {_WITHIN:.0f} s; {when}"


def newest_point(influxdb: InfluxDB, host: str) -> float:
    """When the host's newest point was taken, in seconds since 1970; 0 if there is none.

    What is dated in the future was written while a clock was wrong: it proves nothing of now.
    """
    statement = (
        f'SELECT last("metrics_gathered") FROM "internal_agent" WHERE "host" = {influxql.string(host)} '
        f"AND time <= {int(time.time() + FRESH_WITHIN)}s"
    )
    series = influxdb.query(statement, database=DATABASE)[0]
    return float(series[0].rows[0]["time"]) if series else 0.0


def hosts_with_data(influxdb: InfluxDB, since: float) -> frozenset[str]:
    """The hosts of which a point is there that was taken since (seconds since 1970), and not in the future."""
    now = int(time.time() + FRESH_WITHIN)
    statement = (
        f'SELECT last("metrics_gathered") FROM "internal_agent" WHERE time >= {int(since * 1000)}ms AND time <= {now}s '
        'GROUP BY "host"'
    )
    return frozenset(series.tags["host"] for series in influxdb.query(statement, database=DATABASE)[0])

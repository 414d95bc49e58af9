"""Probes of the database at a limited cost: no query reads more than a day, or more series than the limit."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from aresmon.config.model import Config
from aresmon.config.names import DATABASE
from aresmon.config.views import Views
from aresmon.doctor import facts
from aresmon.doctor.check_data import worst
from aresmon.doctor.facts import SeriesCount
from aresmon.influxdb import capacity, downsampling, service
from aresmon.influxdb.client import InfluxDB, InfluxDBError, Series
from aresmon.influxdb.freshness import FRESH_WITHIN
from aresmon.influxdb.influxql import identifier, string
from aresmon.site import folder
from aresmon.site.project import Project
from aresmon.system.errors import AresmonError

_WITHIN = 15.0  # seconds
_ASKED_AT_ONCE = 20  # measurements: from a workstation, each request is an ssh session
_GROWTH_OF = 3  # measurements whose growth is queried
_MOST_GROWTH = 20_000  # series in one of them: counting more takes seconds, and they are a finding in any case
_ROUND = 12.0  # seconds in which a working agent sends newer points
_AHEAD = 30  # seconds: a point dated further in the future does not show that the host is sending now
_DAY, _HOUR = 86400, 3600


def differences(influxdb: InfluxDB, project: Project) -> facts.DatabaseFacts:
    """Return what `up` would change in the database, and the unmanaged continuous queries."""
    changes, coarser = service.plan_changes(project, influxdb, folder.service_user_ids(), shorten=True)
    return facts.DatabaseFacts(
        tuple(change.description for change in changes),
        tuple(change.description for change in coarser),
        _unknown(influxdb, project.views),
    )


def look(
    influxdb: InfluxDB, config: Config, *, free: int | None, wait: Callable[[float], None] = time.sleep
) -> facts.DataFacts:
    """Read the size, the series, the hosts' clocks and the agents' versions. `wait` sleeps for some seconds."""
    taken = capacity.measure(influxdb, now=time.time(), free=free)
    counts = _with_growth(influxdb, _counts(influxdb))
    most = worst(counts)
    return facts.DataFacts(
        capacity=taken,
        series=tuple(counts),
        tags=_tags(influxdb, most) if most else {},
        clock_offsets=_clocks(influxdb, [host.name for host in config.hosts], wait),
        versions=_versions(influxdb),
    )


def _unknown(influxdb: InfluxDB, views: Views) -> tuple[str, ...]:
    ours = {one.name for one in downsampling.downsamplings(views)}
    there = [str(row["name"]) for one in influxdb.query("SHOW CONTINUOUS QUERIES")[0] for row in one.rows]
    return tuple(sorted(name for name in there if name not in ours and not name.startswith(("1m_", "1h_"))))


# Series ----------------------------------------------------------------------------------------------


def _counts(influxdb: InfluxDB) -> list[SeriesCount]:
    """Count series by host, one measurement at a time: with many series InfluxDB rejects a query over all of them."""
    names = [str(row["name"]) for one in _ask(influxdb, "SHOW MEASUREMENTS") for row in one.rows]
    pieces = [names[start : start + _ASKED_AT_ONCE] for start in range(0, len(names), _ASKED_AT_ONCE)]
    return [count for piece in pieces for count in _of_measurements(influxdb, piece)]


def _of_measurements(influxdb: InfluxDB, names: Sequence[str]) -> list[SeriesCount]:
    """Count some measurements in one request, or one at a time if InfluxDB rejects the request."""
    statements = [f'SHOW SERIES EXACT CARDINALITY FROM {identifier(name)} GROUP BY "host"' for name in names]
    try:
        return [count for found in _ask_all(influxdb, *statements) for count in _counted(found)]
    except InfluxDBError as error:
        if not _limit(error):
            raise
    if len(names) > 1:
        return [count for name in names for count in _of_measurements(influxdb, [name])]
    name = names[0]
    hosts = _ask(influxdb, f'SHOW TAG VALUES FROM {identifier(name)} WITH KEY = "host"')
    return [_of_host(influxdb, name, row["value"]) for one in hosts for row in one.rows]


def _of_host(influxdb: InfluxDB, name: str, host: str) -> SeriesCount:
    """Count one host's series in one measurement, up to the number that a query may read."""
    try:
        where = f'WHERE "host" = {string(host)}'
        found = _ask(influxdb, f"SHOW SERIES EXACT CARDINALITY FROM {identifier(name)} {where}")
        return SeriesCount(host, name, sum(int(row["count"]) for one in found for row in one.rows))
    except InfluxDBError as error:
        limit = _limit(error)
        if not limit:
            raise
        return SeriesCount(host, name, limit, is_minimum=True)


def _counted(found: Sequence[Series]) -> Iterator[SeriesCount]:
    for one in found:
        yield SeriesCount(one.tags.get("host", ""), one.name, sum(int(row["count"]) for row in one.rows))


def _with_growth(influxdb: InfluxDB, counts: Sequence[SeriesCount]) -> list[SeriesCount]:
    """Add the series of the last hour, and of the same hour a day ago, to the largest measurements."""
    sizes: Counter[str] = Counter()
    for one in counts:
        sizes[one.measurement] += one.count
    largest = [name for name, size in sizes.most_common() if size < _MOST_GROWTH][:_GROWTH_OF]
    now = int(time.time())
    seen = {
        name: (_active(influxdb, name, now - _DAY - _HOUR), _active(influxdb, name, now - _HOUR)) for name in largest
    }
    return [
        one
        if seen.get(one.measurement, (None,))[0] is None
        else replace(
            one,
            before=(seen[one.measurement][0] or {}).get(one.host, 0),
            now=(seen[one.measurement][1] or {}).get(one.host, 0),
        )
        for one in counts
    ]


def _active(influxdb: InfluxDB, measurement: str, since: int) -> Mapping[str, int] | None:
    """Count the series with a point in the hour from `since` on, by host; None if there are none, or more than a query
    may read."""
    name = identifier(measurement)
    try:
        fields = _ask(influxdb, f"SHOW FIELD KEYS FROM {name}")
        field = identifier(str(fields[0].rows[0]["fieldKey"]))
        inner = f"SELECT last({field}) AS x FROM {name} WHERE time >= {since}s AND time < {since + _HOUR}s GROUP BY *"
        found = _ask(influxdb, f'SELECT count(x) FROM ({inner}) GROUP BY "host"')
    except (InfluxDBError, IndexError):
        return None
    return {one.tags["host"]: int(one.rows[0]["count"]) for one in found} or None


def _tags(influxdb: InfluxDB, most: SeriesCount) -> dict[str, int]:
    """Count the values of each tag in the host and measurement with the most series."""
    name, where = identifier(most.measurement), f'WHERE "host" = {string(most.host)}'
    keys = [str(row["tagKey"]) for one in _ask(influxdb, f"SHOW TAG KEYS FROM {name}") for row in one.rows]
    found = {}
    for key in keys:
        try:
            asked = _ask(
                influxdb, f"SHOW TAG VALUES EXACT CARDINALITY FROM {name} WITH KEY = {identifier(key)} {where}"
            )
            found[key] = sum(int(row["count"]) for one in asked for row in one.rows)
        except InfluxDBError as error:
            if limit := _values_at_limit(influxdb, error, name=name, key=key):
                found[key] = limit
    return found


def _values_at_limit(influxdb: InfluxDB, error: InfluxDBError, *, name: str, key: str) -> int:
    """Return a lower bound of a tag's values if there are too many series to count them, at most a thousand."""
    limit = _limit(error)
    try:
        listed = _ask(influxdb, f"SHOW TAG VALUES FROM {name} WITH KEY = {identifier(key)} LIMIT 1000")
        return min(limit, sum(len(one.rows) for one in listed))
    except InfluxDBError:
        return 0


def _limit(error: InfluxDBError) -> int:
    """`max-select-series limit exceeded: (100001/100000)` → 100000; 0 for another error."""
    found = re.search(r"max-select-series limit exceeded: \(\d+/(\d+)\)", error.message)
    return int(found[1]) if found else 0


# Clocks and versions ---------------------------------------------------------------------------------


def _clocks(influxdb: InfluxDB, hosts: Sequence[str], wait: Callable[[float], None]) -> dict[str, float]:
    """Return by how many seconds each host's newest point is ahead of now, for hosts whose clock is wrong.

    A host with current points has a correct clock. A host with late points has stopped sending, or its clock is
    behind: a second query shows which, since the newest point of a silent host does not change.
    """
    asked = time.time()
    current, future = _newest(influxdb, f"<= {int(asked) + _AHEAD}s"), _newest(influxdb, f"> {int(asked) + _AHEAD}s")
    ahead = {host: current[host] - asked for host in hosts if current.get(host, 0) > asked}
    ahead |= {
        host: future[host] - asked for host in hosts if host in future and asked - current.get(host, 0) > FRESH_WITHIN
    }
    late = [host for host in hosts if host not in ahead and FRESH_WITHIN < asked - current.get(host, 0) < _DAY]
    if late:
        wait(_ROUND)
        again = time.time()
        second = _newest(influxdb, f"<= {int(again) + _AHEAD}s")
        ahead |= {host: second[host] - again for host in late if second.get(host, 0) > current[host]}
    return ahead


def _newest(influxdb: InfluxDB, of: str) -> dict[str, float]:
    found = _ask(influxdb, f'SELECT last("metrics_gathered") FROM "internal_agent" WHERE time {of} GROUP BY "host"')
    return {one.tags["host"]: float(one.rows[0]["time"]) for one in found}


def _versions(influxdb: InfluxDB) -> dict[str, str]:
    """Return the latest Telegraf version of each host that sent data in the last hour."""
    where = "WHERE time > now() - 1h AND time < now() + 1h"
    found = _ask(influxdb, f'SELECT last("metrics_gathered") FROM "internal_agent" {where} GROUP BY "host", "version"')
    ordered = sorted(found, key=lambda one: float(one.rows[0]["time"]))
    return {one.tags["host"]: one.tags["version"] for one in ordered if one.tags.get("version")}


def _ask(influxdb: InfluxDB, statement: str) -> list[Series]:
    return _ask_all(influxdb, statement)[0]


def _ask_all(influxdb: InfluxDB, *statements: str) -> list[list[Series]]:
    try:
        return influxdb.query(*statements, database=DATABASE, within=_WITHIN)
    except InfluxDBError:
        raise
    except AresmonError as error:
        raise AresmonError(f"{error.message} (while querying the database's contents)", hint=error.hint) from None

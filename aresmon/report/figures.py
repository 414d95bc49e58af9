"""The figures of a report, from InfluxDB's downsampled points and the site's history."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from aresmon.config.builtin_alerts import BACKUP
from aresmon.config.model import Config
from aresmon.config.names import DATABASE
from aresmon.influxdb.client import InfluxDB, Series
from aresmon.influxdb.downsampling import FOREVER_POLICY
from aresmon.report.period import Period

# What shows that an agent was at work, the first that a host sends: any of these has a point each minute.
_SIGNS = (
    ("internal_agent", "metrics_gathered", ""),
    ("cpu", "usage_idle", "\"cpu\" = 'cpu-total' AND "),
    ("mem", "total", ""),
    ("system", "uptime", ""),
)
_POLICY_STEPS = {"1m": 60, "1h": 3600}
_DAY = 86400.0
BY_UP = "by `aresmon up`"
"""What is counted as the outcome of a deployment that was no push."""
_FAR = 10 * 365  # days; a disk that is full later than that is not foretold


@dataclass(frozen=True, slots=True)
class Outage:
    """A time without data from a host; `start` is in seconds since 1970."""

    host: str
    start: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest mean of an hour, in per cent, and when that hour began, in seconds since 1970."""

    percent: float
    at: float


@dataclass(frozen=True, slots=True)
class HostFigures:
    """A host. `since` is when data was expected from it first, None if none ever came; the times are in seconds."""

    name: str
    since: float | None
    expected: float
    outages: tuple[Outage, ...]
    processor: Peak | None = None
    memory: Peak | None = None

    @property
    def missing(self) -> float:
        return sum(outage.seconds for outage in self.outages)

    @property
    def availability(self) -> float | None:
        """The share of the time with data, from 0 to 1; None without any time."""
        return 1 - self.missing / self.expected if self.expected > 0 else None


@dataclass(frozen=True, slots=True)
class DiskFigures:
    """A filesystem: sizes in bytes, growth in bytes a day, `used` by day as a share from 0 to 1. `full_in` are days,
    None if it does not grow."""

    host: str
    path: str
    total: float
    free: float
    growth: float
    used: tuple[float, ...]
    full_in: float | None


@dataclass(frozen=True, slots=True)
class BackupFigures:
    """How many backups were stored and verified, and on how many of the period's days, since there are data, none was
    stored."""

    made: int
    verified: int
    days: int
    days_without: int


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of a period. `step` is the resolution of the availability in seconds; `pushes` counts the outcomes of
    deployments by host."""

    period: Period
    step: int
    hosts: tuple[HostFigures, ...]
    disks: tuple[DiskFigures, ...]
    backups: BackupFigures
    pushes: Mapping[str, Counter[str]] = field(default_factory=dict)

    @property
    def since(self) -> float | None:
        """When the first data came, in or after the period, or the period's start; None if none ever came."""
        return _first_data(self.hosts)

    @property
    def has_begun(self) -> bool:
        """Whether data was expected in the period."""
        return self.since is not None and self.since < self.period.end

    @property
    def has_data(self) -> bool:
        """Whether data of any host came in the period."""
        return any(host.missing < host.expected for host in self.hosts)


def _first_data(hosts: Iterable[HostFigures]) -> float | None:
    return min((host.since for host in hosts if host.since is not None), default=None)


def collect(
    influxdb: InfluxDB, config: Config, period: Period, history: Iterable[Mapping[str, Any]], *, now: float
) -> Figures:
    """Read the figures of a period. Where points of a minute are no longer kept, those of an hour are counted.

    Raises InfluxDBError, or InfluxDBUnreachableError.
    """
    kept = config.keep.minute * 3600.0
    policy = "1m" if not kept or period.start >= now - kept else "1h"
    step = _POLICY_STEPS[policy]
    events = [event for event in history if period.start <= _time(event) < period.until]
    hosts = _hosts(influxdb, config, period, policy, step)
    if _first_data(hosts) is None:
        hosts = _begun_lately(influxdb, hosts)
    return Figures(
        period=period,
        step=step,
        hosts=hosts,
        disks=tuple(_disks(influxdb, period)),
        backups=_backups(influxdb, period, _first_data(hosts)),
        pushes=_deployments(events, config.server),
    )


def _hosts(influxdb: InfluxDB, config: Config, period: Period, policy: str, step: int) -> tuple[HostFigures, ...]:
    signs = [_sign(influxdb, period, policy, sign) for sign in _SIGNS]
    processor, memory = _peaks(influxdb, period)
    return tuple(
        _host(host.name, period, step, signs, processor.get(host.name), memory.get(host.name)) for host in config.hosts
    )


@dataclass(frozen=True, slots=True)
class _Sign:
    """Points of one measurement by host: the first ever, the first and the last of the period, and its gaps, each from
    the last point before it to the first after it. All in seconds since 1970."""

    begun: Mapping[str, float]
    first: Mapping[str, float]
    last: Mapping[str, float]
    gaps: Mapping[str, tuple[tuple[float, float], ...]]


def _sign(influxdb: InfluxDB, period: Period, policy: str, sign: tuple[str, str, str]) -> _Sign:
    measurement, value, condition = sign
    within = condition + period.within
    source = f'"{policy}"."{measurement}"'
    elapsed = f'SELECT elapsed("{value}", 1s) AS "gap" FROM {source} WHERE {within} GROUP BY "host"'
    begun, first, last, gaps = influxdb.query(
        f'SELECT first("{value}") FROM "1h"."{measurement}" GROUP BY "host"',
        f'SELECT first("{value}") FROM {source} WHERE {within} GROUP BY "host"',
        f'SELECT last("{value}") FROM {source} WHERE {within} GROUP BY "host"',
        f'SELECT "gap" FROM ({elapsed}) WHERE "gap" > {_POLICY_STEPS[policy]} GROUP BY "host"',
        database=DATABASE,
    )
    return _Sign(
        _times(begun),
        _times(first),
        _times(last),
        {
            one.tags["host"]: tuple((float(row["time"]) - float(row["gap"]), float(row["time"])) for row in one.rows)
            for one in gaps
        },
    )


def _times(found: Sequence[Series]) -> dict[str, float]:
    return {one.tags["host"]: float(one.rows[0]["time"]) for one in found if "host" in one.tags}


def _host(
    name: str, period: Period, step: int, signs: Sequence[_Sign], processor: Peak | None, memory: Peak | None
) -> HostFigures:
    """A host by the sign with the fewest gaps: a collector that was switched off is no outage."""
    begun = min((sign.begun[name] for sign in signs if name in sign.begun), default=None)
    firsts = [sign.first[name] for sign in signs if name in sign.first]
    begun = min([*firsts, *([] if begun is None else [begun])], default=None)
    if begun is None:
        return HostFigures(name, None, 0, ())
    since = max(period.start, begun)
    expected = max(0.0, period.end - since)
    candidates = [tuple(_outages(name, since, period.end, step, sign)) for sign in signs if name in sign.first]
    silent = (Outage(name, since, expected),) if expected else ()
    best = min(candidates, key=lambda outages: sum(one.seconds for one in outages), default=silent)
    return HostFigures(name, since, expected, best, processor, memory)


def _outages(name: str, since: float, end: float, step: int, sign: _Sign) -> Iterator[Outage]:
    """The gaps between points, and those before the first and after the last; a point stands for the step after it."""
    gaps = [(since - step, sign.first[name]), *sign.gaps.get(name, ()), (sign.last[name], end)]
    for last, first in gaps:
        if first - last > step:
            yield Outage(name, last + step, first - last - step)


def _begun_lately(influxdb: InfluxDB, hosts: Sequence[HostFigures]) -> tuple[HostFigures, ...]:
    """The hosts of a site whose first points are so young that they are not downsampled yet."""
    found = influxdb.query(
        *(f'SELECT first("{value}") FROM "{measurement}" GROUP BY "host"' for measurement, value, _ in _SIGNS),
        database=DATABASE,
    )
    begun: dict[str, float] = {}
    for host, at in (pair for series in found for pair in _times(series).items()):
        begun[host] = min(at, begun.get(host, at))
    return tuple(replace(host, since=begun.get(host.name)) for host in hosts)


def _peaks(influxdb: InfluxDB, period: Period) -> tuple[dict[str, Peak], dict[str, Peak]]:
    idle, memory = influxdb.query(
        'SELECT min("usage_idle") AS "peak" FROM "1h"."cpu" '
        f'WHERE "cpu" = \'cpu-total\' AND {period.within} GROUP BY "host"',
        f'SELECT min("available_percent") AS "peak" FROM "1h"."mem" WHERE {period.within} GROUP BY "host"',
        database=DATABASE,
    )
    processor, used = (
        {one.tags["host"]: Peak(100 - float(one.rows[0]["peak"]), float(one.rows[0]["time"])) for one in found}
        for found in (idle, memory)
    )
    return processor, used


def _disks(influxdb: InfluxDB, period: Period) -> Iterator[DiskFigures]:
    (found,) = influxdb.query(
        'SELECT last("used") AS "used", last("free") AS "free", last("total") AS "total" FROM "1h"."disk" '
        f'WHERE {period.within} GROUP BY time(1d), "host", "path" fill(none)',
        database=DATABASE,
    )
    for one in found:
        rows = [row for row in one.rows if None not in (row["used"], row["free"], row["total"])]
        if rows:
            yield _disk(one.tags.get("host", ""), one.tags.get("path", ""), rows)


def _disk(host: str, path: str, rows: Sequence[Mapping[str, float]]) -> DiskFigures:
    """The growth is that of the straight line through the free space of all days."""
    free, growth = rows[-1]["free"], 0.0
    if len(rows) > 1:
        days = [row["time"] / _DAY for row in rows]
        growth = -statistics.linear_regression(days, [row["free"] for row in rows]).slope
    full_in = free / growth if growth > 0 else None
    return DiskFigures(
        host=host,
        path=path,
        total=rows[-1]["total"],
        free=free,
        growth=growth,
        used=tuple(row["used"] / (row["used"] + row["free"] or 1) for row in rows),
        full_in=full_in if full_in is not None and full_in < _FAR else None,
    )


def _backups(influxdb: InfluxDB, period: Period, since: float | None) -> BackupFigures:
    statement = f'SELECT "archive" FROM "{FOREVER_POLICY}"."{BACKUP}" WHERE {period.so_far} GROUP BY "kind"'
    (found,) = influxdb.query(statement, database=DATABASE)
    times = {one.tags["kind"]: [float(row["time"]) for row in one.rows] for one in found}
    made = times.get("made", [])
    days = [(start, end) for start, end in period.days if since is not None and end > since]
    without = sum(not any(start <= at < end for at in made) for start, end in days)
    return BackupFigures(len(made), len(times.get("proven", ())), len(days), without)


def _deployments(events: Iterable[Mapping[str, Any]], server: str) -> dict[str, Counter[str]]:
    """How pushes ended, by host, and how often `up` started the server's own agent, with the configuration that it has
    then."""
    found: dict[str, Counter[str]] = {}
    for event in events:
        if event.get("command") == "push-config" and event.get("host"):
            found.setdefault(str(event["host"]), Counter())[str(event.get("outcome", "unknown"))] += 1
        if event.get("command") == "up" and {"create telegraf", "recreate telegraf"} & set(event.get("steps", ())):
            found.setdefault(server, Counter())[BY_UP] += 1
    return found


def _time(event: Mapping[str, Any]) -> float:
    try:
        return datetime.fromisoformat(str(event.get("at", ""))).timestamp()
    except ValueError:
        return 0.0

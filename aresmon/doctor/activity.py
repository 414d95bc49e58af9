"""What arrives in InfluxDB from each host: the age of its newest point, its points, and the inputs without data.

Two sources are compared: the agent's own count of collections (measurement `internal_gather`), and the points in the
database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from aresmon.config.collectors import Catalogue
from aresmon.config.model import Config, Host
from aresmon.config.names import DATABASE
from aresmon.influxdb.client import InfluxDB, InfluxDBError, Series
from aresmon.influxdb.freshness import FRESH_WITHIN

_INTERVAL = 10  # seconds, as in telegraf/agent.conf
_WINDOW = 60
# A point is in the database after its interval's flush and jitter, and the slowest input's collection.
_ARRIVED_AFTER = 24
# Seconds: a point dated further in the future has a wrong clock, and does not show that the host is sending now.
_AHEAD = 30
_LOOK_BACK = 300  # a host whose first point in this time is later than the window has just begun


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One host. `age` is that of its newest point in seconds, None without points. In the last whole minute, `points`
    arrived, its inputs were collected `reads` of `expected` times (0: it has only just started), `refused` writes
    failed, and no data arrived from the `silent` inputs. `ahead` is by how many seconds its points are dated in the
    future, 0 if it has current points."""

    name: str
    agent: str
    age: float | None
    points: int
    reads: int
    expected: int
    refused: int
    silent: tuple[str, ...]
    ahead: float = 0.0


def look(
    influxdb: InfluxDB, config: Config, catalogue: Catalogue, now: float, begun: Mapping[str, float]
) -> tuple[HostStatus, ...]:
    """Return the state of each host at `now`. `begun` is when agents were started, by host, where known; both are in
    seconds since 1970."""
    known = _ask(influxdb, now)
    return tuple(
        _host(host, catalogue, now, known.get(host.name, _Known()), begun.get(host.name, 0.0)) for host in config.hosts
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """One host in the database: the time of its newest point and when it started to send (seconds since 1970, looking
    back five minutes), and in the window its points by measurement, its collections by input and its failed writes."""

    newest: float | None = None
    began: float = 0.0
    points: Mapping[str, int] = field(default_factory=dict)
    reads: Mapping[str, _Read] = field(default_factory=dict)
    refused: int = 0
    future: float = 0.0
    counted: bool = True


@dataclass(frozen=True, slots=True)
class _Read:
    """How many times an input was collected in the window, and whether it returned metrics."""

    times: int
    gave: bool


def _window(now: float) -> tuple[int, int]:
    """Return start (exclusive) and end (inclusive) of the last whole minute whose points must have arrived."""
    end = int(now - _ARRIVED_AFTER) // _INTERVAL * _INTERVAL
    return end - _WINDOW, end


def _ask(influxdb: InfluxDB, now: float) -> dict[str, _Known]:
    """Query all hosts in one request; without counting points if there are more series than a query may read."""
    try:
        return _answered(influxdb, now, counted=True)
    except InfluxDBError as error:
        if "max-select-series" not in error.message:
            raise
        return _answered(influxdb, now, counted=False)


def _answered(influxdb: InfluxDB, now: float, *, counted: bool) -> dict[str, _Known]:
    start, end = _window(now)
    inside = f"time > {start}s AND time <= {end}s"
    asked = "/.*/" if counted else '"internal_agent"'
    newest, future, began, points, reads, refused = influxdb.query(
        f'SELECT last("metrics_gathered") FROM "internal_agent" WHERE time <= {int(now) + _AHEAD}s GROUP BY "host"',
        f'SELECT last("metrics_gathered") FROM "internal_agent" WHERE time > {int(now) + _AHEAD}s GROUP BY "host"',
        f'SELECT first("metrics_gathered") FROM "internal_agent" WHERE time > {end - _LOOK_BACK}s GROUP BY "host"',
        f'SELECT count(*) FROM {asked} WHERE {inside} GROUP BY "host"',
        'SELECT count("metrics_gathered"), spread("metrics_gathered"), first("metrics_gathered") '
        f'FROM "internal_gather" WHERE {inside} GROUP BY "host", "input"',
        # Of its counters, this is the only one that a rejected batch increments.
        f'SELECT spread("errors") FROM "internal_write" WHERE "output" = \'influxdb\' AND {inside} GROUP BY "host"',
        database=DATABASE,
    )
    began_at, refused_of = _only_values(began, "time"), _only_values(refused, "spread")
    points_of, reads_of = _points(points), _reads(reads)
    newest_of, future_of = _only_values(newest, "time"), _only_values(future, "time")
    return {
        host: _Known(
            newest=newest_of.get(host),
            future=future_of.get(host, 0.0),
            counted=counted,
            began=began_at.get(host, 0.0),
            points=points_of.get(host, {}),
            reads=reads_of.get(host, {}),
            refused=int(refused_of.get(host, 0)),
        )
        for host in newest_of.keys() | future_of.keys()
    }


def _only_values(series: Sequence[Series], column: str) -> dict[str, float]:
    """Return the single value of each host."""
    return {one.tags["host"]: float(one.rows[0][column] or 0) for one in series}


def _points(series: Sequence[Series]) -> dict[str, dict[str, int]]:
    """Return the points by host and measurement: the count of the field with the most values."""
    points: dict[str, dict[str, int]] = {}
    for one in series:
        fullest = max((int(value or 0) for row in one.rows for name, value in row.items() if name != "time"), default=0)
        points.setdefault(one.tags["host"], {})[one.name] = fullest
    return points


def _reads(series: Sequence[Series]) -> dict[str, dict[str, _Read]]:
    reads: dict[str, dict[str, _Read]] = {}
    for one in series:
        row = one.rows[0]
        # `metrics_gathered` counts from the agent's start: with one value, non-zero means that it returned metrics.
        gave = bool(row["spread"]) or (row["count"] == 1 and bool(row["first"]))
        reads.setdefault(one.tags["host"], {})[one.tags["input"]] = _Read(int(row["count"]), gave)
    return reads


def _host(host: Host, catalogue: Catalogue, at: float, known: _Known, begun: float) -> HostStatus:
    inputs = sorted({plugin for name in host.collect for plugin in catalogue[name].inputs})
    start, end = _window(at)
    # For a host that has just started to send, only the collections since then are expected.
    due = max(0, end - max(start, int(known.began) - _INTERVAL, int(begun))) // _INTERVAL
    reads = sum(read.times for name, read in known.reads.items() if name in inputs)
    is_current = known.newest is not None and at - known.newest <= FRESH_WITHIN
    return HostStatus(
        name=host.name,
        agent=host.agent,
        age=None if known.newest is None else max(0.0, at - known.newest),
        points=sum(known.points.values()),
        reads=reads,
        # Collections of an agent that was replaced within the window count too, but were not expected.
        expected=max(len(inputs) * due, reads),
        refused=known.refused if due > 1 else 0,
        silent=tuple(sorted(set(_silent(host, catalogue, known)))) if due > 1 else (),
        # A clock that was wrong and has been corrected is not a problem.
        ahead=0.0 if is_current else max(0.0, known.future - at),
    )


def _silent(host: Host, catalogue: Catalogue, known: _Known) -> Iterator[str]:
    """Return the inputs that were not collected, returned no metrics, or whose points did not arrive.

    An input's measurements have its name as prefix, such as `docker` and `docker_container_cpu`. Those of a site's own
    collectors may have other names, so for them only the agent's count is used.
    """
    for collector in (catalogue[name] for name in host.collect):
        for plugin in collector.inputs:
            read = known.reads.get(plugin)
            arrived = any(name == plugin or name.startswith(f"{plugin}_") for name in known.points)
            if read is None or not read.gave or (known.counted and collector.is_shipped and not arrived):
                yield plugin

"""What arrives in InfluxDB from each host: the age of its newest point, its points, and the inputs without data.

Two sources are compared: the agent's own count of collections (measurement `internal_gather`), and the points in the
database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from aresmon.agents import inputs as agents_inputs
from aresmon.agents import lint
from aresmon.agents.inputs import AgentInputs
from aresmon.agents.lint import AgentTiming
from aresmon.config.collectors import Catalogue
from aresmon.config.model import Config, Host
from aresmon.config.names import DATABASE, MARKER
from aresmon.doctor import input_readings, restarts
from aresmon.doctor.input_readings import INTERVAL, WINDOW, InputReading
from aresmon.doctor.restarts import Starts
from aresmon.influxdb.client import InfluxDB, InfluxDBError, Series
from aresmon.influxdb.freshness import FRESH_WITHIN

# A point is in the database after its interval's flush and jitter, and the slowest input's collection.
_COLLECTED_WITHIN = 12
_ARRIVED_AFTER = 24
_LONGEST_WAIT = 60  # seconds; what a host sends even later is not counted
# Seconds: a point dated further in the future has a wrong clock, and does not show that the host is sending now.
_AHEAD = 30
_LOOK_BACK = 300  # a host whose first point in this time is later than the window has just begun


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One host. `age` is that of its newest point in seconds, None without points. In the last whole minute, `points`
    arrived, its inputs were collected `reads` of `expected` times (0: it has only just started), `refused` writes
    failed, and no data arrived from the `silent` inputs. Of these, the `failing` fail at each reading; of the `partly`
    failing, one of several tables does. `ahead` is by how many seconds its points are dated in the
    future, 0 if it has current points. It is late if its newest point is more than `late_after` seconds old.
    `restarts` is how often its counters began again in the last ten minutes, since aresmon itself restarted it last."""

    name: str
    agent: str
    age: float | None
    points: int
    reads: int
    expected: int
    refused: int
    silent: tuple[str, ...]
    ahead: float = 0.0
    late_after: float = FRESH_WITHIN
    restarts: int = 0
    failing: tuple[str, ...] = ()
    partly: tuple[str, ...] = ()


def look(
    influxdb: InfluxDB,
    config: Config,
    catalogue: Catalogue,
    now: float,
    starts: Starts,
    deployed: Callable[[Host, str], str | None],
) -> tuple[HostStatus, ...]:
    """Return the state of each host at `now`, in seconds since 1970. `deployed` returns the configuration of a host
    with a config ID, None if it is unknown."""
    config_ids = _config_ids(influxdb, now)
    inputs = {
        host.name: _inputs(host, config, catalogue, deployed(host, config_ids.get(host.name, "")))
        for host in config.hosts
    }
    timings = [one.timing for one in inputs.values() if one is not None]
    window = _window(now, max(map(_arrived_after, timings), default=_ARRIVED_AFTER))
    known = _ask(influxdb, now, window, starts.restarted)
    readings = {name: one.reads for name, one in known.items()}
    for name, rare in input_readings.of_long_intervals(influxdb, inputs, readings, window[1]).items():
        known[name] = replace(known[name], reads={**known[name].reads, **rare})
    quiet = frozenset(  # of the others nobody asks whether they gave anything before
        (name, plugin)
        for name, one in inputs.items()
        if one is not None and name in known
        for plugin, read in known[name].reads.items()
        if read.is_quiet and plugin in one.shipped | one.collected
    )
    for name, plugins in input_readings.which_gave_before(influxdb, quiet).items():
        known[name] = replace(known[name], gave_before=plugins)
    return tuple(
        _host(host, inputs[host.name], now, window, known.get(host.name, _Known()), starts.begun.get(host.name, 0.0))
        for host in config.hosts
    )


def _inputs(host: Host, config: Config, catalogue: Catalogue, body: str | None) -> AgentInputs | None:
    return None if body is None else agents_inputs.read(body, catalogue, lint.environment(host, config))


@dataclass(frozen=True, slots=True)
class _Known:
    """One host in the database: the time of its newest point and when it started to send (seconds since 1970, looking
    back five minutes), and in the window its points by measurement, its collections by input and its failed writes.
    `gave_before` are the inputs that return nothing now, and once did."""

    newest: float | None = None
    began: float = 0.0
    points: Mapping[str, int] = field(default_factory=dict)
    reads: Mapping[str, InputReading] = field(default_factory=dict)
    refused: int = 0
    future: float = 0.0
    counted: bool = True
    restarts: int = 0
    gave_before: frozenset[str] = frozenset()


def _arrived_after(timing: AgentTiming) -> int:
    """The seconds after which the points of an agent must have arrived."""
    return int(min(max(_ARRIVED_AFTER, timing.flush + timing.jitter + _COLLECTED_WITHIN), _LONGEST_WAIT))


def _window(now: float, arrived_after: int) -> tuple[int, int]:
    """Return start (exclusive) and end (inclusive) of the last whole minute whose points must have arrived."""
    end = int(now - arrived_after) // INTERVAL * INTERVAL
    return end - WINDOW, end


def _config_ids(influxdb: InfluxDB, now: float) -> dict[str, str]:
    """Query the config ID of the configuration that each host runs; none of a host that has stopped sending one."""
    within = f"time > {int(now) - _LOOK_BACK}s AND time <= {int(now) + _AHEAD}s"
    statement = f'SELECT last("gen") FROM "{MARKER}" WHERE {within} GROUP BY "host"'
    (series,) = influxdb.query(statement, database=DATABASE)
    return {one.tags["host"]: str(one.rows[0]["last"]) for one in series}


def _ask(influxdb: InfluxDB, now: float, window: tuple[int, int], restarted: Mapping[str, float]) -> dict[str, _Known]:
    """Query all hosts in one request; without counting points if there are more series than a query may read."""
    try:
        return _answered(influxdb, now, window, restarted, counted=True)
    except InfluxDBError as error:
        if "max-select-series" not in error.message:
            raise
        return _answered(influxdb, now, window, restarted, counted=False)


def _answered(
    influxdb: InfluxDB, now: float, window: tuple[int, int], restarted: Mapping[str, float], *, counted: bool
) -> dict[str, _Known]:
    start, end = window
    inside = f"time > {start}s AND time <= {end}s"
    asked = "/.*/" if counted else '"internal_agent"'
    newest, future, began, points, reads, refused, again, pushes = influxdb.query(
        f'SELECT last("metrics_gathered") FROM "internal_agent" WHERE time <= {int(now) + _AHEAD}s GROUP BY "host"',
        f'SELECT last("metrics_gathered") FROM "internal_agent" WHERE time > {int(now) + _AHEAD}s GROUP BY "host"',
        f'SELECT first("metrics_gathered") FROM "internal_agent" WHERE time > {end - _LOOK_BACK}s GROUP BY "host"',
        f'SELECT count(*) FROM {asked} WHERE {inside} GROUP BY "host"',
        input_readings.statement(inside),
        # Of its counters, this is the only one that a rejected batch increments.
        # A counter begins at zero with its agent: only what it grew by counts.
        'SELECT sum("more") FROM (SELECT non_negative_difference("errors") AS "more" FROM "internal_write" '
        f'WHERE "output" = \'influxdb\' AND {inside} GROUP BY *) GROUP BY "host"',
        *restarts.statements(now),
        database=DATABASE,
    )
    began_at, refused_of = _only_values(began, "time"), _only_values(refused, "sum")
    points_of, reads_of = _points(points), input_readings.by_host(reads)
    restarts_of = restarts.count(again, pushes, restarted)
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
            restarts=restarts_of.get(host, 0),
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


def _host(
    host: Host, configured: AgentInputs | None, at: float, window: tuple[int, int], known: _Known, begun: float
) -> HostStatus:
    # What runs on a host and is not known here is what the agent itself says that it collects.
    inputs = configured or AgentInputs(others=frozenset(known.reads))
    (start, end), timing = window, inputs.timing
    interval = max(INTERVAL, int(timing.interval))
    # For a host that has just started to send, only the collections since then are expected.
    due = max(0, end - max(start, int(known.began) - interval, int(begun))) // interval
    failing = _failing(inputs, known) if due > 1 else frozenset()
    if timing.flush + timing.jitter + _COLLECTED_WITHIN > _LONGEST_WAIT:
        due = 0  # its points of this minute need not have arrived
    counted = {name: read.times for name, read in known.reads.items() if name in inputs.plugins}
    total, reads = sum(counted.values()), sum(times for name, times in counted.items() if name not in failing)
    late_after = max(FRESH_WITHIN, float(timing.deadline))
    age = None if known.newest is None else max(0.0, at - known.newest)
    if at - begun < late_after:  # it has had no time to send again
        late_after = max(late_after, age or 0.0)
    is_current = known.newest is not None and at - known.newest <= late_after
    return HostStatus(
        name=host.name,
        agent=host.agent,
        age=age,
        points=sum(known.points.values()),
        reads=reads,
        # Collections of an agent that was replaced within the window count too, but were not expected.
        expected=total if configured is None else max(len(inputs.plugins) * due, total),
        # What failed while the agent, the edge or the database was started is no fault, and is sent again.
        refused=known.refused if due > 1 and begun <= start else 0,
        silent=tuple(sorted(_silent(inputs, known))) if due > 1 else (),
        # A clock that was wrong and has been corrected is not a problem.
        ahead=0.0 if is_current else max(0.0, known.future - at),
        late_after=late_after,
        restarts=known.restarts,
        failing=tuple(sorted(failing)),
        partly=tuple(sorted(_partly(inputs, known) - failing)) if due > 1 else (),
    )


def _failing(inputs: AgentInputs, known: _Known) -> frozenset[str]:
    """The inputs that only returned errors."""
    return frozenset(name for name, read in known.reads.items() if name in inputs.plugins and read.failed)


def _partly(inputs: AgentInputs, known: _Known) -> frozenset[str]:
    """The inputs with several tables that returned something, and as many errors as they were read: the agent counts a
    plug-in's tables together."""
    return frozenset(
        name
        for name, read in known.reads.items()
        if inputs.tables.get(name, 0) > 1
        and read.errors >= max(2, WINDOW // max(inputs.every.get(name, 0.0), inputs.timing.interval, INTERVAL))
    )


def _silent(inputs: AgentInputs, known: _Known) -> Iterator[str]:
    """Return the inputs that were not collected, returned no metrics, or whose points did not arrive.

    The measurements of a shipped collector's input have its name as prefix, such as `docker` and
    `docker_container_cpu`, or are named in its tables. Those of a site's own collectors may have other names, so for
    them only the agent's count is used; so it is for an input with a long interval. An input of somebody's own
    configuration, such as one that waits for messages, may have nothing to return: it is named if it failed. So may any
    input, on a host that has nothing of the kind, as a container has no filesystem of its own on a disk: one that
    returns nothing without an error is named if it ever returned something.
    """
    for plugin in inputs.plugins:
        read = known.reads.get(plugin)
        if read is None:
            if known.reads or plugin not in inputs.others:  # an own file may keep the agent's counts to itself
                yield plugin
        elif plugin in inputs.others or (read.is_quiet and plugin not in known.gave_before):
            if read.failed:
                yield plugin
        elif not read.gave or (known.counted and plugin in inputs.shipped and not _has_arrived(plugin, inputs, known)):
            yield plugin


def _has_arrived(plugin: str, inputs: AgentInputs, known: _Known) -> bool:
    words = inputs.words.get(plugin, frozenset())
    return input_readings.is_rare(inputs.every.get(plugin, 0.0)) or any(
        agents_inputs.is_of(name, plugin, words) for name in known.points
    )

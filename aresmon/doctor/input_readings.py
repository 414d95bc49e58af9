"""What the agents count of their inputs, in the measurement `internal_gather`: readings, metrics and errors."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aresmon.agents.inputs import AgentInputs
from aresmon.config.names import DATABASE
from aresmon.influxdb import influxql
from aresmon.influxdb.client import InfluxDB, Series

INTERVAL = 10
"""Seconds, as in telegraf/agent.conf; shorter intervals are counted as if they were this."""
WINDOW = 60
"""Seconds in which readings are counted."""
_LONGEST = "1h"  # the retention policy that goes back furthest


@dataclass(frozen=True, slots=True)
class InputReading:
    """How many times an input was collected in the window, whether it returned metrics, whether it logged errors
    without returning any, and how many errors it logged."""

    times: int
    gave: bool
    failed: bool
    errors: int = 0

    @property
    def is_quiet(self) -> bool:
        """Whether it returned nothing, without an error: perhaps this host has nothing of the kind."""
        return not self.gave and not self.failed


Readings = Mapping[str, Mapping[str, InputReading]]
"""By host and plug-in."""


def statement(inside: str) -> str:
    """Ask for what `by_host` reads, in this time."""
    return (
        'SELECT count("metrics_gathered"), spread("metrics_gathered"), first("metrics_gathered"), '
        f'spread("errors") AS "errors" FROM "internal_gather" WHERE {inside} GROUP BY "host", "input", "alias"'
    )


def by_host(series: Sequence[Series]) -> Readings:
    """The readings of all inputs."""
    found: dict[str, dict[str, InputReading]] = {}
    for one in series:
        row = one.rows[0]
        # `metrics_gathered` counts from the agent's start: with one value, non-zero means that it returned metrics.
        gave = bool(row["spread"]) or (row["count"] == 1 and bool(row["first"]))
        errors = int(row["errors"] or 0)
        _add(found, one, InputReading(int(row["count"]), gave, errors > 0 and not gave, errors))
    return found


def is_rare(every: float) -> bool:
    """Whether the window is too short for inputs with this interval, in seconds."""
    return every > WINDOW / 2


def of_long_intervals(
    influxdb: InfluxDB, inputs: Mapping[str, AgentInputs | None], known: Readings, end: int
) -> Readings:
    """The readings of inputs with long intervals, in two of these; `known` are those of all inputs in the window.

    An input that has not been read since its agent's start counts as one that returned something.
    """
    wanted: dict[float, set[tuple[str, str]]] = {}
    for name, one in inputs.items():
        for plugin, every in one.every.items() if one is not None else ():
            if is_rare(every) and plugin in known.get(name, ()):
                wanted.setdefault(every, set()).add((name, plugin))
    if not wanted:
        return {}
    statements = (_rare_statement(every, several, end) for every, several in wanted.items())
    answers = influxdb.query(*statements, database=DATABASE)
    found: dict[str, dict[str, InputReading]] = {}
    for (every, several), answer in zip(wanted.items(), answers, strict=True):
        for series in answer:
            name, plugin = series.tags["host"], series.tags["input"]
            if (name, plugin) in several:
                _add(found, series, _rare_reading(series.rows[0], known[name][plugin].times, every))
    return found


def which_gave_before(influxdb: InfluxDB, quiet: Collection[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """Which of these inputs of hosts ever returned a metric, as far back as the database knows."""
    if not quiet:
        return {}
    condition = f'"metrics_gathered" > 0 AND {_are_among(quiet)} GROUP BY "host", "input"'
    answers = influxdb.query(
        f'SELECT last("metrics_gathered") FROM "internal_gather" WHERE {condition}',
        f'SELECT last("metrics_gathered") FROM "{_LONGEST}"."internal_gather" WHERE {condition}',
        database=DATABASE,
    )
    found = {(series.tags["host"], series.tags["input"]) for answer in answers for series in answer}
    gave = found.intersection(quiet)
    return {host: frozenset(plugin for name, plugin in gave if name == host) for host, _ in gave}


def _rare_statement(every: float, several: Collection[tuple[str, str]], end: int) -> str:
    columns = ", ".join(
        f'{of}("{name}") AS "{of}_{name}"' for name in ("metrics_gathered", "errors") for of in ("first", "last")
    )
    return (
        f'SELECT {columns}, count("metrics_gathered") AS "count" FROM "internal_gather" '
        f"WHERE time > {end - int(2 * every) - INTERVAL}s AND time <= {end}s "
        f'AND {_are_among(several)} GROUP BY "host", "input", "alias"'
    )


def _are_among(several: Collection[tuple[str, str]]) -> str:
    """A condition that these hosts and plug-ins fulfil; other pairs of them do too."""
    hosts, plugins = (influxql.any_of(sorted({pair[index] for pair in several})) for index in (0, 1))
    return f'"host" =~ {hosts} AND "input" =~ {plugins}'


def _rare_reading(row: Mapping[str, Any], times: int, every: float) -> InputReading:
    is_due = int(row["count"]) * INTERVAL > every + INTERVAL  # the agent has run for long enough
    gave, errors = (_growth(row, name) for name in ("metrics_gathered", "errors"))
    is_unread = int(row["last_metrics_gathered"] or 0) < int(row["first_metrics_gathered"] or 0) and not gave + errors
    return InputReading(times, gave > 0 or not is_due or is_unread, is_due and errors > 0 and not gave, errors)


def _growth(row: Mapping[str, Any], name: str) -> int:
    """By how much a counter grew, which begins at zero with its agent."""
    first, last = (int(row[f"{of}_{name}"] or 0) for of in ("first", "last"))
    return last - first if last >= first else last


def _add(found: dict[str, dict[str, InputReading]], series: Series, read: InputReading) -> None:
    """Add a reading to those of its host. A plug-in that is used twice has a series for each alias."""
    of_host, plugin = found.setdefault(series.tags["host"], {}), series.tags["input"]
    of_host[plugin] = _together(of_host[plugin], read) if plugin in of_host else read


def _together(read: InputReading, other: InputReading) -> InputReading:
    return InputReading(
        max(read.times, other.times),
        read.gave or other.gave,
        read.failed or other.failed,
        read.errors + other.errors,
    )

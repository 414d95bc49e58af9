"""The fleet: each host's state, the age of its newest point, and the catalogue's columns with their recent course."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from aresmon.config.model import Config
from aresmon.config.views import HOST, SILENT_AFTER, Column, Severity, Views, columns_of
from aresmon.influxdb.client import Series
from aresmon.monitoring import active_alerts
from aresmon.monitoring.active_alerts import ActiveAlert
from aresmon.monitoring.curves import Answers, Curve, Curves, Questions, Window, steps

POINTS = 30
"""Steps of each column's course, about."""
_AHEAD = 30  # seconds; a point that is dated later has a wrong clock
_LOOK_BACK = 600  # seconds: once the newest point is known, older ones are not looked for
_STALE_STEPS = 2.5

HostState = Literal["never", "silent", "critical", "warning", "information", "ok"]
STATES: Sequence[HostState] = ("critical", "silent", "never", "warning", "information", "ok")
"""The worst first."""


@dataclass(frozen=True, slots=True)
class Trend:
    """A column's value of a host now, None if there is none that is recent, and its course in the window's steps."""

    value: float | None = None
    points: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class HostRow:
    """A host; `age` is that of its newest point in seconds, None if it has never sent anything."""

    name: str
    state: HostState
    age: float | None
    trends: tuple[Trend, ...]


@dataclass(frozen=True, slots=True)
class Fleet:
    """All hosts at one time, in seconds since 1970; the rows stand as in aresmon.yml, their trends as the columns."""

    at: float
    window: Window
    columns: tuple[Column, ...]
    rows: tuple[HostRow, ...]


@dataclass
class FleetReader:
    """Reads the fleet. The number of statements does not depend on the number of hosts."""

    config: Config
    views: Views
    columns: tuple[Column, ...] = field(init=False)
    _newest: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.columns = columns_of(self.config.known_views(self.views))

    def ask(self, now: float, span: int) -> tuple[list[str], Callable[[Answers, Sequence[ActiveAlert]], Fleet]]:
        """What is to be asked to see the last `span` seconds before `now`, and what makes the fleet of the answers."""
        window = Window.ending(now, span, points=POINTS)
        questions = Questions(window, by=(HOST,))
        read = [questions.add(column.series) for column in self.columns]
        statements = [*questions.statements, self._newest_statement(now)]

        def fleet(answers: Answers, alerts: Sequence[ActiveAlert]) -> Fleet:
            self._note_newest(answers[-1])
            by_host = [_by_host(one(answers), column) for one, column in zip(read, self.columns, strict=True)]
            rows = tuple(self._row(host.name, now, window, by_host, alerts) for host in self.config.hosts)
            return Fleet(now, window, self.columns, rows)

        return statements, fleet

    def _newest_statement(self, now: float) -> str:
        is_known = self._newest.keys() >= {host.name for host in self.config.hosts}
        since = f"time > {int(now) - _LOOK_BACK}s AND " if is_known else ""
        return (
            f'SELECT last("metrics_gathered") FROM "raw"."internal_agent" WHERE {since}time <= {int(now) + _AHEAD}s '
            f'GROUP BY "{HOST}"'
        )

    def _note_newest(self, answer: Sequence[Series]) -> None:
        for one in answer:
            self._newest[one.tags.get(HOST, "")] = float(one.rows[0]["time"])

    def _row(
        self,
        name: str,
        now: float,
        window: Window,
        columns: Sequence[Mapping[str, Curve]],
        alerts: Sequence[ActiveAlert],
    ) -> HostRow:
        age = None if name not in self._newest else max(0.0, now - self._newest[name])
        own = active_alerts.worst([one for one in alerts if one.host == name])
        trends = tuple(_trend(curves.get(name, {}), now, window) for curves in columns)
        return HostRow(name, _state(age, own), age, trends)


def sort_key(row: HostRow) -> tuple[int, str]:
    """The worst first."""
    return (STATES.index(row.state), row.name)


def _state(age: float | None, own: Severity | None) -> HostState:
    if age is None:
        return "never"
    return "silent" if age > SILENT_AFTER else own or "ok"


def _by_host(curves: Curves, column: Column) -> dict[str, Curve]:
    """One curve a host: that of the busiest series at each time, or of the least where less is worse."""
    choose = min if column.levels is not None and column.levels.falling else max
    found: dict[str, Curve] = {}
    for labels, curve in curves.items():
        own = found.setdefault(dict(labels).get(HOST, ""), {})
        for at, value in curve.items():
            if not math.isnan(value):
                own[at] = choose(own[at], value) if at in own else value
    return found


def _trend(curve: Curve, now: float, window: Window) -> Trend:
    newest = max(curve, default=0)
    is_recent = now - newest <= max(SILENT_AFTER, _STALE_STEPS * window.step)
    return Trend(curve[newest] if curve and is_recent else None, steps(curve, window))

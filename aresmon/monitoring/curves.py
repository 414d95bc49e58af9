"""The catalogue's series as curves over time: what is asked, in few statements, and what the answers say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Any

from aresmon.config.views import Condition, SeriesSpec, min_step
from aresmon.influxdb.client import Series
from aresmon.influxdb.downsampling import SERVED_SPANS, TIERS
from aresmon.monitoring.expressions import Labels, Numbers, UnknownExpressionError, calculate
from aresmon.render.grafana import queries
from aresmon.render.grafana.queries import Scope, Target

Curve = dict[int, float]
"""Values by time, in seconds since 1970."""
Curves = dict[Labels, Curve]
Answers = Sequence[Sequence[Series]]

_DATASOURCE = ""
_STEPS = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 7 * 86400)
_ARRIVES_WITHIN = 24
"""Seconds until a point is in the database: its interval, and the flush with its jitter."""
_SHORTEST_RATE = 30
"""Seconds: the points of a counter are read every ten."""


@dataclass(frozen=True, slots=True)
class Window:
    """A range of time in steps; all in seconds since 1970. `policy` is the retention policy that serves it."""

    since: int
    until: int
    step: int
    policy: str

    @classmethod
    def ending(cls, now: float, span: int, *, points: int) -> Window:
        """The last `span` seconds before `now`, in at most about so many steps."""
        policy = next(name for name, begin, end in SERVED_SPANS if begin <= span * 1000 - 1 < end)
        least = {"raw": _SHORTEST_RATE, **{tier.policy: tier.bucket for tier in TIERS}}[policy]
        step = next((one for one in _STEPS if one >= max(least, span / points)), _STEPS[-1])
        return cls(int(now - span) // step * step, int(now) + 1, step, policy)

    @property
    def times(self) -> range:
        return range(self.since, self.until, self.step)


def steps(curve: Curve, window: Window) -> tuple[float | None, ...]:
    """A curve's value at each step of the window. One missing step between two points is no gap: the agent may send
    less often."""
    values = [curve.get(at) for at in window.times]
    for index in range(1, len(values) - 1):
        before, after = curve.get(window.times[index - 1]), curve.get(window.times[index + 1])
        if values[index] is None and before is not None and after is not None:
            values[index] = before
    return tuple(values)


@dataclass
class Questions:
    """Collects series, and asks for all of them in as few statements as possible: those that differ in the field alone
    share one."""

    window: Window
    where: tuple[Condition, ...] = ()
    by: tuple[str, ...] = ()
    whole: bool = False
    """One value over the whole window instead of one for each step."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What stands for a variable in a statement of the catalogue's own."""
    words: list[str] = field(default_factory=list)
    """The texts among the values, such as `UP`: a curve has the number of each."""
    _targets: dict[str, tuple[Target, int]] = field(default_factory=dict)
    _raw: list[str] = field(default_factory=list)

    def add(self, series: SeriesSpec, least: int = 0) -> Callable[[Answers], Curves]:
        """Add a series. Returns what reads its curves from the answers to `statements`.

        It is asked in steps of at least `least` seconds, as Grafana does with all series of a panel, or of its own
        `min_step`: counters that grow more slowly would jump. Each of these steps then stands for several of the
        window.
        """
        longest = max(least, min_step([series]))
        step = -(-longest // self.window.step) * self.window.step or self.window.step
        if series.influxql:
            return self._add_raw(series, step)
        if not series.parts:
            return self._add_plain(series, step)
        refs = {name: ascii_uppercase[number] for number, (name, _) in enumerate(series.parts)}
        read = {refs[name]: self._add_plain(part, step) for name, part in series.parts}
        expression = queries.formula(series.formula, refs)
        return lambda answers: _combined(expression, {ref: one(answers) for ref, one in read.items()})

    @property
    def statements(self) -> list[str]:
        """What is to be asked, in this order."""
        return [self._timed(queries.statement(one), step) for one, step in self._targets.values()] + self._raw

    def _add_plain(self, series: SeriesSpec, step: int) -> Callable[[Answers], Curves]:
        counted = bool(series.rate or series.increase)
        scope = Scope(self.window.policy, where=self.where, by=self.by, step=f"{step}s", fill="none")
        if self.whole and not counted:
            scope, step = scope.without_steps(), self.window.step
        built = queries.target(series, scope, ref="A", datasource=_DATASOURCE)
        alike = [built["policy"], built["measurement"], built["tags"], built["groupBy"], counted]
        key = json.dumps(alike)
        known, _ = self._targets.setdefault(key, ({**built, "select": []}, step))
        if built["select"][0] not in known["select"]:
            known["select"].append(built["select"][0])
        number, column = list(self._targets).index(key), known["select"].index(built["select"][0])
        return lambda answers: self._curves(answers[number], column, step, is_counted=counted)

    def _add_raw(self, series: SeriesSpec, step: int) -> Callable[[Answers], Curves]:
        text = series.influxql.replace("$policy", f'"{self.window.policy}"')
        self._raw.append(self._timed(text, step))
        position = len(self._raw) - 1
        return lambda answers: self._curves(answers[len(self._targets) + position], 0, step)

    def _timed(self, text: str, step: int) -> str:
        window = self.window
        # A rate begins with the second step.
        begin = window.since // step * step - step
        variables = {
            "$timeFilter": f"time >= {begin}s AND time < {window.until}s",
            "$__interval": f"{step}s",
            "$__from": str(begin * 1000),
            "$__to": str(window.until * 1000),
            **self.variables,
        }
        for variable, value in variables.items():
            text = text.replace(variable, value)
        return text

    def _curves(self, answer: Sequence[Series], column: int, step: int, *, is_counted: bool = False) -> Curves:
        """The curves in a column of an answer in such steps."""
        # The last step of a counter has not all of its points yet, so that its rate would be too low.
        end = self.window.until - _ARRIVES_WITHIN - step if is_counted else self.window.until
        begin = 0 if self.whole else self.window.since
        times = range(begin, self.window.until + 1)
        parts = range(0, step, self.window.step)
        found: Curves = {}
        for series in answer:
            curve = {at: value for at, value in self._values(series, column) if at <= end}
            kept = {at + part: value for at, value in curve.items() for part in parts if at + part in times}
            if kept:
                found.setdefault(frozenset(series.tags.items()), {}).update(kept)
        return found

    def _values(self, series: Series, column: int) -> Iterator[tuple[int, float]]:
        for row in series.rows:
            values = [value for name, value in row.items() if name != "time"]
            value: Any = values[column] if column < len(values) else None
            if isinstance(value, str):
                if value not in self.words:
                    self.words.append(value)
                value = self.words.index(value)
            if value is not None:
                yield int(row["time"] or 0), float(value)


def _combined(expression: str, parts: Mapping[str, Curves]) -> Curves:
    """What a formula makes of curves, at each time that all of them have; nothing, if it uses what only Grafana
    knows."""
    times = sorted({at for curves in parts.values() for curve in curves.values() for at in curve})
    found: Curves = {}
    for at in times:
        known: dict[str, Numbers] = {
            ref: {labels: curve[at] for labels, curve in curves.items() if at in curve} for ref, curves in parts.items()
        }
        if all(known.values()):
            try:
                values = calculate(expression, known)
            except UnknownExpressionError:
                return {}
            for labels, value in values.items():
                found.setdefault(labels, {})[at] = value
    return found

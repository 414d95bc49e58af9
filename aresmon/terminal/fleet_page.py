"""The fleet as a table: state, age, and the catalogue's columns with their course."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aresmon.config.values import format_seconds, format_value
from aresmon.config.views import LATE_AFTER, SILENT_AFTER, Column
from aresmon.monitoring.fleet import Fleet, HostRow, Trend, sort_key
from aresmon.terminal import graph
from aresmon.terminal.graph import scale_of
from aresmon.terminal.state import ScreenState
from aresmon.terminal.text import Glyphs, Line, Span, fit, level_of, padded, word_of

_STATE, _AGE = 8, 6
_SHORTEST_NAME, _LONGEST_NAME = 8, 24
_TRENDS = (12, 10, 8, 6, 5, 4)
"""Widths of a column's course, the best first."""
_FEWEST = 3  # columns that should be seen before their courses are left out
_VALUES = {"percent": 5, "percentunit": 5, "short": 6, "none": 5, "binBps": 10}
_MORE = 3  # columns for the number of those that do not fit


@dataclass(frozen=True, slots=True)
class Widths:
    """How many columns of the terminal a host's name and each course take, and which columns of the fleet fit."""

    name: int
    trend: int
    columns: tuple[Column, ...]

    def value(self, column: Column) -> int:
        """The width of a value, without its course."""
        return _VALUES.get(column.unit, 9)

    def course(self, column: Column) -> int:
        """The width of its course; 0 if there is no room for it. It is never narrower than the heading."""
        return max(self.trend, len(column.title) - self.value(column) - 1) if self.trend else 0

    def whole(self, column: Column) -> int:
        """The width of both, and of the heading."""
        course = self.course(column)
        return self.value(column) + course + 1 if course else max(self.value(column), len(column.title))


@dataclass(frozen=True, slots=True)
class _ShownColumn:
    """A column, its place among the fleet's, and the one scale of all hosts, so that they can be compared."""

    number: int
    column: Column
    scale: graph.Scale


def ordered(fleet: Fleet, view: ScreenState) -> list[HostRow]:
    """The hosts in the order that was chosen, of those that the filter leaves."""
    rows = [row for row in fleet.rows if view.filter.lower() in row.name.lower()]
    if view.sort == "name":
        return sorted(rows, key=lambda row: row.name)
    if view.sort == "value" and view.column < len(fleet.columns):
        return sorted(rows, key=lambda row: (-_value(row.trends[view.column]), row.name))
    return sorted(rows, key=sort_key)


def table(
    fleet: Fleet, rows: Sequence[HostRow], view: ScreenState, columns: int, glyphs: Glyphs
) -> tuple[Line, list[Line]]:
    """The headings, and a line for each of these hosts, which are those that are shown."""
    widths = _widths(fleet, view, columns)
    shown = [_ShownColumn(fleet.columns.index(one), one, _scale(fleet, one)) for one in widths.columns]
    lines = [tuple(_cells(row, shown, widths, glyphs)) for row in rows]
    return padded(tuple(_heading(fleet, view, widths, glyphs)), columns), [padded(one, columns) for one in lines]


def _value(trend: Trend) -> float:
    return -math.inf if trend.value is None else trend.value


def _widths(fleet: Fleet, view: ScreenState, columns: int) -> Widths:
    longest = max((len(row.name) for row in fleet.rows), default=0)
    name = min(max(longest, _SHORTEST_NAME), _LONGEST_NAME, max(columns // 4, _SHORTEST_NAME))
    left = columns - name - _STATE - _AGE - 2
    known = fleet.columns[view.column :]
    for trend in _TRENDS:
        fitting = _fitting(known, left, trend)
        if len(fitting) == len(known):
            return Widths(name, trend, fitting)
    left -= _MORE
    fitting = _fitting(known, left, _TRENDS[-1])
    if len(fitting) >= _FEWEST:
        return Widths(name, _TRENDS[-1], fitting)
    return Widths(name, 0, _fitting(known, left, 0))


def _fitting(known: Sequence[Column], left: int, trend: int) -> tuple[Column, ...]:
    fitting: list[Column] = []
    for column in known:
        left -= 2 + Widths(0, trend, ()).whole(column)
        if left < 0:
            break
        fitting.append(column)
    return tuple(fitting)


def _heading(fleet: Fleet, view: ScreenState, widths: Widths, glyphs: Glyphs) -> Iterator[Span]:
    text = f"{fit('HOST', widths.name)} {fit('STATE', _STATE)} {fit('SEEN', _AGE, right=True)}"
    for column in widths.columns:
        text += "  " + fit(column.title.upper(), widths.whole(column), ellipsis=glyphs.ellipsis)
    yield Span(text, "heading")
    hidden = len(fleet.columns) - view.column - len(widths.columns)
    if hidden > 0:
        yield Span(f" +{hidden}", "dim")


def _cells(row: HostRow, shown: Sequence[_ShownColumn], widths: Widths, glyphs: Glyphs) -> Iterator[Span]:
    is_gone = row.state in ("never", "silent")
    yield Span(fit(row.name, widths.name, ellipsis=glyphs.ellipsis) + " ", "dim" if is_gone else "")
    yield Span(fit(word_of(row.state), _STATE) + " ", row.state)
    yield Span(fit(_age(row.age), _AGE, right=True), _age_style(row.age))
    for one in shown:
        column, trend = one.column, row.trends[one.number]
        course = widths.course(column)
        wide = widths.value(column) if course else widths.whole(column)
        text = fit(_number(trend.value, column, wide), wide, right=True, ellipsis=glyphs.ellipsis)
        yield Span("  " + text, level_of(trend.value, column.levels) or ("dim" if trend.value is None else ""))
        if course:
            yield Span(" " + graph.sparkline(trend.points, course, one.scale, glyphs), "trend")


def _number(value: float | None, column: Column, columns: int) -> str:
    """A value in so many columns, if there is a way to write it as short as that."""
    text = format_value(value, column.unit, column.decimals)
    if len(text) > columns:
        text = format_value(value, column.unit, 0)
    if len(text) > columns and column.unit == "none":
        text = format_value(value, "short")
    return text if len(text) <= columns else text.replace(" ", "")


def _age(age: float | None) -> str:
    return "never" if age is None else format_seconds(float(round(age)))


def _age_style(age: float | None) -> str:
    if age is None or age > SILENT_AFTER:
        return "critical"
    return "warning" if age > LATE_AFTER else ""


def _scale(fleet: Fleet, column: Column) -> graph.Scale:
    if column.unit == "percent":
        return graph.Scale(0, 100)
    number = fleet.columns.index(column)
    points = [row.trends[number].points for row in fleet.rows]
    return scale_of(points, minimum=0, maximum=None)

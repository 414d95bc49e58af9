"""A panel in characters: a graph with its legend, bars, a table, or states over time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from aresmon.config import roles
from aresmon.config.roles import ROLES
from aresmon.config.values import format_value
from aresmon.monitoring.host_panels import NamedCurve, PanelReading
from aresmon.terminal import graph, legend, panel_table
from aresmon.terminal.graph import Plot, Scale, scale_of
from aresmon.terminal.text import Glyphs, Line, Span, cut, fit, flow, level_of, line, padded, short

_STATE_STYLES = {"green": "", "red": "critical", "orange": "warning", "yellow": "warning", "blue": "information"}
_NAME, _WORD = 24, 12
_BAR, _GOOD_BAR = 4, 20
"""Columns of the shortest bar, and of the shortest one beside a name that is longer than usual."""
_COURSE = 20
"""Columns for states over time that names leave."""
_GRAPH = 8
"""Rows of a graph with its times where there is room for it."""
_LEAST_GRAPH = 6
"""Rows that a legend leaves to its graph."""


def draw(reading: PanelReading, columns: int, rows: int, glyphs: Glyphs, *, is_chosen: bool = False) -> list[Line]:
    """A panel in exactly so many columns and rows: its title, then what it shows."""
    panel = reading.panel
    title = line((short(panel.title, columns, ellipsis=glyphs.ellipsis), "chosen" if is_chosen else "title"))
    body = (
        list(_body(reading, columns, rows - 1, glyphs))
        if reading.curves
        else [line((short(panel.no_data, columns, ellipsis=glyphs.ellipsis), "dim"))]
    )
    if len(body) > max(rows - 1, 1):
        body = [*body[: rows - 2], line((f"+{len(body) - rows + 2} more", "dim"))]
    shown = [title, *body][:rows]
    return [padded(one, columns) for one in [*shown, *[line()] * (rows - len(shown))]]


def draw_whole(reading: PanelReading, columns: int, glyphs: Glyphs) -> list[Line]:
    """A panel in as many rows as it takes."""
    has_graph = reading.panel.kind == "timeseries"
    rows = len(legend.short_legend(reading, columns, 0, glyphs)) + _GRAPH if has_graph else len(reading.curves) + 1
    return draw(reading, columns, 1 + rows, glyphs)


def glance(readings: Sequence[PanelReading], columns: int) -> list[Line]:
    """The values of panels at a glance, as many in a line as fit."""
    parts: list[Line] = []
    for reading in readings:
        panel, value = reading.panel, _glance_value(reading)
        text = format_value(value, panel.unit, panel.decimals)
        parts.append(line((f"{panel.title} ", "dim"), (text, level_of(value, panel.levels) or "title")))
    return flow(parts, columns, gap=3)


def _glance_value(reading: PanelReading) -> float | None:
    """The worst of the panel's newest values."""
    levels = reading.panel.levels
    newest = [curve.last for curve in reading.curves if curve.last is not None]
    return (min if levels is not None and levels.falling else max)(newest, default=None)


def _body(reading: PanelReading, columns: int, rows: int, glyphs: Glyphs) -> Iterator[Line]:
    match reading.panel.kind:
        case "table":
            yield from panel_table.table(reading, columns, glyphs)
        case "state-timeline":
            yield from _states(reading, columns, glyphs)
        case "stat" | "gauge" | "bargauge":
            yield from _bars(reading, columns, glyphs)
        case _:
            yield from plot(reading, columns, rows, glyphs)


def plot(reading: PanelReading, columns: int, rows: int, glyphs: Glyphs, *, has_legend: bool = True) -> Iterator[Line]:
    """The graph of a panel in so many rows, and its legend below it."""
    panel, curves = reading.panel, legend.drawn_curves(reading)
    below = legend.short_legend(reading, columns, max(rows - _LEAST_GRAPH, 1), glyphs) if has_legend else []
    drawn = legend.styled(curves)
    scale = scale_of(
        [one.shown for one in drawn],
        minimum=panel.minimum,
        maximum=panel.maximum,
        stacked=panel.stack,
        least=panel.soft_maximum or 0.0,
    )
    sides = None
    if roles.is_mirrored(panel):
        most = max(scale.high, -scale.low)
        scale, sides = Scale(-most, most), (_side(curves, is_below=False), _side(curves, is_below=True))
    yield from Plot(drawn, scale, reading.window, panel.unit, panel.stack, sides).draw(
        columns, rows - len(below), glyphs
    )
    yield from below


def _side(curves: Sequence[NamedCurve], *, is_below: bool) -> str:
    """What is drawn above zero, or below it: `in`, `out`, `read`, `written`."""
    return next((one.role for one in curves if one.role and ROLES[one.role].is_below == is_below), "")


def _bars(reading: PanelReading, columns: int, glyphs: Glyphs) -> Iterator[Line]:
    panel = reading.panel
    curves = sorted(reading.curves, key=lambda one: math.inf if one.last is None else -one.last)
    newest = [one.last for one in curves if one.last is not None]
    scale = scale_of([newest], minimum=panel.minimum, maximum=panel.maximum)
    values = [format_value(one.last, panel.unit, panel.decimals) for one in curves]
    wide = max([10, *map(len, values)])
    longest = max((len(one.name) for one in curves), default=0)
    usual = min(_NAME, columns // 2, columns - wide - 2 - _BAR)
    name = min(longest, max(usual, columns - wide - 2 - _GOOD_BAR))
    for one, value in zip(curves, values, strict=True):
        shown = graph.bar(one.last, columns - name - wide - 2, scale, glyphs)
        label = fit(one.name, name, ellipsis=glyphs.ellipsis)
        yield line(f"{label} ", (shown, level_of(one.last, panel.levels) or "trend"), f" {value:>{wide}}")


def _states(reading: PanelReading, columns: int, glyphs: Glyphs) -> Iterator[Line]:
    """A row for each curve: a letter for its state at each step, and its state now in words. Where there are several
    states, a heading says what the letters mean."""
    shown = {value: (text, _STATE_STYLES.get(color, "dim")) for value, text, color in reading.panel.show}
    now = [_state(one.last, reading, shown) for one in reading.curves]
    word = min(max(len(text) for text, _ in now), max(_WORD, columns // 5))
    longest = max((len(one.name) for one in reading.curves), default=0)
    name = min(longest, max(columns // 3, columns - word - 2 - _COURSE))
    wide = columns - name - word - 2
    courses = [[_state(value, reading, shown) for value in graph.resampled(one.points, wide)] for one in reading.curves]
    found = {text: style for course in courses for text, style in course if text}
    letters = _letters([text for text, _ in shown.values() if text in found] + list(found))
    if len(letters) > 1:
        meanings = [line((letter, found[text]), (f" {text}", "dim")) for text, letter in letters.items()]
        yield from flow(meanings, columns)[:1]
    for one, course, (text, style) in zip(reading.curves, courses, now, strict=True):
        cells = [Span(letters.get(state, " "), colored) for state, colored in course]
        label = fit(one.name, name, ellipsis=glyphs.ellipsis)
        yield cut((Span(f"{label} "), *cells, Span(" " + short(text, word, ellipsis=glyphs.ellipsis), style)), columns)


def _letters(words: Sequence[str]) -> dict[str, str]:
    """A letter for each of these words: its first one that no word before it has."""
    found: dict[str, str] = {}
    for one in dict.fromkeys(words):
        candidates = (letter for letter in (*one.lower(), *one.upper()) if letter.isalnum())
        found[one] = next((letter for letter in candidates if letter not in found.values()), "?")
    return found


def _state(value: float | None, reading: PanelReading, shown: dict[str, tuple[str, str]]) -> tuple[str, str]:
    if value is None:
        return "", "dim"
    is_word = value == int(value) and int(value) < len(reading.words)
    text = reading.words[int(value)] if is_word else f"{value:g}"
    # HAProxy adds to a state how far it is to the next one, as in `DOWN 1/2`.
    return shown.get(text) or shown.get(text.partition(" ")[0]) or (text, "")

"""A panel in characters: a graph with its legend, bars, a table, or states over time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from aresmon.config.roles import ROLES
from aresmon.config.views import Panel, TableColumn
from aresmon.monitoring.host_panels import NamedCurve, PanelReading
from aresmon.monitoring.values import format_value
from aresmon.terminal import graph
from aresmon.terminal.graph import Drawn, Plot, scale_of
from aresmon.terminal.text import CURVES, Glyphs, Line, Span, cut, fit, level_of, line, padded, width

_MOST_CURVES = 10
"""More curves in one graph cannot be distinguished: those with the greatest values are shown."""
_STATE_STYLES = {"green": "", "red": "critical", "orange": "warning", "yellow": "warning", "blue": "information"}
_NAME, _VALUE = 24, 10

_Rows = dict[tuple[str, ...], dict[str, float | None]]
"""Values by tags, then by series."""


def draw(reading: PanelReading, columns: int, rows: int, glyphs: Glyphs, *, is_chosen: bool = False) -> list[Line]:
    """A panel in exactly so many columns and rows: its title, then what it shows."""
    panel = reading.panel
    title = line((fit(panel.title, min(len(panel.title), columns)), "chosen" if is_chosen else "title"))
    body = list(_body(reading, columns, rows - 1, glyphs))[: rows - 1]
    if not reading.curves:
        body = [line(("no data", "dim"))]
    shown = [title, *body]
    return [padded(one, columns) for one in [*shown, *[line()] * (rows - len(shown))]]


def glance(readings: Sequence[PanelReading], columns: int) -> list[Line]:
    """The values of panels at a glance, as many in a line as fit."""
    lines: list[Line] = [()]
    for reading in readings:
        panel, value = reading.panel, _glance_value(reading)
        text = format_value(value, panel.unit, panel.decimals)
        part = line((f"{panel.title} ", "dim"), (text, level_of(value, panel.levels) or "title"), "   ")
        if lines[-1] and width(lines[-1]) + width(part) - 3 > columns:
            lines.append(())
        lines[-1] = (*lines[-1], *part)
    return [cut(one, columns) for one in lines if one]


def _glance_value(reading: PanelReading) -> float | None:
    """The worst of the panel's newest values."""
    levels = reading.panel.levels
    newest = [curve.last for curve in reading.curves if curve.last is not None]
    return (min if levels is not None and levels.falling else max)(newest, default=None)


def busiest(curves: Sequence[NamedCurve]) -> list[NamedCurve]:
    """The curves by their greatest value; in their own order if they are few."""
    if len(curves) <= _MOST_CURVES:
        return list(curves)
    return sorted(curves, key=lambda one: -math.inf if one.most is None else -one.most)


def styled(curves: Sequence[NamedCurve]) -> list[Drawn]:
    """The curves with their styles: that of the role, if no other curve has it, else one after the other."""
    roles = [one.role for one in curves]
    return [
        Drawn(
            one.points,
            ROLES[one.role].color if one.role and roles.count(one.role) == 1 else f"curve-{number % CURVES}",
            bool(one.role) and ROLES[one.role].is_below,
        )
        for number, one in enumerate(curves)
    ]


def legend(reading: PanelReading, columns: int, glyphs: Glyphs) -> list[Line]:
    """A table of the curves: mark, name, last, mean and greatest value."""
    curves, panel = busiest(reading.curves), reading.panel
    name = min(max((len(one.name) for one in curves), default=4), max(columns - 3 * (_VALUE + 1) - 2, 8))
    heading = "  " + fit("", name) + "".join(f" {title:>{_VALUE}}" for title in ("last", "mean", "max"))
    lines = [line((heading, "heading"))]
    drawn = styled(curves)
    for number, one in enumerate(curves):
        known = [value for value in one.points if value is not None]
        mean = math.fsum(known) / len(known) if known else None
        values = "".join(
            f" {fit(format_value(value, panel.unit, panel.decimals), _VALUE, right=True)}"
            for value in (one.last, mean, one.most)
        )
        mark = graph.mark(number, drawn[number].style, len(curves), glyphs) if number < _MOST_CURVES else Span(" ")
        lines.append(cut((mark, Span(f" {fit(one.name, name, ellipsis=glyphs.ellipsis)}{values}")), columns))
    return lines


def _body(reading: PanelReading, columns: int, rows: int, glyphs: Glyphs) -> Iterator[Line]:
    match reading.panel.kind:
        case "table":
            yield from _table(reading, columns)
        case "state-timeline":
            yield from _states(reading, columns, glyphs)
        case "stat" | "gauge" | "bargauge":
            yield from _bars(reading, columns, glyphs)
        case _:
            yield from plot(reading, columns, rows, glyphs)


def plot(reading: PanelReading, columns: int, rows: int, glyphs: Glyphs, *, has_legend: bool = True) -> Iterator[Line]:
    """The graph of a panel, and its legend in one line."""
    panel = reading.panel
    curves = busiest(reading.curves)[:_MOST_CURVES]
    drawn = styled(curves)
    if panel.stack:  # a limit is not a part of the sum
        curves = [one for one in curves if not (one.role and ROLES[one.role].is_limit)]
        drawn = styled(curves)
    scale = scale_of(
        [one.shown for one in drawn],
        minimum=panel.minimum,
        maximum=panel.maximum,
        stacked=panel.stack,
        least=panel.soft_maximum or 0.0,
    )
    plotted = Plot(drawn, scale, reading.window, panel.unit, panel.stack)
    yield from plotted.draw(columns, rows - has_legend, glyphs)
    if has_legend:
        yield _short_legend(reading, curves, columns, glyphs)


def _short_legend(reading: PanelReading, curves: Sequence[NamedCurve], columns: int, glyphs: Glyphs) -> Line:
    """All names with their newest values in a line; without the values if that is too long."""
    parts = [list(_legend_parts(reading, curves, glyphs, has_values=one)) for one in (True, False)]
    missing = 0 if len(reading.curves) <= _MOST_CURVES else len(reading.curves) - len(curves)
    whole = next((one for one in parts if sum(map(width, one)) - 2 <= columns), parts[1])
    shown: Line = ()
    for number, part in enumerate(whole):
        more = len(whole) - number + missing
        if width(shown) + width(part) - 2 > columns - (9 if more > 1 else 0) and sum(map(width, whole)) - 2 > columns:
            return cut((*shown, Span(f"+{more} more", "dim")), columns)
        shown = (*shown, *part)
    return cut((*shown, Span(f"+{missing} more", "dim")) if missing else shown, columns)


def _legend_parts(
    reading: PanelReading, curves: Sequence[NamedCurve], glyphs: Glyphs, *, has_values: bool
) -> Iterator[Line]:
    for number, (one, drawn) in enumerate(zip(curves, styled(curves), strict=True)):
        value = format_value(one.last, reading.panel.unit, reading.panel.decimals)
        shown = (Span(f"{value} ", "title"),) if has_values else ()
        yield (graph.mark(number, drawn.style, len(curves), glyphs), Span(f" {one.name} "), *shown, Span(" "))


def _bars(reading: PanelReading, columns: int, glyphs: Glyphs) -> Iterator[Line]:
    panel = reading.panel
    curves = sorted(reading.curves, key=lambda one: math.inf if one.last is None else -one.last)
    newest = [one.last for one in curves if one.last is not None]
    scale = scale_of([newest], minimum=panel.minimum, maximum=panel.maximum)
    name = min(max((len(one.name) for one in curves), default=0), _NAME, columns // 2)
    for one in curves:
        value = fit(format_value(one.last, panel.unit, panel.decimals), _VALUE, right=True)
        shown = graph.bar(one.last, max(columns - name - _VALUE - 2, 4), scale, glyphs)
        label = fit(one.name, name, ellipsis=glyphs.ellipsis)
        yield line(f"{label} ", (shown, level_of(one.last, panel.levels) or "trend"), f" {value}")


def _table(reading: PanelReading, columns: int) -> Iterator[Line]:
    """One row for each set of tags, one column for each series, in the order of the panel's columns."""
    looks = {column.of: column for column in reading.panel.columns}
    found = dict.fromkeys(one.name for one in reading.curves)
    names = [*(of for of in looks if of in found), *(one for one in found if one not in looks)]
    rows: _Rows = {}
    for one in reading.curves:
        rows.setdefault(one.tags, {})[one.name] = one.last
    name = min(max((len(" ".join(tags)) for tags in rows), default=0), _NAME)
    titles = [looks[one].title if one in looks and looks[one].title else one for one in names]
    yield line((fit("", name) + "".join(f" {fit(one, _VALUE + 4, right=True)}" for one in titles), "heading"))
    for tags, values in _sorted(rows, reading.panel):
        cells = (_cell(values.get(one), one, looks.get(one), reading.panel) for one in names)
        yield line(fit(" ".join(tags), name) + "".join(f" {fit(cell, _VALUE + 4, right=True)}" for cell in cells))


def _sorted(rows: _Rows, panel: Panel) -> list[tuple[tuple[str, ...], dict[str, float | None]]]:
    """The rows as the panel sorts them; those without a value come last."""
    several = list(rows.items())
    names = {column.title or column.of: column.of for column in panel.columns}
    for title, is_falling in reversed(panel.sort):
        keys = {tags: _key(values.get(names.get(title, title)), is_falling=is_falling) for tags, values in several}
        several.sort(key=lambda row: keys[row[0]])
    return several


def _key(value: float | None, *, is_falling: bool) -> tuple[bool, float]:
    return value is None, 0 if value is None else -value if is_falling else value


def _cell(value: float | None, name: str, look: TableColumn | None, panel: Panel) -> str:
    if look is not None:
        decimals = panel.decimals if look.decimals is None else look.decimals
        return format_value(value, look.unit or panel.unit, decimals)
    return format_value(value, "percent" if name.endswith("%") else panel.unit, panel.decimals)


def _states(reading: PanelReading, columns: int, glyphs: Glyphs) -> Iterator[Line]:
    """A row for each curve: the first letter of its state at each step, and its state now in words."""
    shown = {value: (text, _STATE_STYLES.get(color, "dim")) for value, text, color in reading.panel.show}
    name = min(max((len(one.name) for one in reading.curves), default=0), _NAME)
    wide = max(columns - name - 16, 4)
    for one in reading.curves:
        cells = []
        for value in graph.resampled(one.points, wide):
            text, style = _state(value, reading, shown)
            cells.append(Span(text[:1] or " ", style))
        text, style = _state(one.last, reading, shown)
        label = fit(one.name, name, ellipsis=glyphs.ellipsis)
        yield (Span(f"{label} "), *cells, Span(f" {text}", style))


def _state(value: float | None, reading: PanelReading, shown: dict[str, tuple[str, str]]) -> tuple[str, str]:
    if value is None:
        return "", "dim"
    is_word = value == int(value) and int(value) < len(reading.words)
    text = reading.words[int(value)] if is_word else f"{value:g}"
    # HAProxy adds to a state how far it is to the next one, as in `DOWN 1/2`.
    return shown.get(text) or shown.get(text.partition(" ")[0]) or (text, "")

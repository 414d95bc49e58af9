"""The legends of a graph: which curves are drawn and how, their names and values, in a few lines or as a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from aresmon.config.roles import ROLES
from aresmon.config.values import format_value
from aresmon.config.views import Panel
from aresmon.monitoring.host_panels import NamedCurve, PanelReading
from aresmon.terminal import graph
from aresmon.terminal.graph import Drawn
from aresmon.terminal.text import CURVES, Glyphs, Line, Span, fit, flow, line, short

MOST_CURVES = 10
"""More curves in one graph cannot be distinguished: those with the greatest values are drawn."""
_SHORTEST_NAME = 8


def drawn_curves(reading: PanelReading) -> list[NamedCurve]:
    """The curves that are drawn. A limit is not a part of a stack."""
    curves = busiest(reading.curves)[:MOST_CURVES]
    return [one for one in curves if not (reading.panel.stack and one.role and ROLES[one.role].is_limit)]


def busiest(curves: Sequence[NamedCurve]) -> list[NamedCurve]:
    """The curves by their greatest value; in their own order if they are few."""
    if len(curves) <= MOST_CURVES:
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


def short_legend(reading: PanelReading, columns: int, rows: int, glyphs: Glyphs) -> list[Line]:
    """The names with their newest values in so many rows, 0 for as many as it takes; without the values if that is too
    long, and then without the last ones."""
    curves = drawn_curves(reading)
    others = busiest(reading.curves)[MOST_CURVES:]
    parts = [list(_parts(reading.panel, curves, columns, glyphs, has_values=one)) for one in (True, False)]
    whole = [*flow(parts[0], columns), *_not_drawn(reading.panel, others, columns, glyphs)]
    if not rows or len(whole) <= rows:
        return whole
    for number in range(len(curves), 0, -1):
        missing = len(curves) - number + len(others)
        more = [line((f"+{missing} more", "dim"))] if missing else []
        for one in parts if number == len(curves) else parts[1:]:
            if len(lines := flow([*one[:number], *more], columns)) <= rows:
                return lines
    return flow(parts[1], columns)[:rows]


def _parts(
    panel: Panel, curves: Sequence[NamedCurve], columns: int, glyphs: Glyphs, *, has_values: bool
) -> Iterator[Line]:
    for number, (one, drawn) in enumerate(zip(curves, styled(curves), strict=True)):
        mark = graph.mark(number, drawn.style, len(curves), glyphs)
        yield (mark, Span(" "), *_named(panel, one, columns - 2, glyphs, has_value=has_values))


def _not_drawn(panel: Panel, curves: Sequence[NamedCurve], columns: int, glyphs: Glyphs) -> list[Line]:
    if not curves:
        return []
    parts = [_named(panel, one, columns, glyphs, has_value=True) for one in curves]
    return flow([line(("not drawn:", "dim")), *parts], columns)


def _named(panel: Panel, curve: NamedCurve, columns: int, glyphs: Glyphs, *, has_value: bool) -> Line:
    value = f" {format_value(curve.last, panel.unit, panel.decimals)}" if has_value else ""
    return line(short(curve.name, max(columns - len(value), 1), ellipsis=glyphs.ellipsis), (value, "title"))


def table(reading: PanelReading, columns: int, rows: int, glyphs: Glyphs) -> list[Line]:
    """The curves as a table in at most so many rows: mark, name, and as many of the last, greatest and mean value as
    the terminal has room for."""
    panel, curves = reading.panel, busiest(reading.curves)
    cells = [[format_value(value, panel.unit, panel.decimals) for value in _values(one)] for one in curves]
    wide = max((len(cell) for row in cells for cell in row), default=0)
    wide = max(wide, 10 if columns >= 2 + _SHORTEST_NAME + 3 * 11 else len("mean"))
    room = (columns - 2 - _SHORTEST_NAME) // (wide + 1)
    shown = {1: (0,), 2: (0, 2)}.get(max(room, 1), (0, 1, 2))
    name = min(max((len(one.name) for one in curves), default=4), columns - 2 - len(shown) * (wide + 1))
    titles = "".join(f" {('last', 'mean', 'max')[one]:>{wide}}" for one in shown)
    lines = [line((f"  {fit('', name)}{titles}", "heading"))]
    drawn = styled(curves)
    fitting = len(curves) if len(curves) < rows else rows - 2
    for number in range(fitting):
        mark = Span(" ")
        if number < MOST_CURVES:
            mark = graph.mark(number, drawn[number].style, len(curves), glyphs)
        values = "".join(f" {cells[number][one]:>{wide}}" for one in shown)
        lines.append(line(mark, f" {fit(curves[number].name, name, ellipsis=glyphs.ellipsis)}{values}"))
    if fitting < len(curves):
        lines.append(line((f"+{len(curves) - fitting} more", "dim")))
    return lines


def _values(curve: NamedCurve) -> tuple[float | None, float | None, float | None]:
    """The last, the mean and the greatest value."""
    known = [value for value in curve.points if value is not None]
    return curve.last, math.fsum(known) / len(known) if known else None, curve.most

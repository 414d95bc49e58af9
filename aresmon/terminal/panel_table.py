"""A panel that is a table, in characters: the columns, units and order that its view gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aresmon.config.values import format_value
from aresmon.config.views import Panel, TableColumn
from aresmon.monitoring.host_panels import PanelReading
from aresmon.terminal.text import Glyphs, Line, fit, line, short

_NAME, _SHORTEST_NAME = 24, 8
_TITLE = 16
"""Columns of the longest title; a longer one is cut."""

_Row = tuple[tuple[str, ...], dict[str, float | None]]
"""Tags, and values by series."""


def table(reading: PanelReading, columns: int, glyphs: Glyphs) -> Iterator[Line]:
    """One row for each set of tags, and one column for each series, in the order of the panel's columns. Without room
    for all, the heading ends with the number of those that are left out."""
    panel = reading.panel
    looks = {column.of: column for column in panel.columns}
    found = dict.fromkeys(one.name for one in reading.curves)
    names = [*(of for of in looks if of in found), *(one for one in found if one not in looks)]
    rows = _sorted(_rows(reading), panel)
    labels = [" ".join(tags) for tags, _ in rows]
    cells = [[_cell(values.get(one), one, looks.get(one), panel) for one in names] for _, values in rows]
    titles = [short(_title(one, looks), _TITLE, ellipsis=glyphs.ellipsis) for one in names]
    widths = [max([len(title), *(len(row[number]) for row in cells)]) for number, title in enumerate(titles)]
    usual = min(_NAME, max(columns // 3, _SHORTEST_NAME))
    room = columns - sum(width + 2 for width in widths)
    name = min(max(map(len, labels), default=0), max(usual, room))
    shown = _fitting(widths, columns - name)
    hidden = f"  +{len(names) - shown}" if shown < len(names) else ""
    yield line((fit("", name) + _aligned(titles, widths[:shown]) + hidden, "heading"))
    for label, row in zip(labels, cells, strict=True):
        yield line(fit(label, name, ellipsis=glyphs.ellipsis) + _aligned(row, widths[:shown]))


def _rows(reading: PanelReading) -> list[_Row]:
    rows: dict[tuple[str, ...], dict[str, float | None]] = {}
    for one in reading.curves:
        rows.setdefault(one.tags, {})[one.name] = one.last
    return list(rows.items())


def _title(name: str, looks: dict[str, TableColumn]) -> str:
    return looks[name].title or name if name in looks else name


def _fitting(widths: Sequence[int], columns: int) -> int:
    """How many columns fit; beside those that do not, there is room for their number."""
    if sum(one + 2 for one in widths) <= columns:
        return len(widths)
    left, shown = columns - len(f"  +{len(widths)}"), 0
    while shown < len(widths) and (left := left - widths[shown] - 2) >= 0:
        shown += 1
    return shown


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=False))


def _sorted(rows: list[_Row], panel: Panel) -> list[_Row]:
    """The rows as the panel sorts them; those without a value come last."""
    names = {column.title or column.of: column.of for column in panel.columns}
    for title, is_falling in reversed(panel.sort):
        keys = {tags: _key(values.get(names.get(title, title)), is_falling=is_falling) for tags, values in rows}
        rows = sorted(rows, key=lambda row: keys[row[0]])
    return rows


def _key(value: float | None, *, is_falling: bool) -> tuple[bool, float]:
    return value is None, 0 if value is None else -value if is_falling else value


def _cell(value: float | None, name: str, look: TableColumn | None, panel: Panel) -> str:
    if look is not None:
        decimals = panel.decimals if look.decimals is None else look.decimals
        return format_value(value, look.unit or panel.unit, decimals)
    return format_value(value, "percent" if name.endswith("%") else panel.unit, panel.decimals)

"""A panel that is a table: its columns, in the order and of the width that its view means.

Source: Grafana 12, packages/grafana-schema, common.gen.ts (TableFieldOptions), and the transformations merge and
organize.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aresmon.config.views import Panel, TableColumn, rows_of
from aresmon.render.grafana import cells, roles
from aresmon.render.grafana.queries import Scope, Target

Json = dict[str, Any]
CUSTOM: Json = {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False, "filterable": True}
BAR: Json = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
STATE: Json = {"type": "color-background", "mode": "basic", "applyToRow": False}
WRAPPED: Json = {"type": "auto", "wrapText": True}


def targets(panel: Panel, scope: Scope, refs: Iterator[str]) -> Iterator[Target]:
    """The queries of a table of what is now."""
    rows = tuple(dict.fromkeys((*scope.by, *rows_of(panel))))
    for series in panel.series:
        yield cells.cell(series, rows=rows, ref=next(refs), where=scope.where, within=panel.within)


def transformations(panel: Panel) -> list[Json]:
    """One row for each combination of tags, and columns under their titles."""
    known = {column.of: column for column in panel.columns}
    titles = {tag: heading(tag) for tag in ("host", *rows_of(panel))}
    titles |= {of: column.title for of, column in known.items() if column.title}
    organized = {
        "indexByName": {of: place for place, of in enumerate(known)},
        "renameByName": titles,
        "excludeByName": {},
        "includeByName": {},
    }
    joined: list[Json] = [
        {"id": "filterFieldsByName", "options": {"exclude": {"names": ["Time"]}}},
        {"id": "merge", "options": {}},
    ]
    is_joined = not any(one.influxql for one in panel.series)
    return [*(joined if is_joined else ()), {"id": "organize", "options": organized}]


def options(panel: Panel) -> Json:
    """What the table is sorted by."""
    sort = [{"displayName": title, "desc": is_falling} for title, is_falling in panel.sort]
    return {"showHeader": True, "cellHeight": "sm", "sortBy": sort}


def override(title: str, *properties: tuple[str, object]) -> Json:
    """What the column of this title looks like."""
    return {
        "matcher": {"id": "byName", "options": title},
        "properties": [{"id": name, "value": value} for name, value in properties],
    }


def hidden(title: str) -> Json:
    """A column that only links read: one that is excluded could not serve them."""
    return override(title, ("custom.hidden", True), ("custom.hideFrom", {"viz": True}))


def overrides(panel: Panel) -> Iterator[Json]:
    """What each column looks like."""
    names = {series.name for series in panel.series}
    described = {column.of for column in panel.columns}
    for column in panel.columns:
        yield override(column.title or heading(column.of), *_look(column, is_value=column.of in names))
    for name in sorted(names - described):
        if name.endswith("%"):
            yield override(name, ("unit", "percent"), ("decimals", 1))


def _look(column: TableColumn, *, is_value: bool) -> Iterator[tuple[str, object]]:
    yield "custom.minWidth" if column.is_wrapped else "custom.width", column.width
    if column.unit:
        yield "unit", column.unit
    for name, value in (("decimals", column.decimals), ("min", column.minimum), ("max", column.maximum)):
        if value is not None:
            yield name, value
    if is_value and not column.show:
        yield "custom.align", "right"
    if column.show:
        yield "mappings", list(roles.mappings(column.show, roles.NOTHING))
        yield "custom.cellOptions", STATE
    elif column.is_bar:
        yield "custom.cellOptions", BAR
    elif column.is_wrapped:
        yield "custom.cellOptions", WRAPPED
    elif column.levels is not None:
        yield "custom.cellOptions", STATE
    if column.levels is not None or column.is_bar:
        yield "thresholds", roles.thresholds(column.levels, "blue", are_behind=not column.is_bar)


def heading(name: str) -> str:
    """`container_name` → `Container name`"""
    words = name.replace("_", " ")
    return f"{words[:1].upper()}{words[1:]}"

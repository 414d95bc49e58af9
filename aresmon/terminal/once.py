"""The same once: as lines without a terminal, and as data for scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from aresmon.config.views import Column
from aresmon.monitoring.fleet import HostRow
from aresmon.monitoring.host_panels import PanelReading
from aresmon.system.errors import ExitCode
from aresmon.terminal import fleet_page, margins, pages, panel
from aresmon.terminal.feed import Snapshot
from aresmon.terminal.state import ScreenState
from aresmon.terminal.text import Glyphs, Line, flow, line, plain


def lines(view: ScreenState, data: Snapshot, columns: int, glyphs: Glyphs, *, site: str) -> list[Line]:
    """All hosts and alerts, or all panels of the host that is open, as long as they are."""
    columns = max(columns, pages.SMALLEST.columns)
    head = [margins.title(view, data, columns, site=site)]
    if view.host:
        body = pages.host_head(view.host, data, columns, glyphs)
        return [*head, *body, *_panels(data, columns, glyphs)]
    if data.fleet is None:
        return head
    heading, rows = fleet_page.table(data.fleet, fleet_page.ordered(data.fleet, view), view, columns, glyphs)
    below = [line for alert in data.alerts or () for line in pages.whole_alert(alert, columns)]
    return [*head, heading, *rows, *([(), *below] if below else [])]


def exit_code(data: Snapshot) -> ExitCode:
    """5 if a host is silent or was never seen, or if an alert fires whose severity is warning or critical."""
    states = {row.state for row in data.fleet.rows} if data.fleet else set()
    firing = {one.severity for one in data.alerts or () if one.state == "firing"}
    is_bad = states - {"ok", "information"} or firing - {"information"}
    return ExitCode.DEGRADED if is_bad else ExitCode.DONE


def as_json(data: Snapshot, *, site: str) -> dict[str, Any]:
    """The fleet, the alerts and the panels that were read, as plain data."""
    fleet = data.fleet
    return {
        "site": site,
        "at": data.at,
        "hosts": [_host(row, fleet.columns) for row in fleet.rows] if fleet else [],
        "alerts": [asdict(one) for one in data.alerts or ()],
        "unknown": list(data.unknown),
        "panels": [_panel(one) for one in data.readings],
    }


def _panels(data: Snapshot, columns: int, glyphs: Glyphs) -> list[Line]:
    """Each panel with an empty line above; those without data follow each other, a line each."""
    drawn: list[Line] = []
    was_empty = False
    for one in data.readings:
        if one.panel.place != "glance":
            drawn += [*([] if was_empty and not one.curves else [()]), *_whole(one, columns, glyphs)]
            was_empty = not one.curves
    return drawn


def _whole(one: PanelReading, columns: int, glyphs: Glyphs) -> list[Line]:
    if not one.curves:
        return flow([line((one.panel.title, "title")), line((one.panel.no_data, "dim"))], columns, gap=2)
    lines = panel.draw_whole(one, columns, glyphs)
    while lines and not plain(lines[-1]):
        lines.pop()
    return lines


def _host(row: HostRow, columns: Sequence[Column]) -> dict[str, Any]:
    values = {
        column.title: {
            "value": _number(trend.value),
            "unit": column.unit,
            "points": [_number(one) for one in trend.points],
        }
        for column, trend in zip(columns, row.trends, strict=True)
    }
    return {"host": row.name, "state": row.state, "age": row.age, "values": values}


def _panel(reading: PanelReading) -> dict[str, Any]:
    window = reading.window
    return {
        "title": reading.panel.title,
        "unit": reading.panel.unit,
        "since": window.since,
        "step": window.step,
        "curves": [
            {"name": one.name, "tags": list(one.tags), "points": [_value(value, reading) for value in one.points]}
            for one in reading.curves
        ],
    }


def _value(value: float | None, reading: PanelReading) -> float | str | None:
    if reading.panel.kind == "state-timeline" and value is not None and int(value) < len(reading.words):
        return reading.words[int(value)]
    return _number(value)


def _number(value: float | None) -> float | None:
    """JSON has no infinity."""
    return value if value is not None and math.isfinite(value) else None

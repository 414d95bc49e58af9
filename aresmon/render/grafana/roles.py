"""How a series looks in Grafana, by its role.

The colours are named, so that each theme of Grafana has its own shade of them, and two of them on one panel stay apart
for the colour-blind. Source: Grafana 12, packages/grafana-data/src/themes/createVisualizationColors.ts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aresmon.config.roles import MAIN, ROLES, Color
from aresmon.config.views import Levels, Panel, SeriesSpec, tags_of

Json = dict[str, Any]

GRAY = "#8e8e8e"
NOTHING = "\N{EN DASH}"
"""What stands in a cell for what a host does not have."""
NOTHING_WRONG = "text"
_SEVERITIES = {"information": "blue", "warning": "orange", "critical": "red"}
_DASHES = {"fill": "dash", "dash": [6, 6]}


COLORS: Mapping[Color, str] = {
    "blue": "blue",
    "light blue": "super-light-blue",
    "purple": "dark-purple",
    "yellow": "yellow",
    "orange": "orange",
    "red": "red",
    "gray": GRAY,
    "text": "text",
}


def colors(panel: Panel, *, several_hosts: bool) -> Json:
    """Of series without a role. One for each interface, container or host has the colour of its name, everywhere."""
    by_name = several_hosts or any(tags_of(one) for one in panel.series)
    return {"mode": "palette-classic-by-name" if by_name else "palette-classic"}


def properties(series: SeriesSpec, panel: Panel, *, is_set: bool) -> Iterator[Json]:
    """What an override says of one query's lines; `is_set` where they are as many as the data has."""
    look = ROLES[series.role] if series.role else None
    # Interfaces that are all blue could not be distinguished; what fails or waits is red or orange, whatever it is of.
    if look is not None and not (is_set and look.color == MAIN):
        yield {"id": "color", "value": {"mode": "fixed", "fixedColor": COLORS[look.color]}}
    if look is not None and look.is_below:
        yield {"id": "custom.transform", "value": "negative-Y"}
    if look is not None and look.is_limit:
        yield {"id": "custom.lineStyle", "value": _DASHES}
        yield {"id": "custom.fillOpacity", "value": 0}
        if panel.stack:
            yield {"id": "custom.lineWidth", "value": 1}
            yield {"id": "custom.stacking", "value": {"mode": "none", "group": "B"}}
    if series.increase:
        # Events are counted, not measured: a line between two counts would say that there were some meanwhile.
        yield {"id": "custom.drawStyle", "value": "bars"}
        yield {"id": "custom.fillOpacity", "value": 60}


def thresholds(levels: Levels | None, calm: str = NOTHING_WRONG) -> Json:
    """Colours from values on. Falling levels are coloured below them: red first, then towards the calm one."""
    if levels is None:
        return {"mode": "absolute", "steps": [{"color": calm, "value": None}]}
    steps = sorted(levels.steps, key=lambda step: step[1])
    if not levels.falling:
        colored = [(None, calm), *((value, _SEVERITIES[severity]) for severity, value in steps)]
    else:
        colors = [*(_SEVERITIES[severity] for severity, _ in steps), calm]
        colored = list(zip((None, *(value for _, value in steps)), colors, strict=True))
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in colored]}


def cell_color(name: str) -> str:
    """A colour that a view names, as the background of a cell."""
    return {"gray": GRAY, "none": "transparent"}.get(name, name)


def mappings(show: Sequence[tuple[str, str, str]], nothing: str) -> Iterator[Json]:
    """Words for values, and one for none; those that mean nothing special have no colour."""
    if not show:
        return
    words = {
        value: {"text": text, "color": cell_color(color), "index": index}
        for index, (value, text, color) in enumerate(show)
    }
    yield {"type": "value", "options": words}
    result = {"text": nothing, "color": "transparent", "index": len(words)}
    yield {"type": "special", "options": {"match": "null", "result": result}}

"""How a series looks in Grafana, by its role.

The colours are named, so that each theme of Grafana has its own shade of them, and two of them on one panel stay apart
for the colour-blind. A line or bar has a contrast of 3 to its background in both themes, and words on a coloured
background one of 4.5. Source: Grafana 12, packages/grafana-data/src/themes/createVisualizationColors.ts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aresmon.config.roles import MAIN, ROLES, Color
from aresmon.config.views import Levels, Panel, SeriesSpec, tags_of

Json = dict[str, Any]

GRAY = "#8e8e8e"
_PLUM = "#a0459e"  # no purple of Grafana's is seen on a dark background and distinguished from blue by the colour-blind
NOTHING = "\N{EN DASH}"
"""What stands in a cell for what a host does not have."""
NOTHING_WRONG = "text"
_WARNING, _CRITICAL = "semi-dark-orange", "semi-dark-red"
_SEVERITIES = {"information": "blue", "warning": _WARNING, "critical": _CRITICAL}
_BEHIND: Mapping[str, str] = {
    "gray": "#6e6e6e",
    "blue": "dark-blue",
    "orange": "super-light-orange",
    "red": "dark-red",
    "none": "transparent",
}
"""The colour that a view names, behind words in a cell. Grafana writes white ones there, or dark ones where the colour
is very light (getTextColorForAlphaBackground)."""
_ON_A_TIMELINE = {**_BEHIND, "blue": "semi-dark-blue", "orange": "orange", "red": _CRITICAL}
"""The same in a timeline, whose bars must be seen before their background too (createColors, getContrastText)."""
_BEHIND_OF_SEVERITY = {"information": _BEHIND["blue"], "warning": _BEHIND["orange"], "critical": _BEHIND["red"]}
_DASHES = {"fill": "dash", "dash": [6, 6]}


COLORS: Mapping[Color, str] = {
    "blue": "blue",
    "light blue": "super-light-blue",
    "purple": _PLUM,
    "yellow": "yellow",
    "orange": _WARNING,
    "red": _CRITICAL,
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


def thresholds(levels: Levels | None, calm: str = NOTHING_WRONG, *, are_behind: bool = False) -> Json:
    """Colours from values on. Falling levels are coloured below them: red first, then towards the calm one.
    `are_behind`: the values stand on these colours, and on none where nothing is wrong."""
    severities = _BEHIND_OF_SEVERITY if are_behind else _SEVERITIES
    calm = _BEHIND["none"] if are_behind else calm
    if levels is None:
        return {"mode": "absolute", "steps": [{"color": calm, "value": None}]}
    steps = sorted(levels.steps, key=lambda step: step[1])
    if not levels.falling:
        colored = [(None, calm), *((value, severities[severity]) for severity, value in steps)]
    else:
        colors = [*(severities[severity] for severity, _ in steps), calm]
        colored = list(zip((None, *(value for _, value in steps)), colors, strict=True))
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in colored]}


def mappings(
    show: Sequence[tuple[str, str, str]], nothing: str, *, color: str = "none", is_timeline: bool = False
) -> Iterator[Json]:
    """Words for values on their colours, and one for none on `color`; those that mean nothing special have none."""
    if not show:
        return
    tones = _ON_A_TIMELINE if is_timeline else _BEHIND
    words = {
        value: {"text": text, "color": tones.get(name, name), "index": index}
        for index, (value, text, name) in enumerate(show)
    }
    yield {"type": "value", "options": words}
    result = {"text": nothing, "color": tones[color], "index": len(words)}
    yield {"type": "special", "options": {"match": "null", "result": result}}

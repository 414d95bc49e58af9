"""A panel of the catalogue as a panel of Grafana's classic dashboards.

Source: Grafana 12, kinds/dashboard/dashboard_kind.cue, and each panel plug-in's panelcfg.cue.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase
from typing import Any

from aresmon.config.views import PLACEHOLDER, Levels, Panel, SeriesSpec, min_step, tags_of
from aresmon.render.grafana import legends, roles
from aresmon.render.grafana import queries as grafana_queries
from aresmon.render.grafana.queries import EXPRESSION, Scope, Target

DATASOURCE = "${datasource}"
Json = dict[str, Any]

_COLORS = {"information": "blue", "warning": "orange", "critical": "red"}
# Grafana bridges steps without a point where less than this lies between two points: six reports that did not come are
# a hole, and an agent that reports each minute has a line.
_LONGEST_BRIDGE = 61_000  # milliseconds
# So that steps are a minute from twelve hours on, and an hour from three weeks on, as the downsampled points are.
MOST_POINTS = 500
_WIDTH = {"timeseries": 12, "stat": 4, "gauge": 4, "bargauge": 12, "table": 24, "state-timeline": 12}
_HEIGHT = {"timeseries": 8, "stat": 5, "gauge": 5, "bargauge": 8, "table": 9, "state-timeline": 8}


def width(panel: Panel) -> int:
    """Of the 24 columns of a dashboard."""
    return panel.width or _WIDTH[panel.kind]


def height(panel: Panel) -> int:
    """In rows of 30 pixels."""
    return panel.height or _HEIGHT[panel.kind]


def panel_json(
    panel: Panel, collector: str, scope: Scope, *, names: Sequence[str] = (), points: int = MOST_POINTS
) -> Json:
    """The panel, without its place. `names` are tags put before each series' name: a board over all hosts needs
    to tell them apart. `points` is the most that a series may have."""
    letters = _letters()
    queries = [list(_asked(panel, series, scope, names, letters)) for series in panel.series]
    return {
        "id": panel_id(collector, panel.title),
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": {"type": grafana_queries.DATASOURCE_TYPE, "uid": DATASOURCE},
        "targets": [query for several in queries for query in several],
        "fieldConfig": {
            "defaults": _defaults(panel),
            "overrides": [*_looks(panel, queries, names), *_columns(panel)],
        },
        "options": _options(panel, several_hosts=bool(names)),
        "maxDataPoints": points,
        **({"interval": f"{step}s"} if (step := min_step(panel.series)) else {}),
        **({"transformations": _transformations(panel)} if _transformations(panel) else {}),
    }


def thresholds(levels: Levels | None, calm: str = roles.NOTHING_WRONG) -> Json:
    """Colours from values on. Falling levels are coloured below them: red first, then towards the calm one."""
    if levels is None:
        return {"mode": "absolute", "steps": [{"color": calm, "value": None}]}
    steps = sorted(levels.steps, key=lambda step: step[1])
    if not levels.falling:
        colored = [(None, calm), *((value, _COLORS[severity]) for severity, value in steps)]
    else:
        colors = [*(_COLORS[severity] for severity, _ in steps), calm]
        colored = list(zip((None, *(value for _, value in steps)), colors, strict=True))
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in colored]}


# Queries ---------------------------------------------------------------------------------------------


def _letters() -> Iterator[str]:
    return (f"{first}{second}" for first in ("", *ascii_uppercase) for second in ascii_uppercase)


def _asked(
    panel: Panel, series: SeriesSpec, scope: Scope, names: Sequence[str], letters: Iterator[str]
) -> Iterator[Target]:
    """The queries of one series, of which the last one is shown."""
    form = "table" if panel.kind == "table" else "time_series"
    inside = scope.without_steps() if form == "table" else scope
    named = _named(series, names) if form == "time_series" else series
    yield from _series_queries(named, inside, letters, form)


def _named(series: SeriesSpec, names: Sequence[str]) -> SeriesSpec:
    """The series under a name that tells these tags too."""
    missing = [tag for tag in names if f"{{{tag}}}" not in series.name]
    return replace(series, name=" ".join([*(f"{{{tag}}}" for tag in missing), series.name]).strip())


def _series_queries(series: SeriesSpec, scope: Scope, letters: Iterator[str], form: str) -> Iterator[Target]:
    if series.influxql:
        text = series.influxql.replace("$policy", f'"{scope.policy}"')
        yield grafana_queries.raw(text, ref=next(letters), datasource=DATASOURCE, form=form, name=series.name)
    elif series.parts:
        refs: dict[str, str] = {}
        for name, part in series.parts:
            refs[name] = next(letters)
            yield grafana_queries.target(part, scope, ref=refs[name], datasource=DATASOURCE) | {"hide": True}
        yield {
            "refId": next(letters),
            "datasource": EXPRESSION,
            "type": "math",
            "expression": grafana_queries.formula(series.formula, refs),
        }
    else:
        yield grafana_queries.target(series, scope, ref=next(letters), datasource=DATASOURCE, form=form)


# What it looks like ----------------------------------------------------------------------------------


def _defaults(panel: Panel) -> Json:
    defaults: Json = {
        "unit": panel.unit,
        # A bar needs a colour to be seen; a number and a line have one.
        "thresholds": thresholds(panel.levels, **({"calm": "blue"} if panel.kind in ("gauge", "bargauge") else {})),
        "color": roles.colors(panel) if panel.kind == "timeseries" else {"mode": "thresholds"},
        "custom": _custom(panel),
        "mappings": list(_mappings(panel.show)),
        "noValue": "no data",
    }
    for key, value in (("min", panel.minimum), ("max", panel.maximum), ("decimals", panel.decimals)):
        if value is not None:
            defaults[key] = value
    return defaults


def _custom(panel: Panel) -> Json:
    match panel.kind:
        case "timeseries":
            mirrored = roles.is_mirrored(panel)
            return {
                "drawStyle": "line",
                "lineInterpolation": "linear",
                "lineWidth": 0 if panel.stack else 1,
                "fillOpacity": 60 if panel.stack else 8,
                "showPoints": "never",
                "spanNulls": _LONGEST_BRIDGE,
                "stacking": {"mode": "normal" if panel.stack else "none", "group": "A"},
                "thresholdsStyle": {"mode": "dashed" if panel.levels else "off"},
                **({"axisCenteredZero": True} if mirrored else {"axisSoftMin": 0}),
                **({} if panel.soft_maximum is None else {"axisSoftMax": panel.soft_maximum}),
            }
        case "state-timeline":
            return {"fillOpacity": 80, "lineWidth": 0, "spanNulls": False}
        case "table":
            return {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False, "filterable": True}
        case _:
            return {}


def _options(panel: Panel, *, several_hosts: bool) -> Json:
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    match panel.kind:
        case "timeseries":
            return {
                "legend": legends.legend(panel, several_hosts=several_hosts),
                "tooltip": legends.tooltip(panel, several_hosts=several_hosts),
            }
        case "stat":
            shown = "/.*/" if any(one.influxql for one in panel.series) else ""
            return {
                "reduceOptions": reduced | {"fields": shown},
                "colorMode": "value",
                "graphMode": "area",
                "textMode": "auto",
                "justifyMode": "auto",
                "orientation": "auto",
            }
        case "gauge":
            return {
                "reduceOptions": reduced,
                "orientation": "auto",
                "showThresholdLabels": False,
                "showThresholdMarkers": True,
            }
        case "bargauge":
            return {
                "reduceOptions": reduced,
                "orientation": "horizontal",
                "displayMode": "basic",
                "valueMode": "color",
                "showUnfilled": True,
            }
        case "table":
            return {"showHeader": True, "cellHeight": "sm", "sortBy": []}
        case _:
            # Each state is a word in its bar, and each bar has its name beside it.
            legend = {"displayMode": "list", "placement": "bottom", "showLegend": False}
            return {"legend": legend, "mergeValues": True, "showValue": "auto", "alignValue": "left", "rowHeight": 0.8}


def _looks(panel: Panel, queries: Sequence[Sequence[Target]], names: Sequence[str]) -> Iterator[Json]:
    """How each series looks, by the query that is shown of it. An expression's series would be called after its
    letter: what was meant is put there instead."""
    for series, several in zip(panel.series, queries, strict=True):
        shown = several[-1]
        properties: list[Json] = []
        if shown["datasource"] == EXPRESSION:
            name = PLACEHOLDER.sub(r"${__field.labels.\1}", _named(series, names).name)
            properties.append({"id": "displayName", "value": name})
        if panel.kind == "timeseries":
            properties.extend(roles.properties(series, panel, is_set=bool(names or tags_of(series))))
        if properties:
            yield {"matcher": {"id": "byFrameRefID", "options": shown["refId"]}, "properties": properties}


def _columns(panel: Panel) -> Iterator[Json]:
    if panel.kind != "table":
        return
    for series in panel.series:
        if series.name.endswith("%"):
            properties = [{"id": "unit", "value": "percent"}, {"id": "decimals", "value": 1}]
            yield {"matcher": {"id": "byName", "options": series.name}, "properties": properties}


def _transformations(panel: Panel) -> list[Json]:
    if panel.kind == "table" and not any(one.influxql for one in panel.series):
        return [
            {"id": "filterFieldsByName", "options": {"exclude": {"names": ["Time"]}}},
            {"id": "merge", "options": {}},
        ]
    if panel.kind == "stat" and any(one.influxql for one in panel.series):
        number = {"targetField": "Value", "destinationType": "number"}
        return [{"id": "convertFieldType", "options": {"conversions": [number], "fields": {}}}]
    return []


def _mappings(show: Sequence[tuple[str, str, str]]) -> Iterator[Json]:
    if not show:
        return
    states = {
        value: {"text": text, "color": roles.GRAY if color == "gray" else color, "index": index}
        for index, (value, text, color) in enumerate(show)
    }
    yield {"type": "value", "options": states}
    nothing = {"text": "no data", "color": "transparent", "index": len(show)}
    yield {"type": "special", "options": {"match": "null", "result": nothing}}


def panel_id(collector: str, title: str) -> int:
    """A panel, the same on every dashboard that has it."""
    return 1 + zlib.crc32(f"{collector}/{title}".encode()) % (2**31 - 1)


@dataclass(frozen=True, slots=True)
class Placed:
    """A panel's JSON and the room it takes: its width in 24ths, its height in rows of 30 pixels."""

    json: dict[str, Any]
    width: int
    height: int

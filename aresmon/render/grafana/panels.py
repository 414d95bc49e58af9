"""A panel of the catalogue as a panel of Grafana's classic dashboards.

Source: Grafana 12, kinds/dashboard/dashboard_kind.cue, and each panel plug-in's panelcfg.cue.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from string import ascii_uppercase
from typing import Any

from aresmon.config import roles as config_roles
from aresmon.config.views import PLACEHOLDER, Panel, SeriesSpec, View, min_step, tags_of
from aresmon.render.grafana import legends, roles, tables
from aresmon.render.grafana import queries as grafana_queries
from aresmon.render.grafana.queries import DATASOURCE as DATASOURCE
from aresmon.render.grafana.queries import EXPRESSION, Scope, Target
from aresmon.render.grafana.roles import thresholds as thresholds

Json = dict[str, Any]

# Grafana bridges steps without a point where less than this lies between two points: six reports that did not come are
# a hole, and an agent that reports each minute has a line.
_LONGEST_BRIDGE = 61_000  # milliseconds
# So that steps are a minute from twelve hours on, and an hour from three weeks on, as the downsampled points are.
MOST_POINTS = 500
_WIDTH = {"timeseries": 12, "stat": 4, "gauge": 4, "bargauge": 12, "table": 24, "state-timeline": 12}
_HEIGHT = {"timeseries": 8, "stat": 5, "gauge": 5, "bargauge": 8, "table": 9, "state-timeline": 8}

REDUCED: Json = {"calcs": ["lastNotNull"], "fields": "", "values": False}
"""The newest value of each series."""
BARS: Json = {
    "reduceOptions": REDUCED,
    "orientation": "horizontal",
    "displayMode": "basic",
    "valueMode": "text",
    "namePlacement": "left",
    "showUnfilled": True,
    "sizing": "manual",
    "minVizWidth": 8,
    "minVizHeight": 16,
    "maxVizHeight": 26,
    "text": {"titleSize": 14, "valueSize": 14},
}
"""Of a panel of bars: each of one height, however few there are, with its name at the left."""
VALUE_ON_COLOR = "background_solid"
"""Of numbers: what is wrong stands on its colour, as no orange can be read on white."""


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
    each = letters()
    if panel.within:
        queries = [[query] for query in tables.targets(panel, scope, each)]
    else:
        queries = [list(asked(panel, series, scope, names, each)) for series in panel.series]
    return {
        "id": panel_id(collector, panel.formerly or panel.title),
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": {"type": grafana_queries.DATASOURCE_TYPE, "uid": DATASOURCE},
        "targets": [query for several in queries for query in several],
        "fieldConfig": {
            "defaults": _defaults(panel, several_hosts=bool(names)),
            "overrides": [*_looks(panel, queries, names), *(tables.overrides(panel) if panel.kind == "table" else ())],
        },
        "options": _options(panel, several_hosts=bool(names)),
        "maxDataPoints": points,
        **({"interval": f"{step}s"} if (step := min_step(panel.series)) else {}),
        **({"transformations": made} if (made := _transformations(panel)) else {}),
    }


# Queries ---------------------------------------------------------------------------------------------


def letters() -> Iterator[str]:
    """The names of a panel's queries."""
    return (f"{first}{second}" for first in ("", *ascii_uppercase) for second in ascii_uppercase)


def asked(
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


def _defaults(panel: Panel, *, several_hosts: bool) -> Json:
    colors = roles.colors(panel, several_hosts=several_hosts)
    defaults: Json = {
        "unit": panel.unit,
        "thresholds": panel_thresholds(panel),
        "color": colors if panel.kind == "timeseries" else {"mode": "thresholds"},
        "custom": _custom(panel),
        "mappings": list(roles.mappings(panel.show, "no data", is_timeline=panel.kind == "state-timeline")),
        "noValue": roles.NOTHING if panel.kind == "table" else panel.no_data,
    }
    for key, value in (("min", panel.minimum), ("max", panel.maximum), ("decimals", panel.decimals)):
        if value is not None:
            defaults[key] = value
    return defaults


def _custom(panel: Panel) -> Json:
    match panel.kind:
        case "timeseries":
            mirrored = config_roles.is_mirrored(panel)
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
            # Of less opacity, the words in the bars would stand on a mixture.
            return {"fillOpacity": 100, "lineWidth": 0, "spanNulls": False}
        case "table":
            return tables.CUSTOM
        case _:
            return {}


def _options(panel: Panel, *, several_hosts: bool) -> Json:
    match panel.kind:
        case "timeseries":
            return {
                "legend": legends.legend(panel, several_hosts=several_hosts),
                "tooltip": legends.tooltip(panel, several_hosts=several_hosts),
            }
        case "stat":
            shown = "/.*/" if any(one.influxql for one in panel.series) else ""
            return {
                "reduceOptions": REDUCED | {"fields": shown},
                "colorMode": VALUE_ON_COLOR,
                "graphMode": "none",
                "textMode": "auto",
                "justifyMode": "auto",
                "orientation": "auto",
            }
        case "gauge":
            return {
                "reduceOptions": REDUCED,
                "orientation": "auto",
                "showThresholdLabels": False,
                "showThresholdMarkers": True,
            }
        case "bargauge":
            return BARS
        case "table":
            return tables.options(panel)
        case _:
            # Each state is a word in its bar, and each bar has its name beside it.
            legend = {"displayMode": "list", "placement": "bottom", "showLegend": False}
            return {
                "legend": legend,
                "mergeValues": True,
                "showValue": "auto",
                "alignValue": "left",
                "rowHeight": 0.8,
                "perPage": 20,
            }


def _looks(panel: Panel, queries: Sequence[Sequence[Target]], names: Sequence[str]) -> Iterator[Json]:
    """How each series looks, by the query that is shown of it. An expression's series would be called after its
    letter: what was meant is put there instead."""
    for series, several in zip(panel.series, queries, strict=True):
        shown = several[-1]
        properties: list[Json] = []
        if shown["datasource"] == EXPRESSION or (panel.kind == "bargauge" and series.name):
            # Of a single bar, Grafana shows no name but one of these.
            name = PLACEHOLDER.sub(r"${__field.labels.\1}", _named(series, names).name)
            properties.append({"id": "displayName", "value": name})
        if panel.kind == "timeseries":
            properties.extend(roles.properties(series, panel, is_set=bool(names or tags_of(series))))
        if properties:
            yield {"matcher": {"id": "byFrameRefID", "options": shown["refId"]}, "properties": properties}


def _transformations(panel: Panel) -> list[Json]:
    if panel.kind == "table":
        return tables.transformations(panel)
    if panel.kind == "stat" and any(one.influxql for one in panel.series):
        number = {"targetField": "Value", "destinationType": "number"}
        return [{"id": "convertFieldType", "options": {"conversions": [number], "fields": {}}}]
    return []


def panel_thresholds(panel: Panel) -> Json:
    """The same of a panel. A bar needs a colour to be seen; a line has one, and a number needs none."""
    is_bar = panel.kind == "bargauge" or (panel.kind == "gauge" and not is_number(panel))
    calm = "blue" if is_bar else roles.NOTHING_WRONG
    return thresholds(panel.levels, calm, are_behind=panel.kind == "stat" or is_number(panel))


# What leads to a panel -------------------------------------------------------------------------------


def panel_id(collector: str, title: str) -> int:
    """A panel, the same on every dashboard that has it."""
    return 1 + zlib.crc32(f"{collector}/{title}".encode()) % (2**31 - 1)


NOW = panel_id("system", "Uptime")
"""The panel of a host's numbers. Its links are those of one of them, which alerts and people have sent around."""


def id_of(view: View, title: str) -> int:
    """The panel that shows what is called so, on every dashboard that has it."""
    found = next((one for one in view.panels if one.title == title), None)
    if found is None:
        return panel_id(view.name, title)
    return NOW if is_number(found) else panel_id(view.name, found.formerly or title)


def is_gathered(panel: Panel) -> bool:
    """Whether it is no panel of its own on a host's dashboard: one value, beside those of other collectors."""
    return is_bar(panel) or is_number(panel)


def is_bar(panel: Panel) -> bool:
    """Whether it is a share of 100 at a glance."""
    is_share = panel.unit == "percent" and (panel.minimum, panel.maximum) == (0, 100)
    return panel.place == "glance" and panel.kind == "gauge" and is_share and _is_one(panel)


def is_number(panel: Panel) -> bool:
    """Whether it is a number at a glance."""
    return panel.place == "glance" and panel.kind in ("gauge", "stat") and _is_one(panel) and not is_bar(panel)


def _is_one(panel: Panel) -> bool:
    return len(panel.series) == 1 and not tags_of(panel.series[0]) and not panel.series[0].influxql and not panel.show

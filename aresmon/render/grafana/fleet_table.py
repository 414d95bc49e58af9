"""The table of hosts on the fleet's page, joined from one answer a column.

Source: Grafana 12, packages/grafana-data/src/transformations/transformers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from aresmon.config.views import HOST, LATE_AFTER, SILENT_AFTER, Column, Levels
from aresmon.render.grafana import cells, queries, roles, tables
from aresmon.render.grafana.dashboard import POLICY
from aresmon.render.grafana.panels import DATASOURCE, Json, panel_id, thresholds
from aresmon.render.grafana.queries import Scope, Target

HOSTS = "aresmon_host"
MOST_WITH_TRENDS, MOST_WITH_GAUGES = 30, 60
"""Hosts up to which a row has a graph of its own, and bars."""
# The host's uid serves its link: a column that is excluded could not.
KNOWN = f'SELECT last("uid") AS "uid" FROM "forever"."{HOSTS}" GROUP BY "{HOST}"'
_EVER = (
    f'SELECT last("metrics_gathered") * 0 + 1 AS "ever" FROM "raw"."internal_agent" WHERE time <= {cells.END} '
    f'GROUP BY "{HOST}"'
)
RECENT = (
    f'SELECT last("metrics_gathered") * 0 + 1 AS "recent" FROM "raw"."internal_agent" WHERE {cells.RECENTLY} '
    f'GROUP BY "{HOST}"'
)
_STATES = (("0", "never seen", "gray"), ("1", "silent", "red"), ("2", "ok", "none"))
_WIDTH = 90  # pixels, of a column that does not say
_TREND_POINTS = 60


def host_table(columns: Sequence[Column], hosts: int) -> Json:
    trends = [column for column in columns if column.trend and hosts <= MOST_WITH_TRENDS]
    worst_first = next((column.title for column in columns if column.levels is not None), "Host")
    return {
        "id": panel_id("fleet", "Hosts"),
        "type": "table",
        "title": "Hosts",
        "description": "Each host at the end of the time shown, silent ones first: values of the last three minutes. "
        "`aresmon status` says why one is silent, or was never seen. Click on its name for its dashboard.",
        "datasource": {"type": queries.DATASOURCE_TYPE, "uid": DATASOURCE},
        "targets": list(_queries(columns, trends)),
        "transformations": _transformations(columns, trends),
        "fieldConfig": {
            "defaults": {
                "unit": "none",
                "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True, "inspect": False},
                "color": {"mode": "thresholds"},
                "thresholds": thresholds(None),
                "mappings": [],
                "noValue": roles.NOTHING,
            },
            "overrides": [
                *(_state(), _name(), _age(), tables.hidden("uid")),
                *(_look(column, hosts) for column in columns),
                *(_trend(column) for column in trends),
            ],
        },
        "options": {
            "showHeader": True,
            "cellHeight": "sm",
            "sortBy": [
                {"displayName": "State", "desc": False},
                {"displayName": worst_first, "desc": worst_first != "Host"},
            ],
            "footer": {"show": False, "reducer": [], "enablePagination": hosts > MOST_WITH_GAUGES},
        },
        "maxDataPoints": _TREND_POINTS,
    }


def _queries(columns: Sequence[Column], trends: Sequence[Column]) -> Iterator[Target]:
    for ref, statement in (("A", _EVER), ("B", KNOWN), ("R", RECENT)):
        yield queries.raw(statement, ref=ref, datasource=DATASOURCE, form="table")
    for number, column in enumerate(columns):
        yield value_of(column, f"C{number}")
    scope = Scope(POLICY, by=(HOST,))
    for number, column in enumerate(trends):
        yield queries.target(cells.one_field(column.series), scope, ref=f"T{number}", datasource=DATASOURCE)


def value_of(column: Column, ref: str) -> Target:
    falling = column.levels is not None and column.levels.falling
    return cells.cell(replace(column.series, name=column.title), rows=(HOST,), ref=ref, falling=falling)


def joined() -> Json:
    return {"id": "joinByField", "options": {"byField": HOST, "mode": "outer"}}


def _transformations(columns: Sequence[Column], trends: Sequence[Column]) -> list[Json]:
    """One row a host: the age of its newest point and the number of its state are worked out of what `ever` and
    `recent` say. What the transformations themselves make may have the measurement behind its name."""
    age = {"mode": "binary", "binary": {"left": "${__to}", "operator": "-", "right": "Time"}, "alias": "age"}
    state = {
        "mode": "reduceRow",
        "reduce": {"reducer": "sum", "include": ["ever", "recent"]},
        "alias": "State",
    }
    names = {"State": "State", HOST: "Host", "age": "Data age", "age internal_agent": "Data age"}
    order = ["State", HOST, "age", "age internal_agent"]
    for column in columns:
        order.append(column.title)
        for number in (number for number, one in enumerate(trends) if one is column):
            order += [f"Trend #T{number}", "Trend"]
            names |= dict.fromkeys((f"Trend #T{number}", "Trend"), _trend_title(column))
    several = [
        {
            "id": "timeSeriesTable",
            "filter": {"id": "byRefId", "options": f"T{number}"},
            "options": {f"T{number}": {"stat": "lastNotNull"}},
        }
        for number in range(len(trends))
    ]
    return [
        {
            "id": "calculateField",
            "filter": {"id": "byRefId", "options": "A"},
            "options": age | {"timeSeries": False, "replaceFields": False},
        },
        *several,
        {"id": "filterFieldsByName", "options": {"exclude": {"names": ["Time"]}}},
        joined(),
        {"id": "calculateField", "options": state | {"timeSeries": False, "replaceFields": False}},
        {
            "id": "organize",
            "options": {
                "indexByName": {name: place for place, name in enumerate(order)},
                "renameByName": names,
                "excludeByName": {"ever": True, "recent": True},
                "includeByName": {},
            },
        },
    ]


def _state() -> Json:
    return tables.override(
        "State",
        ("mappings", list(roles.mappings(_STATES, "never seen", color="gray"))),
        ("custom.cellOptions", tables.STATE),
        ("custom.align", "left"),
        ("custom.width", 100),
        ("description", "Silent: nothing has come from it for three minutes."),
    )


def _name() -> Json:
    link = {
        "title": "Dashboard of ${__value.text}",
        "url": "/d/${__data.fields.uid}?${__url_time_range}",
        "targetBlank": False,
    }
    alerts = {
        "title": "Alerts of ${__value.text}",
        "url": "/alerting/list?search=label:host=${__value.text}",
        "targetBlank": False,
    }
    return tables.override(
        "Host",
        ("links", [link, alerts]),
        ("custom.minWidth", 150),
        ("custom.cellOptions", tables.WRAPPED),
    )


def _age() -> Json:
    late = Levels((("warning", 1000 * LATE_AFTER), ("critical", 1000 * SILENT_AFTER)))
    return tables.override(
        "Data age",
        ("unit", "ms"),
        ("decimals", 0),
        ("noValue", "never"),
        ("thresholds", thresholds(late, are_behind=True)),
        ("custom.cellOptions", tables.STATE),
        ("custom.align", "right"),
        ("custom.width", 100),
        ("description", "How old its newest point is."),
    )


def _look(column: Column, hosts: int) -> Json:
    properties: list[tuple[str, object]] = [
        ("unit", column.unit),
        ("custom.align", "right"),
        ("custom.width", column.width or _WIDTH),
    ]
    if column.decimals is not None:
        properties.append(("decimals", column.decimals))
    if column.description:
        properties.append(("description", column.description))
    if column.levels is not None and column.unit == "percent":
        has_gauge = hosts <= MOST_WITH_GAUGES
        properties += [("min", 0), ("max", 100)]
        properties.append(("custom.cellOptions", tables.BAR if has_gauge else tables.STATE))
        properties.append(("thresholds", thresholds(column.levels, "blue", are_behind=not has_gauge)))
    elif column.levels is not None:
        properties.append(("custom.cellOptions", tables.STATE))
        properties.append(("thresholds", thresholds(column.levels, are_behind=True)))
    return tables.override(column.title, *properties)


def _trend_title(column: Column) -> str:
    return f"{column.title} trend"


def _trend(column: Column) -> Json:
    percent = (("min", 0), ("max", 100)) if column.unit == "percent" else ()
    return tables.override(
        _trend_title(column),
        ("unit", column.unit),
        *percent,
        ("color", {"mode": "fixed", "fixedColor": "blue"}),
        ("custom.cellOptions", {"type": "sparkline", "hideValue": True, "fillOpacity": 20, "lineWidth": 1}),
        ("custom.width", 90),
        ("description", f"{column.title} over the time shown."),
    )

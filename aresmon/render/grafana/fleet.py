"""The fleet's page: what fires, how each host is now, and which are the busiest. It is one screen for three hosts and
for three hundred.

Source: Grafana 12, public/app/plugins/panel/alertlist/types.ts: its list has the names of rules and the labels of what
fires, and no summaries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aresmon.config.views import HOST, Column, Levels, SeriesSpec, View, columns_of
from aresmon.render.grafana import queries
from aresmon.render.grafana.alert_lists import alert_list
from aresmon.render.grafana.dashboard import POLICY
from aresmon.render.grafana.fleet_table import HOSTS, RECENT, host_table, joined, value_of
from aresmon.render.grafana.grid import Placed
from aresmon.render.grafana.panels import DATASOURCE, VALUE_ON_COLOR, Json, panel_id, thresholds
from aresmon.render.grafana.queries import Scope, Target

MANY = 30
"""Hosts from which the busiest ones are listed besides."""
_FIRST_SCREEN = 23  # rows of the grid that a window of 1000 pixels shows
_SOURCE = {"type": queries.DATASOURCE_TYPE, "uid": DATASOURCE}
_ANY = Levels((("critical", 1),))
_COUNTED = f'SELECT count("uid") AS "known" FROM "forever"."{HOSTS}" GROUP BY "{HOST}"'


def overview_panels(views: Sequence[View], *, hosts: int) -> Iterator[Placed]:
    """How many hosts there are and how many fire, what fires, then each host."""
    for panel in _counts():
        yield Placed(panel, 6, 3)
    tall = 5 if hosts <= 3 else 6
    yield Placed(_firing("Critical alerts", '{severity="critical"}'), 12, tall)
    yield Placed(_firing("Other alerts", '{severity!="critical"}'), 12, tall)
    # A row of the table has 36 pixels, and its heading and frame 84; more hosts are scrolled to, or on other pages.
    rows = -(-(36 * hosts + 84) // 38) + 1
    yield Placed(host_table(columns_of(views), hosts), 24, min(max(rows, 6), _FIRST_SCREEN - 3 - tall))


def top_panels(views: Sequence[View]) -> Iterator[Placed]:
    """The ten hosts with the highest value, of each column that says so."""
    for column in columns_of(views):
        if column.top:
            yield Placed(_top(column), 12, 9)


def history_panels() -> Iterator[Placed]:
    """When each host reported."""
    yield Placed(_history(), 24, 10)


# Counts and alerts -----------------------------------------------------------------------------------


def _counts() -> Iterator[Json]:
    known = queries.raw(_COUNTED, ref="A", datasource=DATASOURCE, form="table")
    recent = queries.raw(RECENT, ref="B", datasource=DATASOURCE, form="table")
    missing = [
        {"fieldName": "known", "config": {"id": "isNotNull", "options": {}}},
        {"fieldName": "recent", "config": {"id": "isNull", "options": {}}},
    ]
    silent = [
        joined(),
        {"id": "filterByValue", "options": {"filters": missing, "type": "include", "match": "all"}},
    ]
    says = "Hosts that have sent nothing for three minutes, or never. `aresmon status` says which and what to do."
    yield _count("Silent hosts", says, [known, recent], _ANY) | {"transformations": silent}
    for title, labels, kind in (
        ("Critical", '{severity="critical"}', "Critical"),
        ("Warnings", '{severity!="critical"}', "Other"),
    ):
        says = f"{kind} alert rules that fire. The list below says for which hosts."
        yield alert_list("fleet", title, says, labels=labels, viewMode="stat")
    yield _count("Number of hosts", "Hosts of this site, as `aresmon.yml` lists them.", [known])


def _count(title: str, description: str, targets: Sequence[Target], levels: Levels | None = None) -> Json:
    return {
        "id": panel_id("fleet", title),
        "type": "stat",
        "title": title,
        "description": description,
        "datasource": _SOURCE,
        "targets": list(targets),
        "fieldConfig": {
            "defaults": {
                "unit": "none",
                "decimals": 0,
                "noValue": "0",
                "mappings": [],
                "color": {"mode": "thresholds"},
                "thresholds": thresholds(levels, are_behind=True),
            },
            "overrides": [],
        },
        "options": {
            "reduceOptions": {"calcs": ["sum"], "fields": "/^known$/", "values": False},
            "colorMode": VALUE_ON_COLOR,
            "graphMode": "none",
            "textMode": "value",
            "justifyMode": "auto",
            "orientation": "auto",
        },
    }


def _firing(title: str, labels: str) -> Json:
    says = (
        "What fires, the newest first, each with its host. Empty is good. *Alert view* has its summary "
        "and what to do next."
    )
    return alert_list("fleet", title, says, labels=labels, showInstances=True)


# The busiest, and when each reported -----------------------------------------------------------------


def _top(column: Column) -> Json:
    inner = queries.statement(value_of(column, "A"))
    order = "bottom" if column.levels is not None and column.levels.falling else "top"
    statement = f'SELECT {order}("{column.title}", "{HOST}", 10) AS "{column.title}" FROM ({inner})'
    percent = {"min": 0, "max": 100} if column.unit == "percent" else {}
    return {
        "id": panel_id("fleet", column.top),
        "type": "bargauge",
        "title": column.top,
        "description": f"The ten hosts with the worst values. {column.description or column.title}",
        "datasource": _SOURCE,
        "targets": [queries.raw(statement, ref="A", datasource=DATASOURCE, form="table")],
        "transformations": [
            {"id": "sortBy", "options": {"sort": [{"field": column.title, "desc": order == "top"}], "fields": {}}},
        ],
        "fieldConfig": {
            "defaults": {
                "unit": column.unit,
                "mappings": [],
                "noValue": "no data",
                "color": {"mode": "thresholds"},
                "thresholds": thresholds(column.levels, "blue"),
                **percent,
                **({"decimals": column.decimals} if column.decimals is not None else {}),
            },
            "overrides": [],
        },
        "options": {
            "reduceOptions": {"calcs": [], "fields": "", "values": True, "limit": 10},
            "orientation": "horizontal",
            "displayMode": "basic",
            "valueMode": "text",
            "namePlacement": "left",
            "showUnfilled": True,
            "sizing": "auto",
        },
    }


def _history() -> Json:
    reported = {"from": 1, "to": None, "result": {"text": "reported", "color": "blue", "index": 0}}
    nothing = {"match": "null", "result": {"text": "silent", "color": "transparent", "index": 1}}
    # 1 at every resolution; a count would be that of the points of a step.
    reports = SeriesSpec("internal_agent", "metrics_gathered", aggregate="last", math="* 0 + 1", name=f"{{{HOST}}}")
    query = queries.target(reports, Scope(POLICY, by=(HOST,)), ref="A", datasource=DATASOURCE)
    return {
        "id": panel_id("fleet", "When each host reported"),
        "type": "state-timeline",
        "title": "When each host reported",
        "description": "A gap is a time without any point from the host. One that sent nothing in the whole time "
        "shown is not here; the table has it.",
        "datasource": _SOURCE,
        "targets": [query],
        "fieldConfig": {
            "defaults": {
                "unit": "none",
                "custom": {"fillOpacity": 80, "lineWidth": 0, "spanNulls": False},
                "color": {"mode": "thresholds"},
                "thresholds": thresholds(None),
                "mappings": [{"type": "range", "options": reported}, {"type": "special", "options": nothing}],
            },
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
            "mergeValues": True,
            "showValue": "never",
            "alignValue": "left",
            "rowHeight": 0.8,
            "perPage": 20,
        },
        "maxDataPoints": 300,
        "interval": "1m",
    }

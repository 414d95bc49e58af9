"""The fleet's page: what fires, and how each host is now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aresmon.config.views import HOST, Column, View
from aresmon.render.grafana import cells, queries
from aresmon.render.grafana.grid import Placed
from aresmon.render.grafana.panels import DATASOURCE, Json, panel_id, thresholds
from aresmon.render.grafana.queries import Target

HOSTS = "aresmon_host"
_NEWEST = ("Time internal_agent", "Time 1", "Time")


def overview_panels(views: Sequence[View], *, hosts: int) -> Iterator[Placed]:
    """The hosts, then what fires."""
    columns = [column for view in views for column in view.columns]
    yield Placed(_hosts(columns), 24, min(max(hosts + 4, 7), 24))
    yield Placed(_firing(), 24, 9)


def _hosts(columns: Sequence[Column]) -> Json:
    return {
        "id": panel_id("fleet", "Hosts"),
        "type": "table",
        "title": "Hosts",
        "description": "Each host at the end of the time shown: values of the last three minutes. Without values it "
        "is silent, or has never sent anything: `aresmon status` says which and what to do. Click on its name for its "
        "dashboard.",
        "datasource": {"type": queries.DATASOURCE_TYPE, "uid": DATASOURCE},
        "targets": list(_queries(columns)),
        "transformations": _transformations(),
        "fieldConfig": {
            "defaults": {
                "unit": "none",
                "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True, "inspect": False},
                "color": {"mode": "thresholds"},
                "thresholds": thresholds(None),
                "mappings": [],
                "noValue": "no data",
            },
            "overrides": [_link(), _newest(), _unseen(), *map(_look, columns)],
        },
        "options": {"showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": "Host", "desc": False}]},
    }


def _queries(columns: Sequence[Column]) -> Iterator[Target]:
    # The time of this row is the time of the host's newest point, of those as collected; its value says nothing.
    newest = (
        f'SELECT last("metrics_gathered") AS "newest" FROM "raw"."internal_agent" WHERE $timeFilter GROUP BY "{HOST}"'
    )
    yield queries.raw(newest, ref="A", datasource=DATASOURCE, form="table")
    # Without a time: they should be there whatever the time shown.
    known = f'SELECT last("uid") AS "uid" FROM "forever"."{HOSTS}" GROUP BY "{HOST}"'
    yield queries.raw(known, ref="B", datasource=DATASOURCE, form="table")
    for number, column in enumerate(columns):
        falling = column.levels is not None and column.levels.falling
        yield cells.cell(column.series, title=column.title, rows=(HOST,), ref=f"C{number}", falling=falling)


def _transformations() -> list[Json]:
    """One row a host. Every query brings a time, named after its measurement, or numbered; that of the newest
    point alone is kept."""
    others = r"^(newest|Time (?!internal_agent$|1$).+)$"
    return [
        {"id": "joinByField", "options": {"byField": HOST, "mode": "outer"}},
        {"id": "filterFieldsByName", "options": {"exclude": {"pattern": others}}},
        {
            "id": "organize",
            "options": {
                "indexByName": {HOST: 0, **dict.fromkeys(_NEWEST, 1)},
                "renameByName": {HOST: "Host", **dict.fromkeys(_NEWEST, "Newest point")},
                "excludeByName": {},
                "includeByName": {},
            },
        },
    ]


def _link() -> Json:
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
    return {
        "matcher": {"id": "byName", "options": "Host"},
        "properties": [{"id": "links", "value": [link, alerts]}, {"id": "custom.width", "value": 200}],
    }


def _newest() -> Json:
    return {
        "matcher": {"id": "byName", "options": "Newest point"},
        "properties": [{"id": "unit", "value": "dateTimeFromNow"}, {"id": "custom.width", "value": 150}],
    }


def _unseen() -> Json:
    """The uid serves the link; a column that is excluded could not."""
    return {
        "matcher": {"id": "byName", "options": "uid"},
        "properties": [{"id": "custom.hidden", "value": True}, {"id": "custom.hideFrom", "value": {"viz": True}}],
    }


def _look(column: Column) -> Json:
    properties: list[Json] = [{"id": "unit", "value": column.unit}]
    if column.decimals is not None:
        properties.append({"id": "decimals", "value": column.decimals})
    if column.levels is not None:
        properties.append({"id": "thresholds", "value": thresholds(column.levels)})
        properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
    if column.description:
        properties.append({"id": "description", "value": column.description})
    return {"matcher": {"id": "byName", "options": column.title}, "properties": properties}


def _firing() -> Json:
    return {
        "id": panel_id("fleet", "Alerts"),
        "type": "alertlist",
        "title": "Alerts",
        "description": "What fires or is about to, by host. Empty is good. Each says what to do next.",
        "options": {
            "viewMode": "list",
            "groupMode": "custom",
            "groupBy": [HOST],
            "maxItems": 50,
            "sortOrder": 3,
            "dashboardAlerts": False,
            "alertName": "",
            "alertInstanceLabelFilter": "",
            "datasource": "-- Grafana --",
            "folder": None,
            "showInactiveAlerts": False,
            "showInstances": False,
            "stateFilter": {
                "firing": True,
                "pending": True,
                "recovering": True,
                "noData": True,
                "normal": False,
                "error": True,
            },
        },
        "fieldConfig": {"defaults": {}, "overrides": []},
        "targets": [],
    }

"""What every dashboard has: its links, its variables, its annotations, and how its file is written.

Source: Grafana 12, kinds/dashboard/dashboard_kind.cue.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aresmon.config.names import EVENT, TIER
from aresmon.config.views import HOST
from aresmon.render.grafana import queries
from aresmon.render.grafana.panels import DATASOURCE, Json

POLICY = "$rp"
"""The variable that names the retention policy which fits the time shown."""
_SCHEMA = 41  # the version of the dashboard model, of Grafana 12
_REFERENCE = {"type": queries.DATASOURCE_TYPE, "uid": DATASOURCE}
_DESCRIPTION = (
    "Made by aresmon, and made anew at each `aresmon up`. To change it, save a copy in a folder of your own, or "
    "change what it is made of: docs/collectors.md."
)


@dataclass(frozen=True, slots=True)
class DashboardSpec:
    """How a dashboard is found and what may be chosen on it. `since` is where its time begins, as `now-6h`."""

    uid: str
    title: str
    tags: tuple[str, ...]
    since: str
    variables: tuple[Json, ...] = ()


def dashboard(frame: DashboardSpec, panels: list[Json]) -> Json:
    """The whole dashboard."""
    return {
        "uid": frame.uid,
        "title": frame.title,
        "tags": list(frame.tags),
        "description": _DESCRIPTION,
        "schemaVersion": _SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": frame.since, "to": "now"},
        "timepicker": {"refresh_intervals": ["10s", "30s", "1m", "5m", "15m", "1h"]},
        "timezone": "browser",
        "weekStart": "",
        "fiscalYearStartMonth": 0,
        "links": list(_links()),
        "annotations": {"list": list(_annotations(frame.variables))},
        "templating": {"list": [_datasource(), _policy(), *frame.variables]},
        "panels": panels,
    }


def format_dashboard(built: Json) -> str:
    """A dashboard's file: one line a panel, so that a difference can be read and a thousand files stay small."""
    head = json.dumps({key: value for key, value in built.items() if key != "panels"}, ensure_ascii=False)
    panels = ",\n".join(json.dumps(panel, ensure_ascii=False, separators=(",", ":")) for panel in built["panels"])
    return f'{head[:-1]},\n"panels":[\n{panels}\n]}}\n'


def _links() -> Iterator[Json]:
    for title, tag in (("Overviews", "aresmon"), ("Hosts", "aresmon-host")):
        yield {
            "type": "dashboards",
            "title": title,
            "tags": [tag],
            "asDropdown": True,
            "icon": "external link",
            "includeVars": False,
            "keepTime": True,
            "targetBlank": False,
            "tooltip": "",
            "url": "",
        }


def _annotations(variables: Sequence[Mapping[str, Any]]) -> Iterator[Json]:
    """What happened to the hosts: pushes, and reboots, at which the time of the last boot jumps."""
    kinds = {one["name"]: one["type"] for one in variables}
    where = (
        f"{queries.format_condition(queries.host_is('$host', several=kinds['host'] != 'constant'))} AND "
        if "host" in kinds
        else ""
    )
    pushes = f'SELECT "title", "text" FROM "forever"."{EVENT}" WHERE {where}$timeFilter'
    boots = (
        'SELECT "jump" * 0 AS "rebooted" FROM '
        f'(SELECT difference(last("boot_time")) AS "jump" FROM "{POLICY}"."kernel" '
        f'WHERE {where}$timeFilter GROUP BY time(1m), "{HOST}" fill(none)) '
        f'WHERE "jump" > 5 AND $timeFilter GROUP BY "{HOST}"'
    )
    yield _annotation("Pushes", "blue", pushes, title=f"{EVENT}.title", text="text")
    # Grafana shows a title and a text; a text of 0 it leaves away, and InfluxQL has no words of its own.
    yield _annotation("Reboots", "red", boots, title="host", text="rebooted")


def _annotation(name: str, color: str, query: str, *, title: str, text: str) -> Json:
    """Columns are named as public/app/plugins/datasource/influxdb/response_parser.ts of Grafana 12 finds them; the
    query stands in `target`, since migrations.ts there moves an older form only beside one, and asks nothing else."""
    return {
        "name": name,
        # The marks are there; a switch for them on each page, before all else, is not.
        "enable": True,
        "hide": True,
        "iconColor": color,
        "datasource": _REFERENCE,
        "target": {
            "refId": "Anno",
            "query": query,
            "rawQuery": True,
            "queryType": "tags",
            "fromAnnotations": True,
            "textEditor": True,
            "name": name,
            "titleColumn": title,
            "textColumn": text,
            "tagsColumn": "",
            "timeEndColumn": "",
        },
    }


def _datasource() -> Json:
    return {
        "name": "datasource",
        "type": "datasource",
        "label": "Data source",
        "query": queries.DATASOURCE_TYPE,
        "current": {},
        "options": [],
        "regex": "",
        "refresh": 1,
        "hide": 2,
        "multi": False,
        "includeAll": False,
        "skipUrlSync": False,
    }


def _policy() -> Json:
    """The retention policy that fits the time shown: `aresmon_tier` says which serves how long a time."""
    query = f'SELECT "rp" FROM "forever"."{TIER}" WHERE $__to - $__from > "start" AND $__to - $__from <= "end"'
    return choice("rp", "Resolution", query) | {
        "hide": 2,
        "refresh": 2,
        "multi": False,
        "includeAll": False,
        "allValue": None,
        "current": {"text": "raw", "value": "raw"},
        "sort": 0,
    }


def choice(name: str, label: str, query: str) -> Json:
    return {
        "name": name,
        "type": "query",
        "label": label,
        "datasource": _REFERENCE,
        "query": query,
        "definition": query,
        "current": {"text": ["All"], "value": ["$__all"]},
        "options": [],
        "regex": "",
        "refresh": 2,
        "sort": 5,
        "hide": 0,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "skipUrlSync": False,
    }


def constant(name: str, value: str) -> Json:
    return {
        "name": name,
        "type": "constant",
        "label": name.capitalize(),
        "query": value,
        "current": {"text": value, "value": value},
        "options": [],
        "hide": 2,
        "skipUrlSync": True,
    }


def values(tag: str, measurement: str) -> str:
    return f'SHOW TAG VALUES FROM "{measurement}" WITH KEY = "{tag}"'

"""Grafana's own list of alerts as a panel.

Source: Grafana 12, public/app/plugins/panel/alertlist/types.ts: its list has the names of rules and the labels of what
fires, and no summaries.
"""

from __future__ import annotations

from typing import Any

from aresmon.render.grafana.panels import Json, panel_id

BY_IMPORTANCE, _NEWEST_FIRST = 3, 5
FIRING: Json = {
    "firing": True,
    "pending": False,
    "recovering": True,
    "noData": True,
    "normal": False,
    "error": True,
}
"""The states of what is listed."""


def alert_list(page: str, title: str, description: str, *, labels: str, **options: Any) -> Json:
    """The alerts with these labels (`{host="$host"}`) that fire, the newest first. `options` are Grafana's, where they
    are not these: a list without what each rule fires for."""
    return {
        "id": panel_id(page, title),
        "type": "alertlist",
        "title": title,
        "description": description,
        "options": {
            "viewMode": "list",
            "groupMode": "default",
            "groupBy": [],
            "maxItems": 50,
            "sortOrder": _NEWEST_FIRST,
            "dashboardAlerts": False,
            "alertName": "",
            "alertInstanceLabelFilter": labels,
            "datasource": "-- Grafana --",
            "folder": None,
            "showInactiveAlerts": False,
            "showInstances": False,
            "stateFilter": FIRING,
        }
        | options,
        "fieldConfig": {"defaults": {}, "overrides": []},
        "targets": [],
    }

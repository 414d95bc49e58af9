"""A host's dashboard: what is seen first, what is folded, and that what has led to its panels still does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aresmon.config.views import Levels, Measurement, Panel, SeriesSpec, View
from aresmon.render.grafana import panels
from aresmon.render.grafana.host_page import host_dashboard
from aresmon.render.grafana.nearest import Figure
from aresmon.render.grafana.queries import statement
from tests.grafana import schema
from tests.unit.conftest import VIEWS
from tests.unit.dashboard_rules import every

BASE = ["system", "disk", "diskio", "net", "internal"]
LIMITS = [Figure("CPU", "SELECT 1", 1)]
WHOLE = host_dashboard("biere", [VIEWS[name] for name in (*BASE[:-1], "docker", "haproxy", "internal")], limits=LIMITS)
_BY_STATION = {"by": ("station",), "name": "{station}"}
GLANCE: dict[str, Any] = {"kind": "gauge", "place": "glance", "minimum": 0, "maximum": 100}


def titled(built: Any, title: str) -> Any:
    (found,) = (panel for panel in every(built) if panel["title"] == title)
    return found


def places(built: Any) -> list[tuple[str, int, int, int, int]]:
    """What is open: title, x, y, width and height."""
    return [(one["title"], *(one["gridPos"][key] for key in "xywh")) for one in built["panels"] if one["type"] != "row"]


def rows(built: Any) -> dict[str, list[str]]:
    return {row["title"]: [one["title"] for one in row["panels"]] for row in built["panels"] if row["type"] == "row"}


def own(*several: Panel, name: str = "own") -> View:
    measurement = Measurement("weather", ("station",), {"degrees": "gauge"})
    return View(name, "Ours", {"weather": measurement}, several, (), (), None)


def panel(title: str, unit: str = "percent", **changes: Any) -> Panel:
    series = (SeriesSpec("weather", "degrees", **changes.pop("series", {})),)
    values: dict[str, Any] = {"kind": "timeseries", "description": "How warm it is outside."}
    return Panel(title=title, unit=unit, series=series, **values | changes)


def test_the_first_screen_says_how_full_it_is_what_it_does_and_what_fires() -> None:
    assert places(WHOLE) == [
        ("How full", 0, 0, 7, 6),
        ("Nearest to its limit", 7, 0, 7, 6),
        ("Now", 14, 0, 5, 6),
        ("Alerts here", 19, 0, 5, 6),
        ("CPU usage", 0, 6, 12, 8),
        ("Memory usage", 12, 6, 12, 8),
        ("Disk throughput", 0, 14, 12, 8),
        ("Network traffic", 12, 14, 12, 8),
        ("Filesystems", 0, 22, 14, 9),
        ("Free space", 14, 22, 10, 9),
    ]


def test_all_else_is_folded_in_rows_of_four_at_most() -> None:
    assert rows(WHOLE) == {
        "CPU and load": ["Load", "Pressure", "Processes", "Context switches and forks"],
        "Memory": ["Swap usage", "Swapping", "Out of memory"],
        "Filesystems": ["Inodes used"],
        "Disks": ["Disk queue", "Disk operations", "Disk busy"],
        "Network": ["Network errors and drops", "Packets"],
        "Docker": ["Containers", "Each container", "CPU by container", "Memory by container"],
        "Docker: more": ["Network by container", "Disk by container", "Throttling", "Failed health checks"],
        "HAProxy": ["Requests", "Servers", "Errors", "Response time"],
        "HAProxy: more": ["Responses by class", "Sessions", "Queue", "Servers in use"],
    }
    assert all(row["collapsed"] for row in WHOLE["panels"] if row["type"] == "row")


def test_a_host_without_a_collector_has_no_hole_where_its_graph_would_be() -> None:
    built = host_dashboard("lewi", [VIEWS["system"], VIEWS["net"]])

    assert places(built)[-1] == ("Network traffic", 0, 14, 24, 8)


def test_each_bar_has_its_own_levels_and_leads_to_its_graph() -> None:
    full = titled(WHOLE, "How full")
    bars = {
        one["displayName"]: one
        for one in (
            {each["id"]: each["value"] for each in override["properties"]}
            for override in full["fieldConfig"]["overrides"]
        )
    }

    assert list(bars) == ["CPU", "Waiting for disks", "Memory", "Swap space", "Fullest disk"]
    assert [step["value"] for step in bars["Fullest disk"]["thresholds"]["steps"]] == [None, 90, 97]
    assert {(one["min"], one["max"]) for one in bars.values()} == {(0, 100)}
    for bar, graph in (("CPU", "CPU usage"), ("Swap space", "Swap usage"), ("Fullest disk", "Filesystems")):
        ((link),) = bars[bar]["links"]
        shown = titled(WHOLE, graph)["id"]
        assert link["url"] == f"/d/host-biere?viewPanel={shown}&${{__url_time_range}}"
    assert full["options"]["maxVizHeight"] < 30


def test_the_overrides_of_gathered_panels_are_those_of_the_query_that_is_shown() -> None:
    for title in ("How full", "Now"):
        one = titled(WHOLE, title)
        shown = [query["refId"] for query in one["targets"] if not query.get("hide")]
        assert [override["matcher"]["options"] for override in one["fieldConfig"]["overrides"]] == shown
        assert len({query["refId"] for query in one["targets"]}) == len(one["targets"])


def test_the_description_tells_of_each_value() -> None:
    text = titled(WHOLE, "Now")["description"]

    for name in ("Load per core", "CPU pressure", "Memory pressure", "I/O pressure", "Uptime"):
        assert f"{name}: " in text


def test_a_silent_host_has_no_values_of_now() -> None:
    for title in ("How full", "Now"):
        asked = [statement(one) for one in titled(WHOLE, title)["targets"] if "measurement" in one]
        assert [one for one in asked if '"time" > ${__to}ms - 3m' not in one or 'FROM "raw".' not in one] == []


def test_a_rate_at_a_glance_is_asked_over_more_than_one_step() -> None:
    rain = panel("Rain", "short", kind="stat", place="glance", series={"rate": 1})

    (asked,) = titled(host_dashboard("lewi", [own(rain)]), "Now")["targets"]

    assert "__to" not in statement(asked)


def test_swap_is_left_out_where_there_is_none() -> None:
    asked = [statement(one) for one in titled(WHOLE, "How full")["targets"] if one.get("measurement") == "swap"]

    assert [one for one in asked if '"total"::field > 0' not in one] == []
    assert len(asked) == 1


def test_what_fires_is_that_of_this_host() -> None:
    options = titled(WHOLE, "Alerts here")["options"]

    assert options["alertInstanceLabelFilter"] == '{host="$host"}'
    assert not options["stateFilter"]["normal"]


def test_a_filesystem_is_a_row_of_a_table_with_its_name() -> None:
    table = titled(WHOLE, "Filesystems")
    columns = {
        override["matcher"]["options"]: {one["id"]: one["value"] for one in override["properties"]}
        for override in table["fieldConfig"]["overrides"]
    }

    assert list(columns) == ["Mount point", "Used", "Free", "Size", "Inodes used"]
    assert columns["Used"]["custom.cellOptions"]["type"] == "gauge"
    assert table["options"]["sortBy"] == [{"displayName": "Used", "desc": True}]


def test_a_single_bar_has_its_name_and_one_height() -> None:
    bars = titled(
        host_dashboard("lewi", [own(panel("Full", kind="bargauge", place="open", series=_BY_STATION))]), "Full"
    )

    (override,) = bars["fieldConfig"]["overrides"]
    assert override["properties"] == [{"id": "displayName", "value": "${__field.labels.station}"}]
    assert (bars["options"]["sizing"], bars["options"]["namePlacement"]) == ("manual", "left")


@pytest.mark.parametrize(
    ("collector", "title", "number"),
    [
        ("system", "CPU usage", 2_070_373_294),
        ("system", "Memory usage", 439_451_444),
        ("system", "Swap usage", 1_841_264_999),
        ("system", "Uptime", 644_217_501),
        ("net", "Network traffic", panels.panel_id("net", "Traffic")),
        ("disk", "Filesystems", panels.panel_id("disk", "Filesystems")),
    ],
)
def test_links_of_messages_that_were_sent_lead_to_the_panels_of_today(collector: str, title: str, number: int) -> None:
    assert panels.id_of(VIEWS[collector], title) == number
    assert number in {one["id"] for one in every(WHOLE)}


def test_an_alert_leads_to_a_panel_of_the_hosts_page() -> None:
    known = {one["id"] for one in every(host_dashboard("biere", list(VIEWS.values())))}

    for view in VIEWS.values():
        for alert in view.alerts:
            (shown,) = (one for one in view.panels if one.title == alert.panel)
            assert shown.place == "own" or panels.id_of(view, alert.panel) in known


def test_what_a_sites_own_view_shows_at_a_glance_stands_beside_the_others() -> None:
    share = panel("Fog", **GLANCE, levels=Levels((("warning", 80),)))
    degrees = panel("Outside", "celsius", **GLANCE | {"maximum": 50})

    built = host_dashboard("lewi", [own(share, degrees)])

    assert [one[0] for one in places(built)] == ["How full", "Now", "Alerts here"]
    assert schema.problems(built) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "timeseries", "minimum": None, "maximum": None},
        {"series": {"by": ("station",)}},
        {"kind": "stat", "show": (("1", "sunny", "blue"),)},
    ],
)
def test_what_is_no_single_number_keeps_a_panel_of_its_own(changes: dict[str, Any]) -> None:
    built = host_dashboard("lewi", [own(panel("Outside", **GLANCE | changes))])

    assert places(built)[0][0] == "Outside"
    assert schema.problems(built) == []


def test_a_panel_is_open_or_in_a_row_of_the_name_that_its_view_gives() -> None:
    several = [
        panel("A", place="open"),
        panel("B"),
        panel("C", place="detail"),
        panel("D", place="detail", row="Rain"),
        panel("E", row="Rain"),
    ]

    built = host_dashboard("lewi", [own(*several)])

    assert places(built) == [("A", 0, 0, 24, 8)]
    assert rows(built) == {"Ours": ["B"], "Ours: more": ["C"], "Rain": ["D", "E"]}


def test_two_views_with_rows_of_one_name_have_rows_of_their_own() -> None:
    built = host_dashboard("lewi", [own(panel("A", row="Rain"), name=name) for name in ("one", "two")])

    ids = [one["id"] for one in built["panels"]]
    assert len(set(ids)) == len(ids) == 2


def test_the_marks_have_no_switches() -> None:
    names = ["Pushes", "Reboots", "Container restarts", "HAProxy restarts", "Agent restarts"]

    marks = WHOLE["annotations"]["list"]
    assert [one["name"] for one in marks] == names
    assert [(one["enable"], one["hide"]) for one in marks] == [(True, True)] * len(names)
    assert len({one["iconColor"] for one in marks}) == len(names)


def test_a_restart_is_marked_by_the_name_of_what_restarted() -> None:
    container = next(one for one in WHOLE["annotations"]["list"] if one["name"] == "Container restarts")

    target = container["target"]
    assert (target["titleColumn"], target["tagsColumn"]) == ("container_name", "host")
    assert '"restart_count"::field > 0 AND "started_at" > $__from * 1000000' in target["query"]
    assert target["query"].endswith('GROUP BY "host", "container_name"')


def test_marks_are_of_what_the_host_collects() -> None:
    built = host_dashboard("lewi", [VIEWS["system"], VIEWS["internal"]])

    assert [one["name"] for one in built["annotations"]["list"]] == ["Pushes", "Reboots", "Agent restarts"]


def test_no_query_names_the_host_but_by_the_variable() -> None:
    text = json.dumps(every(WHOLE)).replace("host-biere", "")

    assert "biere" not in text

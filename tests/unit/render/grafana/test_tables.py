"""Tables: columns of a meant width and order, sorted by what matters, of what is now."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aresmon.config.views import Panel, SeriesSpec, TableColumn, rows_of
from aresmon.render.grafana.dashboards import PATH, dashboards
from aresmon.render.grafana.panels import panel_json
from aresmon.render.grafana.queries import Scope, host_is, statement
from tests.unit.conftest import ARES, VIEWS, load
from tests.unit.dashboard_rules import every

BUILT = {path: json.loads(text) for path, text in dashboards(load(ARES.read_text(encoding="utf-8")), VIEWS).items()}
TABLES = [
    (path.removeprefix(f"{PATH}/"), panel)
    for path, built in BUILT.items()
    for panel in every(built)
    if panel["type"] == "table"
]


def named(title: str, path: str) -> Any:
    (found,) = (panel for where, panel in TABLES if (where, panel["title"]) == (path, title))
    return found


def overrides(panel: Any) -> dict[str, dict[str, Any]]:
    """What is said of each column, by its title."""
    return {
        one["matcher"]["options"]: {each["id"]: each["value"] for each in one["properties"]}
        for one in panel["fieldConfig"]["overrides"]
    }


@pytest.mark.parametrize(("path", "panel"), TABLES, ids=[f"{path} {one['title']}" for path, one in TABLES])
def test_every_column_has_a_width_and_a_heading_for_people(path: str, panel: Any) -> None:
    told = overrides(panel)
    organize = panel["transformations"][-1]["options"]
    hidden = {title for title, one in told.items() if one.get("custom.hidden")}
    shown = {organize["renameByName"].get(name, name) for name in organize["indexByName"]} - {"Trend"}

    assert shown - hidden <= set(told)
    assert all("custom.width" in one or "custom.minWidth" in one for title, one in told.items() if title not in hidden)
    assert not any("_" in title for title in shown)
    assert {one["displayName"] for one in panel["options"]["sortBy"]} <= set(told)
    assert panel["options"]["sortBy"]
    assert panel["fieldConfig"]["defaults"]["noValue"] == "\N{EN DASH}"


def test_a_container_that_is_gone_is_not_in_the_table_of_those_that_are() -> None:
    """A query of all of the time shown would have it, with values of before."""
    asked = [statement(one) for one in named("Each container", "docker.json")["targets"]]

    assert all('"time" > ${__to}ms - 3m' in text and 'FROM "raw".' in text for text in asked)
    assert asked[0].startswith('SELECT last("exitcode") AS "Exit code", "container_status"::tag AS "State" FROM')


def test_the_busiest_container_comes_first_with_a_name_that_is_not_cut() -> None:
    panel = named("Each container", "docker.json")

    order = panel["transformations"][-1]["options"]["indexByName"]
    assert list(order)[:4] == ["State", "container_name", "host", "CPU"]
    assert panel["options"]["sortBy"] == [{"displayName": "CPU", "desc": True}]
    told = overrides(panel)
    assert told["Container"]["custom.cellOptions"] == {"type": "auto", "wrapText": True}
    assert told["CPU"]["custom.cellOptions"]["type"] == "gauge"
    running = told["State"]["mappings"][0]["options"]["running"]
    assert (running["text"], running["color"]) == ("running", "transparent")


def test_pushes_are_the_newest_first_with_their_whole_reason() -> None:
    panel = named("Pushes", "internal.json")

    assert panel["options"]["sortBy"] == [{"displayName": "Time", "desc": True}]
    assert panel["targets"][0]["query"].endswith("ORDER BY time DESC")
    told = overrides(panel)
    assert told["Time"]["unit"] == "dateTimeAsLocalNoDateIfToday"  # without milliseconds
    assert told["How it ended"]["custom.cellOptions"]["wrapText"]


def test_a_rows_tags_are_those_that_all_series_have_or_those_named() -> None:
    both = (SeriesSpec("a", "x", by=("one", "two")), SeriesSpec("a", "y", by=("two",)))
    panel = Panel("Title", "table", "none", "What it shows.", both)

    assert rows_of(panel) == ("two",)


def test_a_tables_queries_keep_the_choice_of_its_page() -> None:
    series = (SeriesSpec("a", "x", "last", by=("one", "finer"), name="X"), SeriesSpec("a", "y", by=("one",), name="Y"))
    columns = (TableColumn("X", width=80, unit="bytes"),)
    panel = Panel("Title", "table", "none", "What it shows.", series, within="5m", columns=columns)
    scope = Scope("$rp", where=(host_is("$host", several=True),), by=("host",))

    first, second = panel_json(panel, "own", scope, names=("host",))["targets"]

    assert first["query"].startswith('SELECT max("value") AS "X" FROM (SELECT last("x") AS "value" FROM "raw"."a"')
    assert '"host"::tag =~ /^$host$/ AND "time" > ${__to}ms - 5m' in first["query"]
    assert first["query"].endswith('GROUP BY "host", "one"')
    assert statement(second).endswith('GROUP BY "host"::tag, "one"::tag ORDER BY time ASC')

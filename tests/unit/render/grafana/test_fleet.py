"""The fleet's page: a silent host cannot look healthy, and any number of hosts is one screen."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import yaml

from aresmon.render.grafana.dashboards import PATH, dashboards
from aresmon.render.grafana.fleet_table import MOST_WITH_GAUGES, MOST_WITH_TRENDS
from tests.grafana import schema
from tests.harness.catalogue import ENV, entries
from tests.unit.conftest import SHIPPED, VIEWS, load
from tests.unit.dashboard_lint import FIRST_SCREEN, LINT
from tests.unit.dashboard_rules import RULES

WIDEST = 1400  # pixels


def fleet(size: int) -> Any:
    hosts = {
        f"host-{number:03}": {"agent": "systemd", "collect": entries(SHIPPED), "env": ENV} for number in range(size)
    }
    return json.loads(dashboards(load(yaml.safe_dump({"hosts": hosts})), VIEWS)[f"{PATH}/fleet.json"])


SIZES = (1, 3, 30, 31, 300)
PAGES = {size: fleet(size) for size in SIZES}


def panel(title: str, size: int = 3) -> Any:
    (found,) = (one for one in PAGES[size]["panels"] if one["title"] == title)
    return found


def column(title: str, size: int = 3) -> dict[str, Any]:
    """What the overrides say of a column."""
    overrides = panel("Hosts", size)["fieldConfig"]["overrides"]
    (found,) = (one["properties"] for one in overrides if one["matcher"] == {"id": "byName", "options": title})
    return {one["id"]: one["value"] for one in found}


def titles(size: int) -> list[str]:
    """The columns in their order, by the names they are shown with."""
    organize = panel("Hosts", size)["transformations"][-1]["options"]
    names = sorted(organize["indexByName"], key=organize["indexByName"].__getitem__)
    return list(dict.fromkeys(organize["renameByName"].get(name, name) for name in names))


def test_the_state_comes_first_and_the_silent_ones_before_all_others() -> None:
    assert titles(3)[:6] == ["State", "Host", "Data age", "CPU", "CPU trend", "Memory"]
    assert panel("Hosts")["options"]["sortBy"] == [
        {"displayName": "State", "desc": False},
        {"displayName": "CPU", "desc": True},
    ]
    # The sum of what was ever seen and what was seen in the last minutes.
    plain, unknown = column("State")["mappings"]
    assert {value: one["text"] for value, one in plain["options"].items()} == {
        "0": "never seen",
        "1": "silent",
        "2": "ok",
    }
    assert unknown["options"]["match"] == "null"
    assert unknown["options"]["result"]["text"] == "never seen"


def test_silent_hosts_are_counted_on_the_colour_of_what_is_wrong_as_numbers_are_elsewhere() -> None:
    silent, known = panel("Silent hosts"), panel("Number of hosts")

    assert [one["options"]["colorMode"] for one in (silent, known)] == ["background_solid"] * 2
    steps = [one["fieldConfig"]["defaults"]["thresholds"]["steps"] for one in (silent, known)]
    assert [[step["color"] for step in one] for one in steps] == [["transparent", "dark-red"], ["transparent"]]


def test_the_age_has_colours_and_nothing_is_green() -> None:
    behind = ["transparent", "super-light-orange", "dark-red"]
    assert [step["color"] for step in column("Data age")["thresholds"]["steps"]] == behind
    assert column("Data age")["noValue"] == "never"
    assert all('"green"' not in json.dumps(page) for page in PAGES.values())


def test_no_value_of_a_silent_host_is_asked_for() -> None:
    """What is older than the silence is a dash and has no colour."""
    asked = [one for one in panel("Hosts")["targets"] if one["refId"].startswith("C")]

    assert all("${__to}ms - 3m" in json.dumps(one) for one in asked)
    assert panel("Hosts")["fieldConfig"]["defaults"]["noValue"] == "\N{EN DASH}"


@pytest.mark.parametrize("size", SIZES)
def test_it_is_one_screen(size: int) -> None:
    table = panel("Hosts", size)["gridPos"]

    assert table["y"] + table["h"] <= FIRST_SCREEN
    assert table["h"] >= min(math.ceil((36 * size + 84) / 38), 14)
    assert panel("Hosts", size)["options"]["footer"]["enablePagination"] == (size > MOST_WITH_GAUGES)
    tops = {"Busiest processors", "Fullest disks"} & {one["title"] for one in PAGES[size]["panels"]}
    assert bool(tops) == (size > 30)


@pytest.mark.parametrize("size", SIZES)
def test_it_is_as_grafana_has_it_and_as_people_want_it(size: int) -> None:
    assert schema.problems(PAGES[size]) == []
    assert [told for rule in (*RULES, *LINT) for told in rule(PAGES[size])] == []


def test_the_busiest_hosts_are_ten_by_name_the_worst_first() -> None:
    busiest = panel("Busiest processors", 300)

    assert busiest["targets"][0]["query"].startswith('SELECT top("CPU", "host", 10) AS "CPU" FROM (SELECT mean(')
    assert busiest["transformations"][0]["options"]["sort"] == [{"field": "CPU", "desc": True}]
    assert busiest["options"]["reduceOptions"]["values"]


@pytest.mark.parametrize("size", SIZES)
def test_its_columns_have_widths_that_fit(size: int) -> None:
    shown = titles(size)

    widths = [column(title, size).get("custom.width") or column(title, size)["custom.minWidth"] for title in shown]

    assert sum(widths) <= WIDEST
    assert ("CPU trend" in shown) == (size <= MOST_WITH_TRENDS)
    kind = column("CPU", size)["custom.cellOptions"]["type"]
    assert kind == ("gauge" if size <= MOST_WITH_GAUGES else "color-background")


def test_every_name_that_is_hidden_or_shown_is_one_that_something_gives() -> None:
    table = panel("Hosts")
    given = {"State", "host", "age", "age internal_agent", "Trend", "Trend #T0", "uid", "ever", "recent"}
    given |= {one.title for view in VIEWS.values() for one in view.columns}
    organize = table["transformations"][-1]["options"]

    assert {*organize["indexByName"], *organize["renameByName"], *organize["excludeByName"]} <= given
    refs = [one["refId"] for one in table["targets"]]
    filtered = [one["filter"]["options"] for one in table["transformations"] if "filter" in one]
    assert set(filtered) <= set(refs)


def test_critical_alerts_stand_apart_each_with_its_host() -> None:
    lists = [one for one in PAGES[3]["panels"] if one["type"] == "alertlist" and one["options"]["viewMode"] == "list"]

    assert [one["options"]["alertInstanceLabelFilter"] for one in lists] == [
        '{severity="critical"}',
        '{severity!="critical"}',
    ]
    assert all(one["options"]["showInstances"] for one in lists)

"""What is nearest to its limit on a host: which alerts it knows, with which thresholds, and what it asks."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from aresmon.render.grafana import panels
from aresmon.render.grafana.dashboards import PATH, dashboards
from aresmon.render.grafana.nearest import TITLE, figures
from tests.grafana import schema
from tests.unit.conftest import VIEWS, load
from tests.unit.dashboard_rules import every

HOSTS = """\
hosts:
  biere: {collect: [system, disk, docker], agent: docker}
  lewi: {collect: [system, disk]}
"""


def of(host: str, rules: str = "", hosts: str = HOSTS) -> dict[str, list[str]]:
    """The statements by the name that they have in the list."""
    found: dict[str, list[str]] = {}
    site = load(f"{hosts}alerts: {{rules: {{{rules}}}}}\n" if rules else hosts)
    for one in figures(site, VIEWS)[host]:
        found.setdefault(one.alias, []).append(one.statement)
    return found


def test_a_value_is_its_share_of_the_way_to_the_first_threshold() -> None:
    known = of("lewi")

    assert known["CPU"] == [
        'SELECT ((mean("usage_idle") * -1 + 100)) / 85 * 100 AS "share" FROM "raw"."cpu" WHERE "host"::tag = \'$host\' '
        'AND "cpu"::tag = \'cpu-total\' AND time > ${__to}ms - 600s AND time <= ${__to}ms GROUP BY "host"'
    ]
    assert known["Disk space $tag_path"][0].startswith('SELECT (last("used_percent")) / 90 * 100 AS "share" FROM')
    # Memory falls to its threshold of 10 % that is available.
    assert known["Memory"][0].startswith('SELECT (100 - (mean("available_percent"))) / 90 * 100 AS "share" FROM')
    assert known["Load"][0].startswith('SELECT (last("load15") / last("n_cpus")) / 2 * 100 AS "share" FROM')


def test_a_counter_grows_in_the_steps_of_its_alert() -> None:
    (restarts,) = of("biere")["Restarts $tag_container_name"]

    assert restarts.startswith('SELECT (sum("growth_0")) / 3 * 100 AS "share" FROM (SELECT non_negative_difference(')
    assert 'GROUP BY time(60s), "host", "container_name" fill(none)) GROUP BY "host", "container_name"' in restarts


@pytest.mark.parametrize(("aggregate", "asked"), [("mean", "last"), ("max", "max"), ("sum", "sum")])
def test_a_counter_grows_by_the_value_that_its_alert_reads(aggregate: str, asked: str) -> None:
    view = VIEWS["docker"]
    alerts = [replace(one, series=replace(one.series, aggregate=aggregate)) for one in view.alerts]

    known = figures(load(HOSTS), {**VIEWS, "docker": replace(view, alerts=tuple(alerts))})["biere"]

    (restarts,) = (one.statement for one in known if one.alias == "Restarts $tag_container_name")
    assert f'non_negative_difference({asked}("restart_count"))' in restarts


def test_it_is_of_what_the_host_collects() -> None:
    assert "Restarts $tag_container_name" in of("biere")
    assert "Restarts $tag_container_name" not in of("lewi")


def test_what_fires_at_the_first_event_or_where_nothing_can_be_compared_is_not_there() -> None:
    names = " ".join(of("biere"))

    for title in ("is silent", "rebooted", "want of memory", "Disk fills soon", "swapped out", "loses data"):
        assert title not in names


@pytest.mark.parametrize(
    ("when", "is_there"), [("", True), ("total > 0", True), ("total > 0 && total < 5", True), ("total > 20", False)]
)
def test_what_fires_only_if_there_is_much_of_it_is_not_there(when: str, is_there: bool) -> None:
    view = VIEWS["system"]
    alerts = [replace(one, when=when) if one.id == "swap-full" else one for one in view.alerts]

    known = figures(load(HOSTS), {**VIEWS, "system": replace(view, alerts=tuple(alerts))})["lewi"]

    assert ("Swap" in {one.alias for one in known}) == is_there


def test_a_sites_own_thresholds_count() -> None:
    assert "/ 70 * 100" in of("lewi", "disk-full: {warning: 70}")["Disk space $tag_path"][0]
    assert "/ 97 * 100" in of("lewi", "disk-full: {warning: off}")["Disk space $tag_path"][0]
    assert "Disk space $tag_path" not in of("lewi", "disk-full: {watch: off}")


def test_an_exception_counts_on_its_host_and_path_alone() -> None:
    rules = "disk-full: {exceptions: [{host: lewi, where: {path: /srv}, warning: 95}]}"

    own, others = of("lewi", rules)["Disk space $tag_path"]
    (elsewhere,) = of("biere", rules)["Disk space $tag_path"]

    assert "/ 95 * 100" in own
    assert "\"path\"::tag = '/srv'" in own
    assert "/ 90 * 100" in others
    assert "\"path\"::tag != '/srv'" in others
    assert "/ 90 * 100" in elsewhere
    assert "/srv" not in elsewhere


def test_a_host_with_a_threshold_of_its_own_has_no_other() -> None:
    rules = "cpu-high: {exceptions: [{host: lewi, warning: 50}]}"

    assert [re.findall(r"/ (\d+) \* 100", one) for one in of("lewi", rules)["CPU"]] == [["50"]]
    assert [re.findall(r"/ (\d+) \* 100", one) for one in of("biere", rules)["CPU"]] == [["85"]]


def test_the_shipped_alerts_that_can_be_compared_have_names_of_their_own_and_panels() -> None:
    known = figures(load(HOSTS.replace("docker]", "docker, diskio, net]")), VIEWS)["biere"]
    ids = {panels.id_of(view, one.title) for view in VIEWS.values() for one in view.panels}

    names = [one.alias for one in known]
    assert len(set(names)) == len(names) >= 14
    assert {one.panel for one in known} <= ids


def test_a_number_that_is_no_amount_is_not_listed_unless_its_view_names_a_resource() -> None:
    hosts = "hosts: {lewi: {collect: [{http: {urls: ['https://example.org/']}}]}}\n"

    assert "Response time $tag_server" in of("lewi", hosts=hosts)
    assert not [one for one in of("lewi", hosts=hosts) if "error" in one or "answer" in one]


@pytest.fixture(scope="module")
def page() -> Any:
    return json.loads(dashboards(load(HOSTS), VIEWS)[f"{PATH}/hosts/biere.json"])


def test_the_panel_has_the_nearest_first_and_each_leads_to_its_graph(page: Any) -> None:
    (panel,) = (one for one in every(page) if one["title"] == TITLE)
    told = {
        one["matcher"]["options"]: {each["id"]: each["value"] for each in one["properties"]}
        for one in panel["fieldConfig"]["overrides"]
    }

    assert panel["options"]["sortBy"] == [{"displayName": "Of its limit", "desc": True}]
    assert told["What"]["links"][0]["url"] == (
        "/d/${__data.fields.page}?viewPanel=${__data.fields.panel}&var-host=$host&${__url_time_range}"
    )
    assert [step["value"] for step in told["Of its limit"]["thresholds"]["steps"]] == [None, 100]
    assert schema.problems(page) == []


def test_a_name_is_parted_from_the_place_of_its_panel(page: Any) -> None:
    (panel,) = (one for one in every(page) if one["title"] == TITLE)
    extract = next(one["options"] for one in panel["transformations"] if one["id"] == "extractFields")

    pattern = extract["regExp"].strip("/").replace("?<", "?P<")  # as Python writes a group's name
    found = re.match(pattern, "Disk space /srv/a #1 #host-biere #1837385864")

    assert found
    assert found.groupdict() == {"What": "Disk space /srv/a #1", "page": "host-biere", "panel": "1837385864"}


def test_each_leads_to_a_panel_that_is_there() -> None:
    pages = {one["uid"]: one for one in map(json.loads, dashboards(load(HOSTS), VIEWS).values())}
    (panel,) = (one for one in every(pages["host-biere"]) if one["title"] == TITLE)

    for query in panel["targets"]:
        _, uid, number = query["alias"].rsplit(" #", 2)
        assert int(number) in {one["id"] for one in every(pages[uid])}
    assert {query["alias"].rsplit(" #", 2)[1] for query in panel["targets"]} == {"host-biere", "aresmon-internal"}

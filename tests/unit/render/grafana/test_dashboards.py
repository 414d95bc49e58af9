"""What holds for every dashboard, whatever the fleet: rules of our own, each of which can fail."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from aresmon.config import names as config_names
from aresmon.config import view_files
from aresmon.config.views import Board, Levels, Measurement, Panel, SeriesSpec, View
from aresmon.render.grafana import nearest
from aresmon.render.grafana import panels as grafana_panels
from aresmon.render.grafana.dashboards import PATH, collector_dashboard, dashboards
from aresmon.render.grafana.host_page import host_dashboard
from aresmon.render.grafana.panels import thresholds
from aresmon.render.grafana.queries import statement
from aresmon.system.errors import SiteError
from tests.grafana import schema
from tests.harness.catalogue import ENV, entries
from tests.unit.conftest import ARES, SHIPPED, VIEWS, errors, load
from tests.unit.dashboard_rules import (
    RULES,
    Json,
    Rule,
    asks_only_of_what_is_described,
    asks_with_variables_that_are_there,
    compares_counters_over_their_shortest_step,
    draws_a_hole_where_reports_are_missing,
    every,
    has_a_legend_that_fits,
    has_a_uid_that_grafana_takes,
    has_a_unit,
    has_folded_rows_that_begin_below_their_heading,
    has_ids_of_its_own,
    has_thresholds,
    is_generated_and_says_so,
    keeps_the_time_range_in_links,
    names_no_data_source,
    says_what_to_do,
    stays_in_the_grid,
    tells_of_pushes_and_reboots,
)
from tests.unit.odd_views import TREES, mutate

FILES = dashboards(load(ARES.read_text(encoding="utf-8")), VIEWS)
BUILT: Mapping[str, Json] = {path: json.loads(text) for path, text in FILES.items()}
FLEET, DOCKER, INTERNAL, LEWI = (f"{PATH}/{name}.json" for name in ("fleet", "docker", "internal", "hosts/lewi"))


@pytest.mark.parametrize("path", BUILT)
@pytest.mark.parametrize("rule", RULES)
def test_a_dashboard_of_the_example(rule: Rule, path: str) -> None:
    assert list(rule(BUILT[path])) == []


LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
NAMES = LABELS | st.lists(LABELS, min_size=2, max_size=3).map(".".join).filter(lambda name: len(name) < 100)
HOSTS = st.dictionaries(NAMES, st.sets(st.sampled_from(sorted(SHIPPED)), min_size=1), min_size=1, max_size=30)


def fleet_of(hosts: Mapping[str, set[str]]) -> dict[str, bytes]:
    data = {name: {"agent": "systemd", "collect": entries(several), "env": ENV} for name, several in hosts.items()}
    return dashboards(load(yaml.safe_dump({"hosts": data})), VIEWS)


@given(HOSTS)
@settings(max_examples=15)
def test_a_dashboard_of_any_fleet(hosts: dict[str, set[str]]) -> None:
    files = fleet_of(hosts)
    built = {path: json.loads(text) for path, text in files.items()}

    for path, one in built.items():
        assert [f"{path}: {told}" for rule in RULES for told in rule(one)] == []
    assert max(Counter(one["uid"] for one in built.values()).values()) == 1
    assert {path for path in files if "/hosts/" in path} == {f"{PATH}/hosts/{name}.json" for name in hosts}
    assert fleet_of(dict(reversed(hosts.items()))) == files


# Each rule, broken -----------------------------------------------------------------------------------


def lines(built: Json) -> Json:
    return next(panel for panel in every(built) if panel["type"] == "timeseries")


BROKEN: list[tuple[Rule, str, Callable[[Json], Any]]] = [
    (has_a_unit, LEWI, lambda one: lines(one)["fieldConfig"]["defaults"].update(unit="")),
    (says_what_to_do, LEWI, lambda one: lines(one).update(description="Load")),
    (has_thresholds, LEWI, lambda one: lines(one)["fieldConfig"]["defaults"]["thresholds"]["steps"][0].update(value=0)),
    (has_a_legend_that_fits, LEWI, lambda one: lines(one)["options"]["legend"].update(showLegend=False)),
    (has_a_legend_that_fits, LEWI, lambda one: lines(one)["options"]["legend"].update(placement="bottom")),
    (has_a_legend_that_fits, LEWI, lambda one: lines(one).update(targets=lines(one)["targets"][:1])),
    (has_a_legend_that_fits, DOCKER, lambda one: lines(one)["options"]["legend"].update(placement="bottom")),
    (has_a_legend_that_fits, DOCKER, lambda one: lines(one)["options"]["legend"].update(sortBy="Min")),
    (has_a_legend_that_fits, DOCKER, lambda one: lines(one)["options"]["legend"].pop("width")),
    (has_ids_of_its_own, LEWI, lambda one: one["panels"].append(one["panels"][0])),
    (stays_in_the_grid, LEWI, lambda one: lines(one)["gridPos"].update(w=13)),
    (stays_in_the_grid, LEWI, lambda one: folded(one)["panels"][0]["gridPos"].update(x=13)),
    (has_folded_rows_that_begin_below_their_heading, LEWI, lambda one: folded(one).update(collapsed=False)),
    (names_no_data_source, LEWI, lambda one: lines(one)["targets"][0]["datasource"].update(uid="aresmon-influx")),
    (has_a_uid_that_grafana_takes, LEWI, lambda one: one.update(uid="host-lewi.example.org")),
    (keeps_the_time_range_in_links, LEWI, lambda one: one["links"][0].update(keepTime=False)),
    (keeps_the_time_range_in_links, FLEET, lambda one: link(one).update(url="/d/${__data.fields.uid}")),
    (tells_of_pushes_and_reboots, LEWI, lambda one: one["annotations"]["list"].pop(1)),
    (tells_of_pushes_and_reboots, LEWI, lambda one: one["annotations"]["list"][0]["target"].pop("fromAnnotations")),
    (asks_with_variables_that_are_there, LEWI, lambda one: one["templating"]["list"].pop()),
    (asks_with_variables_that_are_there, DOCKER, lambda one: one["templating"]["list"].pop()),
    (asks_only_of_what_is_described, LEWI, lambda one: lines(one)["targets"][0].update(measurement="cpus")),
    (draws_a_hole_where_reports_are_missing, LEWI, lambda one: custom(one).update(spanNulls=True)),
    (draws_a_hole_where_reports_are_missing, LEWI, lambda one: lines(one)["targets"][0]["groupBy"].pop()),
    (draws_a_hole_where_reports_are_missing, LEWI, lambda one: rates(one)["select"][0].pop()),
    (compares_counters_over_their_shortest_step, INTERNAL, lambda one: lines(one).pop("interval")),
    (compares_counters_over_their_shortest_step, LEWI, lambda one: lines(one).update(interval="60s")),
    (is_generated_and_says_so, LEWI, lambda one: one.update(id=1)),
]


def rates(built: Json) -> Json:
    (panel,) = (one for one in every(built) if one["title"] == "Network traffic")
    found: Json = panel["targets"][0]
    return found


def folded(built: Json) -> Json:
    return next(panel for panel in built["panels"] if panel.get("collapsed"))


def custom(built: Json) -> Json:
    found: Json = lines(built)["fieldConfig"]["defaults"]["custom"]
    return found


def link(built: Json) -> Json:
    found: Json
    (found,) = (
        one["value"][0]
        for panel in built["panels"]
        for override in panel.get("fieldConfig", {}).get("overrides", [])
        for one in override["properties"]
        if one["id"] == "links"
    )
    return found


@pytest.mark.parametrize(("rule", "path", "change"), BROKEN)
def test_a_rule_finds_what_breaks_it(rule: Rule, path: str, change: Callable[[Json], Any]) -> None:
    built = copy.deepcopy(BUILT[path])

    change(built)

    assert list(rule(built))


def test_every_rule_was_seen_to_fail() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES)


# What does not change --------------------------------------------------------------------------------


def test_a_panel_has_one_id_on_every_host_and_in_every_run() -> None:
    ids: dict[str, set[int]] = {}
    for path, built in BUILT.items():
        for panel in every(built) if "/hosts/" in path else []:
            ids.setdefault(panel["title"], set()).add(panel["id"])

    assert {title: several for title, several in ids.items() if len(several) > 1} == {}
    # Links from alerts, bookmarks and chats name these.
    assert ids["CPU usage"] == {grafana_panels.panel_id("system", "Processor use")} == {2_070_373_294}


@pytest.mark.parametrize(
    ("host", "uid"),
    [
        ("lewi", "host-lewi"),
        ("lewi.ares-ensiie.eu", "host-lewi_ares-ensiie_eu"),
        ("a" * 35, "host-" + "a" * 35),
        ("a" * 36, "host-22c1d24bcd03e9aee9832efccd6da613"),
    ],
)
def test_a_hosts_dashboard_keeps_its_uid(host: str, uid: str) -> None:
    assert config_names.uid_of_host(host).startswith(uid)


def test_the_same_fleet_gives_the_same_bytes() -> None:
    again = dashboards(load(ARES.read_text(encoding="utf-8")), VIEWS)

    assert list(again.items()) == list(FILES.items())


def test_a_host_of_the_same_kind_differs_by_its_name_and_uid_alone() -> None:
    files = fleet_of({"lewi": {"system"}, "ronflex.x": {"system"}})

    one, other = (files[f"{PATH}/hosts/{name}.json"].decode() for name in ("lewi", "ronflex.x"))
    assert one.replace("host-lewi", "host-ronflex_x").replace('"lewi"', '"ronflex.x"') == other
    limits = nearest.figures(load("hosts: {lewi: {agent: systemd, collect: [system]}}"), VIEWS)["lewi"]
    assert json.loads(one) == host_dashboard("lewi", [VIEWS["system"], VIEWS["internal"]], limits=limits)


def test_a_thousand_hosts_give_files_of_the_size_of_one() -> None:
    few, many = (fleet_of({f"host-{number:04}": set(SHIPPED) for number in range(size)}) for size in (1, 1000))

    assert len(many) == len(few) + 999
    assert {len(text) for path, text in many.items() if "/hosts/" in path} == {len(few[f"{PATH}/hosts/host-0000.json"])}
    assert max(map(len, many.values())) < 18_000 * len(SHIPPED)
    for path in few:
        # The overview lists the busiest of many hosts, and is otherwise laid out.
        assert abs(len(few[path]) - len(many[path])) < (3000 if path == FLEET else 30)


@pytest.mark.parametrize("name", ["a'b", 'a"b', "a$b", "a/b", "a{b", "A", "a\nb", "a b", "é", "a_b", "../a", ""])
def test_a_name_that_would_need_quoting_cannot_come_in(name: str) -> None:
    assert "must be a host name" in errors(yaml.safe_dump({"hosts": {name: None}}))[0]


# Its parts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (FLEET, ["datasource", "rp"]),
        (LEWI, ["datasource", "rp", "host"]),
        (DOCKER, ["datasource", "rp", "host", "container_name"]),
    ],
)
def test_what_can_be_chosen_on_a_dashboard(path: str, names: list[str]) -> None:
    assert [one["name"] for one in BUILT[path]["templating"]["list"]] == names


def test_the_policy_that_fits_the_time_shown_is_asked_for_at_each_change_of_it() -> None:
    (policy,) = (one for one in BUILT[LEWI]["templating"]["list"] if one["name"] == "rp")

    assert policy["refresh"] == 2
    assert policy["query"] == (
        'SELECT "rp" FROM "forever"."aresmon_tier" WHERE $__to - $__from > "start" AND $__to - $__from <= "end"'
    )
    # What is of now is asked of the raw points, whatever time is shown.
    graphs = [panel for panel in every(BUILT[LEWI]) if panel["type"] == "timeseries"]
    assert {query["policy"] for panel in graphs for query in panel["targets"] if "policy" in query} == {"$rp"}


# How much can be edited in the builder ---------------------------------------------------------------


def kinds(several: list[Json]) -> Counter[str]:
    """How many queries of these panels are structured, raw, or a formula of others."""
    queries = [query for panel in several for query in panel["targets"]]
    return Counter("formula" if "expression" in one else "raw" if one["rawQuery"] else "structured" for one in queries)


def test_the_queries_that_the_builder_cannot_open_are_these_and_no_more() -> None:
    raw = [
        f"{path.removeprefix(f'{PATH}/')} {panel['title']} {query['refId']}"
        for path, built in BUILT.items()
        for panel in every(built)
        if panel["title"] != nearest.TITLE  # whose queries are those of alerts
        for query in panel["targets"]
        if query.get("rawQuery")
    ]

    assert raw == [
        # What is silent or never came, and the hosts that should be there; the worst of several series, and rates, of
        # which a row has one value only by a query of a query.
        *("fleet.json Silent hosts A", "fleet.json Silent hosts B", "fleet.json Number of hosts A"),
        *(f"fleet.json Hosts {ref}" for ref in ("A", "B", "R", "C2", "C4", "C5", "C8")),
        *(f"internal.json Agents {ref}" for ref in ("B", "C", "E", "F")),
        *(f"internal.json {title} A" for title in ("Series", "Pushes")),
    ]


def test_what_the_shipped_panels_ask_is_counted() -> None:
    """README.md and docs/views.md tell this number: of each panel once, with the overview."""
    files = {path: json.loads(text) for path, text in fleet_of({"lewi": set(SHIPPED)}).items()}
    shown = {one["id"]: one for built in files.values() for one in every(built) if built["uid"] != config_names.FLEET}

    several = [panel for view in VIEWS.values() for panel in view.panels]
    gathered = [panel for panel in several if grafana_panels.is_gathered(panel)]
    # In the place of those that are gathered: bars, numbers, what is near its limit, and what fires; and the index.
    assert len(shown) == len(several) - len(gathered) + 5
    written = [one for one in shown.values() if one["title"] != nearest.TITLE]
    assert kinds([*written, *every(files[FLEET])])["raw"] == 17


# Corners ---------------------------------------------------------------------------------------------


def own(name: str, *panels: Panel, title: str = "Ours") -> View:
    measurement = Measurement("weather", ("station",), {"degrees": "gauge"})
    return View(name, title, {"weather": measurement}, panels, (), (), Board("Ours", "station", "weather"))


def panel(title: str, **changes: Any) -> Panel:
    series = (SeriesSpec("weather", "degrees"),)
    return Panel(title, "timeseries", "celsius", "How warm it is outside.", series, **changes)


def test_two_collectors_of_one_title_have_rows_of_their_own() -> None:
    several = [own(name, panel("Here"), panel("Then", place="detail")) for name in ("one", "two")]

    built = host_dashboard("lewi", several)

    assert list(has_ids_of_its_own(built)) == []
    assert [row["title"] for row in built["panels"] if row["type"] == "row"] == ["Ours", "Ours: more"] * 2


@pytest.mark.parametrize("number", [1, 5, 7, 8, 9, 20])
def test_what_is_seen_at_a_glance_fills_its_line(number: int) -> None:
    glance = [panel(f"Panel {index}", place="glance") for index in range(number)]

    built = host_dashboard("lewi", [own("one", *glance)])

    assert list(stays_in_the_grid(built)) == []
    widths = [one["gridPos"]["w"] for one in built["panels"]]
    assert sum(widths[:8]) == 24
    assert max(widths[:8]) - min(widths[:8]) <= 1


def test_wide_and_tall_panels_are_laid_without_an_overlap() -> None:
    sizes = [(24, 4), (10, 9), (10, 3), (10, 5), (2, 24), (23, 2), (24, 24), (13, 4), (12, 5), (11, 6), (13, 7)]
    several = [panel(f"{w} x {h}", width=w, height=h) for w, h in sizes]

    built = host_dashboard("lewi", [own("one", *several)])

    assert list(stays_in_the_grid(built)) == []


@pytest.mark.parametrize(
    ("levels", "steps"),
    [
        (None, [(None, "text")]),
        (Levels((("warning", 90),)), [(None, "text"), (90, "semi-dark-orange")]),
        (
            Levels((("warning", 90), ("critical", 97))),
            [(None, "text"), (90, "semi-dark-orange"), (97, "semi-dark-red")],
        ),
        (Levels((("critical", 1),), falling=True), [(None, "semi-dark-red"), (1, "text")]),
        (
            Levels((("information", 20), ("warning", 10), ("critical", 5)), falling=True),
            [(None, "semi-dark-red"), (5, "semi-dark-orange"), (10, "blue"), (20, "text")],
        ),
    ],
)
def test_a_value_is_coloured_by_how_bad_it_is(levels: Levels | None, steps: list[tuple[float | None, str]]) -> None:
    assert [(step["value"], step["color"]) for step in thresholds(levels)["steps"]] == steps


def test_behind_a_number_there_is_a_colour_only_where_something_is_wrong() -> None:
    levels = Levels((("warning", 90), ("critical", 97)))

    steps = thresholds(levels, are_behind=True)["steps"]

    assert [step["color"] for step in steps] == ["transparent", "super-light-orange", "dark-red"]


def test_a_panel_that_may_have_no_data_by_nature_says_why() -> None:
    told = {one["title"]: one["fieldConfig"]["defaults"]["noValue"] for one in every(BUILT[DOCKER])}

    assert told["Failed health checks"] == "No container has a health check."
    assert told["Containers"] == "no data"


def test_a_collectors_panels_are_narrowed_by_what_is_chosen_where_they_know_it() -> None:
    other = Measurement("wind", (), {"speed": "gauge"})
    view = own("one", panel("Here"), Panel("Wind", "timeseries", "short", "How windy.", (SeriesSpec("wind", "speed"),)))
    view = replace(view, measurements={**view.measurements, "wind": other})

    here, wind = every(collector_dashboard(view, hosts=3))

    assert '"station"::tag =~ /^$station$/' in statement(here["targets"][0])
    assert "$station" not in statement(wind["targets"][0])
    assert schema.problems(collector_dashboard(view, hosts=3)) == []


def test_a_statements_policy_is_that_of_its_dashboard() -> None:
    asked_by_hand = SeriesSpec(influxql='SELECT "degrees" FROM $policy."weather" WHERE $timeFilter')
    view = own("one", Panel("By hand", "timeseries", "celsius", "How warm it is.", (asked_by_hand,)))

    built = host_dashboard("lewi", [view])

    assert every(built)[0]["targets"][0]["query"] == 'SELECT "degrees" FROM "$rp"."weather" WHERE $timeFilter'


@given(st.sampled_from(TREES), st.data())
@settings(max_examples=60)
def test_whatever_view_is_not_refused_is_drawn_as_grafana_has_it(tree: Any, data: st.DataObject) -> None:
    text = yaml.safe_dump(mutate(tree, data), sort_keys=False)
    try:
        view = view_files.read(text, "own", file="own.yml")
    except SiteError:
        return

    for built in (host_dashboard("lewi", [view]), collector_dashboard(view, hosts=3)):
        assert schema.problems(built) == []
        assert [*has_ids_of_its_own(built), *stays_in_the_grid(built)] == []
        assert json.loads(json.dumps(built, allow_nan=False)) == built

"""Every dashboard of every kind of site, held against what a person would see wrong in a browser."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from aresmon.render.grafana.dashboards import PATH, dashboards
from tests.harness.catalogue import ENV, entries
from tests.unit import dashboard_lint as lint
from tests.unit.conftest import ARES, SHIPPED, VIEWS, load
from tests.unit.dashboard_rules import Json, Rule, every, has_a_legend_that_fits, has_a_unit, says_what_to_do


def fleet_of(number: int) -> str:
    """A site of so many hosts, each with every collector."""
    host = {"agent": "systemd", "collect": entries(SHIPPED), "env": ENV}
    return yaml.safe_dump({"hosts": {f"host-{index:03}": host for index in range(number)}})


SITES = {"the example": ARES.read_text(encoding="utf-8"), **{f"{size} hosts": fleet_of(size) for size in (1, 30, 300)}}


@functools.cache
def rendered(site: str) -> Mapping[str, Json]:
    """Each dashboard of a site by its path; of hosts that collect the same, one."""
    seen: dict[bytes, tuple[str, Json]] = {}
    for path, content in dashboards(load(SITES[site]), VIEWS).items():
        name = path.rpartition("/")[2].removesuffix(".json").encode()
        seen.setdefault(content.replace(name, b""), (path, json.loads(content)))
    return dict(seen.values())


@pytest.mark.parametrize("rule", lint.LINT)
@pytest.mark.parametrize("site", SITES)
def test_a_dashboard_looks_as_it_should(site: str, rule: Rule) -> None:
    assert [f"{path}: {told}" for path, built in rendered(site).items() for told in rule(built)] == []


def test_there_is_a_page_of_each_kind_in_what_is_looked_at() -> None:
    for built in map(rendered, SITES):
        assert {"fleet", "docker", "haproxy", "internal"} <= {path.rpartition("/")[2][:-5] for path in built}
        assert any("/hosts/" in path for path in built)


# Each rule, broken -----------------------------------------------------------------------------------

HOST, DOCKER, HAPROXY, FLEET = (f"{PATH}/{name}.json" for name in ("hosts/biere", "docker", "haproxy", "fleet"))


def titled(built: Json, title: str) -> Json:
    (found,) = (panel for panel in every(built) if panel["title"] == title)
    return found


def defaults(built: Json, title: str) -> Json:
    found: Json = titled(built, title)["fieldConfig"]["defaults"]
    return found


def override(built: Json, title: str, key: str, value: Any) -> None:
    """Give the last query of a panel this property, or take it away."""
    one = titled(built, title)["fieldConfig"]["overrides"][-1]
    one["properties"] = [each for each in one["properties"] if each["id"] != key]
    if value is not None:
        one["properties"].append({"id": key, "value": value})


def fixed(name: str) -> Json:
    return {"mode": "fixed", "fixedColor": name}


PLANTED: list[tuple[Rule, str, Callable[[Json], Any]]] = [
    (
        lint.has_room_for_its_titles,
        HOST,
        lambda one: titled(one, "Alerts here").update(title="Alerts of this host now"),
    ),
    (lint.calls_its_panels_by_names_of_their_own, HOST, lambda one: titled(one, "Load").update(title="Pressure")),
    (lint.calls_its_panels_by_names_of_their_own, HOST, lambda one: titled(one, "Load").update(title="load_avg")),
    (lint.has_no_hole, HOST, lambda one: titled(one, "CPU usage")["gridPos"].update(w=11)),
    (lint.has_no_hole, HOST, lambda one: titled(one, "CPU usage")["gridPos"].update(h=7)),
    (lint.has_no_hole, HOST, lambda one: titled(one, "CPU usage")["gridPos"].update(x=1)),
    (lint.has_no_hole, HOST, lambda one: titled(one, "Load")["gridPos"].update(w=8)),
    (lint.has_no_hole, HOST, lambda one: [panel["gridPos"].update(y=50) for panel in one["panels"][-1:]]),
    (
        lint.shows_what_matters_on_the_first_screen,
        HOST,
        lambda one: titled(one, "Network traffic")["gridPos"].update(y=16),
    ),
    (lint.asks_for_little_before_anything_is_opened, HOST, lambda one: one["panels"].extend(one["panels"][:4])),
    (
        lint.asks_for_little_before_anything_is_opened,
        HOST,
        lambda one: titled(one, "CPU usage").update(targets=titled(one, "CPU usage")["targets"] * 3),
    ),
    (
        lint.asks_for_little_before_anything_is_opened,
        HOST,
        lambda one: one["panels"][-1].update(panels=one["panels"][-1]["panels"] * 2),
    ),
    (
        has_a_legend_that_fits,
        HOST,
        lambda one: titled(one, "CPU usage")["options"]["legend"].update(placement="bottom"),
    ),
    (lint.has_colours_that_mean_something, HOST, lambda one: override(one, "CPU usage", "color", fixed("green"))),
    (lint.has_colours_that_mean_something, HOST, lambda one: override(one, "CPU usage", "color", None)),
    (
        lint.has_colours_that_mean_something,
        HOST,
        lambda one: defaults(one, "Disk queue")["thresholds"]["steps"][1].update(color="yellow-green"),
    ),
    (
        lint.has_colours_that_mean_something,
        HAPROXY,
        lambda one: defaults(one, "Servers")["mappings"][0]["options"]["UP"].update(color="green"),
    ),
    (lint.has_colours_that_are_told_apart, HOST, lambda one: override(one, "CPU usage", "color", fixed("text"))),
    (lint.has_colours_that_are_told_apart, HOST, lambda one: override(one, "Processes", "color", fixed("yellow"))),
    (lint.has_colours_that_are_told_apart, HOST, lambda one: override(one, "Processes", "color", fixed("orange"))),
    (
        lint.has_lines_bars_and_words_that_are_seen,
        HOST,
        lambda one: defaults(one, "Disk queue")["thresholds"]["steps"][1].update(color="orange"),
    ),
    (
        lint.has_lines_bars_and_words_that_are_seen,
        HOST,
        lambda one: titled(one, "How full")["options"].update(valueMode="color"),
    ),
    (
        lint.has_lines_bars_and_words_that_are_seen,
        HOST,
        lambda one: titled(one, "Now")["options"].update(colorMode="value"),
    ),
    (
        lint.has_lines_bars_and_words_that_are_seen,
        HAPROXY,
        lambda one: defaults(one, "Servers")["mappings"][0]["options"]["UP"].update(color="blue"),
    ),
    (
        lint.has_lines_bars_and_words_that_are_seen,
        DOCKER,
        lambda one: override(one, "Each container", "custom.cellOptions", {"type": "color-text"}),
    ),
    (lint.has_marks_that_are_seen, HOST, lambda one: one["annotations"]["list"][0].update(iconColor="red")),
    (lint.has_marks_that_are_seen, HOST, lambda one: one["annotations"]["list"][0].update(iconColor="orange")),
    (
        lint.is_calm_where_nothing_is_wrong,
        HOST,
        lambda one: defaults(one, "Now")["thresholds"]["steps"][0].update(color="red"),
    ),
    (lint.is_calm_where_nothing_is_wrong, HOST, lambda one: titled(one, "Now")["options"].update(graphMode="area")),
    (lint.says_states_in_words, HAPROXY, lambda one: defaults(one, "Servers")["mappings"].pop()),
    (
        lint.says_states_in_words,
        HAPROXY,
        lambda one: defaults(one, "Servers")["mappings"][0]["options"]["UP"].update(text=""),
    ),
    (lint.has_scales_that_fit, HOST, lambda one: defaults(one, "CPU usage").pop("max")),
    (lint.has_scales_that_fit, HOST, lambda one: defaults(one, "Load").pop("min")),
    (lint.has_scales_that_fit, HOST, lambda one: defaults(one, "Network traffic").update(min=0)),
    (lint.draws_one_of_a_pair_below_zero, HOST, lambda one: override(one, "Network traffic", "custom.transform", None)),
    (
        lint.draws_one_of_a_pair_below_zero,
        HOST,
        lambda one: defaults(one, "Network traffic")["custom"].update(axisCenteredZero=False),
    ),
    (lint.keeps_totals_out_of_stacks, HOST, lambda one: override(one, "Memory usage", "custom.stacking", None)),
    (lint.keeps_totals_out_of_stacks, HOST, lambda one: override(one, "Memory usage", "custom.lineStyle", None)),
    (lint.keeps_totals_out_of_stacks, HOST, lambda one: override(one, "Swap usage", "custom.lineStyle", None)),
    (
        lint.draws_the_lines_of_alerts_and_no_others,
        HOST,
        lambda one: defaults(one, "Disk queue")["thresholds"]["steps"][1].update(value=8),
    ),
    (
        lint.draws_the_lines_of_alerts_and_no_others,
        HOST,
        lambda one: defaults(one, "Disk queue")["custom"]["thresholdsStyle"].update(mode="line"),
    ),
    (
        lint.has_columns_within_its_table,
        FLEET,
        lambda one: next(panel for panel in every(one) if panel["type"] == "table")["fieldConfig"]["overrides"].append(
            {"matcher": {"id": "byName", "options": "x"}, "properties": [{"id": "custom.width", "value": 1400}]}
        ),
    ),
    (lint.has_columns_within_its_table, HOST, lambda one: override(one, "Filesystems", "custom.width", None)),
    (
        lint.has_columns_within_its_table,
        HOST,
        lambda one: titled(one, "Filesystems")["options"]["sortBy"][0].update(displayName="used_percent"),
    ),
    (
        lint.has_columns_within_its_table,
        HOST,
        lambda one: titled(one, "Filesystems")["fieldConfig"]["overrides"][0]["matcher"].update(options="mount_point"),
    ),
    (
        lint.has_room_for_its_links,
        HOST,
        lambda one: titled(one, "Alerts here").update(
            type="text", options={"mode": "markdown", "content": "word " * 200}
        ),
    ),
    (has_a_unit, HOST, lambda one: defaults(one, "Load").update(unit="")),
    (says_what_to_do, HOST, lambda one: titled(one, "Load").update(description="Load.")),
]


@pytest.mark.parametrize(("rule", "path", "change"), PLANTED)
def test_a_rule_finds_what_is_planted(rule: Rule, path: str, change: Callable[[Json], Any]) -> None:
    built = copy.deepcopy(rendered("the example")[path])
    before = list(rule(built))

    change(built)

    assert list(rule(built)) != before


def test_every_rule_was_seen_to_find_something() -> None:
    assert {rule for rule, _, _ in PLANTED} == set(lint.LINT)

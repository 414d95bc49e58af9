"""Every dashboard, held against the published model of Grafana's classic dashboards (tests/grafana/schema.py)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from aresmon.config.views import Levels, Panel, SeriesSpec
from aresmon.render.grafana.dashboards import dashboards
from aresmon.render.grafana.fleet import overview_panels
from aresmon.render.grafana.panels import panel_json
from aresmon.render.grafana.queries import Scope
from tests.grafana import schema
from tests.unit.conftest import ARES, VIEWS, load

BUILT = {path: json.loads(text) for path, text in dashboards(load(ARES.read_text(encoding="utf-8")), VIEWS).items()}
FLEET, HOST = "grafana/dashboards/fleet.json", "grafana/dashboards/hosts/biere.json"


@pytest.mark.parametrize("path", BUILT)
def test_a_dashboard_has_nothing_that_grafanas_model_does_not_know(path: str) -> None:
    assert schema.problems(BUILT[path]) == []


@pytest.mark.parametrize("kind", schema.PLUGINS)
@pytest.mark.parametrize("levels", [None, Levels((("warning", 2), ("critical", 1)), falling=True)])
def test_every_kind_of_panel_is_as_its_plug_in_has_it(kind: str, levels: Levels | None) -> None:
    parts = (("a", SeriesSpec("cpu", "idle")), ("b", SeriesSpec("cpu", "user")))
    series = (
        SeriesSpec("cpu", "idle", name="idle %", rate=10, math="* 8", by=("cpu",)),
        SeriesSpec(formula="a / b", parts=parts, name="{host}"),
        SeriesSpec(influxql="SHOW SERIES CARDINALITY", name="Series"),
    )
    panel = Panel(
        *("Title", kind, "percent", "What it shows."),
        series=series,
        levels=levels,
        minimum=0,
        maximum=100.5,
        decimals=1,
        stack=True,
        show=(("UP", "up", "green"),),
    )
    built = model_of([panel_json(panel, "own", Scope("$rp"), names=("host",))])

    assert schema.problems(built) == []


def test_the_overview_of_collectors_without_columns_is_one_too() -> None:
    assert schema.problems(model_of([one.json for one in overview_panels([], hosts=1)])) == []


def model_of(panels: list[Any]) -> dict[str, Any]:
    return {**BUILT[FLEET], "panels": panels}


# Each of these is a slip that Grafana would read over in silence; the place says where it is told.
SLIPS: list[tuple[str, str, Callable[[Any], None], str]] = [
    ("an unknown key", FLEET, lambda one: one.update(timePicker={}), "dashboard.timePicker"),
    ("a text for a number", FLEET, lambda one: one.update(schemaVersion="41"), "dashboard.schemaVersion"),
    ("true for a number", FLEET, lambda one: one.update(version=True), "dashboard.version"),
    ("a number for true", FLEET, lambda one: one.update(editable=1), "dashboard.editable"),
    ("nothing for a text", FLEET, lambda one: one["time"].update({"from": None}), "dashboard.time.from"),
    ("true for a choice of numbers", FLEET, lambda one: one.update(graphTooltip=True), "dashboard.graphTooltip"),
    ("an unknown choice", FLEET, lambda one: one.update(graphTooltip=3), "dashboard.graphTooltip"),
    ("a list's item", FLEET, lambda one: one["tags"].append(1), "dashboard.tags[1]"),
    ("a mapping for a list", FLEET, lambda one: one.update(links={}), "dashboard.links"),
    (
        "a variable's key",
        HOST,
        lambda one: one["templating"]["list"][0].update(multy=True),
        "dashboard.templating.list[0].multy",
    ),
    (
        "a link's kind",
        HOST,
        lambda one: one["links"][0].update(type="dashboard"),
        "dashboard.links[0].type",
    ),
    (
        "an annotation's query beside its target",
        HOST,
        lambda one: one["annotations"]["list"][0].update(query="SELECT"),
        "dashboard.annotations.list[0].query",
    ),
    (
        "a transformation's option",
        FLEET,
        lambda one: hosts(one)["transformations"][0]["options"].update(field="host"),
        ".transformations[0].options",
    ),
    (
        "an unknown transformation",
        FLEET,
        lambda one: hosts(one)["transformations"][0].update(id="joinByFields"),
        ".transformations[0]",
    ),
    (
        "an override's property",
        FLEET,
        lambda one: hosts(one)["fieldConfig"]["overrides"][0]["properties"].append({"id": "units", "value": "s"}),
        ".fieldConfig.overrides[0].units",
    ),
    (
        "an override's matcher",
        FLEET,
        lambda one: hosts(one)["fieldConfig"]["overrides"][0]["matcher"].update(id="byname"),
        ".fieldConfig.overrides[0].matcher.id",
    ),
    (
        "an alert list's option",
        FLEET,
        lambda one: one["panels"][1]["options"].update(groupBy="host"),
        "dashboard.panels[1].options.groupBy",
    ),
    (
        "an unknown panel",
        FLEET,
        lambda one: one["panels"][0].update(type="tables"),
        "dashboard.panels[0].type",
    ),
    ("a panel's option", HOST, lambda one: first(one)["options"].update(legnd={}), ".options.legnd"),
    (
        "a legend's choice",
        HOST,
        lambda one: first(one)["options"]["legend"].update(displayMode="tabel"),
        ".options.legend.displayMode",
    ),
    (
        "what a plug-in keeps of a field",
        HOST,
        lambda one: first(one)["fieldConfig"]["defaults"]["custom"].update(spanNull=True),
        ".fieldConfig.defaults.custom.spanNull",
    ),
    (
        "a line's width",
        HOST,
        lambda one: first(one)["fieldConfig"]["defaults"]["custom"].update(lineWidth="1"),
        ".fieldConfig.defaults.custom.lineWidth",
    ),
    ("a query's key", HOST, lambda one: first(one)["targets"][0].update(groupby=[]), ".targets[0]"),
    (
        "an unknown function",
        HOST,
        lambda one: first(one)["targets"][0]["select"][0].append({"type": "averge", "params": []}),
        ".targets[0].select[0][",
    ),
    (
        "a rate without its time",
        HOST,
        lambda one: first(one)["targets"][0]["select"][0].append({"type": "derivative", "params": []}),
        ".targets[0].select[0][",
    ),
    (
        "a statement in a structured query",
        HOST,
        lambda one: first(one)["targets"][0].update(query="SELECT 1"),
        ".targets[0]",
    ),
    ("an unknown operator", HOST, lambda one: first(one)["targets"][0]["tags"][0].update(operator="~"), ".operator"),
]


def hosts(built: Any) -> Any:
    """The overview's table."""
    return next(panel for panel in built["panels"] if panel["type"] == "table")


def first(built: Any) -> Any:
    """The first panel that draws lines."""
    return next(panel for panel in built["panels"] if panel["type"] == "timeseries")


@pytest.mark.parametrize(("path", "change", "place"), [one[1:] for one in SLIPS], ids=[one[0] for one in SLIPS])
def test_the_check_refuses(path: str, change: Callable[[Any], None], place: str) -> None:
    built = copy.deepcopy(BUILT[path])

    change(built)

    assert any(place in told for told in schema.problems(built))


def test_the_check_goes_into_folded_rows() -> None:
    built = copy.deepcopy(BUILT[HOST])

    folded = next(panel for panel in built["panels"] if panel["type"] == "row" and panel["collapsed"])
    folded["panels"][0]["titel"] = "?"

    assert any(".panels[0].titel: Panel has no such key" in told for told in schema.problems(built))


def test_the_check_knows_the_keys_as_they_are_written_and_not_as_python_names_them() -> None:
    known = schema.fields(schema.Panel)

    assert {"id", "type", "gridPos", "fieldConfig", "maxDataPoints"} <= set(known)
    assert not {"id_val", "type_val", "grid_pos"} & set(known)

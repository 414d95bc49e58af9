"""Which legend a panel has, by what is known of its series."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aresmon.config.views import Panel, SeriesSpec
from aresmon.render.grafana import legends


def lines(*names: str, by: tuple[str, ...] = (), influxql: str = "", stack: bool = False) -> Panel:
    series = tuple(SeriesSpec("net", "bytes_recv", by=by, influxql=influxql, name=name) for name in names)
    return Panel("Traffic", "timeseries", "bps", "What goes in and out.", series, stack=stack)


LIST = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}


@pytest.mark.parametrize(
    ("panel", "shown"),
    [
        (lines("used"), {"showLegend": False}),
        (lines("in", "out"), LIST),
        (lines(*"abcdef"), LIST),
        (lines(*"abcdefg"), {"displayMode": "table", "placement": "right"}),
        (
            lines("a name of forty characters, or nearly so", "another name that is as long as that one"),
            {"placement": "right"},
        ),
        (lines("{interface}", by=("interface",)), {"displayMode": "table", "placement": "right", "showLegend": True}),
        (lines("all", influxql="SHOW SERIES"), {"placement": "right"}),
    ],
)
def test_a_legend_has_room_for_its_series(panel: Panel, shown: dict[str, Any]) -> None:
    assert legends.legend(panel, several_hosts=False).items() >= shown.items()


def test_a_board_over_all_hosts_has_a_series_for_each() -> None:
    found = legends.legend(lines("points"), several_hosts=True)

    assert (found["placement"], found["sortBy"], found["sortDesc"]) == ("right", "Max", True)


def test_a_narrow_panel_keeps_most_of_its_width_for_the_lines() -> None:
    wide = lines("{interface}", by=("interface",))

    narrow = legends.legend(replace(wide, width=8), several_hosts=False)

    assert narrow["calcs"] == ["max"]
    assert narrow["width"] < legends.legend(wide, several_hosts=False)["width"]


def test_a_formulas_series_are_as_many_as_those_of_its_parts() -> None:
    part = SeriesSpec("disk", "used", by=("path",))
    panel = Panel("Full", "timeseries", "percent", "How full.", (SeriesSpec(formula="used", parts=(("used", part),)),))

    assert legends.legend(panel, several_hosts=False)["placement"] == "right"


def test_a_tip_keeps_the_order_of_a_stack_and_sorts_all_else() -> None:
    assert legends.tooltip(lines("user", "system", stack=True), several_hosts=False)["sort"] == "none"
    assert legends.tooltip(lines("1 minute", "5 minutes"), several_hosts=False)["sort"] == "desc"
    assert legends.tooltip(lines("{name}", by=("name",)), several_hosts=False)["hideZeros"]

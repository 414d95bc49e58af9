"""How a series looks, by its role: on the panel that Grafana gets."""

from __future__ import annotations

from typing import Any

import pytest

from aresmon.config import view_files
from aresmon.config.roles import COLORS, ROLES
from aresmon.config.views import Levels, Panel, SeriesSpec
from aresmon.render.grafana import roles
from aresmon.render.grafana.panels import panel_json
from aresmon.render.grafana.queries import Scope
from aresmon.terminal.text import STYLES
from tests.unit import colors

PARTS = (("a", SeriesSpec("mem", "total")), ("b", SeriesSpec("mem", "available")))


def built(*series: SeriesSpec, names: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    panel = Panel("Memory", "timeseries", "bytes", "What is used of it.", series, **changes)
    return panel_json(panel, "own", Scope("$rp"), names=names)


def looks(*series: SeriesSpec, names: tuple[str, ...] = (), **changes: Any) -> dict[str, dict[str, Any]]:
    """What is overridden, by the letter of the query."""
    overrides = built(*series, names=names, **changes)["fieldConfig"]["overrides"]
    assert {one["matcher"]["id"] for one in overrides} <= {"byFrameRefID"}
    return {one["matcher"]["options"]: {each["id"]: each["value"] for each in one["properties"]} for one in overrides}


def test_the_schema_of_views_knows_the_roles_that_are_drawn() -> None:
    known = view_files.view_schema()["$defs"]["series"]["properties"]["role"]["enum"]

    assert known == list(ROLES)


def test_a_role_is_a_colour_of_its_own() -> None:
    shown = looks(SeriesSpec("cpu", "user", role="used"), SeriesSpec("cpu", "iowait", role="wait"))

    assert shown == {
        "A": {"color": {"mode": "fixed", "fixedColor": "blue"}},
        "B": {"color": {"mode": "fixed", "fixedColor": "semi-dark-orange"}},
    }


def test_what_goes_out_is_drawn_below_the_axis_and_zero_is_in_the_middle() -> None:
    several = (SeriesSpec("net", "in", role="in"), SeriesSpec("net", "out", role="out"))

    assert looks(*several)["B"]["custom.transform"] == "negative-Y"
    custom = built(*several)["fieldConfig"]["defaults"]["custom"]
    assert custom["axisCenteredZero"]
    assert "axisSoftMin" not in custom


def test_interfaces_keep_the_colours_of_their_names_and_what_fails_is_red_on_all() -> None:
    several = (
        SeriesSpec("net", "out", by=("interface",), role="out"),
        SeriesSpec("net", "errors", by=("interface",), role="failed"),
    )

    assert looks(*several) == {
        "A": {"custom.transform": "negative-Y"},
        "B": {"color": {"mode": "fixed", "fixedColor": "semi-dark-red"}},
    }
    assert built(*several)["fieldConfig"]["defaults"]["color"] == {"mode": "palette-classic-by-name"}


def test_hosts_of_a_board_are_told_apart_by_their_names() -> None:
    several = SeriesSpec("mem", "used", role="used")

    assert looks(several, names=("host",)) == {}
    color = built(several, names=("host",))["fieldConfig"]["defaults"]["color"]
    assert color == {"mode": "palette-classic-by-name"}


def test_a_total_is_a_dashed_line_outside_of_the_stack() -> None:
    shown = looks(SeriesSpec("mem", "used", role="used"), SeriesSpec("mem", "total", role="total"), stack=True)["B"]

    assert shown["custom.lineStyle"]["fill"] == "dash"
    assert shown["custom.stacking"] == {"mode": "none", "group": "B"}
    assert (shown["custom.fillOpacity"], shown["custom.lineWidth"]) == (0, 1)


def test_a_formulas_name_and_colour_are_on_the_query_that_is_shown() -> None:
    assert looks(SeriesSpec(formula="a - b", parts=PARTS, name="used", role="used")) == {
        "C": {"displayName": "used", "color": {"mode": "fixed", "fixedColor": "blue"}}
    }


def test_events_are_bars() -> None:
    assert looks(SeriesSpec("kernel", "oom", increase=True))["A"]["custom.drawStyle"] == "bars"


def test_a_series_without_a_role_is_drawn_as_grafana_chooses() -> None:
    assert looks(SeriesSpec("mem", "used")) == {}
    assert built(SeriesSpec("mem", "used"))["fieldConfig"]["defaults"]["color"] == {"mode": "palette-classic"}


def test_an_idle_graph_is_flat_at_the_bottom_and_the_line_of_an_alert_is_dashed() -> None:
    shown = built(SeriesSpec("disk", "queue"), soft_maximum=12, levels=Levels((("warning", 10),)))

    custom = shown["fieldConfig"]["defaults"]["custom"]
    assert custom["axisSoftMax"] == 12
    assert custom["thresholdsStyle"] == {"mode": "dashed"}


@pytest.mark.parametrize("kind", ["gauge", "bargauge"])
def test_a_bar_has_a_colour_where_nothing_is_wrong(kind: str) -> None:
    panel = Panel("Full", kind, "percent", "How full it is now.", (SeriesSpec("disk", "used"),))

    shown = panel_json(panel, "own", Scope("$rp"))

    assert shown["fieldConfig"]["defaults"]["thresholds"]["steps"] == [{"color": "blue", "value": None}]


def test_a_state_that_is_not_there_is_told_by_a_word() -> None:
    panel = Panel("Servers", "state-timeline", "none", "How it is.", (SeriesSpec("haproxy", "status"),))
    panel_with_states = Panel(
        *(panel.title, panel.kind, panel.unit, panel.description, panel.series),
        show=(("UP", "up", "blue"), ("MAINT", "maintenance", "gray")),
    )

    value, nothing = panel_json(panel_with_states, "own", Scope("$rp"))["fieldConfig"]["defaults"]["mappings"]

    assert value["options"]["MAINT"] == {"text": "maintenance", "color": "#6e6e6e", "index": 1}
    assert nothing["options"] == {
        "match": "null",
        "result": {"text": "no data", "color": "transparent", "index": 2},
    }
    assert panel_json(panel, "own", Scope("$rp"))["fieldConfig"]["defaults"]["mappings"] == []


def test_every_role_has_a_colour_whose_shades_are_known() -> None:
    for role in ROLES.values():
        assert colors.is_known(roles.COLORS[role.color])
    assert colors.DARK.keys() == colors.LIGHT.keys()


def test_a_line_of_any_role_is_seen_in_both_themes_but_for_parts_of_a_stack() -> None:
    faint = {name for name, role in ROLES.items() if colors.contrast(roles.COLORS[role.color]) < 3}

    assert faint == {"system", "cached", "guest"}


def test_each_colour_of_a_role_has_a_shade_of_its_own_in_grafana_and_in_a_terminal() -> None:
    for shades in (roles.COLORS, {color: STYLES[color] for color in COLORS}):
        assert list(shades) == list(COLORS)
        assert len(set(shades.values())) == len(COLORS)


@pytest.mark.parametrize(
    ("one", "other", "least"),
    [
        ("blue", "semi-dark-orange", 60),
        ("blue", "semi-dark-red", 50),
        ("semi-dark-orange", "semi-dark-red", 18),
        ("blue", "#8e8e8e", 24),
        ("blue", "#a0459e", 18),
        ("blue", "text", 24),
    ],
)
def test_what_must_not_be_mistaken_is_far_apart_for_the_colour_blind(one: str, other: str, least: float) -> None:
    assert colors.apart(one, other) >= least

"""A host's panels: which there are, what they ask, and the names of their curves."""

from __future__ import annotations

from aresmon.config import view_files
from aresmon.config.views import Panel, SeriesSpec
from aresmon.monitoring import host_panels
from aresmon.monitoring.curves import Window
from tests.unit.conftest import load
from tests.unit.monitoring.databases import series

WINDOW = Window(1000, 1120, 30, "raw")
VIEWS = view_files.load()
CONFIG = load("hosts:\n  biere: {agent: systemd, collect: [system, disk]}\n")


def panel(title: str, *of: SeriesSpec, kind: str = "timeseries") -> Panel:
    return Panel(title, kind, "short", "What it is.", of)


def test_a_hosts_panels_are_those_of_its_collectors_the_main_values_first_and_details_last() -> None:
    listed = host_panels.list_panels(CONFIG, VIEWS, "biere")
    places = [one.panel.place for one in listed]

    assert {one.view.name for one in listed} >= {"system", "disk"}
    assert sorted(places, key=("glance", "first", "open", "main", "detail").index) == places
    known = [one for name in CONFIG.host("biere").collect for one in VIEWS[name].panels]
    assert len(listed) == sum(one.place != "own" for one in known)


def test_a_panel_asks_for_its_host_alone_and_names_its_curves() -> None:
    asked, readings = host_panels.ask(
        "biere", [panel("Free", SeriesSpec("disk", "free", by=("path",), name="{path} free", role="used"))], WINDOW
    )

    (found,) = readings([[series({1000: 4.0, 1060: 6.0}, path="/"), series({1000: 5.0}, path="/srv")]])

    assert "\"host\"::tag = 'biere'" in asked[0]
    assert [(one.name, one.tags, one.role) for one in found.curves] == [
        ("/ free", ("/",), "used"),
        ("/srv free", ("/srv",), "used"),
    ]
    assert found.curves[0].points == (4.0, 4.0, 6.0, None)
    assert (found.curves[0].last, found.curves[0].most) == (6.0, 6.0)


def test_a_table_has_one_value_for_each_set_of_tags_beside_curves_of_other_panels() -> None:
    table = panel("Each", SeriesSpec("docker", "n", by=("name",), name="Restarts"), kind="table")
    asked, readings = host_panels.ask("biere", [panel("Load", SeriesSpec("system", "load1", name="1")), table], WINDOW)

    load_, each = readings([[series({1000: 1.0})], [series({0: 3.0}, name="shop")]])

    assert ["time(30s)" in text for text in asked] == [True, False]
    assert load_.curves[0].points[0] == 1.0
    assert (each.curves[0].name, each.curves[0].tags, each.curves[0].points) == ("Restarts", ("shop",), (3.0,))


def test_states_keep_their_words() -> None:
    states = panel("Servers", SeriesSpec("haproxy", "status", aggregate="last"), kind="state-timeline")
    _, readings = host_panels.ask("biere", [states], WINDOW)

    (found,) = readings([[series({1000: "UP", 1030: "DOWN"})]])

    assert found.words == ("UP", "DOWN")
    assert found.curves[0].points[:2] == (0.0, 1.0)
    assert found.curves[0].name == "status"

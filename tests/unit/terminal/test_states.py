"""States over time: whole names where there is room, and letters whose meaning is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aresmon.config.views import Panel, SeriesSpec
from aresmon.monitoring.curves import Window
from aresmon.monitoring.host_panels import NamedCurve, PanelReading
from aresmon.terminal import panel
from aresmon.terminal.text import ASCII, UNICODE, Glyphs, plain
from tests.unit.terminal.samples import NOW

ADDRESS = "https://wiki.example.org/association/accueil"
ANSWERS = Panel(
    "Answers",
    "state-timeline",
    "none",
    "How each page answered.",
    (SeriesSpec(name="{server}"),),
    show=(("0", "well", "blue"), ("1", "wrong text", "red"), ("3", "no connection", "red")),
)


def reading(*values: float, name: str = ADDRESS) -> PanelReading:
    window = Window.ending(NOW, 60 * len(values), points=len(values))
    return PanelReading(ANSWERS, window, (NamedCurve(name, (name,), values, ""),), ())


def whole(of: PanelReading, columns: int, glyphs: Glyphs = UNICODE) -> list[str]:
    return [plain(line) for line in panel.draw_whole(of, columns, glyphs)]


@pytest.mark.parametrize(("columns", "is_whole"), [(120, True), (80, True), (60, False)])
def test_a_name_is_cut_only_where_the_states_need_its_room(columns: int, is_whole: bool) -> None:
    lines = whole(reading(0, 0, 0), columns)

    assert (ADDRESS in lines[1]) is is_whole
    assert lines[1].endswith(" well")
    assert {len(line) <= columns for line in lines} == {True}


def test_letters_are_of_one_state_each_and_a_heading_says_of_which() -> None:
    lines = whole(reading(0, 1, 3, 0), 80, ASCII)

    assert lines[1] == "w well  r wrong text  n no connection"
    assert lines[2].split()[1].strip("wrn") == ""
    assert [letter in lines[2].split()[1] for letter in "wrn"] == [True] * 3


def test_one_state_needs_no_heading() -> None:
    assert len([line for line in whole(reading(0, 0, 0), 80) if line]) == 2


def test_names_of_bars_and_of_rows_are_whole_where_there_is_room() -> None:
    bars = replace(reading(3.0), panel=replace(ANSWERS, kind="bargauge", show=()))
    rows = replace(reading(3.0), panel=replace(ANSWERS, kind="table", show=()))

    assert ADDRESS in whole(bars, 80)[1]
    assert ADDRESS in whole(rows, 80)[2]
    assert ADDRESS not in whole(bars, 60)[1]

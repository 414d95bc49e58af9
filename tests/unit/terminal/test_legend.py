"""Legends: all names where there is room, and how many are left out where there is none."""

from __future__ import annotations

import pytest

from aresmon.config.views import Panel, SeriesSpec
from aresmon.monitoring.curves import Window
from aresmon.monitoring.host_panels import NamedCurve, PanelReading
from aresmon.terminal import legend
from aresmon.terminal import panel as terminal_panel
from aresmon.terminal.text import UNICODE, Line, plain

WINDOW = Window(0, 601, 60, "raw")


def reading(number: int, *, unit: str = "binBps", name: str = "container-{}") -> PanelReading:
    panel = Panel("Memory", "timeseries", unit, "What each takes.", (SeriesSpec(),))
    curves = tuple(NamedCurve(name.format(one), (str(one),), (1000.0 * 1024 + one,) * 11) for one in range(number))
    return PanelReading(panel, WINDOW, curves)


def texts(lines: list[Line]) -> str:
    return "\n".join(plain(one) for one in lines)


@pytest.mark.parametrize(("number", "columns"), [(3, 80), (8, 80), (8, 40), (27, 80)])
def test_printed_once_every_curve_has_its_name_and_its_value(number: int, columns: int) -> None:
    shown = texts(terminal_panel.draw_whole(reading(number), columns, UNICODE))

    assert "more" not in shown
    assert all(f"container-{one} 1000 KiB/s" in shown for one in range(number))
    assert ("not drawn:" in shown) == (number > legend.MOST_CURVES)
    assert max(map(len, shown.splitlines())) <= columns


def test_a_legend_takes_the_rows_that_its_graph_can_spare() -> None:
    shown = terminal_panel.draw(reading(8), 80, 10, UNICODE)
    small = terminal_panel.draw(reading(8), 80, 6, UNICODE)

    assert "more" not in texts(shown)
    assert plain(small[-1]).endswith("  +4 more")
    assert len(small) == 6


@pytest.mark.parametrize(("number", "rows"), [(1, 1), (4, 1), (12, 1), (12, 2), (30, 3)])
def test_names_and_those_left_out_are_all(number: int, rows: int) -> None:
    lines = legend.short_legend(reading(number), 60, rows, UNICODE)
    shown = texts(lines)
    more = int(shown.rpartition("+")[2].split()[0]) if "more" in shown else 0

    assert len(lines) <= rows
    assert shown.count("container-") + more == number


def test_a_name_that_is_wider_than_the_terminal_is_cut_and_its_value_is_not() -> None:
    shown = texts(
        terminal_panel.draw_whole(reading(2, name="a-name-that-is-longer-than-{}-wide-lines-are"), 40, UNICODE)
    )

    assert shown.count("… 1000 KiB/s") == 2


@pytest.mark.parametrize(
    ("columns", "titles"), [(80, ["last", "mean", "max"]), (46, ["last", "mean", "max"]), (40, ["last", "max"])]
)
def test_the_table_of_curves_has_the_values_that_fit(columns: int, titles: list[str]) -> None:
    lines = legend.table(reading(5), columns, 4, UNICODE)

    assert plain(lines[0]).split() == titles
    assert [plain(one).count("1000 KiB/s") for one in lines[1:]] == [len(titles), len(titles), 0]
    assert plain(lines[-1]) == "+3 more"
    assert max(len(plain(one)) for one in lines) <= columns

"""Sparklines, bars and graphs: scales, gaps, curves below zero, letters without colours."""

from __future__ import annotations

import pytest

from aresmon.config.values import format_value
from aresmon.monitoring.curves import Window
from aresmon.terminal import graph
from aresmon.terminal.graph import Drawn, Plot, Scale, scale_of
from aresmon.terminal.text import ASCII, UNICODE, Glyphs, clean, fit, line, plain, spread, wrapped

WINDOW = Window(0, 601, 60, "raw")
MONO = UNICODE.with_letters()


def rows(plot: Plot, columns: int, high: int, glyphs: Glyphs = UNICODE) -> list[str]:
    drawn = [plain(one) for one in plot.draw(columns, high, glyphs)][:-1]
    return [one.partition(glyphs.axis)[2] for one in drawn]


def plot(*curves: Drawn, stacked: bool = False, scale: Scale | None = None) -> Plot:
    found = scale or scale_of([one.shown for one in curves], minimum=None, maximum=None, stacked=stacked)
    return Plot(curves, found, WINDOW, "short", stacked=stacked)


def test_a_sparkline_shows_the_greatest_of_what_shares_a_column_and_blanks_for_gaps() -> None:
    points = [0, 0, 50, 100, None, None, 100, None]

    assert graph.sparkline(points, 4, Scale(0, 100), UNICODE) == "▁█ █"
    assert graph.sparkline(points, 4, Scale(0, 100), ASCII) == ".@ @"
    assert graph.sparkline([], 3, Scale(0, 1), UNICODE) == "   "


@pytest.mark.parametrize(("value", "shown"), [(0, "░░░░"), (50, "██░░"), (100, "████"), (130, "████"), (None, "░░░░")])
def test_a_bar_is_as_long_as_its_value(value: float | None, shown: str) -> None:
    assert graph.bar(value, 4, Scale(0, 100), UNICODE) == shown


@pytest.mark.parametrize(
    ("curves", "expected"),
    [
        ([[1, 37]], (0, 40)),
        ([[0, 0]], (0, 1)),
        ([[None]], (0, 1)),
        ([[-3, 7]], (-3, 8)),
        ([[5, float("inf")]], (0, 5)),
    ],
)
def test_a_scale_has_zero_and_ends_with_a_round_number(
    curves: list[list[float | None]], expected: tuple[float, float]
) -> None:
    scale = scale_of(curves, minimum=None, maximum=None)

    assert (scale.low, scale.high) == pytest.approx(expected)


def test_the_scale_of_a_stack_is_that_of_its_sum() -> None:
    assert scale_of([[10, 20], [30, None]], minimum=0, maximum=None, stacked=True).high == 40
    assert scale_of([[0.1]], minimum=0, maximum=None, least=1).high == 1


def test_a_line_has_no_dots_over_a_gap() -> None:
    shown = rows(plot(Drawn([1, None, None, 1], "curve-0")), 15, 3)

    assert len(shown) == 2
    assert shown[0].replace(" ", "") != ""
    assert " " in shown[0].strip()


def mirrored(unit: str, value: float, high: int) -> list[str]:
    curves = (Drawn([value, value], "blue"), Drawn([value, value], "blue", is_below=True))
    of = Plot(curves, Scale(-value, value), WINDOW, unit, sides=("in", "out"))
    return [plain(one).partition("│")[0].strip() for one in of.draw(60, high, UNICODE)][:-1]


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        (3, ["10 b/s", "-10 b/s"]),
        (5, ["10 b/s", "in", "out", "10 b/s"]),
        (6, ["10 b/s", "in", "0 b/s", "out", "10 b/s"]),
        (9, ["10 b/s", "in", "", "0 b/s", "", "", "out", "10 b/s"]),
    ],
)
def test_what_is_drawn_below_zero_is_told_by_a_word_or_by_a_sign(rows: int, labels: list[str]) -> None:
    assert mirrored("bps", 10, rows) == labels


@pytest.mark.parametrize(("unit", "value"), [("binBps", 1000 * 1024), ("binBps", 99.9 * 2**20), ("mWh at night", 9.51)])
def test_no_unit_of_an_axis_is_cut(unit: str, value: float) -> None:
    labels = mirrored(unit, value, 6)

    assert labels[0] == labels[-1] == format_value(value, unit)
    assert {sum(len(span.text) for span in one) for one in plot(Drawn([value], "blue")).draw(40, 6, UNICODE)} == {40}


def test_a_value_below_zero_has_its_sign() -> None:
    cold = Plot([Drawn([-3, 2], "blue")], Scale(-3, 2), WINDOW, "celsius")

    assert [plain(one).partition("│")[0].strip() for one in cold.draw(60, 6, UNICODE)][:-1] == [
        *("2 °C", "", "-0.50 °C", "", "-3 °C")
    ]


def test_without_colours_each_curve_has_a_letter() -> None:
    two = plot(Drawn([1, 1], "curve-0"), Drawn([9, 9], "curve-1"))
    one = plot(Drawn([9, 9], "curve-0"))

    assert set("".join(rows(two, 16, 5, MONO))) == {"a", "b"}
    assert set("".join(rows(two, 16, 5, ASCII))) == {"a", "b"}
    assert set("".join(rows(one, 16, 5, ASCII))) <= {"*", " "}


def test_a_stack_fills_what_each_part_takes() -> None:
    stack = plot(Drawn([2, 2], "curve-0"), Drawn([2, 2], "curve-1"), stacked=True)

    assert [set(row) for row in rows(stack, 16, 5, MONO)] == [{"b"}, {"b"}, {"a"}, {"a"}]


def test_a_graph_is_as_large_as_it_should_be_and_tells_the_times() -> None:
    lines = plot(Drawn([1, 2], "curve-0")).draw(60, 6, UNICODE)

    assert len(lines) == 6
    assert {sum(len(span.text) for span in one) for one in lines} == {60}
    assert plain(lines[-1]).count(":") == 3


# Texts -------------------------------------------------------------------------------------------------


def test_a_text_is_cut_with_an_ellipsis_and_never_controls_the_terminal() -> None:
    assert fit("container", 6) == "conta…"
    assert fit("web", 6) == "web   "
    assert fit("web", 6, right=True) == "   web"
    assert fit("x", 0) == ""
    assert clean("a\x1b[2Jb\n") == "a?[2Jb?"


def test_two_parts_stand_at_both_ends_and_the_left_one_alone_without_room() -> None:
    assert plain(spread(line("left"), line("right"), 12)) == "left   right"
    assert plain(spread(line("left"), line("right"), 8)) == "left"


def test_a_text_is_wrapped_at_its_words_and_a_word_that_is_too_long_goes_on() -> None:
    assert wrapped("What  stands\nhere is long", 12, indent=2) == ["  What", "  stands", "  here is", "  long"]
    assert wrapped("/srv/monitoring", 6) == ["/srv/m", "onitor", "ing"]
    assert wrapped("", 6) == []

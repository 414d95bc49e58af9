"""Sparklines, bars and graphs: scales, gaps, curves below zero, letters without colours."""

from __future__ import annotations

import pytest

from aresmon.monitoring.curves import Window
from aresmon.terminal import graph
from aresmon.terminal.graph import Drawn, Plot, Scale, scale_of
from aresmon.terminal.text import ASCII, UNICODE, clean, fit, line, plain, spread

WINDOW = Window(0, 601, 60, "raw")
MONO = UNICODE.with_letters()


def rows(plot: Plot, columns: int, high: int, glyphs: object = UNICODE) -> list[str]:
    return [plain(one)[11:] for one in plot.draw(columns, high, glyphs)][:-1]  # type: ignore[arg-type]


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


def test_a_curve_below_zero_is_drawn_below_it_and_its_labels_have_no_sign() -> None:
    drawn = plot(Drawn([10, 10], "main"), Drawn([10, 10], "main", is_below=True))
    lines = [plain(one) for one in drawn.draw(20, 7, UNICODE)]

    assert "-" not in "".join(lines)
    assert lines[0].split()[0] == lines[5].split()[0] == "10"


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

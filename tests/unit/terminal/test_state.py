"""What each key does to what is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aresmon.terminal.state import SPANS, ScreenState, Shown, press

HOSTS = tuple(f"h{number}" for number in range(20))
FLEET = Shown(HOSTS, rows=20, fit=5, columns=6)
PANELS = Shown((), rows=7, fit=4, across=2)
START = ScreenState()
HOST = ScreenState(page="host", host="h1", span=1, under=(START,))


def after(state: ScreenState, keys: list[str], shown: Shown = FLEET) -> ScreenState:
    for key in keys:
        state = press(state, key, shown)
    return state


@pytest.mark.parametrize(
    ("keys", "row"),
    [
        (["down", "j"], 2),
        (["down", "down", "up"], 1),
        (["up"], 0),
        (["pagedown"], 5),
        (["pagedown", "pageup"], 0),
        (["end"], 19),
        (["G", "g"], 0),
        (["end", "down"], 19),
        (["x", "é"], 0),
    ],
)
def test_the_cursor_moves_and_stays_within_the_lines(keys: list[str], row: int) -> None:
    state = after(START, keys)

    assert state.row == row
    assert state.first <= state.row < state.first + FLEET.fit


def test_enter_opens_the_chosen_host_and_escape_comes_back_to_it() -> None:
    opened = after(START, ["down", "down", "enter"])
    back = after(opened, ["escape"], PANELS)

    assert (opened.page, opened.host) == ("host", "h2")
    assert opened.seconds == 3600, "a host's panels show an hour at first"
    assert (back.page, back.row, back.under) == ("fleet", 2, ())


def test_enter_enlarges_a_panel_and_escape_comes_back_to_the_one_seen_last() -> None:
    enlarged = after(HOST, ["right", "down", "enter"], PANELS)
    other = after(enlarged, ["down", "down"], Shown(rows=7))
    back = after(other, ["escape"], Shown(rows=7))

    assert (enlarged.page, enlarged.panel) == ("panel", 3)
    assert (other.panel, back.page, back.row) == (5, "host", 5)
    assert after(back, ["escape"], PANELS) == START


def test_the_range_chosen_in_a_panel_holds_for_its_host() -> None:
    back = after(after(HOST, ["enter"], PANELS), ["5", ",", "escape"], Shown(rows=7))

    assert SPANS[back.span][1] == "24 h"
    assert back.offset == 12 * 3600


def test_ranges_get_shorter_and_longer_and_end() -> None:
    assert after(HOST, ["-"]).seconds == 6 * 3600
    assert after(HOST, ["+", "+", "+"]).seconds == 900
    assert after(HOST, ["-"] * 20).seconds == SPANS[-1][0]
    assert [after(HOST, [str(number + 1)]).seconds for number in range(len(SPANS))] == [one for one, _ in SPANS]


def test_time_goes_back_and_forth_but_not_into_the_future() -> None:
    assert after(HOST, [",", ","]).offset == 3600
    assert after(HOST, [",", ".", "."]).offset == 0
    assert after(HOST, [",", ",", "n"]).offset == 0
    assert after(HOST, [",", "-"]).offset == 0, "another range ends now"
    assert after(START, [","]).offset == 0, "the fleet is about now"


def test_the_panels_of_a_wide_screen_are_walked_in_both_directions() -> None:
    assert after(HOST, ["right"], PANELS).row == 1
    assert after(HOST, ["down"], PANELS).row == 2
    scrolled = after(HOST, ["down", "down", "down"], PANELS)
    assert (scrolled.row, scrolled.first) == (6, 2), "lines of panels stay whole"
    assert after(HOST, ["left"], replace(PANELS, across=1)).offset == 1800


def test_the_fleets_columns_and_its_order_are_chosen() -> None:
    assert after(START, ["right", "right", "left"]).column == 1
    assert after(START, ["left"]).column == 0
    assert after(START, ["right"] * 20).column == 5
    assert [after(START, ["s"] * number).sort for number in range(4)] == ["worst", "name", "value", "worst"]


def test_a_filter_is_typed_kept_and_ended() -> None:
    typing = after(START, ["down", "/", "q", "x", "backspace"])
    kept = after(typing, ["enter"])

    assert (typing.filter, typing.typing, typing.row, typing.is_over) == ("q", True, 0, False)
    assert (kept.filter, kept.typing) == ("q", False)
    assert after(kept, ["escape"]).filter == ""
    assert after(typing, ["escape"]).filter == ""


def test_alerts_and_help_are_pages_to_come_back_from() -> None:
    alerts = after(HOST, ["a"], PANELS)

    assert alerts.page == "alerts"
    assert after(alerts, ["a"]) == alerts
    assert after(alerts, ["down", "enter"], Shown(("h3", "h4"), rows=2)).host == "h4"
    assert after(alerts, ["?", "escape", "escape"], PANELS) == HOST
    assert after(alerts, ["enter"], Shown(("",), rows=1)) == alerts, "an alert of no host opens none"


def test_details_are_shown_and_hidden() -> None:
    assert after(HOST, ["d"], PANELS).details
    assert not after(HOST, ["d", "d"], PANELS).details
    assert not after(START, ["d"]).details


@pytest.mark.parametrize("page", ["fleet", "host", "panel", "alerts", "help"])
def test_q_leaves_from_everywhere(page: str) -> None:
    assert after(ScreenState(page=page), ["q"]).is_over  # type: ignore[arg-type]

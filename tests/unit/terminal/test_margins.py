"""What stands above and below each page, in every size: whole keys, whole messages, and counts by their weight."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import get_args

import pytest

from aresmon.terminal import margins, pages
from aresmon.terminal.pages import SMALLEST, Size
from aresmon.terminal.state import Page, ScreenState, Shown, press
from aresmon.terminal.text import UNICODE, plain
from tests.unit.terminal import samples

SIZES = [Size(40, 10), Size(50, 12), Size(80, 24), Size(120, 40)]
PAGES = get_args(Page)
PROBLEM = "InfluxDB does not answer on /srv/monitoring/ares/.aresmon/sockets/influxdb.sock"
HINT = "`aresmon status` shows whether it is running; `aresmon up` starts it, on biere"
KEYS = {
    *("Enter open", "Enter enlarge", "Enter host", "Esc back", "+- range", "s sort", "/ filter", "a alerts"),
    *(",. time", "d details", "up down other panel", "up down more", "? help", "q quit"),
}


def screen(page: Page, size: Size, **changes: object) -> tuple[list[str], Shown]:
    view = ScreenState(page=page, host="biere", span=1)
    data = replace(samples.snapshot(host="biere"), **changes)  # type: ignore[arg-type]
    lines, shown = pages.frame(view, data, size, UNICODE, site="ares")
    assert {sum(len(span.text) for span in one) for one in lines} == {size.columns}
    assert len(lines) == size.rows
    return [plain(one) for one in lines], shown


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("page", PAGES)
def test_no_key_is_cut_and_how_to_leave_is_always_told(page: Page, size: Size) -> None:
    keys = screen(page, size)[0][-1].split("  ")

    assert set(keys) <= KEYS
    assert keys[-1] == "q quit"
    assert ("? help" if page != "help" else "Esc back") in keys


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("has_read", [True, False])
def test_why_nothing_new_arrives_is_told_whole(page: Page, size: Size, has_read: bool) -> None:
    changes = {} if has_read else {"fleet": None, "alerts": None, "readings": ()}

    lines, _ = screen(page, size, problem=PROBLEM, hint=HINT, **changes)

    told = "".join(lines[1:-1]).replace(" ", "")
    assert PROBLEM.replace(" ", "") in told
    assert f"next:{HINT.replace(' ', '')}" in told


def test_rules_that_are_not_known_are_all_named() -> None:
    unknown = tuple(f"own-rule-{number}" for number in range(4))

    assert ", ".join(unknown) in " ".join(screen("fleet", Size(40, 10), unknown=unknown)[0])


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_key_of_the_help_can_be_read(size: Size) -> None:
    view, told = ScreenState(page="help"), ""
    for _ in range(60):
        lines, shown = pages.frame(view, samples.snapshot(), size, UNICODE, site="ares")
        told += " ".join(plain(one) for one in lines[1:-1])
        view = press(view, "down", shown)

    words = " ".join(told.split())
    assert all(" ".join(names.split()) in words for names, _ in pages.HELP)
    assert all(word in words for _, text in pages.HELP for word in text.split())


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (80, "ares 3 hosts, 1 silent, 1 critical, 1 warning last 15 min TIME"),
        (60, "ares 3 hosts, 1 silent, 1 critical, 1 warning last 15 min"),
        (46, "ares 3 hosts, 1 silent, 1 critical, 1 warning"),
        (40, "ares 3 hosts, 1 silent, 1 critical"),
        (20, "ares 1 critical"),
    ],
)
def test_the_title_leaves_out_what_counts_least(columns: int, shown: str) -> None:
    title = plain(margins.title(ScreenState(), samples.snapshot(), columns, site="ares"))

    assert re.sub(r"\d\d:\d\d:\d\d", "TIME", " ".join(title.split())) == shown


@pytest.mark.parametrize(
    ("page", "site", "shown"),
    [
        ("host", "ares", "ares / biere 1 critical last 1 h"),
        ("host", "the-association-of-students", "biere 1 silent, 1 critical last 1 h"),
        ("panel", "association-of-students", "association-of-students / biere last 1 h"),
        ("fleet", "the-association-of-students", "the-association-of-students 1 critical"),
        ("fleet", "the-association-of-all-students", "the-association-of-all-students last 1 h"),
    ],
)
def test_a_long_name_of_a_site_leaves_room_for_what_counts_more(page: Page, site: str, shown: str) -> None:
    view = ScreenState(page=page, host="biere", span=1)

    title = plain(margins.title(view, samples.snapshot(), 40, site=site))

    assert " ".join(title.split()) == shown
    assert len(title) <= 40


@pytest.mark.parametrize("size", [Size(20, 3), Size(39, 24), Size(80, 9), Size(1, 1)], ids=str)
def test_a_terminal_that_is_too_small_is_told_what_is_needed(size: Size) -> None:
    lines, shown = screen("fleet", size)

    if size.columns >= 20:
        assert "This terminal has" in lines[0]
    if size.columns * size.rows > 200:
        assert f"at least {SMALLEST.columns} and {SMALLEST.rows}" in " ".join(lines)
    assert press(ScreenState(), "q", shown).is_over


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_an_open_host_has_a_graph_in_every_size_and_its_alerts_are_counted(size: Size) -> None:
    alerts = tuple(replace(one, host="biere") for one in samples.ALERTS)

    lines, _ = screen("host", size, alerts=alerts)

    assert any("└" in one for one in lines)
    assert "3 alerts" in lines[1] or any(one.startswith("critical ") or "and 2 more" in one for one in lines[2:])

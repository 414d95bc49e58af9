"""The screens of `aresmon top`, in two sizes, with and without colours, in ASCII. Golden: only eyes judge them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from aresmon.terminal import once, pages
from aresmon.terminal.feed import Snapshot, Wanted
from aresmon.terminal.pages import Size
from aresmon.terminal.screen import as_text
from aresmon.terminal.state import ScreenState
from aresmon.terminal.text import ASCII, UNICODE, Glyphs, Line, plain
from tests.golden.conftest import Compare
from tests.unit.terminal import samples

SMALL, LARGE = Size(80, 24), Size(120, 40)
MONO = UNICODE.with_letters()
FLEET = ScreenState(row=1)
HOST = ScreenState(page="host", host="biere", span=1)
BROKEN = replace(samples.snapshot(), problem="InfluxDB does not answer", hint="`aresmon up` starts it")
DOWN = Snapshot(
    Wanted(samples.SPAN),
    0.0,
    problem="InfluxDB does not answer on /srv/monitoring/ares/.aresmon/sockets/influxdb.sock",
    hint="`aresmon status` shows whether it is running; `aresmon up` starts it",
)
TINY, NARROW = Size(40, 10), Size(50, 12)

SCREENS: dict[str, tuple[ScreenState, Snapshot, Size, Glyphs]] = {
    "fleet-80x24": (FLEET, samples.snapshot(), SMALL, UNICODE),
    "fleet-120x40": (FLEET, samples.snapshot(hosts=30), LARGE, UNICODE),
    "fleet-60x12": (replace(FLEET, row=20), samples.snapshot(hosts=30), Size(60, 12), UNICODE),
    "fleet-ascii": (FLEET, samples.snapshot(), SMALL, ASCII),
    "fleet-filter": (ScreenState(typing=True, filter="host-1"), samples.snapshot(hosts=30), SMALL, UNICODE),
    "fleet-broken": (FLEET, BROKEN, SMALL, UNICODE),
    "host-80x24": (HOST, samples.snapshot(host="biere"), SMALL, UNICODE),
    "host-80x24-without-colours": (HOST, samples.snapshot(host="biere"), SMALL, MONO),
    "host-120x40": (replace(HOST, row=3), samples.snapshot(host="biere"), LARGE, UNICODE),
    "host-120x40-below": (replace(HOST, row=6), samples.snapshot(host="biere"), LARGE, UNICODE),
    "panel-80x24": (replace(HOST, page="panel", panel=3), samples.snapshot(host="biere"), SMALL, UNICODE),
    "panel-ascii": (replace(HOST, page="panel", panel=0), samples.snapshot(host="biere"), SMALL, ASCII),
    "alerts-80x24": (ScreenState(page="alerts"), samples.snapshot(), SMALL, UNICODE),
    "help-80x24": (ScreenState(page="help"), samples.snapshot(), SMALL, UNICODE),
    "help-40x10-below": (ScreenState(page="help", row=8), samples.snapshot(), TINY, UNICODE),
    "down-80x24": (ScreenState(), DOWN, SMALL, UNICODE),
    "broken-40x10": (FLEET, replace(DOWN, at=samples.NOW, fleet=BROKEN.fleet), TINY, UNICODE),
    "too-small-30x5": (FLEET, samples.snapshot(), Size(30, 5), UNICODE),
    **{
        f"{name}-{size.columns}x{size.rows}": (view, data, size, UNICODE)
        for size in (TINY, NARROW)
        for name, view, data in (
            ("fleet", FLEET, samples.snapshot(hosts=30)),
            ("host", HOST, samples.snapshot(host="biere")),
            ("panel", replace(HOST, page="panel", panel=3), samples.snapshot(host="biere")),
            ("alerts", ScreenState(page="alerts"), samples.snapshot()),
            ("help", ScreenState(page="help"), samples.snapshot()),
            ("down", ScreenState(), DOWN),
        )
    },
}
COLOURED = ("fleet-80x24", "host-80x24", "alerts-80x24")
ONCE = {
    "once-fleet": (ScreenState(), samples.snapshot(), 80),
    "once-host": (HOST, samples.snapshot(host="biere"), 80),
    "once-host-40": (HOST, samples.snapshot(host="biere"), 40),
    "once-fleet-40": (ScreenState(), samples.snapshot(), 40),
}


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The screens show local times."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def drawn(name: str) -> list[Line]:
    state, data, size, glyphs = SCREENS[name]
    return pages.frame(state, data, size, glyphs, site="ares")[0]


def plainly(lines: list[Line]) -> bytes:
    return "".join(f"{plain(one)}\n" for one in lines).encode()


def in_colours(lines: list[Line], columns: int) -> bytes:
    """As a terminal of sixteen colours gets it."""
    console = Console(force_terminal=True, color_system="standard", width=columns, highlight=False, no_color=False)
    with console.capture() as captured:
        for one in lines:
            console.print(as_text(one), no_wrap=True, overflow="crop")
    return captured.get().encode()


def test_the_screens_are_their_golden_ones(compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    made = {f"{name}.txt": plainly(drawn(name)) for name in SCREENS}
    made |= {f"{name}.ansi": in_colours(drawn(name), SCREENS[name][2].columns) for name in COLOURED}
    for name, (state, data, columns) in ONCE.items():
        made[f"{name}.txt"] = plainly(once.lines(state, data, columns, UNICODE, site="ares"))

    compare(Path(__file__).with_name("terminal"), made)


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_fills_its_terminal_and_no_more(name: str) -> None:
    size = SCREENS[name][2]
    lines = drawn(name)

    assert len(lines) == size.rows
    assert {sum(len(span.text) for span in one) for one in lines} == {size.columns}


@pytest.mark.parametrize("name", [name for name, screen in SCREENS.items() if screen[3] is ASCII])
def test_ascii_is_ascii(name: str) -> None:
    assert plainly(drawn(name)).isascii()


@pytest.mark.parametrize("size", [Size(20, 3), Size(1, 1), Size(40, 8), Size(300, 100)], ids=str)
@pytest.mark.parametrize("page", ["fleet", "host", "panel", "alerts", "help"])
def test_no_size_is_refused(size: Size, page: str) -> None:
    state = ScreenState(page=page, host="biere", span=1)  # type: ignore[arg-type]

    lines, _ = pages.frame(state, samples.snapshot(host="biere"), size, UNICODE, site="ares")

    assert len(lines) == size.rows

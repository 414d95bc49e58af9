"""The live screen in a terminal of its own: keys, sizes, a database that goes and comes, and what it leaves behind."""

from __future__ import annotations

import re
import signal
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.terminal import Terminal


@pytest.fixture
def away(tmp_path: Path) -> Path:
    return tmp_path / "away"


@pytest.fixture
def terminal(away: Path) -> Iterator[Terminal]:
    opened = Terminal([sys.executable, "-m", "tests.unit.terminal.play", str(away)])
    yield opened
    opened.close()


def test_keys_open_a_host_and_a_panel_and_come_back(terminal: Terminal) -> None:
    terminal.wait_for("biere    ok")
    terminal.press("\r")
    terminal.wait_for("CPU usage")
    terminal.press("\r")
    assert "Arès / biere" in terminal.wait_for("mean        max")
    terminal.press("\x1b")
    terminal.wait_for("d details")
    terminal.press("\x1b")
    terminal.wait_for("s sort")
    terminal.press("a")
    terminal.wait_for("No alert fires.")
    terminal.press("?")
    terminal.wait_for("Ctrl-C")
    terminal.press("q")

    assert terminal.end() == 0


def test_keys_that_arrive_together_act_one_after_the_other(terminal: Terminal) -> None:
    """Over a slow connection, several arrive at once: Enter opens what the filter before it has left."""
    terminal.wait_for("biere    ok")
    terminal.press("/lewi\r\r")
    terminal.wait_for("Arès / lewi")
    terminal.press("q")

    assert terminal.end() == 0


def test_the_terminal_is_as_it_was_afterwards(terminal: Terminal) -> None:
    terminal.wait_for("biere    ok")
    assert termios.tcgetattr(terminal.inner)[3] & termios.ECHO == 0
    terminal.press("q")

    assert terminal.end() == 0
    assert termios.tcgetattr(terminal.inner) == terminal.before
    assert terminal.output.endswith("\x1b[?25h\x1b[?1049l")


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_as_it_was_after_a_signal(terminal: Terminal, kind: int) -> None:
    terminal.wait_for("biere    ok")
    terminal.process.send_signal(kind)

    assert terminal.end() != 0
    assert termios.tcgetattr(terminal.inner) == terminal.before


def test_a_stop_leaves_the_screen_and_going_on_comes_back_to_it(terminal: Terminal) -> None:
    terminal.wait_for("biere    ok")
    # Without a shell that could continue it, it goes on at once.
    terminal.process.send_signal(signal.SIGTSTP)
    terminal.wait_until(lambda: "\x1b[?1049l\x1b[?1049h" in terminal.output.replace("\x1b[?25h", ""))
    terminal.wait_for("biere    ok")
    terminal.press("?")
    terminal.wait_for("Ctrl-C")
    terminal.press("q")

    assert terminal.end() == 0


@pytest.mark.parametrize("exported", [{}, {"COLUMNS": "80", "LINES": "24"}], ids=["", "COLUMNS"])
def test_another_size_is_drawn_at_once(away: Path, exported: dict[str, str]) -> None:
    terminal = Terminal([sys.executable, "-m", "tests.unit.terminal.play", str(away)], env=exported)
    terminal.wait_for("biere    ok")
    terminal.resize(40, 10)
    terminal.process.send_signal(signal.SIGWINCH)

    terminal.wait_until(lambda: [len(one) for one in terminal.screen.splitlines()] == [40] * 10)
    terminal.close()


def test_it_stays_while_the_database_is_away_and_goes_on_when_it_is_back(terminal: Terminal, away: Path) -> None:
    terminal.wait_for("biere    ok")
    away.touch()
    terminal.press("5")
    assert "biere    ok" in terminal.wait_for("InfluxDB does not answer; next: `aresmon up`")
    away.unlink()
    terminal.press("1")
    terminal.wait_for("last 15 min")
    terminal.wait_until(lambda: "does not answer" not in terminal.screen)


def test_it_begins_without_a_database_too(away: Path) -> None:
    away.touch()
    terminal = Terminal([sys.executable, "-m", "tests.unit.terminal.play", str(away)])
    terminal.wait_for("InfluxDB does not answer")
    away.unlink()
    terminal.press("2")
    terminal.wait_for("biere    ok")
    terminal.press("q")

    assert terminal.end() == 0
    terminal.close()


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "", "LC_CTYPE": "", "LANG": "C"}], ids=str)
def test_in_the_c_locale_every_page_is_ascii(away: Path, locale: dict[str, str]) -> None:
    terminal = Terminal([sys.executable, "-m", "tests.unit.terminal.play", str(away)], env=locale)
    terminal.wait_for("biere    ok")
    assert "Ares  2 hosts" in terminal.screen, "the site is called Arès"
    terminal.press("\r")
    terminal.wait_for("CPU usage")
    terminal.wait_for("|")
    terminal.press("\r")
    terminal.wait_for("mean        max")
    terminal.press("a")
    terminal.wait_for("No alert fires.")
    away.touch()
    terminal.press("\x1b\x1b5")
    terminal.wait_for("does not answer")
    terminal.press("q")

    assert terminal.end() == 0
    terminal.close()
    assert terminal.output.isascii()


def test_in_another_locale_a_page_has_its_own_characters(away: Path) -> None:
    terminal = Terminal([sys.executable, "-m", "tests.unit.terminal.play", str(away)], env={"LC_ALL": "C.UTF-8"})
    terminal.wait_for("biere    ok")
    terminal.wait_for("Arès")
    terminal.press("q")

    assert terminal.end() == 0
    terminal.close()


def test_without_colours_there_are_none(away: Path) -> None:
    terminal = Terminal([sys.executable, "-m", "tests.unit.terminal.play", str(away)], env={"NO_COLOR": "1"})
    terminal.wait_for("biere    ok")
    terminal.press("q")

    assert terminal.end() == 0
    terminal.close()
    codes = {code for found in re.findall(r"\x1b\[([0-9;]*)m", terminal.output) for code in found.split(";")}
    assert codes <= {"", "0", "1", "2", "7"}

"""The live screen in a terminal of its own: keys, sizes, a database that goes and comes, and what it leaves behind."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.conftest import REPOSITORY

_PATIENCE = 15.0


class Terminal:
    """A terminal, and the program in it."""

    def __init__(self, argv: list[str], *, columns: int = 80, rows: int = 24, **environment: str) -> None:
        self.fd, inner = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(inner)
        variables = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(REPOSITORY), **environment}
        self.process = subprocess.Popen(
            argv, stdin=inner, stdout=inner, stderr=inner, env=variables, start_new_session=True, cwd=REPOSITORY
        )
        self.inner, self.output = inner, ""

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def screen(self) -> str:
        """What was drawn last, as text."""
        last = self.output.rpartition("\x1b[H")[2]
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", last).replace("\r", "")

    def press(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def wait_for(self, text: str) -> str:
        """Read until the screen has this text."""
        end = time.monotonic() + _PATIENCE
        while text not in self.screen:
            assert time.monotonic() < end, f"no '{text}' in:\n{self.output[-3000:]}"
            self._read()
        return self.screen

    def end(self) -> int:
        """Wait for the program's end. Its exit code."""
        end = time.monotonic() + _PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < end, self.output[-3000:]
            self._read()
        self._read()
        return self.process.returncode

    def _read(self) -> None:
        ready, _, _ = select.select([self.fd], [], [], 0.1)
        if ready:
            self.output += os.read(self.fd, 1 << 16).decode(errors="replace")


@pytest.fixture
def away(tmp_path: Path) -> Path:
    return tmp_path / "away"


@pytest.fixture
def terminal(away: Path) -> Iterator[Terminal]:
    opened = Terminal([sys.executable, "-m", "tests.unit.terminal.play", str(away)])
    yield opened
    opened.process.kill()
    opened.process.wait()
    os.close(opened.fd)
    os.close(opened.inner)


def test_keys_open_a_host_and_a_panel_and_come_back(terminal: Terminal) -> None:
    terminal.wait_for("biere    ok")
    terminal.press("\r")
    terminal.wait_for("CPU usage")
    terminal.press("\r")
    assert "ares / biere" in terminal.wait_for("mean        max")
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
    terminal.process.send_signal(signal.SIGTSTP)
    end = time.monotonic() + _PATIENCE
    while not terminal.output.endswith("\x1b[?1049l"):
        assert time.monotonic() < end
        terminal._read()
    assert termios.tcgetattr(terminal.inner)[3] & termios.ECHO
    terminal.process.send_signal(signal.SIGCONT)
    terminal.press("?")
    terminal.wait_for("Ctrl-C")
    terminal.press("q")

    assert terminal.end() == 0


def test_another_size_is_drawn_at_once(terminal: Terminal) -> None:
    terminal.wait_for("biere    ok")
    terminal.resize(40, 10)
    terminal.process.send_signal(signal.SIGWINCH)
    end = time.monotonic() + _PATIENCE
    while max(map(len, terminal.screen.splitlines() or [" " * 80])) > 40 or not terminal.screen.strip():
        assert time.monotonic() < end, terminal.screen
        terminal._read()

    assert len(terminal.screen.splitlines()) == 10


def test_it_stays_while_the_database_is_away_and_goes_on_when_it_is_back(terminal: Terminal, away: Path) -> None:
    terminal.wait_for("biere    ok")
    away.touch()
    terminal.press("5")
    assert "biere    ok" in terminal.wait_for("InfluxDB does not answer; next: `aresmon up`")
    away.unlink()
    terminal.press("1")
    terminal.wait_for("last 15 min")
    end = time.monotonic() + _PATIENCE
    while "does not answer" in terminal.screen:
        assert time.monotonic() < end
        terminal._read()


def test_it_begins_without_a_database_too(away: Path) -> None:
    away.touch()
    terminal = Terminal([sys.executable, "-m", "tests.unit.terminal.play", str(away)])
    terminal.wait_for("InfluxDB does not answer")
    away.unlink()
    terminal.press("2")
    terminal.wait_for("biere    ok")
    terminal.press("q")

    assert terminal.end() == 0


def test_without_colours_there_are_none(away: Path) -> None:
    terminal = Terminal([sys.executable, "-m", "tests.unit.terminal.play", str(away)], NO_COLOR="1")
    terminal.wait_for("biere    ok")
    terminal.press("q")

    assert terminal.end() == 0
    codes = {code for found in re.findall(r"\x1b\[([0-9;]*)m", terminal.output) for code in found.split(";")}
    assert codes <= {"", "0", "1", "2", "7"}

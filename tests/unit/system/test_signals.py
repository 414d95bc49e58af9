"""How aresmon is ended from outside: whatever it is by, what is under way is put in order first."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.conftest import REPOSITORY

BEGINS = """
import fcntl, os, signal, sys, termios, time
from pathlib import Path
from aresmon.cli import main as cli

kept = Path(sys.argv[1])
signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""
WORKS = """
def app(**_):
    try:
        print("at work", flush=True)
        time.sleep(60)
    finally:
        for number in range(50):  # in which the shell, too, says that the terminal is gone
            print("putting in order", number, flush=True)
            time.sleep(0.01)
        kept.write_text("in order")

cli.app = app
cli.main()
"""


def begin(kept: Path, program: str, **options: int) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", program, str(kept)]
    return subprocess.Popen(argv, cwd=REPOSITORY, start_new_session=True, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_is_under_way_is_put_in_order_whoever_ends_it(tmp_path: Path, kind: signal.Signals) -> None:
    process = begin(tmp_path / "kept", BEGINS + WORKS, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"at work\n"

    process.send_signal(kind)
    said, told = process.communicate(timeout=20)

    assert (tmp_path / "kept").read_text() == "in order"
    assert b"putting in order 49" in said, "a file or a pipe is not gone with the terminal"
    assert told.splitlines()[-1] == b"KeyboardInterrupt"


def test_a_terminal_that_is_gone_disturbs_nothing_that_is_put_in_order(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    own_terminal = "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    process = begin(tmp_path / "kept", BEGINS + own_terminal + WORKS, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    assert b"at work" in os.read(ours, 100)

    os.close(ours)
    for _ in range(5):
        process.send_signal(signal.SIGHUP)
    process.wait(timeout=20)

    assert (tmp_path / "kept").read_text() == "in order"


def test_under_nohup_the_end_of_the_terminal_ends_nothing(tmp_path: Path) -> None:
    ignored = BEGINS + "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + WORKS.replace("sleep(60)", "sleep(1)")
    process = begin(tmp_path / "kept", ignored, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"at work\n"

    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=20)

    assert process.returncode == 0
    assert (tmp_path / "kept").read_text() == "in order"


@pytest.mark.parametrize(("given", "made"), [("0o000", 0o755), ("0o022", 0o755), ("0o077", 0o700)])
def test_no_umask_lets_others_write(tmp_path: Path, given: str, made: int) -> None:
    program = f"{BEGINS}os.umask({given})\ncli.app = lambda **_: kept.mkdir()\ncli.main()\n"

    process = begin(tmp_path / "kept", program)

    assert process.wait(timeout=20) == 0
    assert (tmp_path / "kept").stat().st_mode & 0o777 == made

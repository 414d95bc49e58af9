"""Standard output that is full, closed or without a reader: what is under way is finished, or put in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.conftest import REPOSITORY

GUARDED = """
import asyncio, sys, threading, time
from pathlib import Path
from aresmon.cli import main as cli

kept = Path(sys.argv[1])

def app(**_):
    {}

cli.app = app
cli.main()
"""
WORKS = """
    for number in range(3):
        print("at work", number, flush=True)
    kept.write_text("done")
    sys.exit(code)
"""
PRINTS_ON = """
    try:
        while True:
            print("at work", flush=True)
            time.sleep(0.01)
    finally:
        for number in range(50):
            print("putting in order", number, flush=True)
        kept.write_text("in order")
"""
IN_TASKS = """
    async def one():
        try:
            while True:
                print("at work", flush=True)
                await asyncio.sleep(0.01)
        except Exception:
            kept.write_text("an error of the host's")

    async def all():
        try:
            await asyncio.gather(one(), one())
        finally:
            kept.write_text("in order")

    asyncio.run(all())
"""
IN_A_THREAD = """
    def work():
        while True:
            print("at work", flush=True)
            time.sleep(0.01)

    threading.Thread(target=work, daemon=True).start()
    try:
        time.sleep(60)
    finally:
        kept.write_text("in order")
"""


def run(body: str, kept: Path, redirection: str, **variables: str) -> subprocess.CompletedProcess[str]:
    python = [sys.executable, "-c", GUARDED.format(body.strip()), str(kept)]
    argv = ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *python]
    return subprocess.run(
        argv, cwd=REPOSITORY, env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.parametrize(
    ("redirection", "why"),
    [
        (">/dev/full", "No space left on device"),
        (">&-", "it is not open for writing"),
        ("1</dev/null", "it is not open for writing"),
    ],
)
@pytest.mark.parametrize(("code", "expected"), [(0, 1), (1, 1), (3, 3)])
def test_work_is_finished_and_the_failure_to_report_it_is_said_once(
    tmp_path: Path, redirection: str, why: str, code: int, expected: int
) -> None:
    done = run(WORKS.replace("code", str(code)), tmp_path / "kept", redirection)

    assert (tmp_path / "kept").read_text() == "done"
    assert (done.returncode, done.stderr) == (expected, f"cannot write to standard output: {why}\n")


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", ">/dev/full 2>/dev/full", ">&- 2>&-", "<&- >&- 2>&-"])
def test_errors_that_cannot_be_written_change_no_exit_code(tmp_path: Path, redirection: str) -> None:
    body = "print('why', file=sys.stderr, flush=True)" + WORKS.replace("code", "3")

    done = run(body, tmp_path / "kept", redirection)

    assert (tmp_path / "kept").read_text() == "done"
    assert (done.returncode, done.stderr) == (3, "")


def test_a_closed_standard_input_is_an_empty_one(tmp_path: Path) -> None:
    done = run("print(sys.stdin.isatty(), repr(sys.stdin.read()))", tmp_path / "kept", "<&-")

    assert (done.returncode, done.stdout, done.stderr) == (0, "False ''\n", "")


def test_no_file_gets_the_number_of_a_closed_standard_output(tmp_path: Path) -> None:
    body = "file = kept.open('w'); print('not for this file', flush=True); file.write('its own'); file.close()"

    run(body, tmp_path / "kept", "<&- >&- 2>&-")

    assert (tmp_path / "kept").read_text() == "its own"


@pytest.mark.parametrize("body", [PRINTS_ON, IN_TASKS, IN_A_THREAD], ids=["loop", "tasks", "thread"])
def test_without_a_reader_what_is_under_way_is_put_in_order_and_ended_without_a_word(tmp_path: Path, body: str) -> None:
    argv = [sys.executable, "-c", GUARDED.format(body.strip()), str(tmp_path / "kept")]
    process = subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"at work\n"

    process.stdout.close()
    process.wait(timeout=20)

    assert (tmp_path / "kept").read_text() == "in order"
    assert process.stderr.read() == b""
    assert process.returncode == -signal.SIGPIPE


def test_a_pipe_that_another_program_made_non_blocking_gets_everything(tmp_path: Path) -> None:
    body = "import os; os.set_blocking(1, False); print('x' * 1_000_000)"
    argv = [sys.executable, "-c", GUARDED.format(body), str(tmp_path / "kept")]

    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, check=False, timeout=30)

    assert (done.returncode, len(done.stdout), done.stderr) == (0, 1_000_001, b"")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("latin-1", "é °C - a... ?\n"), ("ascii", "e oC - a... ?\n"), ("utf-8", "é °C \u2013 a… ▅\n")],
)
def test_what_the_terminals_encoding_lacks_is_replaced(tmp_path: Path, encoding: str, text: str) -> None:
    argv = [sys.executable, "-c", GUARDED.format("print('é °C \u2013 a… ▅')"), str(tmp_path / "kept")]
    settings = {**os.environ, "PYTHONIOENCODING": encoding}

    done = subprocess.run(argv, cwd=REPOSITORY, env=settings, capture_output=True, check=False, timeout=30)

    assert (done.stdout.decode(encoding), done.stderr) == (text, b"")

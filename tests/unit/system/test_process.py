"""The one door to other programs: what they said is kept, what they were told is not repeated."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aresmon.system.errors import AresmonError
from aresmon.system.process import Completed, ProcessError, run


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_what_a_program_said_is_kept_apart() -> None:
    done = run(python("import sys; print('out'); print('err', file=sys.stderr)"))

    assert (done.code, done.out, done.err) == (0, "out\n", "err\n")


def test_a_failure_carries_the_last_words_and_keeps_all_of_them() -> None:
    with pytest.raises(ProcessError, match="failed with code 3: ") as caught:
        run(python("import sys; [print(f'line {n}', file=sys.stderr) for n in range(40)]; sys.exit(3)"))

    told = caught.value.message.splitlines()
    assert (len(told), told[-1]) == (15, "line 39")
    assert "line 0\n" in caught.value.completed.err


@pytest.mark.parametrize(
    ("out", "err", "said"), [("on stdout", "", "on stdout"), ("x", " \n", "x"), ("", "", "it said nothing")]
)
def test_a_failure_without_words_on_stderr_says_what_there_is(out: str, err: str, said: str) -> None:
    assert ProcessError(Completed(("tool",), 1, out, err)).message == f"tool failed with code 1: {said}"


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (("/usr/bin/docker", "compose", "up", "--detach", "edge"), "docker compose up"),
        (
            ("docker", "compose", "--project-directory", "/srv", "--env-file", "/x", "-f", "y", "up"),
            "docker compose up",
        ),
        (("docker", "compose", "--file=/x", "config"), "docker compose config"),
        (("docker", "--password=hunter2", "login"), "docker login"),
        (("go",), "go"),
    ],
)
def test_a_program_is_named_without_its_options_and_their_values(argv: tuple[str, ...], name: str) -> None:
    assert ProcessError(Completed(argv, 1, "", "")).message.startswith(f"{name} failed")


def test_a_failure_that_was_asked_for_is_returned() -> None:
    assert run(python("raise SystemExit(7)"), check=False).code == 7


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(AresmonError, match="no-such-program is not installed, or not on the PATH"):
        run(["no-such-program", "x"])


def test_a_folder_to_run_in_that_is_not_there_is_not_called_a_missing_program(tmp_path: Path) -> None:
    with pytest.raises(AresmonError) as caught:
        run(python(""), cwd=tmp_path / "gone")

    assert "is not installed" not in caught.value.message


def test_a_program_that_cannot_be_started_is_told_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(subprocess, "run", refuse)

    with pytest.raises(AresmonError, match="tool could not be started: Permission denied"):
        run(["tool"])


def test_a_program_that_takes_too_long_is_ended_and_told() -> None:
    with pytest.raises(AresmonError, match="did not end within 1 s"):
        run(python("import time; time.sleep(60)"), timeout=0.5 + 0.1)


def test_the_environment_is_added_to_and_taken_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAKEN", "1")
    monkeypatch.setenv("KEPT", "2")
    program = "import os; print([os.environ.get(name) for name in ('TAKEN', 'KEPT', 'ADDED')])"

    done = run(python(program), env={"TAKEN": None, "ADDED": "3", "NEVER": None})

    assert done.out == "[None, '2', '3']\n"


def test_a_program_has_nobody_to_ask() -> None:
    assert run(python("import sys; print(repr(sys.stdin.read()))")).out == "''\n"


def test_what_is_no_text_does_not_end_the_run() -> None:
    assert run(python(r"import sys; sys.stdout.buffer.write(b'\xff')")).out == "\N{REPLACEMENT CHARACTER}"


def test_what_is_given_is_read_from_standard_input_and_is_in_no_argument() -> None:
    done = run(["cat"], given="for nobody else\n")

    assert (done.out, done.argv) == ("for nobody else\n", ("cat",))
    assert run(["cat"]).out == "", "nothing is read from the terminal"

"""How the command line ends when it is not in its own hands."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from aresmon.cli import common, main
from aresmon.site.folder import Site
from aresmon.site.project import Project

ARESMON = [sys.executable, "-m", "aresmon"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "aresmon.yml").write_text("hosts: {biere: }\n")
    common.the_console.cache_clear()
    return tmp_path


def check_that_raises(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> Result:
    def fail(_: Site) -> None:
        raise error

    monkeypatch.setattr(Project, "load", fail)
    return CliRunner().invoke(main.app, ["check"])


def test_an_unexpected_error_leaves_its_traceback_in_a_file_and_tells_where(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = check_that_raises(monkeypatch, ZeroDivisionError("nobody thought of that"))

    (log,) = (folder / ".aresmon" / "log").iterdir()
    first, _, trace = log.read_text().partition("\n")
    assert result.exit_code == 4
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert "internal error: ZeroDivisionError: nobody thought of that" in result.stderr
    assert str(log) in result.stderr
    assert "argv" in json.loads(first)
    assert trace.startswith("Traceback")
    assert "in fail" in trace


def test_what_another_account_owns_is_told_and_no_failure_of_aresmons_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = check_that_raises(monkeypatch, PermissionError(13, "Permission denied", "/srv/ares/.aresmon/upgrade.json"))

    assert result.exit_code == 1
    assert "/srv/ares/.aresmon/upgrade.json cannot be read: permission denied" in result.stderr
    assert "run this as them, or with sudo" in result.stderr
    assert not (folder / ".aresmon" / "log").exists()


def test_a_traceback_is_for_the_owner_of_the_site_alone_and_not_for_git(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_that_raises(monkeypatch, ZeroDivisionError())

    state = folder / ".aresmon"
    assert {path.relative_to(folder).as_posix(): path.stat().st_mode & 0o077 for path in (state, state / "log")} == {
        ".aresmon": 0,
        ".aresmon/log": 0,
    }
    assert (state / ".gitignore").is_file()


def test_a_traceback_that_cannot_be_written_does_not_hide_the_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".aresmon").write_text("a file")

    result = check_that_raises(monkeypatch, ZeroDivisionError("nobody thought of that"))

    assert result.exit_code == 4
    assert "nobody thought of that" in result.stderr
    assert "the traceback could not be written" in result.stderr


@pytest.mark.usefixtures("folder")
def test_an_interruption_ends_with_130_and_says_that_one_can_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    result = check_that_raises(monkeypatch, KeyboardInterrupt())

    assert result.exit_code == 130
    assert re.match(r"interrupted; .* continues\s+from\s+there", result.stderr, re.DOTALL)


def test_a_current_folder_that_was_deleted_is_told(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    program = f"mkdir {gone} && cd {gone} && rmdir {gone} && exec {' '.join(ARESMON)} check"

    done = subprocess.run(["/bin/sh", "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode in (1, 4)
    assert "Traceback" not in done.stderr
    assert done.stderr


COMMANDS = ["--help", "--version", "check", "collectors", "schema", "hosts list", "secrets list", "history", "doctor"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_went_away_ends_a_command_as_any_other_program(folder: Path, command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run(
        [*ARESMON, *command.split()], cwd=folder, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)

    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")
    assert not (folder / ".aresmon" / "log").exists()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("to", "why"), [(">/dev/full", "No space left on device"), (">&-", "it is not open for writing")]
)
def test_output_that_cannot_be_written_is_said_and_no_failure_of_aresmons_own(
    folder: Path, command: str, to: str, why: str
) -> None:
    program = f"exec {' '.join(ARESMON)} {command} {to}"

    done = subprocess.run(["/bin/sh", "-c", program], cwd=folder, capture_output=True, text=True, check=False)

    assert done.returncode == (5 if command == "doctor" else 1)
    assert done.stderr == f"cannot write to standard output: {why}\n"
    assert not (folder / ".aresmon" / "log").exists()


def test_a_command_that_succeeds_says_so_to_the_shell(folder: Path) -> None:
    done = subprocess.run([*ARESMON, "check"], cwd=folder, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{folder}/aresmon.yml: 1 host, server biere. No errors.\n"

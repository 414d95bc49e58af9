"""Shell completion, by the protocol that the shells speak with the real program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aresmon.backup import record
from aresmon.backup.record import CompletedBackup
from aresmon.site.folder import Site

SITE = """\
site: ares
backup: {to: [{folder: /nowhere}, {folder: kept}]}
grafana: {users: [{login: marie}]}
alerts: {send_to: [{discord: {secret: channel}}]}
hosts:
  biere: {agent: docker}
  lewi: {agent: systemd, ssh: lewi}
"""
ARCHIVE = "ares-20261128T031500Z.tar"
# With time for a busy machine: a completion is given up after a second, and one test holds it to that.
PROGRAM = "from aresmon.cli import completion; completion._SECONDS = {}; from aresmon.cli.main import main; main()"


def complete(folder: Path, line: str, seconds: float = 60) -> tuple[list[str], str]:
    """What bash would offer after this line, and what it would see on standard error."""
    words = line.split(" ")
    asked = {"_ARESMON_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(seconds)],
        env={**os.environ, **asked},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.stdout.split(), done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "aresmon.yml").write_text(SITE)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / ARCHIVE).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("aresmon push-config ", ["biere", "lewi"]),
        ("aresmon push le", ["lewi"]),
        ("aresmon push-config lewi ", ["biere"]),
        ("aresmon history ", ["biere", "lewi"]),
        ("aresmon top l", ["lewi"]),
        ("aresmon logs ", ["influxdb", "grafana", "edge", "telegraf"]),
        ("aresmon logs edge te", ["telegraf"]),
        ("aresmon restore ", [ARCHIVE]),
        ("aresmon backup --verify ", [ARCHIVE]),
        ("aresmon snippet n", ["nginx"]),
        ("aresmon users remove ", ["marie"]),
        ("aresmon alerts secret ", ["channel"]),
        ("aresmon hosts add new --collect system,ha", ["system,haproxy"]),
    ],
)
def test_names_are_completed(folder: Path, line: str, wanted: list[str]) -> None:
    offered, error = complete(folder, line)

    assert error == ""
    assert set(wanted) <= set(offered)
    assert all(name.startswith(line.split(" ")[-1]) for name in offered)


def test_the_last_archive_made_elsewhere_is_completed(folder: Path) -> None:
    site = Site(folder)
    site.create_state_folder()
    record.save_made(site, CompletedBackup(1.0, "ares-20261127T031500Z.tar", 1, "s3"))

    offered, _ = complete(folder, "aresmon restore ")

    assert "ares-20261127T031500Z.tar" in offered


@pytest.mark.parametrize("text", ["", "hosts: [", "hosts:\n  biere: {collect: [sytem]}\n", "\0"])
def test_a_file_that_is_wrong_completes_what_it_can_and_prints_no_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "aresmon.yml").write_text(text)

    offered, error = complete(tmp_path, "aresmon push-config ")

    assert error == ""
    assert set(offered) <= {"biere"}


def test_completion_writes_nothing(folder: Path) -> None:
    for line in ("aresmon push-config ", "aresmon secrets rotate ", "aresmon restore ", "aresmon alerts test "):
        complete(folder, line)

    assert sorted(path.name for path in folder.iterdir()) == ["aresmon.yml", "kept"]


def test_a_folder_that_does_not_answer_is_given_up(folder: Path) -> None:
    os.mkfifo(folder / "never.yml")  # nobody ever writes: opening it waits
    (folder / "aresmon.yml").unlink()
    (folder / "aresmon.yml").symlink_to(folder / "never.yml")

    assert complete(folder, "aresmon push-config ", seconds=0.5) == ([], "")

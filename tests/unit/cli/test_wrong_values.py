"""Values on the command line that cannot be: the message says which are accepted, and nothing is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from aresmon.cli import check, common, main
from tests.unit.conftest import FakeEngine

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a command on a site of two hosts that has not been started."""
    monkeypatch.chdir(tmp_path)
    common.the_console.cache_clear()
    (tmp_path / "aresmon.yml").write_text("hosts: {biere: , lewi: }\n")
    yield lambda *arguments: CliRunner().invoke(main.app, list(arguments))
    common.the_console.cache_clear()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("top --interval 5", "must be 10 to 3600, not 5"),
        ("top --interval x", "must be a whole number, not 'x'"),
        ("history --last 0", "must be 1 or more, not 0"),
        ("logs --tail many", "must be a whole number, not 'many'"),
        ("upgrade --within 0", "must be 1 or more, not 0.0"),
        ("upgrade --within soon", "must be a number, not 'soon'"),
        ("rollback-config lewi --to x", "must be a whole number, not 'x'"),
        ("push-config lewi --deadline 1", "must be 5 to 3600, not 1"),
        ("report --month october", "--month october: not a month"),
        ("users add marie --role boss", "--role must be viewer, editor or admin, not 'boss'"),
        ("restore latest --only all", "--only takes influxdb, grafana or site, not 'all'"),
        ("backup --schedule launchd", "use systemd or cron"),
        ("hosts add new --collect system,hapoxy", "unknown collector 'hapoxy' (did you mean 'haproxy'?)"),
        ("hosts add new --agent snap", "--agent is systemd or docker, not 'snap'"),
        ("snippet apache", "haproxy, nginx"),
    ],
)
def test_what_is_accepted_is_said_in_words(run: Run, line: str, said: str) -> None:
    result = run(*line.split())

    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert "<=" not in result.stderr
    assert "range" not in result.stderr


def test_a_name_that_no_host_can_have_is_refused_before_a_connection(run: Run, tmp_path: Path) -> None:
    result = run("hosts", "add", "Bad name")

    assert result.exit_code == 1
    assert "must be a host name of lower-case letters, digits, hyphens and dots" in result.stderr
    assert "inspecting" not in result.stdout
    assert "Bad name" not in (tmp_path / "aresmon.yml").read_text()


@pytest.mark.parametrize(
    "line", ["hosts block lewy", "hosts unblock lewy", "hosts remove lewy -y", "drift lewy", "top lewy"]
)
def test_an_unknown_host_is_named_with_the_one_that_may_be_meant(run: Run, line: str) -> None:
    result = run(*line.split())

    assert result.exit_code == 1
    assert "no host 'lewy' in aresmon.yml (did you mean 'lewi'?)" in result.stderr


@pytest.mark.parametrize("line", ["top --once", "report --month 2020-01"])
def test_a_site_that_has_not_run_says_so_and_what_starts_it(
    run: Run, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aresmon.stack.location.is_local", lambda _: True)
    monkeypatch.setattr("aresmon.stack.location.require_local", lambda _: None)

    result = run(*line.split())

    assert (result.exit_code, result.stderr) == (
        1,
        "this site has not run on this machine yet\nnext: `aresmon up` starts it\n",
    )


def test_images_are_not_saved_into_a_folder_that_does_not_exist(run: Run, tmp_path: Path) -> None:
    result = run("images", "save", str(tmp_path / "missing" / "images.tar"))

    assert result.exit_code == 1
    assert f"{tmp_path}/missing does not exist" in " ".join(result.stderr.split())
    assert "writing" not in result.stdout


@pytest.mark.parametrize(("name", "why"), [("missing", "does not exist"), ("aresmon.yml", "is not a folder")])
def test_check_names_a_folder_of_configurations_that_does_not_exist(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, why: str
) -> None:
    monkeypatch.setattr(check, "the_engine", FakeEngine)

    result = run("check", "--configs", name)

    assert result.exit_code == 1
    assert f"{name} {why}" in result.stderr


def test_a_repository_is_begun_in_an_empty_folder_or_in_a_clone_alone(run: Run, tmp_path: Path) -> None:
    for name in ("empty", "clone/.git", "others"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "others" / "passwd").touch()

    refused = run("render", "--configs", "others")
    done = [run("render", "--configs", name) for name in ("new", "empty", "clone")]

    assert refused.exit_code == 1
    assert "others contains files and is not a git repository" in refused.stderr
    assert [path.name for path in (tmp_path / "others").iterdir()] == ["passwd"]
    assert [one.exit_code for one in done] == [0, 0, 0]
    assert all((tmp_path / name / "lewi.conf").is_file() for name in ("new", "empty", "clone"))

"""The command line: what each command prints, and the exit code it ends with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner, Result

from aresmon import __version__
from aresmon.cli import check as cli_check
from aresmon.cli import common, images, main, stack
from aresmon.cli import site as cli_site
from aresmon.site.folder import Site
from tests.unit.conftest import ARES, FakeEngine, container

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with nothing in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a command line on an engine without any container, 80 columns wide."""
    monkeypatch.setenv("COLUMNS", "80")
    engine = FakeEngine()
    for module in (cli_site, cli_check, stack, images, common):
        monkeypatch.setattr(module, "the_engine", lambda: engine)
    common.the_console.cache_clear()

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(main.app, list(arguments))
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    yield run
    common.the_console.cache_clear()


def write(folder: Path, text: str = "hosts: {biere: }\n") -> None:
    (folder / "aresmon.yml").write_text(text)


def test_the_version_is_told(run: Run) -> None:
    assert run("--version").stdout == f"aresmon {__version__}\n"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["push-config", "lewi"], "push-config"),
        (["push", "lewi"], "push"),
        (["-C", "up", "--site", "b", "hosts", "add"], "hosts"),
        (["--help", "up"], ""),
        (["--site=a", "up"], ""),
        (["chekc"], ""),
        ([], ""),
    ],
)
def test_only_the_command_that_is_named_is_prepared(words: list[str], name: str) -> None:
    assert main.named_command(words) == name


@pytest.mark.parametrize("name", ["up", "push", "backup"])
def test_a_command_alone_is_the_same_as_among_all(name: str) -> None:
    alone, among = (CliRunner().invoke(app, [name, "--help"]) for app in (main.make_app(name), main.app))

    assert (alone.output, alone.exit_code) == (among.output, 0)


@pytest.mark.parametrize(
    "arguments", [[], ["chekc"], ["check", "--nothing"], ["images"], ["logs", "edge", "--tail", "x"]]
)
def test_a_wrong_command_line_ends_with_2(run: Run, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_check_warns_of_doubtful_settings_and_says_what_it_read(run: Run, folder: Path) -> None:
    write(folder, ARES.read_text(encoding="utf-8"))

    result = run("check")

    assert (result.exit_code, result.stdout) == (0, f"{folder}/aresmon.yml: 3 hosts, server biere. No errors.\n")
    assert "warning: aresmon.yml:36 alerts.send_to[0].email: no e-mail is sent" in result.stderr


def test_check_says_one_host_in_the_singular(run: Run, folder: Path) -> None:
    write(folder)

    assert run("check").stdout.endswith(": 1 host, server biere. No errors.\n")


def test_check_tells_every_error_in_a_line_that_is_never_wrapped_and_ends_with_1(run: Run, folder: Path) -> None:
    write(
        folder,
        "sit: x\nhosts:\n  biere: {collect: [sytem]}\n  lewi: {agent: a-word-so-long-that-it-takes-many-columns}\n",
    )

    result = run("check")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[:3] == [
        "aresmon.yml:1 sit: unknown setting (did you mean 'site'?)",
        "aresmon.yml:3 hosts.biere.collect: unknown collector 'sytem' (did you mean 'system'?)",
        "aresmon.yml:4 hosts.lewi.agent: must be systemd or docker, not 'a-word-so-long-that-it-takes-many-columns'",
    ]
    assert result.stderr.splitlines()[3].startswith("next: nothing was changed")


def test_a_missing_file_is_told_with_what_writes_one(run: Run, folder: Path) -> None:
    result = run("check")

    assert result.exit_code == 1
    assert result.stderr == (
        f"{folder}/aresmon.yml does not exist\n"
        "next: `aresmon init` writes one; `aresmon --site FOLDER` works on a site in another folder\n"
    )


def test_another_folder_is_named_before_the_command(run: Run, folder: Path) -> None:
    (folder / "site").mkdir()
    write(folder / "site")

    assert run("--site", str(folder / "site"), "check").exit_code == 0
    assert run("-C", str(folder / "missing"), "check").exit_code == 1


def test_init_writes_a_file_that_check_finds_right_and_never_a_second_one(run: Run, folder: Path) -> None:
    first = run("init")
    text = (folder / "aresmon.yml").read_text()
    second = run("init")

    assert (first.exit_code, second.exit_code) == (0, 1)
    assert "already exists" in second.stderr
    assert (folder / "aresmon.yml").read_text() == text
    assert run("check").exit_code == 0


def test_render_writes_the_bundle_and_nothing_the_second_time(run: Run, folder: Path) -> None:
    write(folder)
    first = run("render")
    bundle = folder / ".aresmon" / "bundle"
    before = {path: path.stat().st_mtime_ns for path in bundle.rglob("*")}

    second = run("render")

    count = sum(path.is_file() for path in before) - 1
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stdout == f"{count} files in {bundle}\n"
    assert {path: path.stat().st_mtime_ns for path in bundle.rglob("*")} == before


def test_render_into_another_folder_leaves_the_site_alone(run: Run, folder: Path) -> None:
    write(folder)

    result = run("render", "--output", "out")

    assert result.exit_code == 0
    assert (folder / "out" / "compose.yml").is_file()
    assert not (folder / ".aresmon").exists()


def test_render_refuses_a_folder_with_somebody_elses_files(run: Run, folder: Path) -> None:
    write(folder)
    (folder / "out").mkdir()
    (folder / "out" / "mine.txt").write_text("mine")

    result = run("render", "--output", "out")

    assert result.exit_code == 1
    assert "contains files that aresmon did not write" in result.stderr
    assert [path.name for path in (folder / "out").iterdir()] == ["mine.txt"]


def test_a_dry_run_without_a_file_writes_none(run: Run, folder: Path) -> None:
    result = run("up", "--dry-run")

    assert result.exit_code == 1
    assert list(folder.iterdir()) == []


def test_data_is_not_deleted_where_nobody_can_be_asked(run: Run, folder: Path) -> None:
    write(folder)
    (folder / "data" / "influxdb").mkdir(parents=True)
    site = Site(folder)
    site.create_state_folder()
    site.record_folder(folder / "data" / "influxdb")

    result = run("down", "--volumes")

    assert result.exit_code == 1
    assert f"this deletes {folder}/data/influxdb" in result.stderr
    assert "--yes" in result.stderr
    assert (folder / "data" / "influxdb").is_dir()


def test_logs_of_a_service_that_is_not_there_suggest_the_right_one(run: Run, folder: Path) -> None:
    write(folder)

    assert run("logs", "egde").stderr == "no service 'egde' (did you mean 'edge'?)\n"
    assert "there are influxdb, grafana, edge, telegraf" in run("logs", "xyz").stderr
    assert run("logs", "edge").stderr.startswith("edge has no container, so there are no logs\n")
    assert (
        run("logs").stderr == "no service has a container, so there are no logs\nnext: `aresmon up` starts the stack\n"
    )


def test_status_ends_with_5_where_something_is_wrong_in_words_and_in_json(run: Run, folder: Path) -> None:
    write(folder)

    words, data = run("status"), run("status", "--json")

    assert (words.exit_code, data.exit_code) == (5, 5)
    assert "! edge is not running: " in words.stdout
    assert json.loads(data.stdout)["ok"] is False


def test_watching_and_json_do_not_go_together(run: Run, folder: Path) -> None:
    write(folder)

    assert run("status", "--watch", "--json").exit_code == 2


def test_a_site_of_this_name_in_another_folder_is_not_taken_for_this_one(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder)
    (folder / "other").mkdir()
    write(folder / "other")
    engine = FakeEngine({"edge": container("edge", folder=folder / "other" / ".aresmon" / "bundle")})
    monkeypatch.setattr(common, "the_engine", lambda: engine)

    result = run("status")

    assert result.exit_code == 1
    assert f"another site named aresmon already runs on this engine, from {folder}/other" in result.stderr


def test_the_schema_for_editors_is_valid(run: Run) -> None:
    result = run("schema")

    schema = json.loads(result.stdout)
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid({"hosts": {"biere": None}})


def test_collectors_fit_into_80_columns_and_nothing_is_cut(run: Run, folder: Path) -> None:
    (folder / "overrides" / "collectors").mkdir(parents=True)
    (folder / "overrides" / "collectors" / "disk.conf").write_text("# Ours.\n[[inputs.exec]]\n")

    lines = run("collectors").stdout.splitlines()

    assert max(map(len, lines)) <= 80
    assert next(line.split()[0] for line in lines if line[:1].strip()) == "COLLECTOR"
    assert "…" not in "".join(lines)
    assert any(line.startswith("disk (overrides/)") and "Ours." in line for line in lines)
    assert any(line.startswith("haproxy") and line.rstrip().endswith("HAPROXY_STATS") for line in lines)


@pytest.mark.parametrize(
    "arguments", [["collectors"], ["check"], ["status"], ["--help"], ["logs", "xyz"]], ids=" ".join
)
def test_without_a_terminal_nothing_is_coloured(run: Run, folder: Path, arguments: list[str]) -> None:
    write(folder, "hosts: {biere: {agnt: x}}\n" if arguments == ["check"] else "hosts: {biere: }\n")

    result = run(*arguments)

    assert result.output
    assert "\x1b" not in result.output

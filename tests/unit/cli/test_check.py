"""`aresmon check`: secrets that are not there yet, and the same for scripts. `aresmon collectors --json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from aresmon.cli import common, main
from aresmon.stack import location

Run = Callable[..., Result]
SITE = """\
backup: {to: [{s3: {bucket: backups, endpoint: "https://s3.example.org", access_key: ARES, secret: s3}}]}
hosts:
  a:
    collect:
      - system
      - redis: {password: {secret: cache}}
      - http: {urls: ["https://wiki.example.org/"], user: me, password: {secret: wiki}}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(location, "require_local", lambda project: None)
    common.the_console.cache_clear()
    (tmp_path / "aresmon.yml").write_text(SITE)

    def run(*arguments: str, given: str | None = None) -> Result:
        return CliRunner().invoke(main.app, list(arguments), input=given)

    yield run
    common.the_console.cache_clear()


def printed(result: Result) -> Any:
    return json.loads(result.stdout)


def test_secrets_of_collectors_that_are_not_set_are_named_with_their_line(run: Run) -> None:
    told = run("check")

    assert told.exit_code == 0
    assert (
        "aresmon.yml:6 hosts.a.collect[1].redis.password: the secret cache, which a collector needs, is not set\n"
        "   next: `aresmon collectors secret cache` sets it\n"
    ) in told.stderr
    assert "aresmon.yml:7 hosts.a.collect[2].http.password: the secret wiki" in told.stderr
    assert "backup.to: the secret s3 is not set\n   next: `aresmon backup secret s3` sets it" in told.stderr


def test_a_secret_that_is_set_is_not_named(run: Run) -> None:
    assert run("collectors", "secret", "cache", given="hunter2\n").exit_code == 0

    told = run("check")

    assert "cache" not in told.stderr
    assert "wiki" in told.stderr


@pytest.mark.parametrize(
    ("value", "fault"),
    [("   \n", "has nothing but spaces in it"), (" x\n", "begins or ends with a space"), ("\n", "is empty")],
)
def test_a_secret_that_nobody_can_mean_is_refused(run: Run, tmp_path: Path, value: str, fault: str) -> None:
    told = run("collectors", "secret", "cache", given=value)

    assert told.exit_code == 1
    assert f"cache: the value {fault}" in told.stderr
    assert not (tmp_path / ".aresmon" / "secrets" / "collectors" / "cache").exists()


def test_a_secret_of_spaces_that_is_there_already_is_named(run: Run, tmp_path: Path) -> None:
    assert run("collectors", "secret", "cache", given="x").exit_code == 0
    (tmp_path / ".aresmon" / "secrets" / "collectors" / "cache").write_text("   ")

    assert "cache has nothing but spaces in it" in run("check").stderr


def test_what_check_finds_is_json_for_scripts(run: Run) -> None:
    told = printed(run("check", "--json"))

    assert (told["hosts"], told["server"], told["errors"]) == (["a"], "a", [])
    assert {
        "what": "backup.to: the secret s3 is not set",
        "next": "`aresmon backup secret s3` sets it",
    } in told["warnings"]


def test_an_alert_that_looks_back_further_than_points_are_kept_is_named(run: Run, tmp_path: Path) -> None:
    site = "storage: {keep: {raw: %s}}\nhosts: {a: {agent: systemd, collect: [system, updates]}}\n"
    alerts = "alerts: {rules: {updates-reboot: {watch: off}}}\n"

    (tmp_path / "aresmon.yml").write_text(site % "3d" + alerts)
    told = run("check").stderr
    (tmp_path / "aresmon.yml").write_text(site % "6d")
    enough = run("check").stderr

    assert (
        "storage.keep.raw: points are kept for 3d; the alert updates-security-late looks back over 6d, so it can never "
        "fire\n   next: keep them for longer, or switch it off: "
        "`alerts: {rules: {updates-security-late: {watch: off}}}`"
    ) in told
    assert told.count("can never fire") == 1
    assert "can never fire" not in enough


def test_errors_are_json_in_their_parts(run: Run, tmp_path: Path) -> None:
    (tmp_path / "aresmon.yml").write_text("hosts:\n  a:\n    collect: [sytem]\nsite: 5\n")

    told = run("check", "--json")

    assert told.exit_code == 1
    assert told.stderr == ""
    assert [(one["file"], one["line"], one["where"]) for one in printed(told)["errors"]] == [
        ("aresmon.yml", 3, "hosts.a.collect"),
        ("aresmon.yml", 4, "site"),
    ]
    assert printed(told)["errors"][0]["what"] == "unknown collector 'sytem' (did you mean 'system'?)"


def test_an_error_about_a_whole_file_names_it_in_json(run: Run, tmp_path: Path) -> None:
    agents = tmp_path / "overrides" / "agents"
    agents.mkdir(parents=True)
    (agents / "nobody.conf").write_text("[agent]\n")

    told = run("check", "--json")

    assert printed(told)["errors"] == [
        {"file": "overrides/agents/nobody.conf", "line": 0, "where": "", "what": "there is no host nobody"}
    ]


def test_collectors_are_json_for_scripts(run: Run) -> None:
    told = {one["name"]: one for one in printed(run("collectors", "--json"))}

    assert told["ping"]["agent"] == "systemd"
    assert told["http"]["options"]["urls"]["required"]
    assert told["http"]["options"]["password"]["secret"]
    assert told["haproxy"]["variables"].keys() == {"HAPROXY_STATS"}

"""`aresmon alerts` on the command line, against the stand-in for Grafana."""

from __future__ import annotations

import io
import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console as RichConsole
from typer.testing import CliRunner, Result

from aresmon.cli import alerts, common, main
from aresmon.cli.console import Console
from aresmon.grafana import alerts as grafana_alerts
from aresmon.site import secrets as site_secrets
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.stack import location
from tests.grafana.fakes import GrafanaEngine
from tests.grafana.standin import StandIn, serving
from tests.unit.conftest import VIEWS, FakeEngine

pytestmark = pytest.mark.own_sockets("the stand-in for Grafana answers over HTTP")

Run = Callable[..., Result]
ADDRESS = "https://discord.com/api/webhooks/1/very-secret"


@pytest.fixture
def standin() -> Iterator[StandIn]:
    made = StandIn()
    made.state.begin("admin", "first-password")
    yield made
    assert made.violations == []


@pytest.fixture
def run(tmp_path: Path, standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run `aresmon alerts …` in a site whose Grafana is the stand-in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(alerts, "the_engine", lambda: GrafanaEngine(standin))
    monkeypatch.setattr(location, "require_local", lambda project: None)
    common.the_console.cache_clear()
    secrets = tmp_path / ".aresmon" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / site_secrets.GRAFANA_ADMIN).write_text("first-password")
    with serving(standin) as address:
        edge = f"edge: {{grafana: '{address.removeprefix('http://')}'}}\n"
        told = "alerts: {send_to: [{discord: {secret: ops}}]}\n"
        (tmp_path / "aresmon.yml").write_text(f"{edge}{told}hosts: {{a: }}\n")

        def run(*arguments: str, given: str | None = None) -> Result:
            return CliRunner().invoke(main.app, ["alerts", *arguments], input=given)

        yield run
    common.the_console.cache_clear()


def fires(standin: StandIn) -> None:
    instance = {
        "state": "Alerting",
        "labels": {"host": "a", "path": "/srv", "alertname": "Disk full (warning)"},
        "annotations": {"summary": "/srv on a is 91 % full."},
    }
    rule = {"uid": "disk-full-warning", "name": "Disk full (warning)", "state": "firing", "health": "ok"}
    standin.state.rules = [{"name": "disk", "file": "aresmon", "rules": [{**rule, "alerts": [instance]}]}]


def test_list_shows_what_fires_first_and_ends_with_5(run: Run, standin: StandIn) -> None:
    fires(standin)
    result = run("list")

    assert result.exit_code == 5
    assert result.stdout.splitlines()[1].split() == ["disk-full", "warning", "above", "90", "%", "firing"]
    assert "! warning: /srv on a is 91 % full." in result.stdout


def test_list_ends_with_0_when_nothing_fires(run: Run) -> None:
    assert run("list").exit_code == 0


def test_list_for_scripts_has_every_rule_with_its_state(run: Run, standin: StandIn) -> None:
    fires(standin)
    told = json.loads(run("list", "--json").stdout)
    states = {rule["uid"]: rule["state"] for rule in told["rules"]}

    assert told["grafana"] == "ok"
    assert states["disk-full-warning"] == "firing"
    assert states["agent-silent-a"] == "unknown"


def test_list_without_grafana_lists_the_rules_and_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "the_engine", FakeEngine)
    result = run("list")

    assert result.exit_code == 5
    assert "disk-full" in result.stdout
    assert "the state of the rules is unknown: Grafana is not running here" in result.stderr


def test_a_secret_is_read_from_standard_input_and_never_shown(run: Run, tmp_path: Path) -> None:
    result = run("secret", "ops", given=f"{ADDRESS}\n")
    path = tmp_path / ".aresmon" / "secrets" / "alerts" / "ops"

    assert result.exit_code == 0
    assert path.read_text() == ADDRESS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "very-secret" not in result.output


def test_a_secret_that_nothing_asks_for_is_kept_and_told_of(run: Run) -> None:
    result = run("secret", "op", given=ADDRESS)

    assert result.exit_code == 0
    assert "nothing in aresmon.yml asks for a secret named op" in result.stderr


def test_a_secret_whose_name_was_mistyped_is_told_which_was_meant(run: Run) -> None:
    assert "named op (did you mean 'ops'?)" in run("secret", "op", given=ADDRESS).stderr
    assert "named telegram; it asks for ops" in run("secret", "telegram", given="1:a").stderr


def test_an_address_with_quotes_around_it_is_refused_and_not_shown(run: Run, tmp_path: Path) -> None:
    result = run("secret", "ops", given=f'"{ADDRESS}"\n')

    assert result.exit_code == 1
    assert "ops: the value has quotes around it" in result.output + result.stderr
    assert "very-secret" not in result.output + result.stderr
    assert not (tmp_path / ".aresmon" / "secrets" / "alerts").exists()


def test_check_names_the_secrets_that_are_not_there_yet(run: Run) -> None:
    told = CliRunner().invoke(main.app, ["check"])

    assert told.exit_code == 0
    assert "the secret ops is not set" in told.stderr
    assert "`aresmon alerts secret ops` sets it" in told.stderr
    run("secret", "ops", given=ADDRESS)
    assert "ops" not in CliRunner().invoke(main.app, ["check"]).stderr


def test_without_a_terminal_every_rule_is_one_line_however_narrow_it_is(
    run: Run, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    fires(standin)
    lines = run("list").stdout.splitlines()

    assert "database-unreachable" in [line.split()[0] for line in lines]
    assert {line.split()[-1] for line in lines[1:-1]} == {"firing", "unknown"}
    assert max(len(line) for line in lines) <= 80


def test_thresholds_are_told_in_words_and_with_how_long_they_must_be_exceeded(run: Run, tmp_path: Path) -> None:
    address = "{certificate: {sources: [https://wiki.example.org]}}"
    file = tmp_path / "aresmon.yml"
    file.write_text(file.read_text().replace("{a: }", f"{{a: {{collect: [system, disk, {address}]}}}}"))

    lines = run("list").stdout.splitlines()

    told = {tuple(line.split()[:2]): " ".join(line.split()[2:-1]) for line in lines}
    assert told["certificate-ends", "warning"] == "below 14 days"
    assert told["disk-fills", "warning"] == "below 24 hours for 60 min"
    assert told["disk-full", "warning"] == "above 90 %"
    assert told["agent-silent", "critical"] == "no data for 3 min (a)"


def test_a_terminal_of_80_columns_breaks_no_name(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "aresmon.yml").write_text(
        "alerts: {rules: {disk-full: {exceptions: [{host: a, where: {path: /exports/with/a/long/path}, warning: 95}]}}}"
        "\nhosts: {a: }\n"
    )
    console = Console()
    console.out = RichConsole(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    project = Project.load(Site(tmp_path))
    console.alerts(grafana_alerts.group_by_host(grafana_alerts.list_rules(project.config, project.views, None)))
    assert isinstance(console.out.file, io.StringIO)
    lines = console.out.file.getvalue().splitlines()

    assert max(len(line) for line in lines) <= 80
    assert {line.split()[0] for line in lines if line[0] != " "} >= {"database-unreachable", "disk-full"}
    assert {line.split(" ")[0] for line in lines} <= {
        "",
        "ALERT",
        *(alert.id for view in VIEWS.values() for alert in view.alerts),
        "database-unreachable",
    }


def test_a_message_for_trial_that_is_taken_ends_with_0(run: Run) -> None:
    result = run("test")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["<aresmon.shown>", "", "<aresmon.shown>", "", "discord: taken"]


def test_a_grafana_that_does_not_render_the_message_sends_it_all_the_same(run: Run, standin: StandIn) -> None:
    standin.refuse["POST", "/alertmanager/grafana/config/api/v1/templates/test"] = (400, "bad request data")
    result = run("test")

    assert (result.exit_code, result.stdout) == (0, "discord: taken\n")
    assert "the text of the message cannot be shown" in result.stderr


def test_a_message_that_is_not_taken_ends_with_1(run: Run, standin: StandIn) -> None:
    standin.refuse["POST", "/alertmanager/grafana/config/api/v1/receivers/test"] = (400, "unknown receiver")
    result = run("test", "discord")

    assert result.exit_code == 1
    assert "unknown receiver" in result.stderr

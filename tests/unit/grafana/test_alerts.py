"""`alerts list` and `alerts test`: what a person is told of Grafana's answers."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aresmon.config.views import Severity
from aresmon.grafana import alerts, trials
from aresmon.grafana.client import Grafana
from aresmon.grafana.trials import Trial
from aresmon.site import external_secrets
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.system.errors import AresmonError, ExitCode
from tests.grafana.standin import StandIn, serving
from tests.unit.conftest import REPOSITORY, VIEWS, load

pytestmark = pytest.mark.own_sockets("the stand-in for Grafana answers over HTTP")

FLEET = load("hosts: {biere: {collect: [system, disk]}, lewi: {}, ronflex: {}}\n")


def answer(uid: str, state: str, *instances: tuple[str, dict[str, str], str], **more: Any) -> list[dict[str, Any]]:
    """Grafana's answer about one rule. An instance is its state, its labels and its summary."""
    shown = [
        {
            "state": state_of,
            "labels": {"alertname": "x", "severity": "warning", "__grafana_receiver__": "aresmon-warning", **labels},
            "annotations": {"summary": s},
        }
        for state_of, labels, s in instances
    ]
    return [{"name": "group", "rules": [{"uid": uid, "state": state, "health": "ok", "alerts": shown, **more}]}]


def one(groups: list[dict[str, Any]] | None, uid: str) -> alerts.RuleStatus:
    return next(rule for rule in alerts.list_rules(FLEET, VIEWS, groups) if rule.uid == uid)


def test_what_fires_comes_first_with_what_it_says_and_makes_exit_code_5() -> None:
    groups = answer("disk-full-warning", "firing", ("Alerting", {"host": "biere", "path": "/srv"}, "/srv is full."))
    rules = alerts.list_rules(FLEET, VIEWS, groups)

    assert (rules[0].uid, rules[0].state, rules[0].condition) == ("disk-full-warning", "firing", "above 90 %")
    assert rules[0].about == (("biere /srv", "/srv is full."),)
    assert alerts.exit_code(rules) == ExitCode.DEGRADED


@pytest.mark.parametrize(
    ("state", "more", "shown"),
    [
        ("inactive", {}, "quiet"),
        ("pending", {}, "pending"),
        ("recovering", {}, "firing"),
        ("inactive", {"health": "nodata"}, "quiet"),
        ("inactive", {"health": "unknown"}, "unknown"),
        ("inactive", {"health": "error", "lastError": "database not found"}, "error"),
        ("firing", {"health": "error", "alerts": [{"state": "Error"}]}, "error"),
        ("firing", {"health": "error", "alerts": [{"state": "Alerting (Error)"}]}, "firing"),
    ],
)
def test_a_state_is_told_in_a_word(state: str, more: dict[str, Any], shown: str) -> None:
    found = one(answer("disk-full-warning", state, **more), "disk-full-warning")

    assert (found.state, found.error) == (shown, more.get("lastError", ""))
    assert alerts.exit_code([found]) == (ExitCode.DEGRADED if shown in ("firing", "error") else ExitCode.DONE)


@pytest.mark.parametrize(("severity", "code"), [("critical", 5), ("warning", 5), ("information", 0)])
def test_information_that_fires_is_no_problem(severity: Severity, code: int) -> None:
    fires = one(answer("disk-full-warning", "firing"), "disk-full-warning")

    assert alerts.exit_code([dataclasses.replace(fires, severity=severity)]) == code


def test_without_an_answer_the_rules_are_listed_all_the_same() -> None:
    rules = alerts.list_rules(FLEET, VIEWS, None)

    assert {rule.state for rule in rules} == {"unknown"}
    assert "cpu-high-critical" in {rule.uid for rule in rules}
    assert alerts.exit_code(rules) == ExitCode.DONE  # as right after the first `up`
    assert alerts.exit_code(rules, is_answered=False) == ExitCode.DEGRADED


def test_hosts_whose_rules_stand_alike_are_one_line_and_one_that_fires_its_own() -> None:
    groups = answer("agent-silent-lewi", "firing", ("Alerting (NoData)", {"host": "lewi"}, "Nothing has arrived."))
    lines = [
        rule for rule in alerts.group_by_host(alerts.list_rules(FLEET, VIEWS, groups)) if rule.alert == "agent-silent"
    ]

    assert [(line.place, line.state) for line in lines] == [("lewi", "firing"), ("each of 2 hosts", "unknown")]


def test_what_is_switched_off_is_listed_last_and_as_off() -> None:
    config = load(
        """hosts: {biere: {collect: [system, disk]}, lewi: {}}
alerts:
  rules:
    disk-full: {critical: off, exceptions: [{host: lewi, watch: off}, {where: {path: /srv}, warning: 95}]}
    rebooted: {watch: off}
    agent-silent: {exceptions: [{host: lewi, watch: off}]}
    container-stopped: {watch: off}
"""
    )
    rules = alerts.group_by_host(alerts.list_rules(config, VIEWS, None))
    off = [(one.alert, one.severity, one.place) for one in rules if one.state == "off"]

    assert [one.state for one in rules[-len(off) :]] == ["off"] * len(off)
    assert off == [
        ("disk-full", "critical", ""),
        ("disk-full", "warning", "lewi"),
        ("agent-silent", "critical", "lewi"),
        ("rebooted", "information", ""),
    ]
    assert len({one.uid for one in rules}) == len(rules)
    assert alerts.exit_code(rules) == ExitCode.DONE


def test_all_that_is_told_to_scripts_is_documented() -> None:
    document = (REPOSITORY / "docs" / "alerts.md").read_text(encoding="utf-8")
    table = document.partition("## For scripts")[2].partition("\n## ")[0]

    assert [field.name for field in dataclasses.fields(alerts.RuleStatus) if f"`{field.name}`" not in table] == []
    assert [state for state in alerts.STATES if f"`{state}`" not in table] == []


# Messages for trial ----------------------------------------------------------------------------------


@pytest.fixture
def standin() -> Iterator[StandIn]:
    made = StandIn()
    made.state.begin("admin", "first-password")
    yield made
    assert made.violations == []


@pytest.fixture
def client(standin: StandIn) -> Iterator[Grafana]:
    with serving(standin) as address:
        yield Grafana(address, "admin", "first-password")


SENDING = load(
    "hosts: {biere: {}}\nalerts:\n  send_to:\n    - discord: {secret: ops}\n    - webhook: {secret: hook}\n"
    "    - email: a@example.org\n  heartbeat: {secret: beat}\n"
)


def test_each_way_of_telling_is_tried_by_its_name_but_email_without_a_mail_server(
    client: Grafana, tmp_path: Path
) -> None:
    site = Site(tmp_path)
    external_secrets.write_alert_secret(site.secrets, "hook", "https://hooks.example.org/x", owner=os.getuid())

    tried = alerts.test_contact_points(Project(site, SENDING), client, [])

    assert [(one.name, one.error) for one in tried] == [("discord", ""), ("webhook", ""), ("heartbeat", "")]


def test_grafana_is_told_no_secret_that_it_has_and_can_hide(
    client: Grafana, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, sent = Site(tmp_path), list[tuple[Mapping[str, Any], Sequence[str]]]()
    external_secrets.write_alert_secret(site.secrets, "hook", "https://hooks.example.org/x", owner=os.getuid())

    def keep(_: Grafana, name: str, integration: Mapping[str, Any], alert: Any, hidden: Sequence[str]) -> Trial:
        assert alert["labels"]["host"] == "biere"
        sent.append((integration, hidden))
        return Trial(True)

    monkeypatch.setattr(trials, "try_receiver", keep)
    alerts.test_contact_points(Project(site, SENDING), client, [])

    assert [one["uid"] for one, _ in sent] == [
        "aresmon-warning-discord",
        "aresmon-warning-webhook",
        "aresmon-heartbeat",
    ]
    assert [one["settings"].get("url") for one, _ in sent] == [None, "https://hooks.example.org/x", None]
    assert [hidden for _, hidden in sent] == [["url"], [], ["url"]]


def test_the_text_of_a_message_and_of_its_end_are_rendered_by_grafana(
    client: Grafana, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[Any]()
    known = Grafana.render_templates

    def keep(grafana: Grafana, name: str, file: str, made: list[Any]) -> dict[str, str]:
        asked.append((file, made))
        return known(grafana, name, file, made)

    monkeypatch.setattr(Grafana, "render_templates", keep)
    text = alerts.render_test_message(Project(Site(tmp_path), SENDING), client)

    assert text == "<aresmon.shown>\n\n<aresmon.shown>"
    now = datetime.now(UTC)
    assert [datetime.fromisoformat(one["endsAt"]) > now for _, (one,) in asked] == [True, False]
    assert all('define "aresmon.title"' in file for file, _ in asked)


@pytest.mark.parametrize(
    ("trial", "error"),
    [(Trial(False, "404 Not Found"), "404 Not Found"), (Trial(False), "Grafana gives no reason")],
)
def test_what_was_not_taken_says_why(
    client: Grafana, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trial: Trial, error: str
) -> None:
    monkeypatch.setattr(trials, "try_receiver", lambda *_: trial)

    assert [one.error for one in alerts.test_contact_points(Project(Site(tmp_path), SENDING), client, ["discord"])] == [
        error
    ]


@pytest.mark.parametrize("version", ["12.4.5", "13.2.1"])
def test_both_versions_of_grafana_take_a_message_for_trial(
    client: Grafana, standin: StandIn, tmp_path: Path, version: str
) -> None:
    standin.version = version

    tried = alerts.test_contact_points(Project(Site(tmp_path), SENDING), client, ["discord", "heartbeat"])

    assert [(one.name, one.error) for one in tried] == [("discord", ""), ("heartbeat", "")]


def test_a_name_that_there_is_not_is_told_with_the_one_that_was_meant(client: Grafana, tmp_path: Path) -> None:
    with pytest.raises(AresmonError, match=r"no contact point 'dicsord' \(did you mean 'discord'\?\)"):
        alerts.test_contact_points(Project(Site(tmp_path), SENDING), client, ["dicsord"])


def test_a_site_that_tells_nobody_is_told_how_to(client: Grafana, tmp_path: Path) -> None:
    with pytest.raises(AresmonError, match="nobody is notified") as caught:
        alerts.test_contact_points(Project(Site(tmp_path), FLEET), client, [])

    assert "alerts.send_to" in caught.value.hint

"""`alerts` of aresmon.yml: what it comes to, and what is told of its mistakes."""

from __future__ import annotations

import pytest

from aresmon.alerting import Address, Case, Change, Mail, Quiet, Receiver
from aresmon.views import SEVERITIES
from tests.unit.conftest import errors, load

HOSTS = "hosts: {biere: {}, lewi: {}}\n"
WHERE = "aresmon.yml:2 alerts"


def alerts_of(text: str) -> object:
    return load(f"{HOSTS}alerts: {text}\n").alerts


def wrong(text: str) -> tuple[str, ...]:
    return errors(f"{HOSTS}alerts: {text}\n")


def test_without_alerts_nobody_is_told_and_every_rule_is_as_it_was_built_in() -> None:
    alerts = load(HOSTS).alerts

    assert (alerts.receivers, alerts.mail, alerts.quiet, alerts.rules, alerts.heartbeat) == ((), None, (), {}, None)


def test_each_way_of_telling_has_a_name_of_its_own_and_its_severity() -> None:
    alerts = load(
        f"""{HOSTS}alerts:
  send_to:
    - email: a@example.org
    - {{email: [b@example.org, c@example.org], severity: critical}}
    - webhook: {{url: "https://hooks.example.org/x", secret: token}}
    - discord: {{secret: discord}}
    - telegram: {{chat: -100123, secret: bot}}
  smtp: {{host: "mail.example.org:587", from: grafana@example.org, user: grafana, password: {{secret: smtp}}}}
  heartbeat: {{secret: beat}}
"""
    ).alerts

    assert alerts.receivers == (
        Receiver("email", "email", "warning", emails=("a@example.org",)),
        Receiver("email-2", "email", "critical", emails=("b@example.org", "c@example.org")),
        Receiver("webhook", "webhook", "warning", Address("https://hooks.example.org/x", "token")),
        Receiver("discord", "discord", "warning", Address(secret="discord")),
        Receiver("telegram", "telegram", "warning", Address(secret="bot"), chat="-100123"),
    )
    assert alerts.mail == Mail("mail.example.org:587", "grafana@example.org", "grafana", "smtp", "starttls")
    assert alerts.secrets == ("token", "discord", "bot", "smtp", "beat")
    assert [alerts.receivers[1].hears(severity) for severity in SEVERITIES] == [False, False, True]


@pytest.mark.parametrize("begin", ['"23:00"', "23:00", "1380"])
def test_hours_are_read_with_quotes_and_without(begin: str) -> None:
    alerts = load(f'{HOSTS}alerts: {{quiet: [{{from: {begin}, to: "07:00", timezone: Europe/Paris}}]}}\n').alerts

    assert alerts.quiet == (Quiet(1380, 420, (), "Europe/Paris", "warning"),)


def test_off_is_off_and_not_zero() -> None:
    alerts = load(
        f"""{HOSTS}alerts:
  rules:
    disk-full:
      warning: 85
      critical: off
      for: 10m
      exceptions:
        - {{host: biere, where: {{path: /exports}}, warning: 95}}
        - {{host: lewi, watch: off}}
"""
    ).alerts
    rule = alerts.rules["disk-full"]

    assert rule.change == Change((("warning", 85), ("critical", None)), 600)
    assert rule.exceptions == (
        Case("biere", (("path", "/exports"),), Change((("warning", 95),))),
        Case("lewi", (), Change(watch=False)),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{rules: {disk-ful: {warning: 5}}}",
            ".rules.disk-ful: unknown alert 'disk-ful' (did you mean 'disk-full'?)",
        ),
        (
            "{rules: {disk-full: {exceptions: [{host: beire, warning: 95}]}}}",
            ".rules.disk-full.exceptions[0].host: no host 'beire' (did you mean 'biere'?)",
        ),
        (
            "{rules: {disk-full: {exceptions: [{where: {pth: /}, warning: 95}]}}}",
            ".rules.disk-full.exceptions[0].where.pth: 'disk-full' has no tag 'pth' beside the host"
            " (did you mean 'path'?)",
        ),
        (
            "{rules: {agent-silent: {exceptions: [{where: {path: /}, watch: off}]}}}",
            ".rules.agent-silent.exceptions[0].where.path: 'agent-silent' has no tag 'path' beside the host"
            "; it has none",
        ),
        (
            "{rules: {disk-full: {exceptions: [{warning: 95}]}}}",
            ".rules.disk-full.exceptions[0]: says not where: `host`, `where`, or both",
        ),
        (
            "{rules: {disk-full: {exceptions: [{host: biere}]}}}",
            ".rules.disk-full.exceptions[0]: changes nothing: a value, `for`, or `watch: off`",
        ),
        (
            "{rules: {disk-full: {warning: 99}}}",
            ".rules.disk-full: the values must rise from information to critical; with what is built in: 99, 97",
        ),
        (
            "{rules: {memory-low: {warning: 3}}}",
            ".rules.memory-low: the values must fall from information to critical; with what is built in: 3, 5",
        ),
        (
            "{rules: {disk-full: {warning: high, watch: maybe}}}",
            ".rules.disk-full.warning: must be a number, or `off`, not 'high'",
        ),
        ("{rules: {disk-full: {warning: on}}}", ".rules.disk-full.warning: must be a number or `off`"),
        (
            "{rules: {database-unreachable: {critical: 5}}}",
            ".rules.database-unreachable: it has no threshold and no exceptions; `for`, or `watch: off`",
        ),
        (
            "{send_to: [{severity: critical}]}",
            ".send_to[0]: needs one way of telling: email, webhook, discord, slack, mattermost, matrix, ntfy, telegram"
            "; another one is another entry of the list",
        ),
        (
            "{send_to: [{slack: {secret: a}, discord: {secret: b}}]}",
            ".send_to[0]: needs one way of telling, not discord and slack; another one is another entry of the list",
        ),
        (
            "{send_to: [{matrix: {url: 'https://example.org', secret: a}}]}",
            ".send_to[0].matrix: needs `url`, or `secret` with the name of the secret that holds it",
        ),
        ("{heartbeat: {}}", ".heartbeat: needs `url`, or `secret` with the name of the secret that holds it"),
        (
            "{send_to: [{discord: {url: 'https://discord.com/api/webhooks/1/x'}}]}",
            ".send_to[0].discord.url: unknown setting; known: secret",
        ),
        (
            "{send_to: [{discord: {secret: 'https://discord.com/api'}}]}",
            ".send_to[0].discord.secret: must be a name of lower-case letters, digits and hyphens; the secret itself"
            " goes in with `aresmon alerts secret`, not 'https://discord.com/api'",
        ),
        (
            "{smtp: {host: 'a:25', from: a@example.org, user: me}}",
            ".smtp: `user` and `password` go together",
        ),
        (
            "{quiet: [{from: '07:00', to: '07:00', timezone: Europe/Paris}]}",
            ".quiet[0].to: is when it begins; for whole days say 00:00 to 24:00",
        ),
        (
            "{quiet: [{from: '23:00', to: '07:00', timezone: Europe/Evry}]}",
            ".quiet[0].timezone: no time zone 'Europe/Evry'; they read as Europe/Paris",
        ),
        (
            "{quiet: [{from: '25:00', to: '07:00', timezone: Europe/Paris}]}",
            ".quiet[0].from: must be a time of the day, as 23:00, not '25:00'",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_was_meant(text: str, message: str) -> None:
    assert f"{WHERE}{message}" in wrong(text)


def test_email_without_a_mail_server_is_no_mistake_but_told() -> None:
    notices = load(f"{HOSTS}alerts: {{send_to: [{{email: a@example.org}}]}}\n").notices

    assert f"{WHERE}.send_to[0].email: nobody is told by e-mail until alerts.smtp names a mail server" in notices


@pytest.mark.parametrize(("kind", "is_open"), [("webhook", True), ("matrix", True), ("ntfy", True), ("slack", False)])
def test_an_address_that_grafana_shows_to_its_guests_is_told_of(kind: str, is_open: bool) -> None:
    notices = load(f"{HOSTS}alerts: {{send_to: [{{{kind}: {{secret: ops}}}}]}}\n").notices

    assert any("guests too" in notice for notice in notices) == is_open

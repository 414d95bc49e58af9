"""`alerts` of aresmon.yml: what it comes to, and what is told of its mistakes."""

from __future__ import annotations

import pytest

from aresmon.config.alerts import Address, AlertException, Mail, QuietHours, Receiver, ThresholdOverride
from aresmon.config.views import SEVERITIES
from tests.unit.conftest import errors, load

HOSTS = "hosts: {biere: {}, lewi: {}}\n"
WHERE = "aresmon.yml:2 alerts"


SECRETS = "must be {secret: NAME}; the secret itself goes in with `aresmon alerts secret NAME`"
HUGE = 10**400
NEVER = (
    "never applies: alerts.rules.disk-full.exceptions[0] fits first wherever this one does; put the narrower one first"
)


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
    assert alerts.secrets == {
        "token": ("plain",),
        "discord": ("address",),
        "bot": ("bot",),
        "smtp": ("plain",),
        "beat": ("address",),
    }
    assert [alerts.receivers[1].hears(severity) for severity in SEVERITIES] == [False, False, True]


@pytest.mark.parametrize("begin", ['"23:00"', "23:00", "1380"])
def test_hours_are_read_with_quotes_and_without(begin: str) -> None:
    alerts = load(f'{HOSTS}alerts: {{quiet: [{{from: {begin}, to: "07:00", timezone: Europe/Paris}}]}}\n').alerts

    assert alerts.quiet == (QuietHours(1380, 420, (), "Europe/Paris", "warning"),)


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

    assert rule.change == ThresholdOverride((("warning", 85), ("critical", None)), 600)
    assert rule.exceptions == (
        AlertException("biere", (("path", "/exports"),), ThresholdOverride((("warning", 95),))),
        AlertException("lewi", (), ThresholdOverride(watch=False)),
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
        ("{rules: {disk-full: {warning: on}}}", ".rules.disk-full.warning: must be a number or `off`, not true"),
        (
            "{rules: {database-unreachable: {critical: 5}}}",
            ".rules.database-unreachable: it has no threshold and no exceptions; `for`, or `watch: off`",
        ),
        (
            "{rules: {backup-late: {warning: 5}}}",
            ".rules.backup-late: it has no threshold and no exceptions; `for`, or `watch: off`",
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
            " goes in with `aresmon alerts secret`",
        ),
        (
            "{send_to: [{webhook: {url: 'https://hooks.example.org/%zz'}}]}",
            ".send_to[0].webhook.url: has a % in it that two hexadecimal digits must follow",
        ),
        ("{rules: {disk-full: {warning: .nan}}}", ".rules.disk-full.warning: must be a number or `off`, not nan"),
        (
            "{rules: {disk-full: {exceptions: [{host: biere, critical: .inf}]}}}",
            ".rules.disk-full.exceptions[0].critical: must be a number or `off`, not inf",
        ),
        (
            "{rules: {disk-full: {exceptions: [{host: biere, warning: 95}, {host: biere, warning: 96}]}}}",
            f".rules.disk-full.exceptions[1]: {NEVER}",
        ),
        (
            "{rules: {disk-full: {exceptions: [{where: {path: /}, watch: off},"
            " {host: lewi, where: {path: /}, critical: 99}]}}}",
            f".rules.disk-full.exceptions[1]: {NEVER}",
        ),
        (
            "{rules: {disk-full: {exceptions: [{host: biere, warning: 95},"
            " {host: biere, where: {path: /}, warning: 96}]}}}",
            f".rules.disk-full.exceptions[1]: {NEVER}",
        ),
        (
            "{rules: {disk-full: {exceptions: [{host: biere, warning: 95, critical: 99}, {host: biere, for: 9m}]}}}",
            f".rules.disk-full.exceptions[1]: {NEVER}",
        ),
        (
            f"{{rules: {{disk-full: {{warning: {HUGE}}}}}}}",
            f".rules.disk-full.warning: must be a number or `off`, not {HUGE}",
        ),
        (
            "{rules: {agent-silent: {exceptions: [{host: lewi, warning: 5}, {host: lewi, watch: off}]}}}",
            f".rules.agent-silent.exceptions[1]: {NEVER.replace('disk-full', 'agent-silent')}",
        ),
        (
            "{smtp: {host: 'a:25', from: a@example.org, user: me}}",
            ".smtp: `user` and `password` go together",
        ),
        (
            "{quiet: [{from: '07:00', to: '07:00', timezone: Europe/Paris}]}",
            ".quiet[0].to: 07:00 is when it begins; for whole days say 00:00 to 24:00",
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


@pytest.mark.parametrize(
    "exceptions",
    [
        "{host: biere, warning: 95}, {host: biere, critical: 99}",
        "{host: biere, warning: 95}, {host: lewi, warning: 95}",
        "{host: biere, where: {path: /}, warning: 95}, {host: biere, warning: 94}",
        "{host: biere, where: {path: /}, warning: 95}, {where: {path: /}, warning: 94}",
        "{host: biere, warning: 95}, {host: biere, warning: 95, critical: 99}",
    ],
)
def test_of_exceptions_the_narrower_before_the_wider_are_no_mistake(exceptions: str) -> None:
    assert load(f"{HOSTS}alerts: {{rules: {{disk-full: {{exceptions: [{exceptions}]}}}}}}\n").alerts.rules


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("disk-full: {critical: 5000}", ".disk-full.critical: above 5000 %: a percentage is from 0 to 100"),
        (
            "memory-low: {exceptions: [{host: lewi, critical: -1}]}",
            ".memory-low.exceptions[0].critical: below -1 %: a percentage is from 0 to 100",
        ),
    ],
)
def test_a_percentage_that_there_is_not_is_told_of(rule: str, message: str) -> None:
    assert f"{WHERE}.rules{message}" in load(f"{HOSTS}alerts: {{rules: {{{rule}}}}}\n").notices


def test_numbers_that_are_no_percentages_may_be_large() -> None:
    notices = load(
        f"{HOSTS}alerts: {{rules: {{disk-queue: {{warning: 5000}}, disk-full: {{critical: 100}}}}}}\n"
    ).notices

    assert not any("percentage" in notice for notice in notices)


SECRET = "https://hooks.example.org/services/S3CRET"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SECRET, ": must be a mapping, not a text"),
        (f"{{send_to: {SECRET}}}", ".send_to: must be a list, not a text"),
        (f"{{send_to: [{SECRET}]}}", ".send_to[0]: must be a mapping, not a text"),
        (f"{{send_to: [{{discord: {SECRET}}}]}}", f".send_to[0].discord: {SECRETS}"),
        (f"{{send_to: [{{discord: [{SECRET}]}}]}}", f".send_to[0].discord: {SECRETS}"),
        (f"{{send_to: [{{discord: {{{SECRET}}}}}]}}", ".send_to[0].discord: unknown setting; known: secret"),
        (f"{{send_to: [{{{SECRET}}}]}}", ".send_to[0]: unknown setting; known: severity"),
        (f"{{send_to: [{{slack: {{secret: '{SECRET}'}}}}]}}", ".send_to[0].slack.secret: must be a name of lower-case"),
        (f"{{send_to: [{{email: {SECRET}}}]}}", ".send_to[0].email: must be an e-mail address"),
        (f"{{send_to: [{{email: [{SECRET}]}}]}}", ".send_to[0].email[0]: must be an e-mail address"),
        (f"{{send_to: [{{ntfy: {SECRET}}}]}}", ".send_to[0].ntfy: must be {secret: NAME} or {url: ADDRESS}; a secret"),
        (f"{{send_to: [{{webhook: {{url: '{SECRET}$'}}}}]}}", ".send_to[0].webhook.url: must be an http or https"),
        (
            "{send_to: [{telegram: '12:S3CRET'}]}",
            ".send_to[0].telegram: must be {chat: NUMBER, secret: NAME}; the token",
        ),
        ("{send_to: [{telegram: {chat: '12:S3CRET', secret: x}}]}", ".send_to[0].telegram.chat: must be a number or"),
        (f"{{heartbeat: {SECRET}}}", ".heartbeat: must be {secret: NAME} or {url: ADDRESS}; a secret address"),
        ("{smtp: S3CRET}", ".smtp: must be a mapping, not a text"),
        ("{smtp: {host: 'a:25', from: a@b.org, user: x, password: S3CRET}}", f".smtp.password: {SECRETS}"),
        ("{smtp: {host: 'smtp://u:S3CRET@a:25', from: a@b.org}}", ".smtp.host: must be a name and a port"),
        ("{smtp: {host: 'a:25', from: a@b.org, tls: 'smtps://u:S3CRET@a'}}", ".smtp.tls: must be starttls, "),
    ],
)
def test_a_secret_in_the_clear_is_not_repeated_and_told_where_it_belongs(text: str, message: str) -> None:
    told = wrong(text)

    assert "S3CRET" not in "\n".join(told)
    assert any(line.startswith(f"{WHERE}{message}") for line in told)


@pytest.mark.parametrize(
    "text",
    [
        "grafana: {url: 'https://u:S3CRET@grafana.example.org'}\n",
        "edge: {url: 'https://u:S3 CRET@biere.example.org:8086'}\n",
        "configs: {git: 'https://u:S3CRET@git example.org'}\n",
        "grafana: {guests: [{login: guest, password: 'S3CRETé'}]}\n",
        "site: 'https://u:S3CRET@x'\n",
    ],
)
def test_nor_is_a_password_elsewhere(text: str) -> None:
    assert not any("CRET" in line for line in errors(text + HOSTS))
    assert not any("CRET" in line for line in errors('hosts: {biere: {env: {MYSQL: "S3CRET\'"}}}\n'))


def test_email_without_a_mail_server_is_no_mistake_but_told() -> None:
    notices = load(f"{HOSTS}alerts: {{send_to: [{{email: a@example.org}}]}}\n").notices

    assert f"{WHERE}.send_to[0].email: no e-mail is sent until alerts.smtp is set to a mail server" in notices


@pytest.mark.parametrize(("kind", "is_open"), [("webhook", True), ("matrix", True), ("ntfy", True), ("slack", False)])
def test_an_address_that_grafana_shows_to_its_guests_is_told_of(kind: str, is_open: bool) -> None:
    notices = load(f"{HOSTS}alerts: {{send_to: [{{{kind}: {{secret: ops}}}}]}}\n").notices

    assert any("guests too" in notice for notice in notices) == is_open

"""How many messages an alert of two severities is, from its rise to its end, and who gets them."""

from __future__ import annotations

import pytest

from tests.grafana import notifier, rising
from tests.grafana.notifier import Message
from tests.unit.alert_files import files, rules

ONE = "  send_to: [{discord: {secret: a}}]\n"
MIXED = "  send_to: [{discord: {secret: a}}, {telegram: {chat: 7, secret: b}, severity: critical}]\n"
QUIET = "  quiet: [{from: '23:00', to: '07:00', timezone: Europe/Paris}]\n"


def sent(text: str, alert: str, path: tuple[str, ...]) -> list[Message]:
    found = [rule for uid, rule in rules(text).items() if uid.startswith(alert)]
    return notifier.messages(found, rising.ask(alert, path), minutes=rising.minutes(path))


def told(messages: list[Message], receiver: str) -> list[tuple[list[str], list[str]]]:
    """What fires and what ends in each of the messages to a contact point."""
    return [(one.severities("firing"), one.severities("resolved")) for one in messages if one.receiver == receiver]


def test_all_alerts_of_two_severities_are_tried() -> None:
    found = rules("")

    assert {uid.removesuffix("-critical") for uid in found if uid.endswith("-critical")} & {
        uid.removesuffix("-warning") for uid in found if uid.endswith("-warning")
    } == set(rising.ALERTS)


@pytest.mark.parametrize("alert", rising.ALERTS)
def test_an_alert_that_rises_and_falls_is_a_message_a_change(alert: str) -> None:
    messages = sent(ONE, alert, rising.RISING)

    assert told(messages, "aresmon-warning") == [
        (["warning"], []),
        (["critical", "warning"], []),
        (["warning"], ["critical"]),
        ([], ["warning"]),
    ]
    assert len(messages) == 4


@pytest.mark.parametrize("alert", rising.ALERTS)
def test_an_alert_that_is_critical_at_once_is_one_message_and_so_is_its_end(alert: str) -> None:
    messages = sent(ONE, alert, rising.JUMPING)

    assert told(messages, "aresmon-warning") == [(["critical", "warning"], []), ([], ["critical", "warning"])]
    assert len(messages) == 2


def test_who_hears_only_what_is_critical_hears_of_it_when_it_begins_and_ends() -> None:
    messages = sent(MIXED, "disk-full", rising.RISING)

    assert len(told(messages, "aresmon-warning")) == 4
    assert told(messages, "aresmon-only-critical") == [(["critical"], []), ([], ["critical"])]
    assert len(messages) == 6
    # A warning may go on, of which these messages do not tell.
    assert messages[-2].alerts[0]["annotations"]["lesser"] == "warning"
    found = {point["name"]: [one["uid"] for one in point["receivers"]] for point in files(MIXED)[1]["contactPoints"]}
    assert found["aresmon-only-critical"] == ["aresmon-only-critical-telegram"]


def test_rules_for_such_a_channel_are_there_only_where_there_is_one() -> None:
    mixed, one = rules(MIXED), rules(ONE)

    assert set(mixed) - set(one) == {f"{alert}-critical-only-critical" for alert in rising.ALERTS}
    assert mixed["agent-silent-biere"]["notification_settings"] == {"receiver": "aresmon-critical"}
    assert {group["folder"] for group in files(ONE)[0]["groups"]} == {"aresmon alerts"}


def test_three_severities_are_one_message_to_those_who_hear_all_and_fewer_to_others() -> None:
    three = "  rules: {disk-full: {information: 80}}\n"
    text = "  send_to: [{discord: {secret: a}, severity: information}, {slack: {secret: b}}]\n"
    messages = sent(text + three, "disk-full", rising.RISING)

    assert told(messages, "aresmon-information") == [
        (["information", "warning"], []),
        (["critical", "information", "warning"], []),
        (["information", "warning"], ["critical"]),
        ([], ["information", "warning"]),
    ]
    assert [firing for firing, _ in told(messages, "aresmon-only-warning")] == [
        ["warning"],
        ["critical", "warning"],
        ["warning"],
        [],
    ]


@pytest.mark.parametrize("more", [QUIET, ""])
def test_what_cannot_be_one_message_stays_two_that_tell_the_truth(more: str) -> None:
    fixed = "  send_to: [{ntfy: {secret: a}}]\n"
    found = rules((ONE if more else fixed) + more)

    assert found["disk-full-warning"]["notification_settings"]["receiver"] == "aresmon-warning"
    assert found["disk-full-critical"]["notification_settings"]["receiver"] == "aresmon-critical"
    assert found["disk-full-critical"]["annotations"]["lesser"] == "warning"
    assert "lesser" not in found["disk-full-warning"]["annotations"]


def test_quiet_hours_for_all_severities_keep_one_message() -> None:
    always = QUIET.replace("}]", ", severity: critical}]")
    found = rules(ONE + always)
    settings = [found[f"disk-full-{severity}"]["notification_settings"] for severity in ("warning", "critical")]

    assert settings[0] == settings[1]
    assert settings[0]["mute_time_intervals"] == ["aresmon-quiet-warning"]


def test_hosts_are_told_apart_but_for_those_that_are_silent() -> None:
    found = rules(ONE)

    assert found["load-high-warning"]["notification_settings"]["group_by"] == ["grafana_folder", "alertname", "host"]
    assert "group_by" not in found["agent-silent-biere"]["notification_settings"]

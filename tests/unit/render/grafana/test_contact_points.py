"""Who is told of Grafana's alerts, and when not, as the bundle has it."""

from __future__ import annotations

import json
import re

import pytest

from tests.unit.alert_files import files, rules


def test_a_severity_that_nobody_wants_to_hear_reaches_nobody_at_any_hour() -> None:
    text = "  send_to: [{discord: {secret: ops}, severity: critical}]\n"
    found, contacts = rules(text), files(text)[1]

    nobody = {"receiver": "aresmon-nobody", "mute_time_intervals": ["aresmon-nobody"]}
    assert found["disk-full-warning"]["notification_settings"] == nobody
    critical = {"receiver": "aresmon-critical", "group_by": ["grafana_folder", "alertname", "host"]}
    assert found["disk-full-critical"]["notification_settings"] == critical
    assert [point["name"] for point in contacts["contactPoints"]] == ["aresmon-nobody", "aresmon-critical"]
    assert contacts["muteTimes"][0]["time_intervals"] == [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]


def test_every_rule_names_a_contact_point_and_hours_that_are_there() -> None:
    text = (
        "  send_to: [{discord: {secret: ops}}]\n"
        "  quiet: [{from: '23:00', to: '07:00', timezone: Europe/Paris}]\n  heartbeat: {secret: beat}\n"
    )
    contacts = files(text)[1]
    points = {point["name"] for point in contacts["contactPoints"]}
    times = {time["name"] for time in contacts["muteTimes"]}

    for rule in rules(text).values():
        settings = rule["notification_settings"]
        assert settings["receiver"] in points
        assert set(settings.get("mute_time_intervals", [])) <= times


def test_no_policy_tree_is_brought_since_that_would_replace_peoples_own() -> None:
    assert [file for file in files("  send_to: [{discord: {secret: ops}}]\n") if "policies" in file] == []


def test_email_goes_nowhere_without_a_mail_server() -> None:
    assert [point["name"] for point in files("  send_to: [{email: a@example.org}]\n")[1]["contactPoints"]] == [
        "aresmon-nobody"
    ]


def test_quiet_hours_over_midnight_go_on_the_morning_after() -> None:
    times = files(
        "  send_to: [{discord: {secret: ops}}]\n"
        "  quiet: [{from: '23:00', to: '07:30', days: [saturday, sunday], timezone: Europe/Paris}]\n"
    )[1]["muteTimes"]

    assert [time["name"] for time in times] == ["aresmon-nobody", "aresmon-quiet-information", "aresmon-quiet-warning"]
    assert times[2]["time_intervals"] == [
        {
            "times": [{"start_time": "23:00", "end_time": "24:00"}],
            "weekdays": ["saturday", "sunday"],
            "location": "Europe/Paris",
        },
        {
            "times": [{"start_time": "00:00", "end_time": "07:30"}],
            "weekdays": ["sunday", "monday"],
            "location": "Europe/Paris",
        },
    ]


@pytest.mark.parametrize(("severity", "muted"), [("warning", []), ("critical", ["aresmon-quiet-warning"])])
def test_what_is_critical_is_told_at_any_hour_unless_the_site_says_otherwise(severity: str, muted: list[str]) -> None:
    found = rules(
        "  send_to: [{discord: {secret: ops}}]\n"
        f"  quiet: [{{from: '23:00', to: '07:00', timezone: Europe/Paris, severity: {severity}}}]\n"
    )

    assert found["disk-full-critical"]["notification_settings"].get("mute_time_intervals", []) == muted
    assert found["disk-full-warning"]["notification_settings"]["mute_time_intervals"] == ["aresmon-quiet-warning"]


def test_a_secret_is_named_by_its_file_and_never_written() -> None:
    points = files(
        "  send_to:\n    - discord: {secret: a}\n    - telegram: {chat: 7, secret: b}\n    - matrix: {secret: c}\n"
        "    - ntfy: {url: 'https://ntfy.example.org/x', secret: d}\n    - mattermost: {secret: e}\n"
    )[1]["contactPoints"]
    settings = {
        receiver["uid"].removeprefix("aresmon-warning-"): receiver["settings"]
        for point in points
        if point["name"] == "aresmon-warning"
        for receiver in point["receivers"]
    }

    assert settings["discord"]["url"] == "$__file{/run/alerts/a}"
    assert settings["telegram"]["bottoken"] == "$__file{/run/alerts/b}"
    assert settings["matrix"]["url"] == "$__file{/run/alerts/c}"
    assert settings["ntfy"]["url"] == "https://ntfy.example.org/"
    assert '"topic": "x"' in settings["ntfy"]["payload"]["template"]
    assert settings["ntfy"]["authorization_credentials"] == "$__file{/run/alerts/d}"
    assert settings["mattermost"]["url"] == "$__file{/run/alerts/e}"


def test_settings_hold_no_dollar_but_for_files_since_grafana_would_expand_it() -> None:
    text = "  send_to: [{email: a@example.org}, {slack: {secret: a}}, {matrix: {secret: b}}, {ntfy: {secret: c}}]\n"
    content = files(text + "  smtp: {host: 'mail.example.org:25', from: a@example.org}\n  heartbeat: {secret: d}\n")[1]

    assert "$" not in re.sub(r"\$__file\{/run/alerts/[a-z]\}", "", json.dumps(content["contactPoints"]))


def test_every_text_uses_a_template_that_is_brought_along() -> None:
    text = "  send_to: [{discord: {secret: a}}, {slack: {secret: b}}, {matrix: {secret: c}}, {ntfy: {secret: d}}]\n"
    content = files(text)[1]
    used = set(re.findall(r'(?:template|Exec) \\?"(aresmon\.[a-z]+)', json.dumps(content["contactPoints"])))
    brought = set(re.findall(r'define "(aresmon\.[a-z]+)"', content["templates"][0]["template"]))

    assert used
    assert used <= brought


def test_times_of_day_are_those_of_the_quiet_hours_or_utc() -> None:
    quiet = "  quiet: [{from: '23:00', to: '07:00', timezone: Europe/Paris}]\n"

    assert 'tz "Europe/Paris"' in files(quiet)[1]["templates"][0]["template"]
    assert 'tz "UTC"' in files()[1]["templates"][0]["template"]


def test_the_heartbeat_is_no_problem_and_keeps_to_itself() -> None:
    made, contacts = files("  heartbeat: {secret: beat}\n")
    group = made["groups"][-1]
    beat = group["rules"][0]

    assert (group["folder"], beat["uid"], beat["labels"]) == (
        "aresmon heartbeat",
        "aresmon-heartbeat",
        {"aresmon": "heartbeat"},
    )
    assert beat["notification_settings"]["repeat_interval"] == "1m"
    point = contacts["contactPoints"][-1]
    # As a webhook, everyone who can log in could read the address, and beat in its place.
    assert (point["name"], point["receivers"][0]["type"]) == ("aresmon-heartbeat", "discord")

"""What a person reads: the messages of each contact point, rendered by Go's own templates as Grafana does."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from aresmon.render.grafana import contact_points, messages
from tests.grafana import go_templates, notifier, rising
from tests.unit.alert_files import config, files, rules

pytestmark = pytest.mark.skipif(
    go_templates.GO is None and not os.environ.get("CI"), reason="Go is not installed here; `make test` installs it"
)

ALL_KINDS = """  send_to:
    - {email: a@example.org}
    - {discord: {secret: a}}
    - {slack: {secret: b}}
    - {mattermost: {secret: c}}
    - {telegram: {chat: 7, secret: d}}
    - {matrix: {secret: e}}
    - {ntfy: {url: "https://ntfy.example.org/ops"}}
    - {ntfy: {secret: f}}
    - {webhook: {secret: g}}
  smtp: {host: "mail.example.org:25", from: a@example.org}
"""
TEXT = '{{ template "aresmon.text" . }}'
LINK = "http://127.0.0.1:3000/d/host-biere"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return go_templates.build(tmp_path_factory.mktemp("go"))


def alert(severity: str, status: str = "firing", since: str = "12:00", **more: Any) -> dict[str, Any]:
    """An alert as Grafana tells of it; `labels` and `annotations` are added to its own."""
    labels = {"alertname": "Disk full", "grafana_folder": "aresmon alerts", "collector": "disk", "host": "biere"}
    annotations = {
        "summary": "/srv on biere is 98 % full.",
        "value": "98 %",
        "limit": "above 97 %",
        "description": "On biere: `du -xh /srv | sort -h | tail`.",
        "dashboard": LINK,
    }
    return {
        "labels": {**labels, "path": "/srv", "severity": severity, **more.get("labels", {})},
        "annotations": annotations | more.get("annotations", {}),
        "status": status,
        "startsAt": f"2026-11-29T{since}:00Z",
        "endsAt": "2026-11-29T12:42:00Z",
    }


def said(program: Path, *alerts: dict[str, Any], text: str = TEXT, zone: str = "UTC") -> str:
    return go_templates.render(program, messages.templates(zone), [text], alerts)[0]


def silent(host: str, status: str = "firing") -> dict[str, Any]:
    one = alert("critical", status, labels={"alertname": "Host is silent", "host": host})
    del one["labels"]["path"], one["annotations"]["value"], one["annotations"]["limit"]
    one["annotations"]["summary"] = f"Nothing has arrived from {host} for three minutes."
    return one


def test_a_message_says_what_where_how_much_since_when_what_to_do_and_where_to_look(program: Path) -> None:
    assert said(program, alert("critical"), zone="Europe/Paris") == (
        "CRITICAL biere: Disk full, /srv 98 %\n"
        "CRITICAL: /srv on biere is 98 % full.\n"
        "above 97 %, since Sun 13:00 CET\n"
        "On biere: `du -xh /srv | sort -h | tail`.\n"
        f"{LINK}\n"
    )


def test_the_end_has_words_of_its_own_and_how_long_it_lasted(program: Path) -> None:
    assert said(program, alert("warning", "resolved")) == (
        "OVER biere: Disk full, /srv\nOVER biere: Disk full, /srv, after 42m.\n"
    )


def test_an_end_of_which_grafana_lost_the_beginning_does_not_say_how_long(program: Path) -> None:
    assert said(program, alert("warning", "resolved", "12:42")).endswith("OVER biere: Disk full, /srv.\n")


@pytest.mark.parametrize("status", ["firing", "resolved"])
def test_a_text_that_grafana_did_not_fill_in_is_not_said(program: Path, status: str) -> None:
    rule = rules("")["disk-full-warning"]
    raw = alert("warning", status, annotations=rule["annotations"])

    text = said(program, raw)

    assert "{{" not in text
    assert "biere: Disk full, /srv" in text


def test_every_rule_is_told_without_a_trace_of_its_template_when_nothing_is_filled_in(program: Path) -> None:
    labels = {"container_name": "wiki", "proxy": "web", "sv": "web1", "input": "docker", "name": "sda"}
    each = [
        [alert("warning", status, labels=labels | rule["labels"], annotations=rule["annotations"])]
        for rule in rules("").values()
        for status in ("firing", "resolved")
    ]
    answers = go_templates.render_each(program, messages.templates("UTC"), [TEXT], each)

    assert [text for (text,) in answers if "$" in text or "{{" in text] == []


def test_a_next_step_with_braces_of_its_own_is_said(program: Path) -> None:
    step = "On biere: `docker inspect -f '{{json .State.Health}}' wiki` shows what it said."

    assert step in said(program, alert("warning", annotations={"description": step}))


def test_a_rule_that_cannot_be_evaluated_says_so(program: Path) -> None:
    failed = alert("warning", labels={"alertname": "DatasourceError", "rulename": "Disk full"})
    del failed["labels"]["host"], failed["labels"]["path"]

    assert said(program, failed).startswith(
        "WARNING Disk full cannot be evaluated\nWARNING: Disk full cannot be evaluated."
    )


def test_many_hosts_are_one_message_that_fits_everywhere(program: Path) -> None:
    hosts = [f"host-with-a-rather-long-name-{number:03}.example.org" for number in range(100)]
    for status in ("firing", "resolved"):
        title, _, body = said(program, *(silent(host, status) for host in hosts)).partition("\n")

        assert "100 hosts: Host is silent (host-with-a-rather-long-name-000" in title
        assert "100 in all" in body
        assert len(title) <= 256
        assert len(body) <= 2000


def test_several_places_of_a_host_have_a_line_each(program: Path) -> None:
    text = said(program, *(alert("warning", labels={"path": path}) for path in ("/", "/srv", "/var", "/home")))

    assert text.startswith("WARNING biere: Disk full (4)\n")
    assert text.count("WARNING: ") == 4
    assert text.count(LINK) == 3


# One fact of two severities --------------------------------------------------------------------------


def told(program: Path, *alerts: dict[str, Any]) -> str:
    return said(program, *alerts).partition("\n")[0]


def test_what_is_critical_is_not_told_as_a_warning_too_and_says_what_it_was(program: Path) -> None:
    rising = (alert("warning"), alert("critical", since="12:10"))

    assert told(program, *rising) == "CRITICAL biere: Disk full, /srv 98 % (was warning)"
    assert "WARNING" not in said(program, *rising)
    assert told(program, alert("warning"), alert("critical")) == "CRITICAL biere: Disk full, /srv 98 %"


def test_what_falls_to_a_warning_is_not_over(program: Path) -> None:
    falling = (alert("warning"), alert("critical", "resolved", "12:10"))

    assert told(program, *falling) == "WARNING biere: Disk full, /srv 98 % (was critical)"
    assert "OVER" not in said(program, *falling)


def test_what_was_both_is_over_once_and_lasted_as_long_as_the_longer(program: Path) -> None:
    both = (alert("warning", "resolved", "11:00"), alert("critical", "resolved", "12:10"))

    assert said(program, *both).splitlines()[1:] == ["OVER biere: Disk full, /srv, after 1h42m."]


def test_another_place_of_the_same_host_is_told_by_itself(program: Path) -> None:
    text = said(program, alert("warning"), alert("critical", labels={"path": "/"}))

    assert "CRITICAL: " in text
    assert "WARNING: " in text
    assert text.startswith("CRITICAL biere: Disk full (2)\n")


@pytest.mark.parametrize("name", rising.ALERTS)
def test_every_alert_of_two_severities_rises_falls_and_ends_in_words(program: Path, name: str) -> None:
    found = [rule for uid, rule in rules("  send_to: [{discord: {secret: a}}]\n").items() if uid.startswith(name)]
    sent = notifier.messages(found, rising.ask(name, rising.RISING), minutes=rising.minutes(rising.RISING))
    file = messages.templates("UTC")

    texts = [text for (text,) in go_templates.render_each(program, file, [TEXT], [one.alerts for one in sent])]

    place = f"biere: {found[0]['title']}" + ("" if name in ("cpu-high", "memory-low") else ", /srv")
    assert [text.partition("\n")[0] for text in texts] == [
        f"WARNING {place}",
        f"CRITICAL {place} (was warning)",
        f"WARNING {place} (was critical)",
        f"OVER {place}",
    ]
    assert f"OVER {place}, after " in texts[-1]


def test_to_who_does_not_hear_of_the_warning_its_end_is_not_told_as_the_end(program: Path) -> None:
    ended = alert("critical", "resolved", annotations={"lesser": "warning"})

    assert told(program, ended) == "NO LONGER CRITICAL biere: Disk full, /srv"


# Each kind of contact point --------------------------------------------------------------------------


def receivers() -> dict[str, dict[str, Any]]:
    return {
        one["uid"].removeprefix("aresmon-warning-"): one["settings"]
        for point in files(ALL_KINDS)[1]["contactPoints"]
        if point["name"] == "aresmon-warning"
        for one in point["receivers"]
    }


@pytest.mark.parametrize("severity", ["warning", "critical"])
def test_every_text_of_every_kind_is_rendered(program: Path, severity: str) -> None:
    for name, settings in receivers().items():
        shown = [settings[key] for key in ("subject", "title", "message", "text", "color") if key in settings]
        shown += [settings["payload"]["template"]] if "payload" in settings else []
        file = files(ALL_KINDS)[1]["templates"][0]["template"]
        for text in go_templates.render(program, file, shown, [alert(severity)]):
            assert "<no value>" not in text
            assert text.strip(), name


def test_ntfy_gets_its_priority_and_matrix_its_text_as_json(program: Path) -> None:
    known = receivers()
    ntfy = json.loads(said(program, alert("critical"), text=known["ntfy"]["payload"]["template"]))
    matrix = json.loads(said(program, alert("critical"), text=known["matrix"]["payload"]["template"]))

    assert known["ntfy"]["url"] == "https://ntfy.example.org/"
    assert (ntfy["topic"], ntfy["priority"], ntfy["title"]) == ("ops", 5, "CRITICAL biere: Disk full, /srv 98 %")
    assert matrix == {"text": said(program, alert("critical"))}


def test_the_color_is_that_of_what_is_told(program: Path) -> None:
    colors = [
        said(program, *alerts, text='{{ template "aresmon.color" . }}')
        for alerts in ([alert("warning"), alert("critical")], [alert("warning")], [alert("critical", "resolved")])
    ]

    assert len(set(colors)) == 3


def test_a_message_for_trial_needs_no_template_that_is_there_already(program: Path) -> None:
    site = config(ALL_KINDS)
    for settings in receivers().values():
        whole = contact_points.with_templates(settings, site.alerts)
        for key in ("subject", "title", "message", "text"):
            if key in settings:
                assert go_templates.render(program, "", [whole[key]], [alert("critical")])[0].strip()
        if "payload" in settings:
            text = go_templates.render(program, "", [whole["payload"]["template"]], [alert("critical")])[0]
            assert "CRITICAL biere: Disk full, /srv 98 %" in text

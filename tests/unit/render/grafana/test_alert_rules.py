"""Grafana's alert rules and contact points, as the bundle has them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aresmon.config import names as config_names
from aresmon.config.views import EVALUATED_EVERY
from aresmon.influxdb import downsampling
from aresmon.render.grafana import alert_rules, panels
from aresmon.render.grafana.dashboards import dashboards
from tests.grafana import alerting_file
from tests.unit.alert_files import conditions, config, files, limit, query, rules
from tests.unit.conftest import VIEWS, load

UID = re.compile(r"[A-Za-z0-9_-]{1,40}")


# Rules -----------------------------------------------------------------------------------------------


def test_what_is_rendered_depends_on_the_site_alone() -> None:
    assert alert_rules.render(config(), VIEWS) == alert_rules.render(config(), VIEWS)


def test_there_is_one_rule_a_severity_and_one_silent_rule_a_host() -> None:
    found = rules()

    assert {"disk-full-warning", "disk-full-critical", "database-unreachable-critical"} <= set(found)
    assert {uid for uid in found if uid.startswith("agent-silent")} == {
        "agent-silent-biere",
        "agent-silent-lewi_example_org",
    }


def test_only_what_some_host_collects_is_watched() -> None:
    only = load("hosts: {biere: {collect: [disk]}}\n")
    uids = alert_rules.uids(alert_rules.render(only, VIEWS))

    assert "disk-full-warning" in uids
    assert not [uid for uid in uids if uid.startswith(("haproxy", "cpu", "agent-silent", "container"))]


def test_a_host_that_does_not_collect_what_tells_of_its_life_is_not_called_silent() -> None:
    two = load("hosts: {biere: {collect: [system]}, lewi: {collect: [disk]}}\n")

    assert {uid for uid in alert_rules.uids(alert_rules.render(two, VIEWS)) if uid.startswith("agent-silent")} == {
        "agent-silent-biere"
    }


@settings(max_examples=20)
@given(st.lists(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?(\.[a-z0-9-]{1,20}[a-z0-9])?", fullmatch=True),
                min_size=1, max_size=6, unique=True))  # fmt: skip
def test_uids_are_such_as_grafana_takes_and_no_two_are_the_same(names: list[str]) -> None:
    many = load("hosts:\n" + "".join(f'  "{name}": {{}}\n' for name in names if ".-" not in name) + "  last: {}\n")
    rules_file = json.loads(alert_rules.render(many, VIEWS)[alert_rules.RULES])
    found = [rule["uid"] for group in rules_file["groups"] for rule in group["rules"]]

    assert len(set(found)) == len(found)
    assert [uid for uid in found if not UID.fullmatch(uid)] == []


def test_no_rule_has_two_nodes_of_one_name_or_names_what_comes_later() -> None:
    for uid, rule in rules().items():
        seen: list[str] = []
        for node in rule["data"]:
            named = re.findall(r"\$([A-Z][0-9]?)", str(node["model"].get("expression", "")))
            plain = [node["model"]["expression"]] if node["model"].get("type") in ("reduce", "threshold") else []
            assert {*named, *plain} <= set(seen), uid
            seen.append(node["refId"])
        assert len(set(seen)) == len(seen), uid
        assert rule["condition"] in seen, uid


def test_all_queries_can_be_edited_in_the_visual_builder() -> None:
    raw = [uid for uid, rule in rules().items() for node in rule["data"] if node["model"].get("rawQuery")]

    assert raw == []


def test_data_that_stays_out_alarms_for_a_silent_host_and_for_nothing_else() -> None:
    alarming = {uid for uid, rule in rules().items() if rule["noDataState"] == "Alerting"}

    assert alarming == {"agent-silent-biere", "agent-silent-lewi_example_org"}


def backups(settings: str, more: str = "") -> dict[str, dict[str, Any]]:
    """The rules about backups of a site with these settings of `backup`, by their uids."""
    site = load(f"server: lewi\nhosts: {{biere: {{}}, lewi: {{}}}}\n{settings}\n{more}")
    groups = json.loads(alert_rules.render(site, VIEWS)[alert_rules.RULES])["groups"]
    return {rule["uid"]: rule for group in groups for rule in group["rules"] if rule["uid"].startswith("backup")}


def test_backups_that_stay_out_alarm_where_the_file_asks_for_them() -> None:
    found = backups("backup: {every: daily@03:00, verify: weekly}")

    assert set(found) == {"backup-late-lewi", "backup-unproven-lewi"}
    late = found["backup-late-lewi"]
    asked = late["data"][0]
    assert (late["noDataState"], late["execErrState"], late["for"]) == ("Alerting", "KeepLast", "3600s")
    assert asked["relativeTimeRange"]["from"] == 2 * 86400
    assert asked["model"]["policy"] == downsampling.FOREVER_POLICY
    assert late["annotations"]["summary"] == "No archive of lewi was stored in 2 days."
    assert found["backup-unproven-lewi"]["data"][0]["relativeTimeRange"]["from"] == 14 * 86400


@pytest.mark.parametrize(
    ("settings", "more", "expected"),
    [
        ("", "", set()),
        ("backup: {every: never, verify: never}", "", set()),
        ("backup: {every: monthly, verify: never}", "", {"backup-late-lewi"}),
        ("backup: {keep: {last: 9}}", "", {"backup-late-lewi", "backup-unproven-lewi"}),
        ("backup: {keep: {last: 9}}", "alerts: {rules: {backup-late: {watch: off}}}", {"backup-unproven-lewi"}),
    ],
)
def test_backups_that_nobody_counts_on_are_not_missed(settings: str, more: str, expected: set[str]) -> None:
    assert set(backups(settings, more)) == expected


def test_a_database_that_does_not_answer_alarms_once() -> None:
    assert {uid for uid, rule in rules().items() if rule["execErrState"] == "Alerting"} == {
        "database-unreachable-critical"
    }
    assert {rule["execErrState"] for uid, rule in rules().items() if uid.startswith("agent-silent")} == {"KeepLast"}


def test_groups_are_of_a_size_that_grafana_takes_in_quickly_and_have_names_of_their_own() -> None:
    many = load("hosts:\n" + "".join(f"  host{number}: {{}}\n" for number in range(120)))
    groups = json.loads(alert_rules.render(many, VIEWS)[alert_rules.RULES])["groups"]

    assert max(len(group["rules"]) for group in groups) <= 50
    assert len({(group["folder"], group["name"]) for group in groups}) == len(groups)
    assert sum(len(group["rules"]) for group in groups if group["name"].startswith("system of each host")) == 120


def test_times_are_multiples_of_the_evaluations() -> None:
    lasting = [int(rule["for"].removesuffix("s")) for rule in rules().values()]

    assert [seconds for seconds in lasting if seconds % EVALUATED_EVERY] == []


# What a person is told -------------------------------------------------------------------------------


def test_a_message_names_the_host_the_tag_and_the_value_in_its_unit() -> None:
    summary = rules()["disk-full-warning"]["annotations"]["summary"]

    assert summary == (
        "{{ $labels.path }} on {{ $labels.host }} is "
        '{{ with $values.V }}{{ with .Value }}{{ if eq . . }}{{ if lt . 999.5 }}{{ printf "%.3g" . }}{{ else }}'
        '{{ printf "%.0f" . }}{{ end }} %{{ else }}unknown{{ end }}{{ else }}0{{ end }}{{ end }} full.'
    )


def test_a_count_has_no_prefix_and_what_is_no_number_is_said_to_be_unknown() -> None:
    summaries = [rule["annotations"]["summary"] for rule in rules().values()]
    told = [summary for summary in summaries if "$values" in summary]

    assert "humanize ." not in rules()["disk-queue-warning"]["annotations"]["summary"]
    assert len(told) > 10
    # What is no number is not equal to itself.
    assert [one for one in told if "{{ if eq . . }}" not in one or "{{ else }}unknown{{ end }}" not in one] == []


@pytest.mark.parametrize(
    ("unit", "told"),
    [
        ("ops", '{{ printf "%.0f" . }}{{ end }} per second'),
        ("ms", "}} ms"),
        ("dtdurations", "{{ humanizeDuration . }}"),
    ],
)
def test_a_rate_and_a_time_are_told_with_their_unit(unit: str, told: str) -> None:
    disk = VIEWS["disk"]
    views = {**VIEWS, "disk": replace(disk, alerts=tuple(replace(one, unit=unit) for one in disk.alerts))}

    groups = json.loads(alert_rules.render(config(), views)[alert_rules.RULES])["groups"]

    (rule,) = (rule for group in groups for rule in group["rules"] if rule["uid"] == "disk-full-warning")
    assert told in rule["annotations"]["summary"]


def test_braces_that_are_no_placeholder_mean_themselves() -> None:
    description = rules()["container-unhealthy-warning"]["annotations"]["description"]

    assert "docker inspect -f '{{ \"{{\" }}json .State.Health}}' {{ $labels.container_name }}" in description


def test_a_message_leads_to_the_panel_on_the_hosts_dashboard() -> None:
    found = rules()
    panel = panels.panel_id("disk", "Filesystems")

    assert found["disk-full-warning"]["annotations"]["dashboard"] == (
        "http://127.0.0.1:3000/d/{{ with $labels.host }}host-{{ reReplaceAll `[.]` `_` . }}{{ end }}"
        f"?viewPanel={panel}&from=now-6h&to=now"
    )
    silent = found["agent-silent-lewi_example_org"]
    assert silent["dashboardUid"] == config_names.uid_of_host("lewi.example.org")
    assert silent["panelId"] == panels.panel_id("system", "Uptime")


def test_the_dashboard_of_a_host_with_a_long_name_is_found_too() -> None:
    name = "a-host-with-quite-a-long-name.example.org"
    made = alert_rules.render(load(f"hosts: {{{name}: {{}}}}\n"), VIEWS)[alert_rules.RULES].decode()

    assert f"{{{{ if eq . `{name}` }}}}{config_names.uid_of_host(name)}{{{{ else }}}}" in made


# Thresholds ------------------------------------------------------------------------------------------


def test_a_sites_own_threshold_counts_and_what_is_off_is_not_there() -> None:
    found = rules("  rules: {disk-full: {warning: 85, critical: off, for: 10m}}\n")

    assert limit(found["disk-full-warning"]) == 85
    assert found["disk-full-warning"]["for"] == "600s"
    assert "disk-full-critical" not in found


def test_an_alert_that_is_not_watched_has_no_rule() -> None:
    found = rules(
        "  rules: {disk-full: {watch: off}, agent-silent: {watch: off}, database-unreachable: {watch: off}}\n"
    )

    assert [uid for uid in found if uid.startswith(("disk-full", "agent-silent", "database"))] == []


def test_an_exception_for_a_host_is_left_out_of_the_rule_and_has_one_of_its_own() -> None:
    found = rules("  rules: {cpu-high: {exceptions: [{host: biere, warning: 90}]}}\n")
    own = next(rule for uid, rule in found.items() if re.fullmatch(r"cpu-high-warning-[0-9a-f]{8}", uid))

    assert ("host::tag", "!=", "biere") in conditions(found["cpu-high-warning"])
    assert ("host::tag", "=", "biere") in conditions(own)
    assert (limit(found["cpu-high-warning"]), limit(own)) == (85, 90)
    # Of one title, so that the warning of this host and what is critical there are one message.
    assert own["title"] == found["cpu-high-critical"]["title"] == "CPU high"
    assert own["annotations"]["scope"] == "biere"
    # What it says nothing of stays as it was, for this host too.
    assert ("host::tag", "!=", "biere") not in conditions(found["cpu-high-critical"])


def test_an_exception_by_host_and_tag_is_a_statement_of_its_own() -> None:
    found = rules("  rules: {disk-full: {exceptions: [{host: biere, where: {path: /exports}, warning: 95}]}}\n")
    base = query(found["disk-full-warning"])

    assert base["rawQuery"] is True
    assert base["query"].startswith(
        'SELECT last("used_percent") FROM "disk" WHERE "mode"::tag = \'rw\' AND '
        '("host"::tag != \'biere\' OR "path"::tag != \'/exports\') AND $timeFilter GROUP BY "host"::tag, "path"::tag'
    )
    own = next(rule for uid, rule in found.items() if re.fullmatch(r"disk-full-warning-[0-9a-f]{8}", uid))
    assert {("host::tag", "=", "biere"), ("path::tag", "=", "/exports")} <= set(conditions(own))


def test_of_exceptions_the_first_that_fits_counts() -> None:
    found = rules(
        "  rules: {disk-full: {exceptions: [{where: {path: /tmp}, watch: off}, {host: biere, warning: 95}]}}\n"
    )
    own = next(rule for uid, rule in found.items() if re.fullmatch(r"disk-full-warning-[0-9a-f]{8}", uid))

    assert ("path::tag", "!=", "/tmp") in conditions(own)
    assert {("path::tag", "!=", "/tmp"), ("host::tag", "!=", "biere")} <= set(conditions(found["disk-full-warning"]))
    assert ("path::tag", "!=", "/tmp") in conditions(found["disk-full-critical"])


def test_an_exception_for_a_silent_host_is_its_own_rule_changed() -> None:
    found = rules(
        "  rules: {agent-silent: {exceptions: [{host: biere, for: 10m}, {host: lewi.example.org, watch: off}]}}\n"
    )

    assert [uid for uid in found if uid.startswith("agent-silent")] == ["agent-silent-biere"]
    assert found["agent-silent-biere"]["for"] == "600s"


# What was there before -------------------------------------------------------------------------------


def test_what_the_bundle_no_longer_has_is_deleted_in_grafana() -> None:
    before = alert_rules.uids(alert_rules.render(config("  send_to: [{discord: {secret: a}}]\n"), VIEWS))
    made, contacts = files("  rules: {cpu-high: {watch: off}}\n", formerly=(*before, "agent-silent-ronflex"))

    gone = {"agent-silent-ronflex", "cpu-high-warning", "cpu-high-critical"}
    gone |= {"aresmon-warning-discord", "aresmon-critical-discord"}
    assert {one["uid"] for one in made["deleteRules"]} == gone
    assert {one["uid"] for one in contacts["deleteContactPoints"]} == gone


def test_a_contact_point_that_grafana_has_had_is_never_deleted_as_a_whole() -> None:
    """A policy of somebody's own may name it, and then Grafana would not start."""
    told = "  send_to: [{discord: {secret: a}}]\n  heartbeat: {secret: b}\n"
    before = alert_rules.uids(alert_rules.render(config(told), VIEWS))
    _, without = files("", formerly=tuple(before))
    since = before | {one["uid"] for point in without["contactPoints"] for one in point["receivers"]}
    _, later = files("", formerly=tuple(since))
    _, again = files(told, formerly=tuple(since))

    names = ["aresmon-nobody", "aresmon-warning", "aresmon-critical", "aresmon-heartbeat"]
    assert [[point["name"] for point in found["contactPoints"]] for found in (without, later, again)] == [names] * 3
    assert [one["uid"] for point in again["contactPoints"] for one in point["receivers"]][1:] == [
        "aresmon-warning-discord",
        "aresmon-critical-discord",
        "aresmon-heartbeat",
    ]
    empty = {"aresmon-warning-nobody", "aresmon-critical-nobody", "aresmon-heartbeat-nobody"}
    assert empty <= {one["uid"] for one in again["deleteContactPoints"]}
    assert [point["name"] for point in files("")[1]["contactPoints"]] == ["aresmon-nobody"]


def test_quiet_hours_that_are_no_more_are_left_there_since_grafana_would_not_start() -> None:
    """It deletes times before it reads the rules by which they are no longer named."""
    quiet = "  quiet: [{from: '23:00', to: '07:00', timezone: Europe/Paris}]\n"
    before = alert_rules.uids(alert_rules.render(config(quiet), VIEWS))
    _, contacts = files("", formerly=tuple(before))

    assert "deleteMuteTimes" not in contacts
    assert [one["name"] for one in contacts["muteTimes"]] == ["aresmon-nobody"]


def test_what_comes_back_is_not_deleted() -> None:
    everything = alert_rules.uids(alert_rules.render(config(), VIEWS))

    assert "deleteRules" not in files(formerly=tuple(everything))[0]


# As Grafana reads it ---------------------------------------------------------------------------------


def test_the_files_are_such_as_grafana_describes() -> None:
    both = files(
        "  send_to: [{discord: {secret: a}}, {matrix: {secret: b}}, {email: a@example.org}]\n"
        "  smtp: {host: 'mail.example.org:25', from: a@example.org}\n  heartbeat: {secret: c}\n"
        "  quiet: [{from: '23:00', to: '07:00', days: [saturday], timezone: Europe/Paris}]\n"
        "  rules: {disk-full: {exceptions: [{host: biere, where: {path: /srv}, warning: 95}]}}\n",
        formerly=("agent-silent-ronflex",),
    )

    assert [alerting_file.faults(content) for content in both] == [[], []]


def test_what_is_spelled_as_the_http_api_does_would_be_found() -> None:
    made = files()[0]
    made["groups"][0]["rules"][0] |= {"keep_firing_for": "1m", "folderUID": "x"}

    assert len(alerting_file.faults(made)) == 1


def test_rules_and_dashboards_have_folders_of_different_titles() -> None:
    """Grafana finds the one by its uid and the other by its title, and would make two of it."""
    folders = {group["folder"] for group in files("  heartbeat: {secret: beat}\n")[0]["groups"]}

    assert config_names.FOLDER not in folders


def test_every_message_leads_to_a_panel_that_is_there() -> None:
    everything = "collect: [system, disk, diskio, net, docker, haproxy]"
    site = load(f"hosts: {{biere: {{{everything}, env: {{HAPROXY_STATS: 'http://127.0.0.1:8404/stats'}}}}}}\n")
    made = [json.loads(content) for content in dashboards(site, VIEWS).values()]
    by_uid = {dashboard["uid"]: dashboard for dashboard in made}
    content = json.loads(alert_rules.render(site, VIEWS)[alert_rules.RULES])

    for rule in (rule for group in content["groups"] for rule in group["rules"]):
        link = rule["annotations"].get("dashboard", "")
        own = re.search(r"/d/(aresmon-[a-z]+)\?var-host=", link)
        shown = by_uid[own[1] if own else config_names.uid_of_host("biere")]
        for panel in re.findall(r"viewPanel=(\d+)", link):
            assert f'"id": {panel},' in json.dumps(shown), link
        assert not own or "host" in {variable["name"] for variable in shown["templating"]["list"]}

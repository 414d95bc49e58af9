"""`alerts list` and `alerts test`: what is watched and how it stands in Grafana, and whether messages get through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aresmon.config.alerts import Alerts
from aresmon.config.model import Config
from aresmon.config.views import HOST, Severity, Views
from aresmon.grafana import trials
from aresmon.grafana.client import Grafana
from aresmon.render.grafana import alert_rules, contact_points, messages
from aresmon.render.grafana.alert_rules import AlertSpec
from aresmon.site import external_secrets
from aresmon.site.project import Project
from aresmon.system import json_schema
from aresmon.system.errors import AresmonError, ExitCode

STATES = ("firing", "pending", "error", "unknown", "quiet", "off")
"""Of a rule, the most urgent first: `unknown` is what Grafana has not evaluated yet, or is not asked about; `off` is
what aresmon.yml switches off, of which Grafana knows nothing."""
HEARTBEAT = "heartbeat"
_SHOWN = "aresmon.shown"


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """A rule, what it takes to fire, and how it stands. `lasting` is in seconds; `about` are the instances that fire
    or are about to, each with what it says; `hosts` are those that have such a rule each, if it is one of each host."""

    uid: str
    alert: str
    severity: Severity
    title: str
    condition: str
    lasting: int
    place: str
    state: str
    about: tuple[tuple[str, str], ...] = ()
    error: str = ""
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContactPointResult:
    """What became of a message for trial; `error` is empty where it was taken."""

    name: str
    to: str
    error: str


def list_rules(config: Config, views: Views, groups: Sequence[Mapping[str, Any]] | None) -> list[RuleStatus]:
    """All rules as aresmon.yml wants them, the firing ones first, and last what it switches off. `groups` is Grafana's
    answer, None without one."""
    answers = {rule.get("uid", ""): rule for group in groups or () for rule in group.get("rules", [])}
    rules = [_rule_status(one, answers.get(one.uid)) for one in alert_rules.list_rules(config, views)]
    rules += [_disabled_rule(one) for one in alert_rules.list_disabled(config, views)]
    return sorted(rules, key=lambda one: STATES.index(one.state))


def group_by_host(rules: Sequence[RuleStatus]) -> list[RuleStatus]:
    """The same with those of each host that stand alike as one."""
    alike: dict[tuple[str, ...], list[RuleStatus]] = {}
    for one in rules:
        is_alone = not one.hosts or one.state in ("firing", "error")
        key = (one.uid,) if is_alone else (one.alert, one.severity, one.condition, one.state, str(one.lasting))
        alike.setdefault(key, []).append(one)
    return [_grouped(several) for several in alike.values()]


def exit_code(rules: Sequence[RuleStatus], *, is_answered: bool = True) -> ExitCode:
    """5 as soon as one fires that is not information, or one cannot be evaluated, and where Grafana does not answer."""
    is_bad = any(one.state == "error" or (one.state == "firing" and one.severity != "information") for one in rules)
    return ExitCode.DEGRADED if is_bad or not is_answered else ExitCode.DONE


def test_contact_points(project: Project, grafana: Grafana, names: Sequence[str]) -> list[ContactPointResult]:
    """Send a message by each way of telling, or by those of these names; what became of each.

    Raises AresmonError for an unknown name, and if there are no contact points.
    """
    ways = dict(_contact_points(project.config.alerts, project.config.site))
    if not ways:
        raise AresmonError(
            "nobody is notified of alerts",
            hint="`alerts.send_to` in aresmon.yml; docs/alerts.md has an example of each",
        )
    for name in names:
        if name not in ways:
            meant = json_schema.did_you_mean(name, ways) or f"; there are {', '.join(ways)}"
            raise AresmonError(f"no contact point '{name}'{meant}")
    return [_test_contact_point(project, grafana, name, ways[name]) for name in names or ways]


def render_test_message(project: Project, grafana: Grafana) -> str:
    """The text of the message that `test_contact_points` sends, and of its end, as Grafana renders them.

    Empty if Grafana does not render it.
    """
    config = project.config
    file = contact_points.template_file(config.alerts)
    shown = f'{{{{ define "{_SHOWN}" }}}}{contact_points.TEXT.format(config.site)}{{{{ end }}}}'
    began = datetime.now(UTC) - timedelta(minutes=42)
    alert = {**_test_alert(project, "critical"), "startsAt": began.isoformat(timespec="seconds")}
    texts = []
    for ends in (timedelta(hours=1), timedelta(minutes=42)):
        one = {**alert, "endsAt": (began + ends).isoformat(timespec="seconds")}
        texts.append(grafana.render_templates(messages.NAME, f"{file}{shown}", [one]).get(_SHOWN, "").strip())
    return "\n\n".join(text for text in texts if text)


def _rule_status(one: AlertSpec, answer: Mapping[str, Any] | None) -> RuleStatus:
    return RuleStatus(
        uid=one.uid,
        alert=one.alert.id,
        severity=one.severity,
        title=one.title,
        condition=alert_rules.condition(one),
        lasting=one.lasting,
        place=one.host or one.scoped.words(),
        state=_state(answer),
        about=tuple(_instances(answer)),
        error=str((answer or {}).get("lastError", "")),
        hosts=(one.host,) if one.host else (),
    )


def _disabled_rule(one: AlertSpec) -> RuleStatus:
    return RuleStatus(one.uid, one.alert.id, one.severity, one.title, "not watched", 0, one.scoped.words(), "off")


def _state(answer: Mapping[str, Any] | None) -> str:
    if answer is None or answer.get("health") == "unknown":
        return "unknown"
    state = {"inactive": "quiet", "recovering": "firing"}.get(str(answer.get("state")), str(answer.get("state")))
    # An instance that is only an error counts as firing in Grafana.
    alarms = any(str(instance.get("state", "")).startswith("Alerting") for instance in answer.get("alerts", []))
    if answer.get("health") in ("error", "err") and not alarms:
        return "error"
    return state if state in STATES else "unknown"


def _instances(answer: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    for instance in (answer or {}).get("alerts", []):
        if str(instance.get("state", "")).startswith(("Alerting", "Pending", "Recovering", "Error")):
            # Those with two underscores are Grafana's own, and name the contact point.
            details = {key: value for key, value in instance.get("labels", {}).items() if not key.startswith("__")}
            place = [value for key, value in sorted(details.items()) if key not in messages.NO_PLACE]
            named = [details.get(HOST, ""), *place]
            yield " ".join(word for word in named if word), str(instance.get("annotations", {}).get("summary", ""))


def _grouped(several: Sequence[RuleStatus]) -> RuleStatus:
    first = several[0]
    if len(several) == 1:
        return first
    hosts = tuple(host for one in several for host in one.hosts)
    about = tuple(pair for one in several for pair in one.about)
    return RuleStatus(
        first.alert, first.alert, first.severity, first.title, first.condition, first.lasting,
        f"each of {len(several)} hosts", first.state, about, "", hosts,
    )  # fmt: skip


def _contact_points(details: Alerts, site: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each way of telling by its name, as the contact point that Grafana knows it by."""
    known = {
        receiver["uid"]: (point["name"], receiver)
        for point in contact_points.contact_points(details, site)
        for receiver in point["receivers"]
    }
    uids = {one.name: contact_points.receiver_uid(one, one.severity) for one in details.reachable}
    if details.heartbeat is not None:
        uids[HEARTBEAT] = contact_points.HEARTBEAT
    for name, uid in uids.items():
        point, receiver = known[uid]
        yield name, {"name": point, **receiver}


def _test_alert(project: Project, severity: str) -> dict[str, dict[str, str]]:
    config = project.config
    return {
        "labels": {"alertname": "Test message", "severity": severity, HOST: config.server},
        "annotations": {
            "summary": f"This is a test of the messages of {config.site}; {config.server} has no problem.",
            "description": "Nothing has to be done.",
            "dashboard": config.grafana.url,
        },
    }


def _test_contact_point(project: Project, grafana: Grafana, name: str, way: Mapping[str, Any]) -> ContactPointResult:
    """Grafana adds those secrets that it hides, by the uid; the others must be sent again."""
    settings, hidden = dict[str, Any](), list[str]()
    for key, value in way["settings"].items():
        secret = _secret_of(value)
        if not secret:
            settings[key] = value
        elif way["type"] == "webhook" and key == "url":
            settings[key] = external_secrets.read_alert_secret(project.site.secrets, secret)
        else:
            hidden.append(key)
    settings = contact_points.with_templates(settings, project.config.alerts)
    alert = _test_alert(project, "critical")
    trial = trials.try_receiver(grafana, way["name"], {**way, "settings": settings}, alert, hidden)
    return ContactPointResult(
        name, str(way["type"]), "" if trial.is_taken else trial.error or "Grafana gives no reason"
    )


def _secret_of(value: object) -> str:
    opening = f"$__file{{{contact_points.SECRETS}/"
    return value.removeprefix(opening)[:-1] if isinstance(value, str) and value.startswith(opening) else ""

"""Grafana's contact points and the hours in which they are not used, from `alerts` of aresmon.yml.

Source: Grafana 12, pkg/services/provisioning/alerting, and grafana/alerting's receivers for their settings. In
settings a `$` is Grafana's own: `$__file{…}` becomes the content of a file. So what needs variables is in `messages`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from aresmon.config.alerts import DAYS, Address, Alerts, QuietHours, Receiver
from aresmon.config.views import SEVERITIES, Severity
from aresmon.render.grafana import messages

Json = dict[str, Any]

SECRETS = "/run/alerts"
"""Where Grafana's container finds the secrets of `alerts`."""
HEARTBEAT = "aresmon-heartbeat"
NOBODY = "aresmon-nobody"
_DAY = 24 * 60

_TITLE = '{{{{ template "aresmon.title" . }}}} [{}]'
_MESSAGE = '{{ template "aresmon.message" . }}'
TEXT = _TITLE + "\n" + _MESSAGE.replace("{", "{{").replace("}", "}}")
"""A whole message as text, to be formatted with the site's name."""
# As JSON, to which Grafana's functions beside those of a template's file are there.
_MATRIX = '{{ coll.Dict "text" (tmpl.Exec "aresmon.text" .) | data.ToJSON }}'
_NTFY = (
    '{"topic": %s, "title": {{ tmpl.Exec "aresmon.title" . | data.ToJSON }}, '
    '"message": {{ tmpl.Exec "aresmon.message" . | data.ToJSON }}, "priority": {{ tmpl.Exec "aresmon.priority" . }}}'
)
_TEXTS = ("subject", "title", "message", "text", "color")
_TOPIC = re.compile(r"(https?://[^/?#]+/)([A-Za-z0-9_-]{1,64})")
"""The address of a topic on a server of ntfy's, which takes JSON at its root alone."""
# ntfy's priorities go from 1 to 5.
_PRIORITY: dict[Severity, str] = {"information": "2", "warning": "3", "critical": "5"}


def contact_point_name(severity: Severity) -> str:
    """The contact point for alerts of this severity."""
    return f"aresmon-{severity}"


def name_for(alerts: Alerts, severity: Severity) -> str:
    """The contact point that a rule of this severity names: one that is never used, if nobody wants to hear."""
    return contact_point_name(severity) if is_heard(alerts, severity) else NOBODY


def only_name(severity: Severity) -> str:
    """The contact point for those who hear this severity and no lesser one."""
    return f"aresmon-only-{severity}"


def is_heard(alerts: Alerts, severity: Severity) -> bool:
    """Whether anybody wants to hear of alerts of this severity."""
    return any(one.hears(severity) for one in alerts.reachable)


def can_join(alerts: Alerts, severities: Sequence[Severity]) -> bool:
    """Whether one message can tell of several severities: they have the same quiet hours, and no channel's priority is
    fixed."""
    has_same_hours = len({tuple(_quiet(alerts, one)) for one in severities}) == 1
    return has_same_hours and all(_can_rise(one) for one in alerts.reachable)


def only(alerts: Alerts) -> list[Severity]:
    """The severities of contact points that hear no lesser one, while others do."""
    least = [SEVERITIES.index(one.severity) for one in alerts.reachable]
    return [one for index, one in enumerate(SEVERITIES) if index in least and index > min(least)]


def _can_rise(receiver: Receiver) -> bool:
    return receiver.kind != "ntfy" or _TOPIC.fullmatch(_place(receiver.to)) is not None


def mute_names(alerts: Alerts, severity: Severity) -> list[str]:
    """The hours in which a rule of this severity tells nobody."""
    if name_for(alerts, severity) == NOBODY:
        return [NOBODY]
    return [f"aresmon-quiet-{severity}"] if _quiet(alerts, severity) else []


def contact_points(alerts: Alerts, site: str, *, formerly: Collection[str] = ()) -> list[Json]:
    """One a severity, with all who want to hear of it; one for those who hear no lesser one, if others do; one for
    nobody; one for the heartbeat.

    One that Grafana has had, by the uids of its receivers in `formerly`, stays when nobody is left in it: Grafana
    does not start where a contact point is to be deleted that a rule or a policy of somebody's own names
    (pkg/services/ngalert/provisioning/contactpoints.go, DeleteContactPoint).
    """
    # Never used, since NOBODY's hours are all hours: a rule without a contact point of its own would go to
    # Grafana's default one, an e-mail address that is not there, and log an error each time.
    points = [_point(NOBODY, [_empty(NOBODY)])]
    for name, severity, heard in _all(alerts):
        if heard:
            receivers = [_receiver(one, f"{name}-{one.name}", severity, site) for one in heard]
            points.append(_point(name, receivers))
        elif any(uid.startswith(f"{name}-") for uid in formerly):
            points.append(_point(name, [_empty(f"{name}-nobody")]))
    if alerts.heartbeat is not None:
        # Grafana shows a webhook's address to everyone who can log in, and hides Discord's. What is posted does not
        # matter to the other side.
        kind = "discord" if alerts.heartbeat.secret else "webhook"
        settings = {"url": _place(alerts.heartbeat)} | ({"message": "alive"} if kind == "discord" else {})
        beat = {"uid": HEARTBEAT, "type": kind, "settings": settings, "disableResolveMessage": True}
        points.append(_point(HEARTBEAT, [beat]))
    elif any(uid.startswith(HEARTBEAT) for uid in formerly):
        points.append(_point(HEARTBEAT, [_empty(f"{HEARTBEAT}-nobody")]))
    return points


def _all(alerts: Alerts) -> Iterator[tuple[str, Severity, list[Receiver]]]:
    for severity in SEVERITIES:
        yield contact_point_name(severity), severity, [one for one in alerts.reachable if one.hears(severity)]
    for severity in SEVERITIES[1:]:
        heard = [one for one in alerts.reachable if one.severity == severity and severity in only(alerts)]
        yield only_name(severity), severity, heard


def mute_times(alerts: Alerts) -> list[Json]:
    """The hours without messages, by severity, and all hours for what nobody wants to hear.

    Those that are no more stay in Grafana's list, named by no rule of ours. It deletes times before it reads rules, and
    does not start where one is still named by a rule, as it had it before, or by a policy of somebody's own
    (pkg/services/provisioning/alerting/provisioner.go, pkg/services/ngalert/provisioning/mute_timings.go).
    """
    times = [{"orgId": 1, "name": NOBODY, "time_intervals": [{"times": [_between(0, _DAY)]}]}]
    for severity in SEVERITIES:
        intervals = [one for quiet in _quiet(alerts, severity) for one in _intervals(quiet)]
        if intervals:
            times.append({"orgId": 1, "name": f"aresmon-quiet-{severity}", "time_intervals": intervals})
    return times


def message_templates(alerts: Alerts) -> list[Json]:
    """The file of templates by which all contact points write."""
    return [{"orgId": 1, "name": messages.NAME, "template": template_file(alerts)}]


def template_file(alerts: Alerts) -> str:
    """Its content. Times of day are those of the first quiet hours, since nothing else says where people are."""
    return messages.templates(alerts.quiet[0].timezone if alerts.quiet else "UTC")


def with_templates(settings: Json, alerts: Alerts) -> Json:
    """The same settings for a Grafana that does not know the templates yet."""
    file = template_file(alerts)
    changed = {key: messages.with_templates(settings[key], file) for key in _TEXTS if key in settings}
    if "payload" in settings:
        payload = messages.with_templates_as_json(settings["payload"]["template"], file)
        changed["payload"] = settings["payload"] | {"template": payload}
    return settings | changed


def receiver_uid(receiver: Receiver, severity: Severity) -> str:
    """Grafana's name for a receiver within a contact point."""
    return f"{contact_point_name(severity)}-{receiver.name}"


def _point(name: str, receivers: list[Json]) -> Json:
    return {"orgId": 1, "name": name, "receivers": receivers}


def _empty(uid: str) -> Json:
    """A receiver that reaches nobody; a contact point must have one."""
    return {"uid": uid, "type": "webhook", "settings": {"url": "http://127.0.0.1:9/"}}


def _receiver(receiver: Receiver, uid: str, severity: Severity, site: str) -> Json:
    kind, settings = _settings(receiver, severity, site)
    return {"uid": uid, "type": kind, "settings": settings}


def _settings(receiver: Receiver, severity: Severity, site: str) -> tuple[str, Json]:
    url = _place(receiver.to)
    title, message = _TITLE.format(site), _MESSAGE
    match receiver.kind:
        case "email":
            to = {"addresses": ";".join(receiver.emails), "singleEmail": True}
            return "email", {**to, "subject": title, "message": message}
        case "discord":
            return "discord", {"url": url, "title": title, "message": message}
        case "slack" | "mattermost":
            shown = {"color": '{{ template "aresmon.color" . }}', "username": f"aresmon {site}"}
            return "slack", {"url": url, "title": title, "text": message, **shown}
        case "telegram":
            settings = {"bottoken": url, "chatid": receiver.chat, "parse_mode": "None"}
            return "telegram", {**settings, "message": TEXT.format(site)}
        case "matrix":
            return "webhook", {"url": url, "payload": {"template": _MATRIX}}
        case "ntfy":
            return "webhook", {**_ntfy(url, severity, site), **_token(receiver.to)}
        case _:
            return "webhook", {"url": url, "title": title, "message": message, **_token(receiver.to)}


def _ntfy(url: str, severity: Severity, site: str) -> Json:
    """JSON to the server's root, which can say a priority for each message; text to an address that is a secret."""
    if topic := _TOPIC.fullmatch(url):
        return {"url": topic[1], "payload": {"template": _NTFY % json.dumps(topic[2])}}
    headers = {"X-Title": f"{site}: {severity}", "X-Priority": _PRIORITY[severity]}
    return {"url": url, "headers": headers, "payload": {"template": '{{ tmpl.Exec "aresmon.text" . }}'}}


def _place(address: Address) -> str:
    return address.url or _file(address.secret)


def _token(address: Address) -> Json:
    """What lets us in where the address alone does not; Grafana shows it to nobody."""
    both = address.url and address.secret
    return {"authorization_scheme": "Bearer", "authorization_credentials": _file(address.secret)} if both else {}


def _file(secret: str) -> str:
    return f"$__file{{{SECRETS}/{secret}}}"


def _quiet(alerts: Alerts, severity: Severity) -> list[QuietHours]:
    return [one for one in alerts.quiet if SEVERITIES.index(severity) <= SEVERITIES.index(one.severity)]


def _intervals(quiet: QuietHours) -> Iterator[Json]:
    """What goes on after midnight is two intervals; the second is on the days after."""
    zone = {"location": quiet.timezone}
    days = {"weekdays": list(quiet.days)} if quiet.days else {}
    if quiet.begin < quiet.end:
        yield {"times": [_between(quiet.begin, quiet.end)], **days, **zone}
        return
    after = {"weekdays": [DAYS[(DAYS.index(day) + 1) % 7] for day in quiet.days]} if quiet.days else {}
    yield {"times": [_between(quiet.begin, _DAY)], **days, **zone}
    if quiet.end:
        yield {"times": [_between(0, quiet.end)], **after, **zone}


def _between(begin: int, end: int) -> Json:
    return {"start_time": f"{begin // 60:02}:{begin % 60:02}", "end_time": f"{end // 60:02}:{end % 60:02}"}

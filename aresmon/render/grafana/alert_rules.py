"""Grafana's alert rules: each alert of the catalogue as the site wants it, one rule a severity, or one a severity and
route.

Source: Grafana 12, pkg/services/provisioning/alerting/rules_types.go (the file; Grafana drops in silence what is
spelled as the HTTP API does) and pkg/expr (reduce, math and threshold).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aresmon.config import alerts, builtin_alerts, names
from aresmon.config.alerts import AlertException, AlertSettings
from aresmon.config.model import Config, Host
from aresmon.config.values import RATES, format_limit
from aresmon.config.views import EVALUATED_EVERY, HOST, PLACEHOLDER, Alert, Levels, SeriesSpec, Severity, View, Views
from aresmon.render.grafana import alert_queries, contact_points, panels, routes
from aresmon.render.grafana.alert_queries import Scoped
from aresmon.render.grafana.contact_points import Json
from aresmon.render.grafana.routes import Route

RULES = "grafana/provisioning/alerting/rules.json"
CONTACTS = "grafana/provisioning/alerting/contacts.json"
HEARTBEAT = contact_points.HEARTBEAT
# Not the dashboards' folder: Grafana finds that one by its uid and this one by its title, and would make two of it.
FOLDER = "aresmon alerts"
# Not beside the others: it always fires, and is no problem.
HEARTBEAT_FOLDER = "aresmon heartbeat"
# Of rules that are in the first folder too, for those who hear only the worse severities.
AGAIN_FOLDER = "aresmon alerts, critical channels"
_LINES = 7  # levels: groups, one of them, its rules, one of them, its data, a query
_LARGEST = 50  # rules of a group
_LONGEST = 40  # characters of a uid; grafana/pkg/util/shortid_generator.go
_BEAT = Alert(
    id=HEARTBEAT,
    title="Heartbeat",
    series=SeriesSpec(measurement="internal_agent", field="metrics_gathered", aggregate="count"),
    over=120,
    lasting=0,
    levels=Levels((("information", 0),)),
    unit="short",
    summary="The data of {host} arrives; this message goes out as long as it does.",
    next="None: when it stays out, look at {host} and run `aresmon status`.",
)
_SMALL, _END = '{{ if lt . 999.5 }}{{ printf "%.3g" . }}{{ else }}', "{{ end }}"
_PLAIN = _SMALL + '{{ printf "%.0f" . }}' + _END
# Prefixes are for what is much: 0.1 is not 100m.
_OTHER = _SMALL + "{{ humanize . }}" + _END
_FORMATS = {
    "percent": _PLAIN + " %",
    "short": _PLAIN,
    "percentunit": "{{ humanizePercentage . }}",
    "bytes": "{{ humanize1024 . }}B",
    "decbytes": "{{ humanize . }}B",
    "s": "{{ humanizeDuration . }}",
    "dtdurations": "{{ humanizeDuration . }}",
    "ms": '{{ printf "%.3g" . }} ms',
    "h": '{{ printf "%.1f" . }} h',
    "none": '{{ printf "%.2f" . }}',
    **dict.fromkeys(RATES, f"{_PLAIN} per second"),
}
# What is no number is not itself. Grafana fills in the texts of all rules, of those too that have nothing to tell.
_VALUE = "{{ with $values.V }}{{ with .Value }}{{ if eq . . }}%s{{ else }}unknown{{ end }}{{ else }}0{{ end }}{{ end }}"


@dataclass(frozen=True, slots=True)
class AlertSpec:
    """One rule to be: an alert at one severity in one scope. `view` is empty for those of no collector."""

    alert: Alert
    severity: Severity
    value: float
    lasting: int
    scoped: Scoped
    view: View | None = None
    host: str = ""

    @property
    def uid(self) -> str:
        """The same as long as what it watches is. Grafana takes 40 characters."""
        place = self.scoped.words()
        mark = f"-{hashlib.sha256(place.encode()).hexdigest()[:8]}" if place else ""
        if self.host:
            # Two severities of such an alert are rare: the first has the short name.
            suffix = "" if self.severity == self.alert.levels.steps[0][0] else f"-{self.severity}"
            return _short(f"{self.alert.id}-{self.host.replace('.', '_')}{suffix}")
        return _short(f"{self.alert.id}-{self.severity}{mark}")

    @property
    def title(self) -> str:
        """Its title in lists. Grafana makes one message of all that fires under one title, and it takes several rules
        of one since version 12: those of all severities and exceptions have the same, and those of each host, so that
        a hundred silent hosts are one message."""
        title = PLACEHOLDER.sub(r"\1", self.alert.title)
        return f"{title[0].upper()}{title[1:]}"


def render(config: Config, views: Views, *, formerly: Iterable[str] = ()) -> dict[str, bytes]:
    """The provisioning files. `formerly` are the uids of all rules and receivers that Grafana ever had of us: those
    that are no more are deleted there, which leaving them out would not do."""
    known = frozenset(formerly)
    rules, details = _rules_file(config, views), _contacts_file(config, known)
    gone = sorted(known - _uids(rules, "groups", "rules") - _uids(details, "contactPoints", "receivers"))
    if gone:
        # A uid that was a rule's is no receiver's, and deleting what is not there is no error.
        deleted = [{"orgId": 1, "uid": uid} for uid in gone]
        rules, details = rules | {"deleteRules": deleted}, details | {"deleteContactPoints": deleted}
    return {RULES: _written(rules), CONTACTS: _written(details)}


def uids(files: Mapping[str, bytes]) -> set[str]:
    """The uids of all rules and receivers in these files of a bundle."""
    lists = ((RULES, "groups", "rules"), (CONTACTS, "contactPoints", "receivers"))
    return {uid for path, outer, inner in lists for uid in _uids(json.loads(files.get(path, b"{}")), outer, inner)}


def list_rules(config: Config, views: Views) -> list[AlertSpec]:
    """All rules of a site but the heartbeat, collector by collector."""
    rules: list[AlertSpec] = []
    for alert, view in _armed(config, views):
        if alert.each_host:
            hosts = [config.host(config.server)] if view is None else config.hosts
            rules += [one for host in hosts for one in _of_host(alert, view, host, config)]
        else:
            rules += _cases(alert, view, config)
    return rules


def list_disabled(config: Config, views: Views) -> list[AlertSpec]:
    """What the site switches off, as the rules that would be, with a `value` that means nothing."""
    return [one for alert, view in _armed(config, views) for one in _switched_off(alert, view, config)]


def condition(one: AlertSpec) -> str:
    """When a rule fires, in words: `above 90 %`."""
    if one.alert.id == builtin_alerts.UNREACHABLE.id:
        return "no answer"
    if one.host:
        days, minutes = one.alert.over // 86400, one.alert.over // 60
        return f"none in {days} days" if days else f"no data for {minutes} min"
    return f"{'below' if one.alert.levels.falling else 'above'} {format_limit(one.value, one.alert.unit)}"


# Which rules there are -------------------------------------------------------------------------------


def _armed(config: Config, views: Views) -> Iterator[tuple[Alert, View | None]]:
    """The alerts that there are on a site, each with the view that it stands in."""
    collected = {name for host in config.hosts for name in host.collect}
    yield from ((alert, None) for alert in builtin_alerts.list_enabled(config.backup))
    for view in views.values():
        yield from ((alert, view) for alert in view.alerts if view.name in collected)


def _switched_off(alert: Alert, view: View | None, config: Config) -> Iterator[AlertSpec]:
    rule = config.alerts.rules.get(alert.id, AlertSettings())
    is_on = {severity: value is not None for severity, value in alerts.levels(alert, rule.change)}
    for severity in (severity for severity, on in is_on.items() if not on):
        yield AlertSpec(alert, severity, 0, 0, Scoped(), view)
    for case in rule.exceptions:
        for severity, value in alerts.levels(alert, rule.change, case.change):
            if value is None and is_on.get(severity):
                host = case.host if alert.each_host else ""
                yield AlertSpec(alert, severity, 0, 0, Scoped(case.host, case.where), view, host)


def _cases(alert: Alert, view: View | None, config: Config) -> Iterator[AlertSpec]:
    """An alert's own rules and those of its exceptions, which are left out of all that come after them."""
    rule = config.alerts.rules.get(alert.id, AlertSettings())
    cases = (*rule.exceptions, AlertException(change=rule.change))
    for index, case in enumerate(cases):
        changes = (rule.change, case.change)
        for severity, value in alerts.levels(alert, *changes):
            before = [one for one in cases[:index] if one.covers(severity)]
            is_last = index == len(cases) - 1
            if value is not None and (is_last or case.covers(severity)):
                scoped = Scoped(case.host, case.where, tuple(before))
                yield AlertSpec(alert, severity, value, _lasting(alert, *changes), scoped, view)


def _of_host(alert: Alert, view: View | None, host: Host, config: Config) -> Iterator[AlertSpec]:
    if view is not None and view.name not in host.collect:
        return
    rule = config.alerts.rules.get(alert.id, AlertSettings())
    own = [case.change for case in rule.exceptions if case.host == host.name][:1]
    changes = (rule.change, *own)
    for severity, value in alerts.levels(alert, *changes):
        if value is not None:
            lasting = _lasting(alert, *changes)
            yield AlertSpec(alert, severity, value, lasting, Scoped(host.name), view, host=host.name)


def _lasting(alert: Alert, *changes: alerts.ThresholdOverride) -> int:
    said = [change.lasting for change in changes if change.lasting is not None]
    return said[-1] if said else alert.lasting


# The files -------------------------------------------------------------------------------------------


def _rules_file(config: Config, views: Views) -> Json:
    rules = list_rules(config, views)
    severities: dict[str, set[Severity]] = {}
    for one in rules:
        severities.setdefault(one.alert.id, set()).add(one.severity)
    groups: dict[tuple[str, str], list[Json]] = {}
    for one in rules:
        name = "aresmon" if one.view is None else f"{one.view.name} of each host" if one.host else one.view.name
        for route in routes.routes(config.alerts, one.severity, severities[one.alert.id]):
            folder = AGAIN_FOLDER if route.suffix else FOLDER
            groups.setdefault((folder, name), []).append(_rule(one, config, route))
    written = [_group(*chunk, folder=at) for (at, name), made in groups.items() for chunk in _chunks(name, made)]
    if config.alerts.heartbeat is not None:
        written.append(_group("heartbeat", [_heartbeat(config)], folder=HEARTBEAT_FOLDER))
    return {"apiVersion": 1, "groups": written}


def _contacts_file(config: Config, formerly: Collection[str]) -> Json:
    return {
        "apiVersion": 1,
        "contactPoints": contact_points.contact_points(config.alerts, config.site, formerly=formerly),
        "muteTimes": contact_points.mute_times(config.alerts),
        "templates": contact_points.message_templates(config.alerts),
    }


def _chunks(name: str, rules: Sequence[Json]) -> Iterator[tuple[str, Sequence[Json]]]:
    """Groups of a size that Grafana takes in quickly: a thousand rules in one group took it half a minute, in twenty
    groups six seconds."""
    for number, begin in enumerate(range(0, len(rules), _LARGEST), start=1):
        yield name if number == 1 else f"{name}, {number}", rules[begin : begin + _LARGEST]


def _group(name: str, rules: Sequence[Json], *, folder: str = FOLDER) -> Json:
    return {"orgId": 1, "name": name, "folder": folder, "interval": f"{EVALUATED_EVERY}s", "rules": list(rules)}


def _rule(one: AlertSpec, config: Config, route: Route) -> Json:
    alert = one.alert
    data = alert_queries.nodes(alert, one.scoped, one.value, one.lasting, by_host=not one.host and one.view is not None)
    labels = {"severity": one.severity, "collector": one.view.name if one.view else "aresmon"}
    rule: Json = {
        "uid": _short(f"{one.uid}-{route.suffix}") if route.suffix else one.uid,
        "title": one.title,
        "condition": "C",
        "for": f"{one.lasting}s",
        "noDataState": "Alerting" if one.host else "OK",
        # That the database does not answer is one alert, not one of each host besides.
        "execErrState": "KeepLast" if one.host else "Alerting" if one.view is None else "Error",
        "labels": labels | ({HOST: one.host} if one.host else {}),
        "annotations": _annotations(one, config) | ({"lesser": route.lesser} if route.lesser else {}),
        "data": data,
        "notification_settings": route.settings(by_host=not one.host),
    }
    if one.host and one.view is not None and alert.panel:
        rule |= {"dashboardUid": names.uid_of_host(one.host), "panelId": panels.id_of(one.view, alert.panel)}
    return rule


def _heartbeat(config: Config) -> Json:
    one = AlertSpec(_BEAT, "information", 0, 0, Scoped(config.server), host=config.server)
    rule = _rule(one, config, Route(HEARTBEAT)) | {
        "uid": HEARTBEAT,
        "title": "Heartbeat",
        "noDataState": "OK",
        "execErrState": "OK",
    }
    rule["labels"] = {"aresmon": "heartbeat"}
    rule["notification_settings"] = {
        "receiver": HEARTBEAT,
        "group_wait": "1s",
        "group_interval": "1m",
        "repeat_interval": "1m",
    }
    return rule


def _uids(content: Json, outer: str, inner: str) -> set[str]:
    return {one["uid"] for group in content.get(outer, []) for one in group[inner]}


def _written(content: Json) -> bytes:
    return (_lines(content, 0) + "\n").encode()


def _lines(value: object, depth: int) -> str:
    """JSON, which is YAML too and quicker to write: so many levels with a line a value that differences can be read."""
    if depth == _LINES or not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=False)
    pad = "\n" + " " * (depth + 1)
    if isinstance(value, list):
        return "[" + ",".join(pad + _lines(one, depth + 1) for one in value) + "\n" + " " * depth + "]"
    pairs = (f"{pad}{json.dumps(key)}: {_lines(one, depth + 1)}" for key, one in value.items())
    return "{" + ",".join(pairs) + "\n" + " " * depth + "}"


# The text of notifications ---------------------------------------------------------------------------


def _annotations(one: AlertSpec, config: Config) -> dict[str, str]:
    texts = {"summary": _template(one.alert.summary, one), "description": _template(one.alert.next, one)}
    if "{value}" in one.alert.summary:
        texts |= {"value": _template("{value}", one), "limit": condition(one)}
    if not one.host and (place := one.scoped.words()):
        texts["scope"] = place
    if one.view is not None:
        texts["dashboard"] = _link(one, one.view, config)
    return texts


def _template(text: str, one: AlertSpec) -> str:
    """A text of the catalogue as a template of Grafana's; all of it that is no placeholder means itself."""
    parts = PLACEHOLDER.split(text)
    written = ""
    for index, part in enumerate(parts):
        if not index % 2:
            written += part.replace("{{", '{{ "{{" }}')
        elif part == "value":
            written += _VALUE.replace("%s", _FORMATS.get(one.alert.unit, _OTHER))
        elif part == HOST and one.host:
            written += one.host
        else:
            written += f"{{{{ $labels.{part} }}}}"
    return written


def _link(one: AlertSpec, view: View, config: Config) -> str:
    panel = next((panel for panel in view.panels if panel.title == one.alert.panel), None)
    is_own = panel is not None and panel.place == "own"
    host = one.host or "{{ $labels.host }}"
    board = names.uid_of_collector(view.name) if is_own else _board(one, config)
    shown = f"viewPanel={panels.id_of(view, panel.title)}&" if panel else ""
    chosen = f"var-host={host}&" if is_own else ""
    return (
        f"{config.grafana.url.rstrip('/')}/d/{board}?{chosen}{shown}from=now-{max(6, one.alert.over // 1800)}h&to=now"
    )


def _board(one: AlertSpec, config: Config) -> str:
    """The uid of the host's dashboard, found out when it fires; those of long names are not made of the name."""
    if one.host:
        return names.uid_of_host(one.host)
    prefix = names.uid_of_host("x").removesuffix("x")
    text = prefix + "{{ reReplaceAll `[.]` `_` . }}"
    for host in config.hosts:
        uid = names.uid_of_host(host.name)
        if uid != prefix + host.name.replace(".", "_"):
            text = f"{{{{ if eq . `{host.name}` }}}}{uid}{{{{ else }}}}{text}{{{{ end }}}}"
    # Where Grafana has an error to tell there are no labels.
    return f"{{{{ with $labels.host }}}}{text}{{{{ end }}}}"


def _short(uid: str) -> str:
    return uid if len(uid) <= _LONGEST else f"{uid[: _LONGEST - 9]}-{hashlib.sha256(uid.encode()).hexdigest()[:8]}"

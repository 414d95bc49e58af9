"""`alerts` of aresmon.yml: contact points, quiet hours, and a site's own thresholds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aresmon.config import backup, builtin_alerts
from aresmon.config.secret_forms import Form, find_fault
from aresmon.config.units import parse_span
from aresmon.config.views import SEVERITIES, Alert, Severity, Views, tags_of
from aresmon.system import json_schema
from aresmon.system.yaml_document import Document, Keys, YamlProblem, dotted

KINDS = ("email", "webhook", "discord", "slack", "mattermost", "matrix", "ntfy", "telegram")
OPEN = ("webhook", "matrix", "ntfy")
"""Those whose address Grafana shows to everyone who can log in."""
_LARGEST = 1e300
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message goes: `url`, or the secret of this name that holds it. With both, the secret is the token that
    goes along."""

    url: str = ""
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Receiver:
    """One way of telling somebody; `severity` is from which on. `name` is unique; `chat` is Telegram's."""

    name: str
    kind: str
    severity: Severity
    to: Address = Address()
    emails: tuple[str, ...] = ()
    chat: str = ""

    def hears(self, severity: Severity) -> bool:
        return SEVERITIES.index(severity) >= SEVERITIES.index(self.severity)


@dataclass(frozen=True, slots=True)
class Mail:
    """The mail server; `password` is the name of a secret, `tls` is `starttls`, `always` or `never`."""

    host: str
    sender: str
    user: str
    password: str
    tls: str


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Hours, in minutes of the day, without notifications of alerts up to `severity`. They may go on
    after midnight; `days`, all if empty, are those on which they begin."""

    begin: int
    end: int
    days: tuple[str, ...]
    timezone: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class ThresholdOverride:
    """What is otherwise than in the catalogue: a value of None is a severity that is off. `lasting` is in seconds."""

    levels: tuple[tuple[Severity, float | None], ...] = ()
    lasting: int | None = None
    watch: bool = True


@dataclass(frozen=True, slots=True)
class AlertException:
    """What is otherwise on a host, for points with these tags, or both; everywhere if neither is said."""

    host: str = ""
    where: tuple[tuple[str, str], ...] = ()
    change: ThresholdOverride = ThresholdOverride()

    def includes(self, other: AlertException) -> bool:
        """Whether it fits wherever the other one does."""
        return self.host in ("", other.host) and set(self.where) <= set(other.where)

    def covers(self, severity: Severity) -> bool:
        """Whether it says anything of this severity."""
        one = self.change
        return not one.watch or one.lasting is not None or severity in dict(one.levels)


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """An alert's own settings; of `exceptions` the first that fits counts."""

    change: ThresholdOverride = ThresholdOverride()
    exceptions: tuple[AlertException, ...] = ()


@dataclass(frozen=True, slots=True)
class Alerts:
    """All of `alerts`; `rules` are by the alert's id."""

    receivers: tuple[Receiver, ...] = ()
    mail: Mail | None = None
    quiet: tuple[QuietHours, ...] = ()
    rules: Mapping[str, AlertSettings] = field(default_factory=dict)
    heartbeat: Address | None = None

    @property
    def secrets(self) -> Mapping[str, tuple[Form, ...]]:
        """The names of the secrets that must be there, each with the forms that its uses take."""
        uses: list[tuple[str, Form]] = [(one.to.secret, _form(one)) for one in self.receivers]
        uses += [(self.mail.password, "plain")] if self.mail else []
        uses += [(self.heartbeat.secret, "address")] if self.heartbeat else []
        names = dict.fromkeys(name for name, _ in uses if name)
        return {name: tuple(dict.fromkeys(form for other, form in uses if other == name)) for name in names}

    @property
    def reachable(self) -> tuple[Receiver, ...]:
        """The receivers that Grafana can serve: e-mail takes a mail server."""
        return tuple(one for one in self.receivers if one.kind != "email" or self.mail is not None)


def _form(receiver: Receiver) -> Form:
    if receiver.kind == "telegram":
        return "bot"
    return "plain" if receiver.to.url else "address"


# What the schema cannot say --------------------------------------------------------------------------


def find_problems(
    document: Document, data: Mapping[str, Any], hosts: Iterable[str], views: Callable[[], Views]
) -> Iterator[YamlProblem]:
    """What is wrong with `alerts`, of which the schema allows `data`. `views` are read only if they are needed."""
    for index, entry in enumerate(data.get("send_to", [])):
        yield from _receiver_problems(document, ("alerts", "send_to", index), entry)
    if "heartbeat" in data:
        yield from _address_problems(document, ("alerts", "heartbeat"), data["heartbeat"])
    smtp = data.get("smtp", {})
    if ("user" in smtp) != ("password" in smtp):
        yield document.problem(("alerts", "smtp"), "`user` and `password` go together")
    for index, quiet in enumerate(data.get("quiet", [])):
        yield from _quiet_problems(document, ("alerts", "quiet", index), quiet)
    if data.get("rules"):
        known = _known(views())
        for name, settings in data["rules"].items():
            yield from _rule_problems(document, name, settings or {}, known, tuple(hosts))


def find_warnings(document: Document, data: Mapping[str, Any], views: Callable[[], Views]) -> Iterator[YamlProblem]:
    """What is right and reaches nobody."""
    if data.get("rules"):
        yield from _percent_notices(document, data["rules"], _known(views()))
    for index, entry in enumerate(data.get("send_to", [])):
        if "email" in entry and "smtp" not in data:
            keys: Keys = ("alerts", "send_to", index, "email")
            yield document.problem(keys, "no e-mail is sent until alerts.smtp is set to a mail server")
        for kind in OPEN:
            if set(entry.get(kind, {})) == {"secret"}:
                keys = ("alerts", "send_to", index, kind)
                yield document.problem(keys, "whoever logs in to Grafana can read this address there, guests too")


def _known(views: Views) -> dict[str, Alert]:
    return {alert.id: alert for view in views.values() for alert in view.alerts} | builtin_alerts.list_all(
        backup.read({})
    )


def _percent_notices(document: Document, rules: Mapping[str, Any], known: Mapping[str, Alert]) -> Iterator[YamlProblem]:
    for name, settings in rules.items():
        alert = known[name]
        for keys, value in _values(name, settings or {}) if alert.unit == "percent" else ():
            if not 0 <= value <= 100:
                sign = "below" if alert.levels.falling else "above"
                yield document.problem(keys, f"{sign} {value:g} %: a percentage is from 0 to 100")


def _values(name: str, settings: Mapping[str, Any]) -> Iterator[tuple[Keys, float]]:
    """All numbers of an alert's settings, with where they stand; `off` is none."""
    keys: Keys = ("alerts", "rules", name)
    places = [(keys, settings)]
    places += [((*keys, "exceptions", index), one) for index, one in enumerate(settings.get("exceptions", []))]
    for place, said in places:
        for severity in SEVERITIES:
            if not isinstance(said.get(severity, False), bool):
                yield (*place, severity), said[severity]


def _receiver_problems(document: Document, keys: Keys, entry: Mapping[str, Any]) -> Iterator[YamlProblem]:
    kinds = [kind for kind in KINDS if kind in entry]
    if len(kinds) != 1:
        found = f", not {' and '.join(kinds)}" if kinds else f": {', '.join(KINDS)}"
        yield document.problem(keys, f"needs one way of telling{found}; another one is another entry of the list")
    elif kinds[0] in OPEN:
        yield from _address_problems(document, (*keys, kinds[0]), entry[kinds[0]], token=kinds[0] != "matrix")


def _address_problems(
    document: Document, keys: Keys, address: Mapping[str, Any], *, token: bool = False
) -> Iterator[YamlProblem]:
    if not address or (len(address) > 1 and not token):
        yield document.problem(keys, "needs `url`, or `secret` with the name of the secret that holds it")
    if "url" in address and (found := find_fault(address["url"], "address")):
        yield document.problem((*keys, "url"), found)


def _quiet_problems(document: Document, keys: Keys, quiet: Mapping[str, Any]) -> Iterator[YamlProblem]:
    if parse_time(quiet["from"]) == parse_time(quiet["to"]):
        yield document.problem((*keys, "to"), f"{quiet['to']} is when it begins; for whole days say 00:00 to 24:00")
    if parse_time(quiet["from"]) == 24 * 60:
        yield document.problem((*keys, "from"), "24:00 is an end; a day begins at 00:00")
    try:
        ZoneInfo(quiet["timezone"])
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield document.problem((*keys, "timezone"), f"no time zone '{quiet['timezone']}'; they read as Europe/Paris")


def _rule_problems(
    document: Document, name: str, settings: Mapping[str, Any], known: Mapping[str, Alert], hosts: tuple[str, ...]
) -> Iterator[YamlProblem]:
    keys: Keys = ("alerts", "rules", name)
    if name not in known:
        meant = json_schema.did_you_mean(name, known) or "; `aresmon alerts list` lists them"
        yield document.problem(keys, f"unknown alert '{name}'{meant}")
        return
    alert = known[name]
    # Written so that .nan is one of them.
    boundless = [(place, value) for place, value in _values(name, settings) if not abs(value) < _LARGEST]
    if boundless:
        yield from (document.problem(place, f"must be a number or `off`, not {value}") for place, value in boundless)
        return
    yield from _change_problems(document, keys, settings, alert)
    yield from _order_problems(document, keys, settings, alert)
    for index, exception in enumerate(settings.get("exceptions", [])):
        place = (*keys, "exceptions", index)
        merged = {**{key: value for key, value in settings.items() if key != "exceptions"}, **exception}
        yield from _change_problems(document, place, merged, alert)
        yield from _case_problems(document, place, exception, alert, hosts)


def _change_problems(
    document: Document, keys: Keys, settings: Mapping[str, Any], alert: Alert
) -> Iterator[YamlProblem]:
    for key in (*SEVERITIES, "watch"):
        if settings.get(key) is True and key != "watch":
            yield document.problem((*keys, key), "must be a number or `off`, not true")
    if alert.id in builtin_alerts.IDS and (any(settings.get(key) for key in SEVERITIES) or "exceptions" in settings):
        yield document.problem(keys, "it has no threshold and no exceptions; `for`, or `watch: off`")
    steps = [value for _, value in levels(alert, read_override(settings)) if value is not None]
    if steps != sorted(steps, reverse=alert.levels.falling):
        order = "fall" if alert.levels.falling else "rise"
        yield document.problem(keys, f"the values must {order} from information to critical; with what is built in: "
                               + ", ".join(f"{value:g}" for value in steps))  # fmt: skip


def _order_problems(document: Document, keys: Keys, settings: Mapping[str, Any], alert: Alert) -> Iterator[YamlProblem]:
    """Exceptions that the ones before them leave nothing to, since the first that fits counts."""
    rule = _rule(settings)
    for index, case in enumerate(rule.exceptions):
        before = [one for one in rule.exceptions[:index] if (one.host or one.where) and one.includes(case)]
        severities = [one for one, _ in levels(alert, rule.change, case.change) if case.covers(one)]
        # Of a rule of each host it counts whole.
        fits = before[:1] if alert.each_host else [_first(before, severity) for severity in severities]
        if (case.host or case.where) and fits and None not in fits:
            earlier = dotted((*keys, "exceptions", rule.exceptions.index(fits[0])))
            said = f"never applies: {earlier} fits first wherever this one does; put the narrower one first"
            yield document.problem((*keys, "exceptions", index), said)


def _first(cases: Sequence[AlertException], severity: Severity) -> AlertException | None:
    return next((one for one in cases if one.covers(severity)), None)


def _case_problems(
    document: Document, keys: Keys, exception: Mapping[str, Any], alert: Alert, hosts: tuple[str, ...]
) -> Iterator[YamlProblem]:
    if not exception.get("host") and not exception.get("where"):
        yield document.problem(keys, "says not where: `host`, `where`, or both")
    if not set(exception) - {"host", "where"}:
        yield document.problem(keys, "changes nothing: a value, `for`, or `watch: off`")
    host = exception.get("host", "")
    if host and host not in hosts:
        meant = json_schema.did_you_mean(host, hosts) or f"; the hosts are {', '.join(hosts[:10])}"
        yield document.problem((*keys, "host"), f"no host '{host}'{meant}")
    tags = () if alert.each_host or alert.id in builtin_alerts.IDS else tags_of(alert.series)
    for tag in exception.get("where", {}):
        if tag not in tags:
            known = json_schema.did_you_mean(tag, tags) or (f"; it has {', '.join(tags)}" if tags else "; it has none")
            yield document.problem((*keys, "where", tag), f"'{alert.id}' has no tag '{tag}' beside the host{known}")


# From data to types ----------------------------------------------------------------------------------


def read(data: Mapping[str, Any]) -> Alerts:
    """What `alerts` says; it has been found right."""
    mail = data.get("smtp")
    return Alerts(
        receivers=tuple(_receivers(data.get("send_to", []))),
        mail=Mail(
            mail["host"], mail["from"], mail.get("user", ""), mail.get("password", {}).get("secret", ""),
            mail.get("tls", "starttls"),
        ) if mail else None,
        quiet=tuple(_quiet(one) for one in data.get("quiet", [])),
        rules={name: _rule(one or {}) for name, one in (data.get("rules") or {}).items()},
        heartbeat=_address(data["heartbeat"]) if "heartbeat" in data else None,
    )  # fmt: skip


def levels(alert: Alert, *changes: ThresholdOverride) -> tuple[tuple[Severity, float | None], ...]:
    """An alert's values after these changes, the later before the earlier; None where a severity is off."""
    steps: dict[Severity, float | None] = dict(alert.levels.steps)
    for one in changes:
        steps |= dict(one.levels)
        if not one.watch:
            steps = dict.fromkeys(steps)
    return tuple((severity, steps[severity]) for severity in SEVERITIES if severity in steps)


def read_override(settings: Mapping[str, Any]) -> ThresholdOverride:
    """`{warning: 85, critical: off, for: 10m}`"""
    return ThresholdOverride(
        levels=tuple(
            (severity, None if isinstance(settings[severity], bool) else float(settings[severity]))
            for severity in SEVERITIES
            if severity in settings
        ),
        lasting=parse_span(settings["for"]) if "for" in settings else None,
        watch=settings.get("watch", True),
    )


def parse_time(time: str | int) -> int:
    """`23:00` → 1380. YAML itself reads it so where it is not in quotes."""
    if isinstance(time, int):
        return time
    hour, _, minute = time.partition(":")
    return int(hour) * 60 + int(minute)


def _receivers(entries: Iterable[Mapping[str, Any]]) -> Iterator[Receiver]:
    count: dict[str, int] = {}
    for entry in entries:
        kind = next(kind for kind in KINDS if kind in entry)
        count[kind] = count.get(kind, 0) + 1
        name = kind if count[kind] == 1 else f"{kind}-{count[kind]}"
        to, severity = entry[kind], entry.get("severity", "warning")
        if kind == "email":
            yield Receiver(name, kind, severity, emails=(to,) if isinstance(to, str) else tuple(to))
        else:
            yield Receiver(name, kind, severity, _address(to), chat=str(to.get("chat", "")))


def _address(data: Mapping[str, Any]) -> Address:
    return Address(data.get("url", ""), data.get("secret", ""))


def _quiet(data: Mapping[str, Any]) -> QuietHours:
    begin, end = parse_time(data["from"]), parse_time(data["to"])
    return QuietHours(begin, end, tuple(data.get("days", ())), data["timezone"], data.get("severity", "warning"))


def _rule(data: Mapping[str, Any]) -> AlertSettings:
    return AlertSettings(read_override(data), tuple(_case(one) for one in data.get("exceptions", [])))


def _case(data: Mapping[str, Any]) -> AlertException:
    where = tuple((tag, str(value)) for tag, value in data.get("where", {}).items())
    return AlertException(data.get("host", ""), where, read_override(data))

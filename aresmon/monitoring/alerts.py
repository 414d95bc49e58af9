"""What fires now: the rules that Grafana has, evaluated from InfluxDB, with their texts filled in."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence

from aresmon.config.model import Config
from aresmon.config.values import format_value
from aresmon.config.views import EVALUATED_EVERY, HOST, PLACEHOLDER, SEVERITIES, Views
from aresmon.monitoring import evaluation
from aresmon.monitoring.active_alerts import ActiveAlert
from aresmon.monitoring.evaluation import AskAll, Rule
from aresmon.monitoring.expressions import Labels, Numbers, UnknownExpressionError
from aresmon.render.grafana import alert_rules
from aresmon.render.grafana.alert_rules import AlertSpec

_MOST_MOMENTS = 12
"""At the first look, a condition that must hold for an hour is evaluated at so many moments, not at each minute."""


class AlertWatch:
    """Evaluates all rules of a site again and again, and knows since when each condition has held."""

    def __init__(self, config: Config, views: Views, ask_all: AskAll) -> None:
        files = alert_rules.render(config, views)
        groups = json.loads(files[alert_rules.RULES])["groups"]
        self._specs = {one.uid: one for one in alert_rules.list_rules(config, views)}
        self.rules: list[Rule] = [rule for group in groups for rule in group["rules"] if rule["uid"] in self._specs]
        self._ask_all = ask_all
        self._since: dict[tuple[str, Labels], float] = {}
        self._has_looked = False
        self.unknown: tuple[str, ...] = ()
        """The rules that could not be evaluated at the last look."""

    def look(self, now: float) -> tuple[ActiveAlert, ...]:
        """What fires or is about to at `now`, in seconds since 1970; the worst first.

        Raises InfluxDBUnreachableError if there is no answer.
        """
        ask = evaluation.ask_at_once([(rule, now) for rule in self.rules], self._ask_all)
        held: list[tuple[Rule, Numbers]] = []
        unknown: list[str] = []
        for rule in self.rules:
            try:
                held.append((rule, evaluation.instances(rule, ask, now)))
            except UnknownExpressionError:
                unknown.append(rule["uid"])
        self.unknown = tuple(unknown)
        self._remember(held, now)
        found = [self._active(rule, labels, value, now) for rule, numbers in held for labels, value in numbers.items()]
        return tuple(sorted(_worst_of_each(found), key=_order))

    def _remember(self, held: Sequence[tuple[Rule, Numbers]], now: float) -> None:
        there = {(str(rule["uid"]), labels) for rule, numbers in held for labels in numbers}
        since = {key: at for key, at in self._since.items() if key in there}
        new = [rule for rule, numbers in held if any((str(rule["uid"]), one) not in since for one in numbers)]
        lasting = [rule for rule in new if evaluation.lasting(rule)]
        earlier = dict(self._earlier(lasting, now))
        known = {str(rule["uid"]) for rule in lasting}
        for key in there - since.keys():
            since[key] = earlier.get(key, now if self._has_looked or key[0] in known else 0.0)
        self._since, self._has_looked = since, True

    def _earlier(self, rules: Sequence[Rule], now: float) -> Iterator[tuple[tuple[str, Labels], float]]:
        """Since when the conditions of these rules have held, as far as their `for` looks back."""
        moments = {str(rule["uid"]): _moments(evaluation.lasting(rule), now) for rule in rules}
        if not rules:
            return
        asked = [(rule, at) for rule in rules for at in moments[str(rule["uid"])]]
        ask = evaluation.ask_at_once(asked, self._ask_all)
        for rule in rules:
            uid = str(rule["uid"])
            still = evaluation.states(rule, ask, moments[uid][0])
            for at in moments[uid]:
                still = still & evaluation.states(rule, ask, at)
                yield from (((uid, labels), at) for labels in still)

    def _active(self, rule: Rule, labels: Labels, value: float, now: float) -> ActiveAlert:
        spec, since = self._specs[rule["uid"]], self._since[rule["uid"], labels]
        is_firing = now - since >= evaluation.lasting(rule)
        tags = dict(labels)
        shown = {key: text for key, text in tags.items() if key not in rule["labels"] and key != HOST}
        return ActiveAlert(
            uid=spec.uid,
            alert=spec.alert.id,
            severity=spec.severity,
            state="firing" if is_firing else "pending",
            host=tags.get(HOST, ""),
            place=tuple(text for _, text in sorted(shown.items())),
            value=None if math.isnan(value) else value,
            since=since,
            summary=_filled(spec.alert.summary, spec, tags, value),
            next=_filled(spec.alert.next, spec, tags, value),
        )


def _moments(lasting: int, now: float) -> list[float]:
    """Earlier moments at which the rule was evaluated, the newest first, the last of them `lasting` seconds ago."""
    several = range(EVALUATED_EVERY, lasting + 1, EVALUATED_EVERY)
    every = -(-len(several) // _MOST_MOMENTS) or 1
    return sorted({now - lasting, *(now - one for one in several[::every])}, reverse=True)


def _worst_of_each(alerts: Sequence[ActiveAlert]) -> Iterator[ActiveAlert]:
    """A warning beside the critical alert of the same fact says nothing more."""
    firing: dict[tuple[str, str, tuple[str, ...]], int] = {}
    for one in alerts:
        if one.state == "firing":
            key = (one.alert, one.host, one.place)
            firing[key] = max(firing.get(key, -1), SEVERITIES.index(one.severity))
    for one in alerts:
        if SEVERITIES.index(one.severity) >= firing.get((one.alert, one.host, one.place), -1):
            yield one


def _order(alert: ActiveAlert) -> tuple[bool, int, str, str, tuple[str, ...]]:
    return (alert.state != "firing", -SEVERITIES.index(alert.severity), alert.host, alert.alert, alert.place)


def _filled(text: str, spec: AlertSpec, tags: dict[str, str], value: float) -> str:
    known = {HOST: spec.host, **tags, "value": format_value(value, spec.alert.unit)}
    return PLACEHOLDER.sub(lambda found: known.get(found[1]) or found[1], text)

"""Evaluates provisioned alert rules as Grafana does: queries, reduce, math, threshold, `for` and no data.

Source: Grafana 12, pkg/expr and pkg/services/ngalert/state. Compared with a real Grafana on the same data.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aresmon.config.views import EVALUATED_EVERY, HOST
from aresmon.influxdb.client import InfluxDBUnreachableError, Series
from aresmon.monitoring.expressions import Labels, Numbers, UnknownExpressionError, calculate
from aresmon.render.grafana.queries import EXPRESSION, statement
from aresmon.system.errors import AresmonError

Rule = Mapping[str, Any]
Ask = Callable[[str], Sequence[Series]]
AskAll = Callable[[Sequence[str]], Sequence[Sequence[Series]]]
"""The answers to several statements, in one request."""
_REDUCERS: Mapping[str, Callable[[list[float]], float]] = {
    "last": lambda values: values[-1],
    "sum": math.fsum,
    "mean": lambda values: math.fsum(values) / len(values),
    "min": min,
    "max": max,
    "count": lambda values: float(len(values)),
}
_HOLDS: Mapping[str, Callable[[float, Sequence[float]], bool]] = {
    "gt": lambda value, limits: value > limits[0],
    "lt": lambda value, limits: value < limits[0],
    "gte": lambda value, limits: value >= limits[0],
    "lte": lambda value, limits: value <= limits[0],
    "eq": lambda value, limits: operator.eq(value, limits[0]),
    "ne": lambda value, limits: operator.ne(value, limits[0]),
    "within_range": lambda value, limits: min(limits) < value < max(limits),
    "outside_range": lambda value, limits: value < min(limits) or value > max(limits),
}


def lasting(rule: Rule) -> int:
    """For how many seconds its condition must hold before it fires."""
    return int(rule["for"].removesuffix("s"))


def firing(rule: Rule, ask: Ask, now: float) -> set[Labels]:
    """The labels of the instances that fire at `now`; of a rule that fires without any data, its own labels."""
    fires = states(rule, ask, now)
    for earlier in range(EVALUATED_EVERY, lasting(rule) + 1, EVALUATED_EVERY):
        fires &= states(rule, ask, now - earlier)
    return fires


def states(rule: Rule, ask: Ask, now: float) -> set[Labels]:
    """The instances whose condition holds at one moment."""
    return set(instances(rule, ask, now))


def instances(rule: Rule, ask: Ask, now: float) -> Numbers:
    """The instances whose condition holds at one moment, each with its value; NaN where there is none to tell.

    Raises UnknownExpressionError for a rule that uses what is not known here.
    """
    own = frozenset(rule["labels"].items())
    try:
        numbers = _worked_out(rule, ask, now)
    except AresmonError:
        return {own: math.nan} if rule["execErrState"] == "Alerting" else {}
    held = numbers[rule["condition"]]
    if not held:
        return {own: math.nan} if rule["noDataState"] == "Alerting" else {}
    found = numbers.get("V", {})
    return {own | labels: found.get(labels, math.nan) for labels, value in held.items() if value != 0}


def values(rule: Rule, ask: Ask, now: float, ref: str = "V") -> Numbers:
    """What a node of the rule comes to."""
    return _worked_out(rule, ask, now)[ref]


def _worked_out(rule: Rule, ask: Ask, now: float) -> dict[str, Numbers]:
    frames: dict[str, dict[Labels, list[float]]] = {}
    numbers: dict[str, Numbers] = {}
    for node in rule["data"]:
        model, name = node["model"], node["refId"]
        if _is_query(node):
            frames[name] = _frames(ask(_statement(node, now)))
            continue
        match model["type"]:
            case "reduce":
                reducer = _known(_REDUCERS, model["reducer"])
                numbers[name] = {labels: reducer(found) for labels, found in frames[model["expression"]].items()}
            case "math":
                numbers[name] = calculate(model["expression"], numbers)
            case "threshold":
                evaluator = model["conditions"][0]["evaluator"]
                holds, limits = _known(_HOLDS, evaluator["type"]), evaluator["params"]
                numbers[name] = {k: float(holds(v, limits)) for k, v in numbers[model["expression"]].items()}
            case other:
                raise UnknownExpressionError(other)
    return numbers


def _known(table: Mapping[str, Callable[..., Any]], name: str) -> Callable[..., Any]:
    if name not in table:
        raise UnknownExpressionError(name)
    return table[name]


def _is_query(node: Mapping[str, Any]) -> bool:
    return bool(node["datasourceUid"] != EXPRESSION["uid"])


def _statement(node: Mapping[str, Any], now: float) -> str:
    window = node["relativeTimeRange"]
    begin, end = int((now - window["from"]) * 1000), int((now - window["to"]) * 1000)
    return statement(node["model"]).replace("$timeFilter", f"time >= {begin}ms and time <= {end}ms")


def _frames(answer: Sequence[Series]) -> dict[Labels, list[float]]:
    found: dict[Labels, list[float]] = {}
    for series in answer:
        rows = [value for row in series.rows for key, value in row.items() if key != "time" and value is not None]
        if rows:
            found[frozenset(series.tags.items())] = [float(value) for value in rows]
    return found


# Many rules in one request ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shared:
    """A query of one host as the query of all hosts that it is a part of."""

    text: str
    host: str = ""

    def part(self, answer: Sequence[Series]) -> Sequence[Series]:
        if not self.host:
            return answer
        return [
            Series(one.name, {key: value for key, value in one.tags.items() if key != HOST}, one.rows)
            for one in answer
            if one.tags.get(HOST) == self.host
        ]


def ask_at_once(asked: Iterable[tuple[Rule, float]], ask_all: AskAll) -> Ask:
    """Ask what these rules need at these moments (seconds since 1970) in one request, and return a function that
    evaluates from the answers.

    What several rules ask is asked once, and the rules of each host share one statement: a fleet of any size needs the
    same number of them. If InfluxDB rejects one, each is asked by itself, and only its own rules fail. Raises
    InfluxDBUnreachableError if there is no answer at all.
    """
    shared: dict[str, _Shared] = {}
    for rule, now in asked:
        for node in filter(_is_query, rule["data"]):
            shared[_statement(node, now)] = _share(node, str(rule["labels"].get(HOST, "")), now)
    texts = list(dict.fromkeys(one.text for one in shared.values()))
    answers = _answers(texts, ask_all)

    def ask(text: str) -> Sequence[Series]:
        answer = answers[shared[text].text]
        if isinstance(answer, AresmonError):
            raise answer
        return shared[text].part(answer)

    return ask


def _answers(texts: Sequence[str], ask_all: AskAll) -> dict[str, Sequence[Series] | AresmonError]:
    try:
        return dict(zip(texts, ask_all(texts), strict=True))
    except InfluxDBUnreachableError:
        raise
    except AresmonError as error:
        if len(texts) == 1:
            return {texts[0]: error}
        return {text: answer for one in texts for text, answer in _answers([one], ask_all).items()}


def _share(node: Mapping[str, Any], host: str, now: float) -> _Shared:
    model = node["model"]
    tags = [tag for tag in model.get("tags", ()) if tag["key"] == f"{HOST}::tag"]
    if not host or [(tag["operator"], tag["value"]) for tag in tags] != [("=", host)]:
        return _Shared(_statement(node, now))
    others = [tag for tag in model["tags"] if tag["key"] != f"{HOST}::tag"]
    others = [{key: value for key, value in tag.items() if key != "condition"} for tag in others[:1]] + others[1:]
    fill = [part for part in model["groupBy"] if part["type"] == "fill"]
    grouped = [part for part in model["groupBy"] if part["type"] != "fill"]
    grouped.append({"type": "tag", "params": [f"{HOST}::tag"]})
    wide = {**node, "model": {**model, "tags": others, "groupBy": [*grouped, *fill]}}
    return _Shared(_statement(wide, now), host)

"""Evaluates a provisioned alert rule as Grafana does: queries, reduce, math, threshold, `for` and no data.

Source: Grafana 12, pkg/expr and pkg/services/ngalert/state. Held by hand against a real Grafana on the same data.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aresmon.influxdb.client import Series
from aresmon.render.grafana.queries import statement
from aresmon.system.errors import AresmonError

Labels = frozenset[tuple[str, str]]
Numbers = dict[Labels, float]
Ask = Callable[[str], Sequence[Series]]
_TOKEN = re.compile(r"\s*(\$[A-Z][0-9]?|[0-9.]+|&&|\|\||[<>]=?|==|!=|[-+*/()!])")
_REDUCERS: Mapping[str, Callable[[list[float]], float]] = {
    "last": lambda values: values[-1],
    "sum": math.fsum,
    "mean": lambda values: math.fsum(values) / len(values),
}
_INTERVAL = 60


def firing(rule: Mapping[str, Any], ask: Ask, now: float) -> set[Labels]:
    """The labels of the instances that fire at `now`; of a rule that fires without any data, its own labels."""
    lasting = int(rule["for"].removesuffix("s"))
    fires = states(rule, ask, now)
    for earlier in range(_INTERVAL, lasting + 1, _INTERVAL):
        fires &= states(rule, ask, now - earlier)
    return fires


def states(rule: Mapping[str, Any], ask: Ask, now: float) -> set[Labels]:
    """The instances whose condition holds at one moment."""
    own = frozenset(rule["labels"].items())
    try:
        numbers = _worked_out(rule, ask, now)
    except AresmonError:
        return {own} if rule["execErrState"] == "Alerting" else set()
    if not numbers:
        return {own} if rule["noDataState"] == "Alerting" else set()
    return {own | labels for labels, value in numbers.items() if value != 0}


def values(rule: Mapping[str, Any], ask: Ask, now: float, ref: str = "V") -> Numbers:
    """What a node of the rule comes to."""
    return _worked_out(rule, ask, now, ref)


def _worked_out(rule: Mapping[str, Any], ask: Ask, now: float, ref: str = "") -> Numbers:
    frames: dict[str, dict[Labels, list[float]]] = {}
    numbers: dict[str, Numbers] = {}
    for node in rule["data"]:
        model, name = node["model"], node["refId"]
        if node["datasourceUid"] != "__expr__":
            frames[name] = _frames(ask(_statement(node, now)))
            continue
        match model["type"]:
            case "reduce":
                reducer = _REDUCERS[model["reducer"]]
                numbers[name] = {labels: reducer(found) for labels, found in frames[model["expression"]].items()}
            case "math":
                numbers[name] = _Math(model["expression"], numbers).result()
            case "threshold":
                evaluator = model["conditions"][0]["evaluator"]
                holds = {"gt": operator.gt, "lt": operator.lt}[evaluator["type"]]
                limit = evaluator["params"][0]
                numbers[name] = {k: float(holds(v, limit)) for k, v in numbers[model["expression"]].items()}
            case other:
                raise AssertionError(f"an expression that is not known here: {other}")
    return numbers[ref or rule["condition"]]


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


class _Math:
    """Grafana's math on numbers with labels: two are joined where one's labels are among the other's."""

    def __init__(self, text: str, known: Mapping[str, Numbers]) -> None:
        self.tokens = [found[1] for found in _TOKEN.finditer(text)]
        assert "".join(self.tokens) == text.replace(" ", ""), f"not understood: {text}"
        self.known = known

    def result(self) -> Numbers:
        value = self._binary(0)
        assert not self.tokens, self.tokens
        assert isinstance(value, dict)
        return value

    _LEVELS = (("||",), ("&&",), ("<", ">", "<=", ">=", "==", "!="), ("+", "-"), ("*", "/"))

    def _binary(self, level: int) -> Numbers | float:
        if level == len(self._LEVELS):
            return self._atom()
        left = self._binary(level + 1)
        while self.tokens and self.tokens[0] in self._LEVELS[level]:
            left = _joined(self.tokens.pop(0), left, self._binary(level + 1))
        return left

    def _atom(self) -> Numbers | float:
        token = self.tokens.pop(0)
        if token == "(":
            inner = self._binary(0)
            assert self.tokens.pop(0) == ")"
            return inner
        return self.known[token[1:]] if token.startswith("$") else float(token)


def _joined(sign: str, left: Numbers | float, right: Numbers | float) -> Numbers | float:
    if isinstance(left, float) and isinstance(right, float):
        return _applied(sign, left, right)
    if isinstance(left, float):
        assert isinstance(right, dict)
        return {labels: _applied(sign, left, value) for labels, value in right.items()}
    if isinstance(right, float):
        return {labels: _applied(sign, value, right) for labels, value in left.items()}
    return {
        mine | theirs: _applied(sign, value, other)
        for mine, value in left.items()
        for theirs, other in right.items()
        if mine <= theirs or theirs <= mine
    }


def _applied(sign: str, left: float, right: float) -> float:
    match sign:
        case "/":
            if right == 0:
                return math.nan if left == 0 else math.copysign(math.inf, left)
            return left / right
        case "&&":
            return float(bool(left) and bool(right))
        case "||":
            return float(bool(left) or bool(right))
        case _:
            signs = {"+": operator.add, "-": operator.sub, "*": operator.mul, "<": operator.lt, ">": operator.gt}
            signs |= {"<=": operator.le, ">=": operator.ge, "==": operator.eq, "!=": operator.ne}
            return float(signs[sign](left, right))

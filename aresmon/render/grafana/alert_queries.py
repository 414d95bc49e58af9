"""What an alert rule asks and holds against what: queries, one value of each, a formula, a threshold.

The queries are those that the visual builder reads, but where an exception takes two tags at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase

from aresmon.config.alerts import AlertException
from aresmon.config.units import parse_span
from aresmon.config.views import HOST, MIN_ALERT_STEP, Alert, Condition, SeriesSpec
from aresmon.render.grafana import queries
from aresmon.render.grafana.contact_points import Json
from aresmon.render.grafana.queries import EXPRESSION, Scope, Target

DATASOURCE = "aresmon-influx"
# Those of the expressions are not for queries: Grafana would see a circle.
_LETTERS = [letter for letter in ascii_uppercase if letter not in "CEFTVW"]
_OF_WINDOW = ("mean", "min", "max")
_GRACE = 30
"""Seconds that a window may lack at its beginning: agents send at intervals."""
_BEFORE = 1800
"""Seconds before the window in which a series is looked for: one that was interrupted since is still known."""
_EXPRESSIONS = {"relativeTimeRange": {"from": 0, "to": 0}, "datasourceUid": EXPRESSION["uid"]}


@dataclass(frozen=True, slots=True)
class Scoped:
    """Which points a rule is about: those of a host, with these tags, or both, but not what other rules cover."""

    host: str = ""
    where: tuple[tuple[str, str], ...] = ()
    without: tuple[AlertException, ...] = ()

    def words(self) -> str:
        """`biere, path /exports`; empty where it is about all points."""
        return ", ".join([*([self.host] if self.host else []), *(f"{tag} {value}" for tag, value in self.where)])

    def conditions(self, series: SeriesSpec) -> list[Condition]:
        """Its tags, as far as this series has them."""
        return [Condition(tag, "=", value, is_tag=True) for tag, value in self.where if tag in series.by]


def nodes(alert: Alert, scoped: Scoped, value: float, lasting: int, *, by_host: bool) -> list[Json]:
    """The queries and expressions of a rule that fires after its condition held for `lasting` seconds. `V` is the value
    in notifications, `C` whether the alert fires."""
    series = alert.series
    parts = dict(series.parts) or {"": series}
    refs = dict(zip(parts, _LETTERS, strict=False))
    built = [_query(part, scoped, refs[name], alert.over, by_host=by_host) for name, part in parts.items()]
    values = {name: f"{refs[name]}1" for name in parts} if series.parts else {"": "V"}
    built += [_reduce(values[name], refs[name], part) for name, part in parts.items()]
    if series.parts:
        built.append(_math("V", queries.formula(series.formula, values)))
    kind = "lt" if alert.levels.falling else "gt"
    when = [_math("W", queries.formula(alert.when, values))] if alert.when else []
    filled = _filled(alert, scoped, lasting, by_host=by_host)
    if not when and not filled:
        return [*built, _threshold("C", kind, value)]
    holds = "$T" + (" && $W" if when else "") + (" && $F" if filled else "")
    return [*built, _threshold("T", kind, value), *when, *filled, _math("C", holds)]


def _filled(alert: Alert, scoped: Scoped, lasting: int, *, by_host: bool) -> list[Json]:
    """Whether a series is as old as the window that its value is of (`F`): what is high since a minute is not high for
    ten. Nothing where this is sure, because the condition must hold for as long."""
    series = _windowed(alert)
    if series is None or alert.over - _GRACE <= max(lasting, _GRACE):
        return []
    plain = replace(series, aggregate="first", rate=0, math="")
    built = _query(plain, scoped, "E", alert.over, by_host=by_host)
    earlier = {"from": alert.over + _BEFORE, "to": alert.over - _GRACE}
    return [built | {"relativeTimeRange": earlier}, _expression("F", "reduce", "E", reducer="count")]


def _windowed(alert: Alert) -> SeriesSpec | None:
    """The series whose value is one of the alert's whole window (an average, the least or the most), the one with the
    most tags of several; None where a single point, or a growth, says it all."""
    parts = [part for _, part in alert.series.parts] or [alert.series]
    found = [part for part in parts if part.rate or (part.aggregate in _OF_WINDOW and not part.increase)]
    return max(found, key=lambda part: len(part.by), default=None)


def _query(series: SeriesSpec, scoped: Scoped, ref: str, over: int, *, by_host: bool) -> Json:
    shortest = f"{series.min_step}s" if series.min_step > parse_span(MIN_ALERT_STEP) else MIN_ALERT_STEP
    step = shortest if series.rate or series.increase else ""
    own = [Condition(HOST, "=", scoped.host, is_tag=True)] if scoped.host else []
    own += scoped.conditions(series)
    plain, mixed = _left_out(scoped, series)
    scope = Scope(where=(*own, *plain), by=(HOST,) if by_host else (), step=step, fill="none" if step else "")
    built = queries.target(series, scope, ref=ref, datasource=DATASOURCE)
    if mixed:
        built = _with_more(built, mixed)
    return {
        "refId": ref,
        "relativeTimeRange": {"from": over, "to": 0},
        "datasourceUid": DATASOURCE,
        "model": built | {"intervalMs": 60_000, "maxDataPoints": 43_200},
    }


def _left_out(scoped: Scoped, series: SeriesSpec) -> tuple[list[Condition], list[str]]:
    """What keeps out the points that other rules cover: conditions, and what no condition can say."""
    plain, mixed = [], []
    for case in scoped.without:
        pairs = [*([(HOST, case.host)] if case.host else []), *case.where]
        if any(tag != HOST and tag not in series.by for tag, _ in pairs):
            continue  # a part of a formula without this tag; the formula joins it to the other parts anyway
        if len(pairs) == 1:
            plain.append(Condition(pairs[0][0], "!=", pairs[0][1], is_tag=True))
        else:
            mixed.append(is_other(pairs))
    return plain, mixed


def is_other(pairs: Sequence[tuple[str, str]]) -> str:
    """That a point differs from these tags in one at least, as it stands in a statement."""
    return " OR ".join(f"\"{tag}\"::tag != '{value}'" for tag, value in pairs)


def _with_more(built: Target, conditions: Sequence[str]) -> Target:
    joined = "".join(f"({one}) AND " for one in conditions)
    statement = queries.statement(built).replace("$timeFilter", f"{joined}$timeFilter", 1)
    return queries.raw(statement, ref=built["refId"], datasource=DATASOURCE)


def _reduce(ref: str, of: str, series: SeriesSpec) -> Json:
    # Steps of a counter's growth add up, those of its rate are averaged; all else is one value already.
    reducer = "sum" if series.increase else "mean" if series.rate else "last"
    return _expression(ref, "reduce", of, reducer=reducer)


def _math(ref: str, expression: str) -> Json:
    return _expression(ref, "math", expression)


def _threshold(ref: str, kind: str, value: float) -> Json:
    return _expression(ref, "threshold", "V", conditions=[{"evaluator": {"type": kind, "params": [value]}}])


def _expression(ref: str, kind: str, expression: str, **more: object) -> Json:
    model = {"refId": ref, "datasource": EXPRESSION, "type": kind, "expression": expression, **more}
    return {"refId": ref, **_EXPRESSIONS, "model": model}

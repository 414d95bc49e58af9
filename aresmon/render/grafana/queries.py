"""Grafana's queries: a series as the structured target that its visual builder opens, and as the statement that
Grafana makes of it.

Source: Grafana 12, pkg/tsdb/influxdb/models/query.go and query_part.go (the statement), and
public/app/plugins/datasource/influxdb/types.ts (the target).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from aresmon.config.views import HOST, PLACEHOLDER, Condition, SeriesSpec

Target = dict[str, Any]

DATASOURCE_TYPE = "influxdb"
DATASOURCE = "${datasource}"
"""The variable that a dashboard's data source is chosen by."""
TIME = "time"
"""The key of a condition on a point's time, which is neither a tag nor a field."""
EXPRESSION = {"type": "__expr__", "uid": "__expr__"}
_WRAPPED = re.compile(r"^/\^(.*)\$/$")
_NUMBER = re.compile(r"^-?[0-9.]+$")


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a series is asked for. `policy` is a retention policy or a variable, empty for the default one;
    `where` is added to each series' own conditions, `by` to its tags; `step` is the length of the steps of
    time, empty where all points become one; `fill` is what a step without a point becomes. `is_cheap`: there are many
    hosts, and of those with several series a step without a point may be left out of an increase, so that a graph
    bridges it."""

    policy: str = ""
    where: tuple[Condition, ...] = ()
    by: tuple[str, ...] = ()
    step: str = "$__interval"
    fill: str = "null"
    is_cheap: bool = False

    def without_steps(self) -> Scope:
        """The same, with one value over the whole time."""
        return replace(self, step="", fill="")


def target(series: SeriesSpec, scope: Scope, *, ref: str, datasource: str, form: str = "time_series") -> Target:
    """One series of one field, as Grafana's builder reads and writes it. `form` is `time_series` or `table`."""
    tags = tuple(dict.fromkeys((*scope.by, *series.by)))
    built: Target = {
        "refId": ref,
        "datasource": {"type": DATASOURCE_TYPE, "uid": datasource},
        "measurement": series.measurement,
        "policy": series.policy or scope.policy or "default",
        "select": [_selection(series, form, tells_gaps=_tells_gaps(series, scope)), *_beside(series, form)],
        "tags": [_tag(condition, index) for index, condition in enumerate((*scope.where, *series.where))],
        "groupBy": _grouping(scope, tags),
        "orderByTime": "ASC",
        "resultFormat": form,
        "rawQuery": False,
    }
    if series.name and form == "time_series":
        built["alias"] = alias(series.name)
    return built


def raw(statement: str, *, ref: str, datasource: str, form: str = "time_series", name: str = "") -> Target:
    """A statement that the builder cannot say."""
    built: Target = {
        "refId": ref,
        "datasource": {"type": DATASOURCE_TYPE, "uid": datasource},
        "query": statement,
        "rawQuery": True,
        "resultFormat": form,
    }
    if name and form == "time_series":
        built["alias"] = alias(name)
    return built


def alias(name: str) -> str:
    """`{path}` → `$tag_path`"""
    return PLACEHOLDER.sub(r"$tag_\1", name)


def formula(text: str, refs: Mapping[str, str]) -> str:
    """A formula with each name replaced by the query that gives it: `used / total` → `$A / $B`."""
    return re.sub(r"[a-z][a-z_]*", lambda word: f"${refs[word[0]]}", text)


def statement(built: Target) -> str:
    """The statement that Grafana sends for a target, its variables and `$timeFilter` still in it."""
    if built["rawQuery"]:
        return str(built["query"])
    selected = ", ".join(_selected(parts) for parts in built["select"])
    policy = "" if built["policy"] == "default" else f'"{built["policy"]}".'
    conditions = " ".join(_condition(tag) for tag in built["tags"])
    if len(built["tags"]) > 1:
        conditions = f"({conditions})"
    where = f"{conditions} AND $timeFilter" if conditions else "$timeFilter"
    text = f'SELECT {selected} FROM {policy}"{built["measurement"]}" WHERE {where}'
    return f"{text}{_grouped(built['groupBy'])} ORDER BY time {built['orderByTime']}"


def aggregate_of(series: SeriesSpec) -> str:
    """The aggregate of each step. Of a counter the newest value counts, however many points it has."""
    is_counted = bool(series.rate or series.increase)
    return "last" if is_counted and series.aggregate == "mean" else series.aggregate


def _tells_gaps(series: SeriesSpec, scope: Scope) -> bool:
    """Whether a step without a point is to be null. For a growth, that makes a query three times as slow."""
    return scope.fill == "null" and not (scope.is_cheap and series.increase and series.by)


def _selection(series: SeriesSpec, form: str, *, tells_gaps: bool) -> list[dict[str, Any]]:
    counted = bool(series.rate or series.increase)
    aggregate = aggregate_of(series)
    parts = [_part("field", series.field)]
    parts += [_part("distinct"), _part("count")] if aggregate == "distinct" else [_part(aggregate)]
    if series.rate:
        parts.append(_part("non_negative_derivative", f"{series.rate}s"))
    if series.increase:
        parts.append(_part("non_negative_difference"))
    # InfluxDB leaves steps without points out of a growth, whatever `fill` says: a graph would bridge them. What the
    # growth is added to has such a step, and makes its value null.
    gaps = f"+ 0 * {aggregate}({_quoted(series.field)})" if counted and tells_gaps else ""
    if series.math or gaps:
        parts.append(_part("math", f" {f'{series.math} {gaps}'.strip()}"))
    if series.name and form == "table":
        parts.append(_part("alias", series.name))
    return parts


def _beside(series: SeriesSpec, form: str) -> Iterator[list[dict[str, Any]]]:
    """Tags of the point that is selected, as columns of a table."""
    for title, tag in series.beside if form == "table" else ():
        yield [_part("field", f"{tag}::tag"), _part("alias", title)]


def _part(kind: str, *params: str) -> dict[str, Any]:
    return {"type": kind, "params": list(params)}


def _tag(condition: Condition, index: int) -> dict[str, str]:
    operator, value = condition.operator, condition.value
    if not condition.is_tag and operator in ("=", "!=") and not isinstance(value, str):
        # `=` would put the number into quotes, and match nothing.
        operator = "Is" if operator == "=" else "Is Not"
    kind = "" if condition.key == TIME else "::tag" if condition.is_tag else "::field"
    tag = {"key": f"{condition.key}{kind}", "operator": operator}
    tag["value"] = value if isinstance(value, str) else _number(value)
    return {"condition": "AND", **tag} if index else tag


def _number(value: float) -> str:
    """All of its digits and no exponent: Grafana takes what has one for a text."""
    return f"{Decimal(repr(value)):f}".removesuffix(".0")


def _grouping(scope: Scope, tags: Sequence[str]) -> list[dict[str, Any]]:
    steps = [_part("time", scope.step)] if scope.step else []
    fill = [_part("fill", scope.fill)] if scope.step and scope.fill else []
    return [*steps, *(_part("tag", f"{tag}::tag") for tag in tags), *fill]


def format_condition(condition: Condition) -> str:
    """A condition, as it stands in a statement."""
    return _condition(_tag(condition, 0))


# As Grafana writes it --------------------------------------------------------------------------------


def _selected(parts: Sequence[Mapping[str, Any]]) -> str:
    text = ""
    for part in parts:
        kind, params = part["type"], part["params"]
        match kind:
            case "field":
                text = _quoted(params[0])
            case "math":
                text = f"{text} {params[0]}"
            case "alias":
                text = f'{text} AS "{params[0]}"'
            case _:
                text = f"{kind}({', '.join([text, *params] if text else params)})"
    return text


def _grouped(parts: Sequence[Mapping[str, Any]]) -> str:
    text = ""
    for index, part in enumerate(parts):
        kind, params = part["type"], part["params"]
        written = _quoted(params[0]) if kind == "tag" else f"{kind}({', '.join(params)})"
        text += f"{' GROUP BY ' if not index else ' ' if kind == 'fill' else ', '}{written}"
    return text


def _condition(tag: Mapping[str, str]) -> str:
    operator, value = tag["operator"], tag["value"]
    if operator in ("Is", "Is Not"):
        operator = {"Is": "=", "Is Not": "!="}[operator]
        value = _typed(value, is_tag=tag["key"].endswith("::tag"))
    elif operator in ("<", ">", "<=", ">="):
        value = _WRAPPED.sub(r"'\1'", value)
    elif operator not in ("=~", "!~"):
        value = _text(_WRAPPED.sub(r"\1", value))
    joined = f"{tag['condition']} " if "condition" in tag else ""
    return f"{joined}{_quoted(tag['key'])} {operator} {value}"


def _typed(value: str, *, is_tag: bool) -> str:
    """As what it looks like: true or false, a number, or else a text, which a tag always has."""
    if not is_tag and value.lower() in ("true", "false"):
        return value.lower()
    return value if not is_tag and _NUMBER.match(value) else _text(value)


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\")
    return f"'{escaped}'"


def _quoted(name: str) -> str:
    for suffix in ("::tag", "::field"):
        if name.endswith(suffix):
            return f'"{name.removesuffix(suffix)}"{suffix}'
    return f'"{name}"'


def host_is(value: str, *, several: bool = False) -> Condition:
    """The host of this name, or those that a variable with several values names."""
    return Condition(HOST, "=~", f"/^{value}$/", is_tag=True) if several else Condition(HOST, "=", value, is_tag=True)

"""What is wrong with a view that its schema cannot say: names that are not there, and what contradicts itself."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from aresmon.config import table_checks
from aresmon.config.roles import ROLES
from aresmon.config.units import parse_span
from aresmon.config.views import HOST, MIN_ALERT_STEP, PLACEHOLDER, SEVERITIES, FieldKind, Measurement
from aresmon.system import json_schema
from aresmon.system.yaml_document import Document, Keys, YamlProblem

KINDS: Mapping[str, FieldKind] = {
    "gauges": "gauge",
    "peaks": "peak",
    "lows": "low",
    "counters": "counter",
    "states": "state",
}
"""What a measurement calls its fields, and the kind that each of them then is."""
_WORD = re.compile(r"[a-z][a-z_]*")
_SAYS = {
    "from": {"from", "field", "aggregate", "rate", "increase", "math", "where", "by", "name", "role", "beside"},
    "formula": {"formula", "of", "name", "role"},
    "influxql": {"influxql", "name", "role"},
}


def find_problems(document: Document, known: Mapping[str, Measurement]) -> Iterator[YamlProblem]:
    """Everything of the kind, in data that the schema allows; `known` are its measurements."""
    data = document.data
    yield from _measurement_problems(document, data["measurements"])
    yield from _number_problems(document, data, ())
    for kind in ("panels", "columns", "alerts"):
        for index, one in enumerate(data.get(kind, [])):
            keys: Keys = (kind, index, "series")
            several = one["series"] if kind == "panels" else [one["series"]]
            for number, series in enumerate(several):
                place = (*keys, number) if kind == "panels" else keys
                yield from _series_problems(document, place, series, known)
                yield from _part_problems(document, place, series)
                yield from _name_problems(document, place, series)
                if kind == "columns":
                    yield from table_checks.column_problems(document, place, series, one["title"])
                yield from _role_problems(document, place, series, one if kind == "panels" else None)
                is_table = kind == "panels" and one.get("kind") == "table"
                yield from table_checks.beside_problems(document, place, series, is_table=is_table)
            if kind == "panels":
                yield from table_checks.panel_problems(document, (kind, index), one, known)
            yield from _scale_problems(document, (kind, index), one)
            if kind == "panels":
                yield from _place_problems(document, (kind, index), one, data)
            if one.get("place") == "own" and "dashboard" not in data:
                message = "stands nowhere: `own` is the collector's dashboard, and this file has no `dashboard`"
                yield document.problem((kind, index, "place"), message)
            if kind == "alerts":
                yield from _alert_problems(document, (kind, index), one, data)
                yield from _window_problems(document, (kind, index), one, data["measurements"])
    for index, one in enumerate(data.get("restarts", [])):
        yield from _restart_problems(document, ("restarts", index), one, known)
    yield from _repeated(document, data)
    yield from _board_problems(document, data.get("dashboard", {}), known)


def _board_problems(
    document: Document, board: Mapping[str, Any], known: Mapping[str, Measurement]
) -> Iterator[YamlProblem]:
    if ("choose" in board) != ("of" in board):
        yield document.problem(("dashboard",), "`choose` and `of` go together: a tag, and who knows its values")
    elif "of" in board and board["of"] not in known:
        meant = json_schema.did_you_mean(board["of"], known) or f"; known: {', '.join(known)}"
        yield document.problem(("dashboard", "of"), f"unknown measurement '{board['of']}'{meant}")
    elif "of" in board and board["choose"] not in (tags := known[board["of"]].tags):
        meant = json_schema.did_you_mean(board["choose"], tags)
        yield document.problem(("dashboard", "choose"), f"'{board['of']}' has no tag '{board['choose']}'{meant}")


def _measurement_problems(document: Document, measurements: Mapping[str, Any]) -> Iterator[YamlProblem]:
    for name, one in measurements.items():
        fields = [field for kind in KINDS for field in one.get(kind, [])]
        if not fields:
            yield document.problem(("measurements", name), "has no field: no gauge, peak, low, counter or state")
        for field in sorted({field for field in fields if fields.count(field) > 1}):
            message = f"'{field}' is two of gauge, peak, low, counter and state; which of them?"
            yield document.problem(("measurements", name), message)
        for field in sorted({*fields} & {*one.get("tags", []), HOST}):
            yield document.problem(("measurements", name), f"'{field}' is a field and a tag; which of them?")


def _number_problems(document: Document, data: Any, keys: Keys) -> Iterator[YamlProblem]:
    """JSON has no `.inf` and no `.nan`."""
    if isinstance(data, float) and not math.isfinite(data):
        yield document.problem(keys, f"must be a number, not {data}")
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield from _number_problems(document, value, (*keys, key))


def _scale_problems(document: Document, keys: Keys, one: Mapping[str, Any]) -> Iterator[YamlProblem]:
    """Steps that get worse in both directions, and a scale from more to less."""
    for key, ways in (("thresholds", (1, -1)), ("above", (1,)), ("below", (-1,))):
        levels = one.get(key, {})
        steps = [levels[severity] for severity in SEVERITIES if severity in levels]
        if not any(all(way * (after - before) > 0 for before, after in pairwise(steps)) for way in ways):
            wanted = {(1, -1): "grow or fall", (1,): "grow", (-1,): "fall"}[ways]
            yield document.problem((*keys, key), f"its values must {wanted} from the least severity to the worst")
    if "soft_max" in one and ("max" in one or one.get("kind", "timeseries") != "timeseries"):
        yield document.problem((*keys, "soft_max"), "has no effect beside `max`, or in what is no `timeseries`")
    if one.get("min", -math.inf) >= one.get("max", math.inf):
        yield document.problem((*keys, "max"), f"must be more than min, which is {one['min']:g}")


def _place_problems(
    document: Document, keys: Keys, panel: Mapping[str, Any], data: Mapping[str, Any]
) -> Iterator[YamlProblem]:
    """What a panel says that has no effect where it stands, and links that would lead elsewhere."""
    titles = [one["title"] for one in data["panels"]]
    place = panel.get("place", "main")
    if "row" in panel and place not in ("main", "detail"):
        yield document.problem((*keys, "row"), f"has no effect: a panel of the place `{place}` is not folded")
    if "panel" in panel and place != "glance":
        yield document.problem((*keys, "panel"), "has no effect: only what is seen at a glance leads to a panel")
    elif "panel" in panel and panel["panel"] not in titles:
        meant = json_schema.did_you_mean(panel["panel"], titles)
        yield document.problem((*keys, "panel"), f"no panel has the title '{panel['panel']}'{meant}")
    names = [*titles, *(one["formerly"] for one in data["panels"] if "formerly" in one)]
    if names.count(panel.get("formerly", "")) > 1:
        yield document.problem((*keys, "formerly"), f"'{panel['formerly']}' is another panel's title, now or formerly")


def _role_problems(
    document: Document, keys: Keys, series: Mapping[str, Any], panel: Mapping[str, Any] | None
) -> Iterator[YamlProblem]:
    """Roles of what is not drawn as lines, and a scale that ends where the lines of one begin."""
    if "role" not in series:
        return
    if panel is None or panel.get("kind", "timeseries") != "timeseries":
        yield document.problem((*keys, "role"), "has no effect: only the lines of a `timeseries` have one")
    elif ROLES[series["role"]].is_below and "min" in panel:
        yield document.problem((*keys, "role"), "is drawn below zero, where the panel's `min` ends; take `min` out")


def _part_problems(document: Document, keys: Keys, series: Mapping[str, Any]) -> Iterator[YamlProblem]:
    """What only a whole series has: the look of a line, and columns beside a point."""
    for name, part in series.get("of", {}).items():
        for key in ("role", "beside"):
            if key in part:
                yield document.problem((*keys, "of", name, key), "has no effect in a part of a formula")


def _name_problems(document: Document, keys: Keys, series: Mapping[str, Any]) -> Iterator[YamlProblem]:
    """A formula's series are distinguished by the tags of its parts."""
    tags = {HOST, *(tag for one in (series, *series.get("of", {}).values()) for tag in one.get("by", []))}
    unknown = _placeholders(series.get("name", "")) - tags if "influxql" not in series else set()
    for tag in sorted(unknown):
        meant = json_schema.did_you_mean(tag, tags)
        yield document.problem((*keys, "name"), f"'{{{tag}}}' is not among the tags of `by`{meant}")


def _series_problems(
    document: Document, keys: Keys, series: Mapping[str, Any], known: Mapping[str, Measurement]
) -> Iterator[YamlProblem]:
    kinds = [kind for kind in ("from", "formula", "influxql") if kind in series]
    if len(kinds) != 1:
        yield document.problem(keys, "needs one of `from` with `field`, `formula` with `of`, or `influxql`")
        return
    for key in sorted(series.keys() - _SAYS[kinds[0]]):
        yield document.problem((*keys, key), f"has no effect beside `{kinds[0]}`")
    if kinds == ["formula"]:
        parts = series.get("of", {})
        yield from _unknown_names(document, (*keys, "formula"), series["formula"], parts)
        if not parts:
            yield document.problem((*keys, "formula"), "needs `of`, with a series for each name in it")
        for name, part in parts.items():
            if "from" in part:
                yield from _series_problems(document, (*keys, "of", name), part, known)
            else:
                yield document.problem((*keys, "of", name), "a part of a formula is one field; it needs `from`")
    elif kinds == ["from"]:
        yield from _field_problems(document, keys, series, known)


def _unknown_names(document: Document, keys: Keys, formula: str, parts: Mapping[str, Any]) -> Iterator[YamlProblem]:
    for word in sorted(_words(formula) - parts.keys()):
        yield document.problem(keys, f"'{word}' is not among the names in `of`{json_schema.did_you_mean(word, parts)}")


def _field_problems(
    document: Document, keys: Keys, series: Mapping[str, Any], known: Mapping[str, Measurement]
) -> Iterator[YamlProblem]:
    measurement = known.get(series["from"])
    if measurement is None:
        meant = json_schema.did_you_mean(series["from"], known) or f"; known: {', '.join(known)}"
        yield document.problem((*keys, "from"), f"unknown measurement '{series['from']}'{meant}")
        return
    field = series.get("field", "")
    if field not in measurement.fields:
        meant = json_schema.did_you_mean(field, measurement.fields) or f"; known: {', '.join(measurement.fields)}"
        yield document.problem((*keys, "field"), f"'{measurement.name}' has no field '{field}'{meant}")
    elif (series.get("rate") or series.get("increase")) and measurement.fields[field] != "counter":
        yield document.problem((*keys, "field"), f"'{field}' is no counter: it has no rate and no increase")
    if series.get("rate") and series.get("increase"):
        yield document.problem(keys, "has a rate and an increase; which of them?")
    tags = {*measurement.tags, HOST}
    for tag in series.get("by", []):
        if tag not in tags:
            meant = json_schema.did_you_mean(tag, tags)
            yield document.problem((*keys, "by"), f"'{measurement.name}' has no tag '{tag}'{meant}")
    yield from _where_problems(document, keys, series.get("where", {}), measurement)


def _where_problems(
    document: Document, keys: Keys, where: Mapping[str, Any], measurement: Measurement
) -> Iterator[YamlProblem]:
    known = {*measurement.tags, HOST, *measurement.fields}
    for key, value in where.items():
        if key.rstrip("!<>") not in known:
            meant = json_schema.did_you_mean(key.rstrip("!<>"), known)
            message = f"'{measurement.name}' has no tag or field '{key.rstrip('!<>')}'{meant}"
            yield document.problem((*keys, "where", key), message)
        if isinstance(value, str) and "'" in value and not (value.startswith("/") and value.endswith("/")):
            # Grafana puts it between two of them as it is.
            yield document.problem((*keys, "where", key), "may have no '; an expression can, as /it.s/")
        if isinstance(value, str) and value.startswith("/") and value.endswith("/"):
            try:
                re.compile(value[1:-1])
            except re.error as error:
                yield document.problem((*keys, "where", key), f"{value} is no expression: {error}")


def _alert_problems(document: Document, keys: Keys, alert: Mapping[str, Any], data: Any) -> Iterator[YamlProblem]:
    if ("above" in alert) == ("below" in alert):
        yield document.problem(keys, "needs `above` or `below`, and not both")
    yield from _unknown_names(document, (*keys, "when"), alert.get("when", ""), alert["series"].get("of", {}))
    if "influxql" in alert["series"]:
        yield document.problem((*keys, "series"), "an alert is described, not written as a statement")
    titles = [panel["title"] for panel in data.get("panels", [])]
    if "panel" in alert and alert["panel"] not in titles:
        meant = json_schema.did_you_mean(alert["panel"], titles)
        yield document.problem((*keys, "panel"), f"no panel has the title '{alert['panel']}'{meant}")
    series = alert["series"]
    tags = {HOST, "value", *(tag for one in (series, *series.get("of", {}).values()) for tag in one.get("by", []))}
    for key in ("title", "summary", "next", "resource"):
        for word in sorted(_placeholders(alert.get(key, "")) - tags):
            meant = json_schema.did_you_mean(word, tags) or f"; known: {', '.join(sorted(tags))}"
            yield document.problem((*keys, key), f"'{{{word}}}' is no tag of it{meant}")


def _restart_problems(
    document: Document, keys: Keys, one: Mapping[str, Any], known: Mapping[str, Measurement]
) -> Iterator[YamlProblem]:
    """Its series is one field with its tags: a counter, or a time."""
    series = one["series"]
    yield from _series_problems(document, (*keys, "series"), series, known)
    for key in sorted(series.keys() - {"from", "field", "where", "by"}):
        yield document.problem((*keys, "series", key), "has no effect in a restart, which is of one field")
    kind = known[series["from"]].fields.get(series.get("field", "")) if series.get("from") in known else None
    if kind is not None and ("unit" in one) == (kind == "counter"):
        wanted = "is a counter, which has no `unit`" if kind == "counter" else "is no counter, and needs its `unit`"
        yield document.problem((*keys, "series", "field"), f"'{series['field']}' {wanted}")


def _window_problems(
    document: Document, keys: Keys, alert: Mapping[str, Any], measurements: Mapping[str, Any]
) -> Iterator[YamlProblem]:
    """A counter's growth needs two steps."""
    series = alert["series"]
    counted = [one for one in (series, *series.get("of", {}).values()) if one.get("rate") or one.get("increase")]
    said = [measurements.get(one.get("from"), {}).get("min_step", MIN_ALERT_STEP) for one in counted]
    longest = max([MIN_ALERT_STEP, *said], key=parse_span)
    if counted and parse_span(alert["over"]) < 2 * parse_span(longest):
        message = f"is too short: the growth of a counter is read over steps of {longest}, and two are needed"
        yield document.problem((*keys, "over"), message)


def _repeated(document: Document, data: Any) -> Iterator[YamlProblem]:
    for kind, name in (("panels", "title"), ("columns", "title"), ("alerts", "id"), ("restarts", "title")):
        seen: set[str] = set()
        for index, one in enumerate(data.get(kind, [])):
            if one[name] in seen:
                yield document.problem((kind, index, name), f"'{one[name]}' is there twice")
            seen.add(one[name])


def _words(formula: str) -> set[str]:
    """The names in a formula."""
    return set(_WORD.findall(formula))


def _placeholders(text: str) -> set[str]:
    """What stands in braces in a text."""
    return set(PLACEHOLDER.findall(text))

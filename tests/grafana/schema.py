"""Holds a dashboard against the published model of Grafana's classic dashboards, as grafana-foundation-sdk carries it.

Strict: a key that the models do not know and a value of another type are told. Where the SDK has no model, ours below
name the file of Grafana 12.2 that they follow.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import re
import types
import typing
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema

from tests.grafana import influxql

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of the classic model, in favour of one that files cannot have
    from grafana_foundation_sdk.cog import variants
    from grafana_foundation_sdk.models import common, dashboard, expr

Panel = dashboard.Panel
PLUGINS = {
    "timeseries": "timeseries",
    "stat": "stat",
    "gauge": "gauge",
    "bargauge": "bargauge",
    "table": "table",
    "state-timeline": "statetimeline",
}
"""Panel type → the SDK's module: those that views may name."""
_MODELS = {**PLUGINS, "text": "text"}

# A column is hidden by `custom.hidden` until Grafana 12.2, and by `custom.hideFrom` after it.
LATER: Mapping[str, Any] = {"table": {"hideFrom": common.HideSeriesConfig}}
_WRITTEN = re.compile(r'"(\w+)"(?:\])?\s*[:=]\s*self\.(\w+)')
_PLAIN: Mapping[Any, tuple[type, ...]] = {str: (str,), bool: (bool,), int: (int,), float: (int, float)}


def problems(built: Any) -> list[str]:
    """Everything that the model does not know or has otherwise, each with its place."""
    return list(_against(built, dashboard.Dashboard, "dashboard"))


def _against(value: Any, kind: Any, at: str) -> Iterator[str]:
    origin = typing.get_origin(kind)
    if kind in (Any, object):
        return
    if origin in (typing.Union, types.UnionType):
        yield from _against_one_of(value, typing.get_args(kind), at)
    elif origin is typing.Literal:
        if value not in typing.get_args(kind):
            yield f"{at}: {value!r} is none of {typing.get_args(kind)}"
    elif origin in (list, dict):
        yield from _against_items(value, origin is dict, typing.get_args(kind)[-1], at)
    else:
        yield from _against_one(value, kind, at)


def _against_one(value: Any, kind: Any, at: str) -> Iterator[str]:
    if kind is type(None):
        if value is not None:
            yield f"{at}: {value!r} is not nothing"
    elif kind in _PLAIN:
        if not isinstance(value, _PLAIN[kind]) or (isinstance(value, bool) and kind is not bool):
            yield f"{at}: {value!r} is no {kind.__name__}"
    else:
        yield from _against_class(value, kind, at)


def _against_one_of(value: Any, kinds: tuple[Any, ...], at: str) -> Iterator[str]:
    wanted = kinds if value is None else [kind for kind in kinds if kind is not type(None)]
    found = [list(_against(value, kind, at)) for kind in wanted]
    yield from min(found, key=len)  # what it is closest to tells best what is wrong


def _against_items(value: Any, has_names: bool, kind: Any, at: str) -> Iterator[str]:
    if not isinstance(value, dict if has_names else list):
        yield f"{at}: {value!r} is no {'mapping' if has_names else 'list'}"
        return
    items: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in items:
        yield from _against(one, kind, f"{at}[{key}]")


def _against_class(value: Any, kind: Any, at: str) -> Iterator[str]:
    if issubclass(kind, enum.Enum):
        if isinstance(value, bool) or value not in [one.value for one in kind]:
            yield f"{at}: {value!r} is none of {[one.value for one in kind]}"
    elif not isinstance(value, dict):
        yield f"{at}: {value!r} is no {kind.__name__}"
    elif kind is variants.Dataquery:
        yield from _against_query(value, at)
    else:
        known = fields(kind)
        for key, one in value.items():
            if key in known:
                yield from _against(one, known[key], f"{at}.{key}")
            else:
                yield f"{at}.{key}: {kind.__name__} has no such key"
        if kind is dashboard.Panel:
            yield from _against_plugin(value, at)
        if kind is dashboard.DataTransformerConfig:
            yield from influxql.schema_problems(value, TRANSFORMATIONS.get(value.get("id", ""), False), at)


@cache
def fields(kind: Any) -> Mapping[str, Any]:
    """Key → type, of one of the SDK's models: its annotations have Python's names, `to_json` those of the JSON."""
    hints = typing.get_type_hints(kind)
    names = dict(_WRITTEN.findall(inspect.getsource(kind.to_json)))
    assert set(names.values()) == set(hints), f"{kind.__name__} is not written as the other models are"
    return {key: hints[name] for key, name in names.items()}


# What the models leave open --------------------------------------------------------------------------


def _against_plugin(panel: Mapping[str, Any], at: str) -> Iterator[str]:
    """A panel's options, and what its plug-in keeps of each field."""
    kind, options = panel.get("type", ""), panel.get("options", {})
    config = panel.get("fieldConfig", {})
    if kind == "alertlist":
        yield from influxql.schema_problems(options, ALERT_LIST, f"{at}.options")
        return
    if kind not in _MODELS:
        yield f"{at}.type: no model of '{kind}'"
        return
    module = importlib.import_module(f"grafana_foundation_sdk.models.{_MODELS[kind]}")
    yield from _against(options, module.Options, f"{at}.options")
    own: Mapping[str, Any] = fields(module.FieldConfig) if hasattr(module, "FieldConfig") else {}
    own = {**own, **LATER.get(kind, {})}
    for key, value in config.get("defaults", {}).get("custom", {}).items():
        yield from _against_known(own, key, value, f"{at}.fieldConfig.defaults.custom.{key}")
    for index, override in enumerate(config.get("overrides", [])):
        place = f"{at}.fieldConfig.overrides[{index}]"
        if override["matcher"]["id"] not in MATCHERS:
            yield f"{place}.matcher.id: {override['matcher']['id']!r} is none of {sorted(MATCHERS)}"
        for one in override["properties"]:
            known = own if one["id"].startswith("custom.") else fields(dashboard.FieldConfig)
            yield from _against_known(known, one["id"].removeprefix("custom."), one["value"], f"{place}.{one['id']}")


def _against_known(known: Mapping[str, Any], key: str, value: Any, at: str) -> Iterator[str]:
    if key in known:
        yield from _against(value, known[key], at)
    else:
        yield f"{at}: no such property"


def _against_query(query: Mapping[str, Any], at: str) -> Iterator[str]:
    if query.get("datasource") == {"type": "__expr__", "uid": "__expr__"}:
        yield from _against(query, expr.TypeMath, at)
    else:
        yield from influxql.schema_problems(query, influxql.QUERY, at)


MATCHERS = {"byName", "byRegexp", "byType", "byFrameRefID"}
"""packages/grafana-data/src/transformations/matchers/ids.ts"""

_TEXT, _TRUTH, _TEXTS = {"type": "string"}, {"type": "boolean"}, {"type": "array", "items": {"type": "string"}}
_NAMES = influxql.closed({"pattern": _TEXT, "names": _TEXTS, "variable": _TEXT})


def _of(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values}


def _transformation(options: Mapping[str, Any], *required: str) -> dict[str, Any]:
    inside = influxql.closed(options, *required)
    return {"type": "object", "required": ["options"], "properties": {"options": inside}}


TRANSFORMATIONS: Mapping[str, Any] = {
    "filterFieldsByName": _transformation({"include": _NAMES, "exclude": _NAMES, "byVariable": _TRUTH}),
    "merge": _transformation({}),
    "calculateField": _transformation(
        {
            "mode": {"enum": ["reduceRow", "binary"]},
            "alias": _TEXT,
            "timeSeries": _TRUTH,
            "replaceFields": _TRUTH,
            "binary": influxql.closed({"left": _TEXT, "operator": {"enum": ["+", "-", "*", "/"]}, "right": _TEXT}),
            "reduce": influxql.closed({"reducer": {"enum": ["sum", "min", "max", "mean"]}, "include": _TEXTS}),
        },
        "mode",
        "alias",
    ),
    "filterByValue": _transformation(
        {
            "filters": {
                "type": "array",
                "items": influxql.closed(
                    {
                        "fieldName": _TEXT,
                        "config": influxql.closed(
                            {"id": {"enum": ["isNull", "isNotNull"]}, "options": influxql.closed({})}, "id", "options"
                        ),
                    },
                    "fieldName",
                    "config",
                ),
            },
            "type": {"enum": ["include", "exclude"]},
            "match": {"enum": ["all", "any"]},
        },
        *("filters", "type", "match"),
    ),
    "sortBy": _transformation(
        {
            "fields": influxql.closed({}),
            "sort": {"type": "array", "items": influxql.closed({"field": _TEXT, "desc": _TRUTH}, "field")},
        },
        "sort",
    ),
    "reduce": _transformation(
        {
            "reducers": _TEXTS,
            "mode": {"enum": ["seriesToRows", "reduceFields"]},
            "includeTimeField": _TRUTH,
            "labelsToFields": _TRUTH,
        },
        "reducers",
    ),
    "extractFields": _transformation(
        {
            "source": _TEXT,
            "format": {"enum": ["json", "kvp", "auto", "regexp", "delimiter"]},
            "regExp": _TEXT,
            "replace": _TRUTH,
            "keepTime": _TRUTH,
        },
        *("source", "format"),
    ),
    "timeSeriesTable": {
        "type": "object",
        "properties": {"options": _of(influxql.closed({"stat": {"enum": ["lastNotNull", "mean", "max"]}}, "stat"))},
    },
    "joinByField": _transformation({"byField": _TEXT, "mode": {"enum": ["inner", "outer", "outerTabular"]}}),
    "organize": _transformation(
        {
            "excludeByName": _of(_TRUTH),
            "includeByName": _of(_TRUTH),
            "indexByName": _of({"type": "integer"}),
            "renameByName": _of(_TEXT),
        },
        "excludeByName",
        "renameByName",
    ),
    "convertFieldType": _transformation(
        {
            "fields": influxql.closed({}),
            "conversions": {
                "type": "array",
                "items": influxql.closed({"targetField": _TEXT, "destinationType": {"enum": ["number", "string"]}}),
            },
        },
        "conversions",
    ),
}
"""By id: packages/grafana-data/src/transformations/transformers/, filterByName, merge, calculateField, filterByValue,
sortBy, reduce, joinByField, organize (with order and rename) and convertFieldType; public/app/features/transformers/
timeSeriesTable and extractFields."""

ALERT_LIST = influxql.closed(
    {
        "maxItems": {"type": "integer"},
        "sortOrder": {"enum": [1, 2, 3, 4, 5]},
        "dashboardAlerts": _TRUTH,
        "groupMode": {"enum": ["default", "custom"]},
        "groupBy": _TEXTS,
        "alertName": _TEXT,
        "showInstances": _TRUTH,
        "folder": {"anyOf": [influxql.closed({"uid": _TEXT, "title": _TEXT}, "uid", "title"), {"type": "null"}]},
        "stateFilter": influxql.closed(
            dict.fromkeys(("firing", "pending", "inactive", "recovering", "noData", "normal", "error"), _TRUTH),
            *("firing", "pending", "recovering", "noData", "normal", "error"),
        ),
        "alertInstanceLabelFilter": _TEXT,
        "datasource": _TEXT,
        "viewMode": {"enum": ["list", "stat"]},
        "showInactiveAlerts": _TRUTH,
    },
    *("maxItems", "sortOrder", "dashboardAlerts", "groupMode", "groupBy", "alertName", "showInstances"),
    *("stateFilter", "alertInstanceLabelFilter", "viewMode", "showInactiveAlerts"),
)
"""public/app/plugins/panel/alertlist/types.ts, UnifiedAlertListOptions"""

jsonschema.Draft202012Validator.check_schema(ALERT_LIST)

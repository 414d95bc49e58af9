"""Grafana's InfluxQL query, as a JSON Schema: the SDK has no model of it.

Source: Grafana 12.2, public/app/plugins/datasource/influxdb/types.ts (InfluxQuery, InfluxQueryPart, InfluxQueryTag),
packages/grafana-schema/src/common/dataquery.cue (DataQuery), and for the parts and their parameters
pkg/tsdb/influxdb/models/query_part.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema

_TEXT, _TRUTH = {"type": "string"}, {"type": "boolean"}


def closed(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    """A mapping with these keys and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": dict(properties),
        "required": list(required),
    }


def _part(kinds: list[str], *params: Mapping[str, Any], fewest: int = 0) -> dict[str, Any]:
    several: dict[str, Any] = {"type": "array", "maxItems": len(params), "minItems": fewest}
    if params:
        several["prefixItems"] = list(params)
    return closed({"type": {"enum": kinds}, "params": several}, "type", "params")


_DURATION = {"type": "string", "pattern": r"^(\$__interval|auto|[0-9]+(ns|u|ms|s|m|h|d|w))$"}
_FUNCTIONS = ["spread", "count", "distinct", "mean", "median", "sum", "mode", "first", "last", "max", "min"]
_SELECTED = [
    _part(["field"], {"type": "string", "minLength": 1}, fewest=1),
    _part([*_FUNCTIONS, "non_negative_difference", "difference", "cumulative_sum", "stddev"]),
    _part(["derivative", "non_negative_derivative"], _DURATION, fewest=1),
    _part(["math", "alias"], {"type": "string", "minLength": 1}, fewest=1),
]
_GROUPED = [
    _part(["time"], _DURATION, fewest=1),
    _part(["tag"], {"type": "string", "minLength": 1}, fewest=1),
    _part(["fill"], {"enum": ["none", "null", "0", "previous", "linear"]}, fewest=1),
]
_OPERATORS = ["=", "!=", "<>", "<", ">", "<=", ">=", "=~", "!~", "Is", "Is Not"]
_TAG = closed(
    {
        "key": {"type": "string", "minLength": 1},
        "operator": {"enum": _OPERATORS},
        "condition": {"enum": ["AND", "OR"]},
        "value": _TEXT,
    },
    "key",
    "value",
)
QUERY = closed(
    {
        "refId": _TEXT,
        "hide": _TRUTH,
        "datasource": closed({"type": {"const": "influxdb"}, "uid": _TEXT}, "type", "uid"),
        "policy": _TEXT,
        "measurement": _TEXT,
        "resultFormat": {"enum": ["time_series", "table", "logs"]},
        "orderByTime": {"enum": ["ASC", "DESC"]},
        "tags": {"type": "array", "items": _TAG},
        "groupBy": {"type": "array", "items": {"anyOf": _GROUPED}},
        "select": {"type": "array", "minItems": 1, "items": {"type": "array", "items": {"anyOf": _SELECTED}}},
        "rawQuery": _TRUTH,
        "query": {"type": "string", "minLength": 1},
        "alias": _TEXT,
        "queryType": _TEXT,
        "fromAnnotations": _TRUTH,
        **dict.fromkeys(("tagsColumn", "textColumn", "timeEndColumn", "titleColumn", "name"), _TEXT),
        "textEditor": _TRUTH,
    },
    "refId",
)
# A query is structured or a statement, and says all that its kind needs.
QUERY["if"] = {"properties": {"rawQuery": {"const": False}}, "required": ["rawQuery"]}
QUERY["then"] = {"required": ["measurement", "select", "groupBy", "tags"], "not": {"required": ["query"]}}
QUERY["else"] = {"required": ["query"]}

jsonschema.Draft202012Validator.check_schema(QUERY)


def schema_problems(value: Any, schema: Any, at: str) -> Iterator[str]:
    """What a JSON Schema does not allow."""
    for error in jsonschema.Draft202012Validator(schema).iter_errors(value):
        yield f"{at}{error.json_path.removeprefix('$')}: {error.message}"

"""Holds provisioning files for alerting against Grafana's description of what it exports in the same format.

`python -m tests.grafana.alerting_file openapi3.json` makes alerting-file-12.2.json from Grafana's whole description.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.grafana.influxql import closed, schema_problems
from tests.grafana.reduce import references

REDUCED = Path(__file__).with_name("alerting-file-12.2.json")
_ROOT = "AlertingFileExport"
_HOURS = "TimeIntervalItem"
# Described as numbers of nanoseconds; the file has them as `10m` (pkg/services/provisioning/alerting/rules_types.go).
_WRITTEN_OTHERWISE = {"Duration": {"type": "string", "pattern": "^[0-9]+[smhd]$"}}
# The description forgets KeepLast (pkg/services/ngalert/models/alert_rule.go, ErrStateFromString).
_ON_ERROR = {"OK", "Alerting", "Error", "KeepLast"}
# Read from a file and never exported (types.go, beside it).
_ONLY_READ = ("deleteRules", "deleteContactPoints", "templates")
# As text_templates_types.go there reads it.
_TEXT = {"type": "string", "minLength": 1}
_TEMPLATES = {
    "type": "array",
    "items": closed({"orgId": {"type": "integer"}, "name": _TEXT, "template": _TEXT}, "name", "template"),
}


def reduce(whole: dict[str, Any]) -> dict[str, Any]:
    """The description of such a file, and of all that it refers to."""
    known: dict[str, Any] = whole["components"]["schemas"]
    found, waiting = dict[str, Any](), [_ROOT, _HOURS]
    while waiting:
        name = waiting.pop().removeprefix("schemas/")
        if name not in found and name in known:
            found[name] = known[name]
            waiting.extend(references(known[name]))
    return {"components": {"schemas": dict(sorted(found.items()))}}


def faults(content: dict[str, Any]) -> list[str]:
    """What in this file Grafana does not describe, and so would drop in silence."""
    schemas = json.loads(REDUCED.read_text(encoding="utf-8"))["components"]["schemas"] | _WRITTEN_OTHERWISE
    # Described as an empty name for what it has elsewhere.
    schemas["TimeInterval"] = schemas[_HOURS]
    schemas["AlertRuleExport"]["properties"]["execErrState"] = {"enum": sorted(_ON_ERROR)}
    whole = {"components": {"schemas": _closed(schemas)}, "$ref": f"#/components/schemas/{_ROOT}"}
    shown = {key: value for key, value in content.items() if key not in _ONLY_READ}
    found = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(whole).iter_errors(shown)]
    return found + list(schema_problems(content.get("templates", []), _TEMPLATES, "templates"))


def _closed(value: Any) -> Any:
    if isinstance(value, list):
        return [_closed(one) for one in value]
    if not isinstance(value, dict):
        return value
    closed = {key: _closed(one) for key, one in value.items()}
    if isinstance(closed.get("properties"), dict) and "additionalProperties" not in closed:
        closed["additionalProperties"] = False
    return closed


if __name__ == "__main__":
    text = json.dumps(reduce(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), indent=1) + "\n"
    REDUCED.write_text(text, encoding="utf-8")

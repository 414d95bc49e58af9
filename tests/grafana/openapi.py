"""Holds requests and answers against Grafana's published description of its HTTP API."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jsonschema

from tests.grafana.reduce import REDUCED

_STRING = {"type": "string"}
_OBJECT = {"type": "object"}
_MESSAGE = {"type": "object", "required": ["message"], "properties": {"message": _STRING}}
_RECEIVER = {
    "type": "object",
    "required": ["name", "grafana_managed_receiver_configs"],
    "properties": {
        "name": _STRING,
        "grafana_managed_receiver_configs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "settings"],
                "properties": {
                    "uid": _STRING,
                    "name": _STRING,
                    "type": _STRING,
                    "disableResolveMessage": {"type": "boolean"},
                    "settings": _OBJECT,
                    "secureSettings": {"type": "object", "additionalProperties": _STRING},
                },
            },
        },
    },
}
_TRIED = {
    "type": "object",
    "required": ["alert", "receivers", "notified_at"],
    "properties": {
        "alert": _OBJECT,
        "receivers": {"type": "array", "items": _OBJECT},
        "notified_at": _STRING,
    },
}

_ALERT = {
    "type": "object",
    "required": ["labels"],
    "properties": {
        "labels": {"type": "object", "additionalProperties": _STRING},
        "annotations": {"type": "object", "additionalProperties": _STRING},
        "startsAt": {"type": "string", "pattern": "T.*([+]00:00|Z)$"},
        "endsAt": {"type": "string", "pattern": "T.*([+]00:00|Z)$"},
    },
    "additionalProperties": False,
}
_RENDERED = {
    "type": "object",
    "properties": {
        "results": {"type": "array", "items": _OBJECT},
        "errors": {"type": "array", "items": _OBJECT},
    },
}


def _answer(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


# What Grafana serves and does not publish.
EXTENSIONS: dict[str, Any] = {
    # Grafana's pkg/api/api.go, route `/provisioning/alerting/reload` of adminRoute.
    "/admin/provisioning/alerting/reload": {
        "post": {"responses": {code: _answer(_MESSAGE) for code in ("202", "200", "401", "403", "500")}}
    },
    # Grafana's pkg/services/ngalert/api/tooling/definitions/prom.go, RouteGetGrafanaRuleStatuses.
    "/prometheus/grafana/api/v1/rules": {
        "get": {
            "responses": {
                "200": _answer(
                    {
                        "type": "object",
                        "required": ["status", "data"],
                        "properties": {"status": _STRING, "data": _OBJECT},
                    }
                ),
                "401": _answer(_MESSAGE),
                "403": _answer(_MESSAGE),
            }
        }
    },
    # Grafana's pkg/services/ngalert/api/tooling/definitions/alertmanager.go, RoutePostTestGrafanaReceivers,
    # TestReceiversConfigBodyParams and TestReceiversResult.
    "/alertmanager/grafana/config/api/v1/receivers/test": {
        "post": {
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["receivers"],
                            "properties": {"alert": _ALERT, "receivers": {"type": "array", "items": _RECEIVER}},
                        }
                    }
                },
            },
            "responses": {
                "200": _answer(_TRIED),
                "207": _answer(_TRIED),
                "400": _answer(_MESSAGE),
                "401": _answer(_MESSAGE),
                "403": _answer(_MESSAGE),
                "404": _answer(_MESSAGE),
                "408": _answer(_MESSAGE),
            },
        }
    },
    # As above, RoutePostTestGrafanaTemplates, TestTemplatesConfigBodyParams and TestTemplatesResults.
    "/alertmanager/grafana/config/api/v1/templates/test": {
        "post": {
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["name", "template"],
                            "properties": {
                                "name": _STRING,
                                "template": _STRING,
                                "alerts": {"type": "array", "items": _ALERT},
                            },
                        }
                    }
                },
            },
            "responses": {
                "200": _answer(_RENDERED),
                "400": _answer(_MESSAGE),
                "401": _answer(_MESSAGE),
                "403": _answer(_MESSAGE),
            },
        }
    },
    # Grafana 13's apps/alerting/notifications/pkg/apis/alertingnotifications/v1beta1, the request and the answer of
    # CreateReceiverIntegrationTest; its upgrade guide names the path. It replaces the one above, which 13 lacks.
    "/apis/notifications.alerting.grafana.app/v1beta1/namespaces/default/receivers/{receiver_uid}/test": {
        "post": {
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["integration", "alert"],
                            "properties": {
                                "integration": {
                                    "type": "object",
                                    "required": ["type", "version", "settings"],
                                    "properties": {
                                        "uid": _STRING,
                                        "type": _STRING,
                                        "version": _STRING,
                                        "disableResolveMessage": {"type": "boolean"},
                                        "settings": _OBJECT,
                                        "secureFields": {
                                            "type": "object",
                                            "additionalProperties": {"type": "boolean"},
                                        },
                                    },
                                },
                                "alert": {
                                    "type": "object",
                                    "required": ["labels", "annotations"],
                                    "properties": {
                                        "labels": {"type": "object", "additionalProperties": _STRING},
                                        "annotations": {"type": "object", "additionalProperties": _STRING},
                                    },
                                },
                            },
                        }
                    }
                },
            },
            "responses": {
                "200": _answer(
                    {
                        "type": "object",
                        "required": ["status", "duration"],
                        "properties": {
                            "apiVersion": _STRING,
                            "kind": _STRING,
                            "status": {"enum": ["success", "failure"]},
                            "duration": _STRING,
                            "error": _STRING,
                        },
                    }
                ),
                **{code: _answer(_MESSAGE) for code in ("400", "401", "403", "404")},
            },
        }
    },
}


class ViolationError(AssertionError):
    """What the description does not allow."""


@dataclass(frozen=True)
class Operation:
    """One method of one path, and the values of the path's parameters."""

    method: str
    template: str
    told: Mapping[str, Any]
    values: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


@dataclass(frozen=True)
class Description:
    """Grafana's description, without the prose; `paths` with our extensions."""

    document: Mapping[str, Any]
    paths: Mapping[str, Any]

    def operation(self, method: str, path: str) -> Operation:
        """The operation of this request. Raises ViolationError where there is none."""
        base = self.document["servers"][0]["url"]
        if not path.startswith((f"{base}/", "/apis/")):
            raise ViolationError(f"{path} is not below {base} or /apis")
        for template in sorted(self.paths, key=lambda one: one.count("{")):
            found = _pattern(template).fullmatch(path.removeprefix(base) if path.startswith(f"{base}/") else path)
            told = self.paths[template].get(method.lower()) if found else None
            if found and told is not None:
                return Operation(method, template, told, found.groupdict())
        raise ViolationError(f"there is no {method} {path}")

    def check_request(self, operation: Operation, query: Mapping[str, str], body: Any) -> None:
        """Hold parameters and body against the description; a field that it does not know is wrong too."""
        self._check_parameters(operation, query)
        wanted = operation.told.get("requestBody")
        if wanted is None:
            if body is not None:
                raise ViolationError(f"{operation} takes no body")
            return
        if body is None:
            raise ViolationError(f"{operation} takes a body")
        self._check(wanted["content"]["application/json"]["schema"], body, f"body of {operation}")

    def check_answer(self, operation: Operation, status: int, body: Any) -> None:
        """Hold an answer against the description."""
        told = operation.told["responses"].get(str(status))
        if told is None:
            raise ViolationError(f"{operation} never answers {status}")
        told = self._resolved(told)
        self._check(told["content"]["application/json"]["schema"], body, f"answer {status} of {operation}")

    def _check_parameters(self, operation: Operation, query: Mapping[str, str]) -> None:
        known = {(one["in"], one["name"]): one for one in operation.told.get("parameters", ())}
        for name in query:
            if ("query", name) not in known:
                raise ViolationError(f"{operation} has no parameter {name}")
        for (place, name), one in known.items():
            value = {"query": query, "path": operation.values}.get(place, {}).get(name)
            if value is None and one.get("required"):
                raise ViolationError(f"{operation} wants {name}")
            if value is not None:
                is_number = one["schema"].get("type") == "integer"
                self._check(
                    one["schema"], int(value) if is_number and value.isdigit() else value, f"{name} of {operation}"
                )

    def _resolved(self, told: Any) -> Any:
        while "$ref" in told:
            _, _, kind, name = told["$ref"].split("/")
            told = self.document["components"][kind][name]
        return told

    def _check(self, schema: Any, value: Any, where: str) -> None:
        whole = {**_closed(schema), "components": _closed_components(json.dumps(self.document["components"]))}
        for error in jsonschema.Draft4Validator(whole).iter_errors(value):
            raise ViolationError(f"{where}: {'.'.join(map(str, error.path))}: {error.message}")


@cache
def description() -> Description:
    """The description of Grafana 12.2, as far as it is used, with what Grafana does not publish."""
    document = json.loads(REDUCED.read_text(encoding="utf-8"))
    return Description(document, {**document["paths"], **EXTENSIONS})


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template)))


@cache
def _closed_components(text: str) -> Any:
    return _closed(json.loads(text))


def _closed(schema: Any) -> Any:
    """The schema, in which an object has the fields that are named and no other."""
    closed = copy.deepcopy(schema)
    _close(closed)
    return closed


def _close(part: Any) -> None:
    if isinstance(part, dict):
        if part.get("type") == "object" and isinstance(part.get("properties"), dict):
            part.setdefault("additionalProperties", False)
        for inner in part.values():
            _close(inner)
    elif isinstance(part, list):
        for inner in part:
            _close(inner)

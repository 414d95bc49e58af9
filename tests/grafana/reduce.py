"""Makes openapi-12.2.json from Grafana's whole description: `python -m tests.grafana.reduce openapi3.json`.

The whole one is public/openapi3.json in Grafana's repository.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REDUCED = Path(__file__).with_name("openapi-12.2.json")
USED = (
    *("/health", "/user", "/user/preferences", "/users", "/users/{user_id}"),
    *("/admin/users", "/admin/users/{user_id}", "/admin/users/{user_id}/password"),
    *("/admin/users/{user_id}/permissions", "/admin/users/{user_id}/enable", "/admin/users/{user_id}/disable"),
    *("/orgs/{org_id}/users", "/orgs/{org_id}/users/{user_id}"),
    *("/folders", "/folders/{folder_uid}", "/search", "/dashboards/db", "/dashboards/uid/{uid}"),
    *("/admin/provisioning/dashboards/reload", "/admin/provisioning/datasources/reload"),
)


def references(value: Any) -> Iterator[str]:
    """What a part of a description refers to, as `schemas/Folder`."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].removeprefix("#/components/")
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def reduce(whole: dict[str, Any]) -> dict[str, Any]:
    """The description of the paths that are used, with all that they refer to and without its prose."""
    reduced: dict[str, Any] = {
        "openapi": whole["openapi"],
        "info": whole["info"],
        "servers": whole["servers"],
        "paths": {path: whole["paths"][path] for path in USED},
        "components": {},
    }
    waiting = list(references(reduced["paths"]))
    while waiting:
        kind, _, name = waiting.pop().partition("/")
        known = reduced["components"].setdefault(kind, {})
        if name not in known:
            known[name] = whole["components"][kind][name]
            waiting.extend(references(known[name]))
    plain: dict[str, Any] = _without_prose(reduced)
    return plain


def _without_prose(value: Any, *, names: bool = False) -> Any:
    if isinstance(value, list):
        return [_without_prose(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    prose = () if names else ("description", "summary", "tags", "x-go-name", "x-go-package", "security")
    return {
        key: _without_prose(inner, names=key in ("properties", "schemas", "responses"))
        for key, inner in value.items()
        if key not in prose
    }


if __name__ == "__main__":
    whole_text = Path(sys.argv[1]).read_text(encoding="utf-8")
    REDUCED.write_text(json.dumps(reduce(json.loads(whole_text)), indent=1, sort_keys=True) + "\n", encoding="utf-8")

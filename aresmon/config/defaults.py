"""The values of settings that aresmon.yml does not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aresmon.config import package_data


def default(*keys: str) -> str:
    below: Any = package_data.site_schema()
    for key in keys:
        below = below["properties"][key]
    return str(below["default"])


def default_collect() -> list[str]:
    host = package_data.site_schema()["properties"]["hosts"]["additionalProperties"]
    default: list[str] = host["properties"]["collect"]["default"]
    return default


def default_agents(hosts: Mapping[str, Any]) -> str:
    return "0.0.0.0:8086" if len(hosts) > 1 else "127.0.0.1:8086"


def server_name(data: Mapping[str, Any]) -> str:
    return str(data.get("server", next(iter(data["hosts"]))))

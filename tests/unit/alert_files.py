"""The alert rules and contact points of a site of two hosts, read as Grafana reads them."""

from __future__ import annotations

from typing import Any

import yaml

from aresmon.config.model import Config
from aresmon.render.grafana import alert_rules
from tests.unit.conftest import VIEWS, load

HOSTS = """hosts:
  biere: {collect: [system, disk, docker, haproxy], env: {HAPROXY_STATS: "http://127.0.0.1:8404/stats"}}
  lewi.example.org: {}
"""


def files(text: str = "", *, formerly: tuple[str, ...] = ()) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two files, read as Grafana reads them."""
    made = alert_rules.render(config(text), VIEWS, formerly=formerly)
    return yaml.safe_load(made[alert_rules.RULES]), yaml.safe_load(made[alert_rules.CONTACTS])


def config(text: str = "") -> Config:
    return load(HOSTS + (f"alerts:\n{text}" if text else ""))


def rules(text: str = "") -> dict[str, dict[str, Any]]:
    return {rule["uid"]: rule for group in files(text)[0]["groups"] for rule in group["rules"]}


def query(rule: dict[str, Any], ref: str = "A") -> dict[str, Any]:
    model: dict[str, Any] = next(node["model"] for node in rule["data"] if node["refId"] == ref)
    return model


def limit(rule: dict[str, Any]) -> float:
    model = next(node["model"] for node in rule["data"] if node["model"].get("type") == "threshold")
    value: float = model["conditions"][0]["evaluator"]["params"][0]
    return value


def conditions(rule: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(tag["key"], tag["operator"], tag["value"]) for tag in query(rule)["tags"]]

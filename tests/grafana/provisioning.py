"""Reads Grafana's provisioning files from a folder, as far as the stand-in holds them to something."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.grafana.state import State

_MOUNTED = "/etc/grafana/provisioning/"


def read(state: State, folder: Path, what: str) -> None:
    """Read the files of a kind. Raises ValueError for what Grafana would refuse."""
    # As Grafana does: the files for alerting may be JSON, the others may not.
    endings = (".yml", ".yaml", ".json") if what == "alerting" else (".yml", ".yaml")
    for path in sorted(path for path in (folder / what).glob("*") if path.suffix in endings):
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        if content.get("apiVersion") != 1:
            raise ValueError(f"{path.name}: apiVersion is not 1")
        _READERS[what](state, folder, content)


def _dashboards(state: State, folder: Path, content: dict[str, Any]) -> None:
    seen: set[str] = set()
    for provider in content.get("providers", []):
        place = folder / provider["options"]["path"].removeprefix(_MOUNTED)
        uid = provider.get("folderUid") or provider.get("folder", "").lower()
        if uid and uid not in state.folders:
            state.create_folder(uid, provider.get("folder") or uid, "")
        for path, dashboard in _json_files(place):
            if not dashboard.get("title"):
                raise ValueError(f"{path.name}: Dashboard title cannot be empty")
            if dashboard.get("uid", path.stem) in seen:
                raise ValueError(f"{path.name}: the same UID is used more than once")
            seen.add(dashboard.get("uid", path.stem))
            state.put_dashboard(dashboard.get("uid", path.stem), dashboard, uid, provisioned=True)
    for gone in [uid for uid, kept in state.dashboards.items() if kept["provisioned"] and uid not in seen]:
        del state.dashboards[gone]


def _json_files(place: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(place.rglob("*.json")):
        yield path, json.loads(path.read_text(encoding="utf-8"))


def _datasources(_: State, folder: Path, content: dict[str, Any]) -> None:
    for source in content.get("datasources", []):
        if not source.get("name") or not source.get("type"):
            raise ValueError("Datasource provisioning error: a data source has a name and a type")


def _alerting(_: State, folder: Path, content: dict[str, Any]) -> None:
    uids: set[str] = set()
    for group in content.get("groups", []):
        if not group.get("folder") or not group.get("name") or not group.get("interval"):
            raise ValueError("rule group has no folder, name or interval set")
        for rule in group.get("rules", []):
            if not rule.get("uid") or rule["uid"] in uids:
                raise ValueError(f"rule '{rule.get('title')}' failed to parse: no UID of its own set")
            uids.add(rule["uid"])


_READERS = {"dashboards": _dashboards, "datasources": _datasources, "alerting": _alerting}

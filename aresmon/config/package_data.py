"""Where the files that aresmon ships are: in a wheel inside the package, in a checkout beside it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

_PACKAGE = Path(__file__).parents[1]
_INSTALLED = _PACKAGE / "_shipped"

ROOT = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent
COMPOSE = ROOT / "compose"
TELEGRAF = ROOT / "telegraf"
GRAFANA = ROOT / "grafana"


def package_files() -> dict[str, bytes]:
    """The files that go into bundles, by their path in the package."""
    folders = (COMPOSE, TELEGRAF, GRAFANA)
    paths = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths}


SCHEMA = Path(__file__).with_name("schema.yml")


@cache
def site_schema() -> dict[str, Any]:
    """The JSON Schema of aresmon.yml."""
    text = SCHEMA.read_text(encoding="utf-8")
    schema: dict[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 (a safe loader)
    return schema

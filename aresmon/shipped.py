"""Where the files that aresmon ships are: in a wheel inside the package, in a checkout beside it."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent
_INSTALLED = _PACKAGE / "_shipped"

ROOT = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent
COMPOSE = ROOT / "compose"
TELEGRAF = ROOT / "telegraf"
GRAFANA = ROOT / "grafana"

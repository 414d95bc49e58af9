"""The names of Telegraf's plug-ins."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml


@functools.cache
def whole() -> Mapping[str, Sequence[str]]:
    """Those of the whole Telegraf, by kind, such as `inputs`."""
    found: Mapping[str, Sequence[str]] = yaml.safe_load(
        Path(__file__).with_name("plugins.yml").read_text(encoding="utf-8")
    )
    return found

"""The order in which files of tests begin: the longest first, so that no worker is left with one at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

_TESTS = Path(__file__).parents[1]
DURATIONS = Path(__file__).with_name("durations.txt")
_UNKNOWN = {"engine": 15.0, "fleet": 30.0, "services": 30.0}
"""Seconds of a file that is not in the list, by folder; files elsewhere take next to none."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files keep their tests together and in their order; those with a serial test come last."""
    known = durations()
    serial = {item.path for item in items if item.get_closest_marker("serial") is not None}
    items.sort(key=lambda item: (item.path in serial, -_expected(item.path, known), str(item.path)))


def durations() -> dict[str, float]:
    """Seconds by file, as they were measured once."""
    lines = DURATIONS.read_text(encoding="utf-8").splitlines()
    pairs = (line.split() for line in lines if line and not line.startswith("#"))
    return {path: float(seconds) for seconds, path in pairs}


def _expected(path: Path, known: dict[str, float]) -> float:
    relative = path.relative_to(_TESTS).as_posix()
    return known.get(relative, _UNKNOWN.get(relative.partition("/")[0], 0.0))

"""The alerts that have a warning and are critical from a worse value on, and data that takes them through both."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from aresmon.influxdb.client import Series
from aresmon.monitoring.evaluation import Ask

STEP = 70
"""Minutes for which each level lasts, longer than any `for`."""
RISING = ("quiet", "warning", "critical", "warning", "quiet")
JUMPING = ("quiet", "critical", "quiet")
_LEVELS: Mapping[str, Mapping[str, float]] = {
    "disk-full": {"quiet": 50, "warning": 92, "critical": 98},
    "inodes-full": {"quiet": 50, "warning": 92, "critical": 98},
    "disk-fills": {"quiet": 100, "warning": 20, "critical": 3},
    "cpu-high": {"quiet": 50, "warning": 90, "critical": 97},
    "memory-low": {"quiet": 50, "warning": 8, "critical": 4},
}
ALERTS = tuple(_LEVELS)
_OTHERS: Mapping[str, Callable[[float], float]] = {
    "inodes_total": lambda _: 100,
    # Beside a disk that fills at one an hour.
    'first("free")': lambda value: value + 6,
    'last("used_percent")': lambda _: 90,
}


def ask(alert: str, path: Sequence[str]) -> Callable[[int], Ask]:
    """Answers at a second, for an alert whose value takes these levels one after the other."""

    def at(now: int) -> Ask:
        level = path[max(0, min(now // 60 // STEP, len(path) - 1))]
        value = _LEVELS[alert][level]

        def answer(text: str) -> Sequence[Series]:
            selected = re.findall(r"SELECT (.*?) FROM", text)[0]
            other = next((change for field, change in _OTHERS.items() if field in selected), None)
            number = other(value) if other is not None and alert != "disk-full" else value
            tags = {tag: {"host": "biere"}.get(tag, "/srv") for tag in re.findall(r'"([a-z_]+)"::tag(?=[, ]|$)', text)}
            grouped = text.partition("GROUP BY")[2]
            return [Series("x", {tag: tags[tag] for tag in tags if tag in grouped}, ({"time": 0, "x": number},))]

        return answer

    return at


def minutes(path: Sequence[str]) -> int:
    """How long it takes, with time for the last message."""
    return len(path) * STEP + 30

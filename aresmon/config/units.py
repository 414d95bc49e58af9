"""Durations and sizes of aresmon.yml and of views, as numbers and as people write them."""

from __future__ import annotations

HOURS = {"h": 1, "d": 24, "w": 24 * 7, "y": 24 * 365}
FOREVER = 0
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_hours(duration: str) -> int:
    """`7d` → 168; `forever` → 0."""
    return FOREVER if duration == "forever" else int(duration[:-1]) * HOURS[duration[-1]]


def format_hours(hours: int) -> str:
    """So many hours as one would write them: 168 → `7d`, 17520 → `2y`, 0 → `forever`."""
    if hours == FOREVER:
        return "forever"
    unit = next(unit for unit in "ydh" if hours % HOURS[unit] == 0)
    return f"{hours // HOURS[unit]}{unit}"


def mebibytes(size: str) -> int:
    """How much `512m` or `2g` is, in MiB."""
    return int(size[:-1]) * (1024 if size.endswith("g") else 1)


def parse_span(span: str) -> int:
    """`10m` → 600"""
    return int(span[:-1]) * _SECONDS[span[-1]]


def format_age(seconds: float) -> str:
    """`45 s`, `3 min`, `5 hours`, `12 days`: how long ago, in the largest unit of which there are at least two."""
    units = ((86400, "days"), (3600, "hours"), (60, "min"), (1, "s"))
    size, unit = next(one for one in units if seconds >= 2 * one[0] or one[0] == 1)
    return f"{max(seconds, 0) / size:.0f} {unit}"

"""Durations and sizes of aresmon.yml and of views, as numbers and as people write them."""

from __future__ import annotations

import time

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


_AGES = ((86400, "d", "days"), (3600, "h", "hours"), (60, "min", "min"))


def format_age(seconds: float) -> str:
    """`8 s`, `3 min`, `5 h`, `12 d`: in the largest unit of which there are at least two."""
    size, unit, _ = _largest(seconds)
    return f"{seconds / size:.0f} {unit}"


def format_age_in_words(seconds: float) -> str:
    """The same in a sentence: `45 s`, `3 min`, `5 hours`, `12 days`; no age is negative."""
    size, _, unit = _largest(seconds)
    return f"{max(seconds, 0) / size:.0f} {unit}"


def _largest(seconds: float) -> tuple[int, str, str]:
    return next((one for one in _AGES if seconds >= 2 * one[0]), (1, "s", "s"))


def format_moment(at: float) -> str:
    """A time in seconds since 1970, as people of this machine read it: `29 November 2026, 10:30`."""
    return time.strftime("%-d %B %Y, %H:%M", time.localtime(at))

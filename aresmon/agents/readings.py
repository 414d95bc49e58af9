"""When an agent reads its inputs, and when it can be restarted so that it misses no reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aresmon.agents import lint, tables
from aresmon.agents.tables import Configuration

_SHORTEST = 3.0  # seconds; an agent with a shorter interval cannot be restarted between two readings
_SETTLED = 0.5  # seconds after which every input that is due has begun to read: a stop lets them end
_LONGEST_WAIT = 15.0
_YEAR_ONE = 62135596800  # seconds until 1970: Telegraf counts its intervals from there


@dataclass(frozen=True, slots=True)
class ReadingTimes:
    """An agent reads its inputs at multiples of `interval` on the clock, `offset` later, with a random delay of up to
    `jitter`; all in seconds. Without an interval, its readings do not follow the clock."""

    interval: float = 0.0
    offset: float = 0.0
    jitter: float = 0.0

    def __str__(self) -> str:
        """In milliseconds, as the script on a host reads them."""
        return " ".join(str(round(one * 1000)) for one in (self.interval, self.offset, self.jitter))

    def seconds_to_wait(self, now: float, needed: float) -> float:
        """How long to wait with a restart that takes `needed` seconds; 0 if it ends before the next reading.

        Otherwise until the next reading is under way, when all of an interval is left. The script on a host computes
        the same (`push/remote/moment.bash`).
        """
        if not self.interval:
            return 0.0
        since, settled = (now + _YEAR_ONE - self.offset) % self.interval, self.jitter + _SETTLED
        if since < settled:
            wait = settled - since
        else:
            wait = self.interval - since + settled if since + needed > self.interval else 0.0
        return wait if wait <= _LONGEST_WAIT else 0.0


NO_READINGS = ReadingTimes()


def read(text: str, environment: Mapping[str, str] = {}) -> ReadingTimes:
    """When the agent with this configuration reads: of inputs with other intervals, at the shortest one."""
    found = tables.of(text, environment)
    settings = found.agent.read if found.agent else {}
    if settings.get("round_interval", True) is not True:
        return NO_READINGS
    intervals = [one for one in _intervals(found, lint.read_timing(text, environment).interval) if one >= _SHORTEST]
    offset, jitter = (lint.seconds(settings.get(f"collection_{key}", "0s")) or 0.0 for key in ("offset", "jitter"))
    return ReadingTimes(min(intervals), offset, jitter) if intervals else NO_READINGS


def _intervals(found: Configuration, default: float) -> Iterator[float]:
    """The agent's interval, and those that inputs have of their own."""
    yield default
    for one in found.plugins("inputs"):
        if own := lint.own_interval(one):
            yield own

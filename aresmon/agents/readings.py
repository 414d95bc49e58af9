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

    def since(self, now: float) -> float:
        """The seconds since the last reading was due."""
        return (now + _YEAR_ONE - self.offset) % self.interval

    def seconds_to_wait(self, now: float, needed: float) -> float:
        """How long to wait with a restart that takes `needed` seconds; 0 if it ends before the next reading.

        Otherwise until the next reading is under way, when all of an interval is left. The script on a host computes
        the same (`push/remote/moment.bash`).
        """
        if not self.interval:
            return 0.0
        since, settled = self.since(now), self.jitter + _SETTLED
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


# The usage of the CPU is a difference, which an agent's first reading does not have. This bash text runs a second
# Telegraf with the same configuration that reads nothing but `cpu`: at once, and again when the agent reads for the
# first time. Its arguments are the seconds after which it ends, the configuration, a folder of others or nothing; and
# in milliseconds the time between its two readings and the agent's interval, to whose multiples its points are rounded.
# In a container with little memory it does not start.
CPU_READER = (
    "limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null); "
    "[[ ! $limit =~ ^[0-9]+$ ]] || ((limit >= 200 << 20)) || exit 0; "
    'exec timeout --kill-after=5 "$1" telegraf --config "$2" ${3:+--config-directory "$3"} '
    """--config <(printf '[agent]\\n  round_interval = false\\n  interval = "%sms"\\n  precision = "%sms"\\n"""
    """  logfile = ""\\n' "$4" "$5") """
    "--input-filter cpu --output-filter influxdb:influxdb_v2 --aggregator-filter none"
)
_READER_MARGIN = 0.3  # seconds that its start takes at least
_READER_LATEST = 1.0  # seconds before a reading
_READER_LONGEST = 300.0  # seconds of an interval for which it is run
_READER_ENDS = 3.0  # seconds after that reading


def cpu_reader(text: str, environment: Mapping[str, str] = {}) -> str:
    """`CPU_READER`, or nothing: if its points would not be what the agent's are, if it would write to the files of the
    agent, or if it would run for longer than some minutes.

    Inputs with settings of their own for when they read, and those that also return the CPU's counters, are left alone.
    """
    found, times = tables.of(text, environment), read(text, environment)
    settings, inputs = found.agent.read if found.agent else {}, list(found.plugins("inputs", "cpu"))
    is_plain = times == ReadingTimes(lint.read_timing(text, environment).interval) and times.interval <= _READER_LONGEST
    own = ("interval", "precision", "collection_jitter", "collection_offset", "collect_cpu_time")
    tables_with_files = [settings, *(one.read for one in found.plugins("outputs"))]
    has_files = any("statefile" in one or one.get("buffer_strategy") == "disk" for one in tables_with_files)
    is_alone = bool(inputs) and not any(one.read.get(key) for one in inputs for key in own)
    return CPU_READER if is_plain and is_alone and not has_files else ""


def cpu_reader_arguments(times: ReadingTimes, now: float, configuration: str) -> list[str]:
    """The arguments of `CPU_READER` for an agent that has just been started; none if it reads too soon."""
    left = times.interval - times.since(now) if times.interval else 0.0
    if left < _READER_LATEST:
        return []
    milliseconds = (round(1000 * one) for one in (left - _READER_MARGIN, times.interval))
    return [f"{left + _READER_ENDS:.3f}", configuration, "", *(str(one) for one in milliseconds)]


def _intervals(found: Configuration, default: float) -> Iterator[float]:
    """The agent's interval, and those that inputs have of their own."""
    yield default
    for one in found.plugins("inputs"):
        if own := lint.own_interval(one):
            yield own

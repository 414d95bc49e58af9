"""How much the data takes, how fast it grows, and where that ends: told by InfluxDB's own account of its shards.

A shard whose time is over holds a known span, so its bytes a day need no history. A policy grows until its oldest
shard is due to go, and no further. Source: InfluxDB 1.x, "InfluxQL reference" (SHOW SHARDS, SHOW STATS); `diskBytes`
counts points and the write-ahead log, not the indexes. Both statements read what is in memory.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

from aresmon.config.model import FOREVER
from aresmon.config.names import DATABASE
from aresmon.influxdb.client import InfluxDB, Series
from aresmon.influxdb.influxql import identifier
from aresmon.site.preflight import LEAST_ROOM

HORIZON = 3650
"""Days: what is not full by then counts as never full."""
_DAY = 86400.0
_MOST_SHARDS = 7  # shards that tell today's pace
_WITHIN = 10.0  # seconds; it takes some thousandths of one


@dataclass(frozen=True, slots=True)
class ShardSize:
    """One shard of a policy: its span, in seconds since 1970, and its size in bytes."""

    policy: str
    start: float
    end: float
    bytes: int


@dataclass(frozen=True, slots=True)
class PolicySize:
    """One retention policy. `keep` and `span` (of one shard) are in hours, `keep` 0 is for ever; `bytes_a_day` is None
    until a shard of it is full."""

    policy: str
    keep: int
    span: int
    shards: int
    bytes: int
    bytes_a_day: float | None


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the database takes. `bytes_a_day` is None as long as it is not known; `settles` is what all of it comes to
    within ten years; `days_left` is when the room is used up, None if it is not, or not known. `free` is None where
    the filesystem is not this machine's."""

    bytes: int
    bytes_a_day: float | None
    series: int
    free: int | None
    settles: int | None
    days_left: float | None
    policies: tuple[PolicySize, ...]


def measure(influxdb: InfluxDB, *, now: float, free: int | None) -> Capacity:
    """Ask InfluxDB, in one request that reads no point. `free` is what its filesystem has left, in bytes."""
    policies, shards, sizes, series = influxdb.query(
        f"SHOW RETENTION POLICIES ON {identifier(DATABASE)}",
        "SHOW SHARDS",
        "SHOW STATS FOR 'shard'",
        "SHOW STATS FOR 'database'",
        within=_WITHIN,
    )
    counted = sum(int(row["numSeries"]) for one in series if one.tags["database"] == DATABASE for row in one.rows)
    return estimate(_policy_sizes(policies, _shards(shards, sizes), now), series=counted, free=free)


def list_shards(influxdb: InfluxDB) -> list[ShardSize]:
    """All shards of the database."""
    return _shards(*influxdb.query("SHOW SHARDS", "SHOW STATS FOR 'shard'", within=_WITHIN))


def estimate(policies: Sequence[PolicySize], *, series: int, free: int | None) -> Capacity:
    """What follows from the policies' sizes and paces."""
    taken = sum(one.bytes for one in policies)
    raw = next((one for one in policies if one.policy == "raw"), None)
    if raw is None or raw.bytes_a_day is None:
        return Capacity(taken, None, series, free, None, None, tuple(policies))
    daily = sum(one.bytes_a_day or 0.0 for one in policies)
    settles = taken + sum(_growth(one, HORIZON) for one in policies)
    days_left = None if free is None else _days_until(max(0, free - LEAST_ROOM), policies)
    return Capacity(taken, daily, series, free, round(settles), days_left, tuple(policies))


def bytes_a_day(shards: Iterable[ShardSize], now: float) -> float | None:
    """Bytes a day of one policy, by the newest of its shards whose time is over.

    The oldest one began when the site did, somewhere in the middle of its span: it counts only where it is alone.
    """
    over = sorted((one for one in shards if one.end <= now), key=lambda one: one.start)
    known = (over[1:] or over)[-_MOST_SHARDS:]
    return median(one.bytes / ((one.end - one.start) / _DAY) for one in known) if known else None


def free_bytes(folder: Path) -> int:
    """Bytes that are free on the filesystem of this folder, or of the nearest one above it that is there."""
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free


def format_size(count: float) -> str:
    """`312 MB`, `4.1 GB`"""
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}" if count < 10 * unit else f"{count / unit:.0f} {name}"
    return f"{count / 1000:.0f} kB"


def describe(capacity: Capacity) -> str:
    """One line for a person."""
    line = f"Data: {format_size(capacity.bytes)}, {capacity.series} series"
    if capacity.bytes_a_day is None or capacity.settles is None:
        line += "; its growth is known after the first whole day"
        return line if capacity.free is None else f"{line}; {format_size(capacity.free)} are free"
    line += f", {format_size(capacity.bytes_a_day)} a day"
    if capacity.free is None:
        return f"{line}; comes to {format_size(capacity.settles)}"
    room = f"{format_size(capacity.free)} are free"
    if capacity.days_left is None:
        return f"{line}; stays within {format_size(capacity.settles)}, {room}"
    return f"{line}; full in {capacity.days_left:.0f} days, {room}"


def _growing_days(policy: PolicySize) -> float:
    """For how many days a policy still grows. A whole shard goes at once, when the last of it is old enough."""
    if not policy.bytes_a_day:
        return 0.0
    if policy.keep == FOREVER:
        return math.inf
    most = policy.bytes_a_day * (policy.keep + policy.span) / 24
    return max(0.0, (most - policy.bytes) / policy.bytes_a_day)


def _growth(policy: PolicySize, days: float) -> float:
    """Bytes by which a policy grows in so many days."""
    return (policy.bytes_a_day or 0.0) * min(days, _growing_days(policy))


def _days_until(room: int, policies: Sequence[PolicySize]) -> float | None:
    """When the growth of all has used up the room; None if it never does, or not within the horizon."""
    grown = passed = 0.0
    for end in sorted({min(_growing_days(one), HORIZON) for one in policies}):
        daily = sum(one.bytes_a_day or 0.0 for one in policies if _growing_days(one) >= end > passed)
        if daily and grown + daily * (end - passed) > room:
            return passed + (room - grown) / daily
        grown, passed = grown + daily * (end - passed), end
    return None


def _policy_sizes(policies: Sequence[Series], shards: Sequence[ShardSize], now: float) -> list[PolicySize]:
    rooms = []
    for row in (row for series in policies for row in series.rows):
        mine = [one for one in shards if one.policy == row["name"]]
        keep, span = _hours(row["duration"]), _hours(row["shardGroupDuration"])
        taken = sum(one.bytes for one in mine)
        rooms.append(PolicySize(row["name"], keep, span, len(mine), taken, bytes_a_day(mine, now)))
    return rooms


def _shards(shards: Sequence[Series], sizes: Sequence[Series]) -> list[ShardSize]:
    bytes_of: Mapping[str, int] = {
        one.tags["id"]: int(one.rows[0]["diskBytes"] or 0) for one in sizes if one.tags.get("database") == DATABASE
    }
    return [
        ShardSize(
            row["retention_policy"],
            _seconds(row["start_time"]),
            _seconds(row["end_time"]),
            bytes_of.get(str(row["id"]), 0),
        )
        for series in shards
        if series.name == DATABASE
        for row in series.rows
    ]


def _hours(duration: str) -> int:
    """InfluxDB's `168h0m0s`; `0s` is for ever."""
    return int(duration.partition("h")[0]) if "h" in duration else FOREVER


def _seconds(told: str) -> float:
    """`2026-11-21T00:00:00Z`"""
    return datetime.fromisoformat(told.replace("Z", "+00:00")).timestamp()

"""Disk usage of the database, its growth, and when the disk will be full, from InfluxDB's statistics of its shards.

A completed shard covers a known time range, so its bytes a day follow without any history. A policy grows until its
oldest shard expires. Source: InfluxDB 1.x, "InfluxQL reference" (SHOW SHARDS, SHOW STATS); `diskBytes` counts points
and the write-ahead log, not the indexes. Both statements read values that InfluxDB has in memory.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

from aresmon.config.names import DATABASE
from aresmon.config.units import FOREVER
from aresmon.influxdb.client import InfluxDB, Series
from aresmon.influxdb.influxql import identifier
from aresmon.site.preflight import LEAST_ROOM

HORIZON = 3650
"""Days: a disk that is not full by then is reported as never full."""
_DAY = 86400.0
_MOST_SHARDS = 7  # newest shards from which the present rate is taken
_WITHIN = 10.0  # seconds; usually some milliseconds


@dataclass(frozen=True, slots=True)
class ShardSize:
    """One shard of a policy: its time range, in seconds since 1970, and its size in bytes."""

    policy: str
    start: float
    end: float
    bytes: int


@dataclass(frozen=True, slots=True)
class PolicySize:
    """One retention policy. `keep` and `span` (of one shard) are in hours, `keep` 0 means forever; `bytes_a_day` is
    None until its first shard is complete."""

    policy: str
    keep: int
    span: int
    shards: int
    bytes: int
    bytes_a_day: float | None


@dataclass(frozen=True, slots=True)
class Capacity:
    """Disk usage of the database. `bytes_a_day` is None until it is known; `settles` is the size that the database
    reaches within ten years; `days_left` is the number of days until the disk is full, None if never or not known.
    `free` is None if the filesystem is on another machine."""

    bytes: int
    bytes_a_day: float | None
    series: int
    free: int | None
    settles: int | None
    days_left: float | None
    policies: tuple[PolicySize, ...]


def measure(influxdb: InfluxDB, *, now: float, free: int | None) -> Capacity:
    """Query InfluxDB, in one request that reads no points. `free` is the free space on its filesystem, in bytes."""
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
    """Compute the capacity from the sizes and growth rates of the policies."""
    taken = sum(one.bytes for one in policies)
    raw = next((one for one in policies if one.policy == "raw"), None)
    if raw is None or raw.bytes_a_day is None:
        return Capacity(taken, None, series, free, None, None, tuple(policies))
    daily = sum(one.bytes_a_day or 0.0 for one in policies)
    settles = taken + sum(_growth(one, HORIZON) for one in policies)
    days_left = None if free is None else _days_until(max(0, free - LEAST_ROOM), policies)
    return Capacity(taken, daily, series, free, round(settles), days_left, tuple(policies))


def bytes_a_day(shards: Iterable[ShardSize], now: float) -> float | None:
    """Bytes a day of one policy: the median of its newest completed shards; None without any.

    The oldest shard began with the site, somewhere within its time range, so it counts only if it is the only one.
    """
    completed = sorted((one for one in shards if one.end <= now), key=lambda one: one.start)
    known = (completed[1:] or completed)[-_MOST_SHARDS:]
    return median(one.bytes / ((one.end - one.start) / _DAY) for one in known) if known else None


def free_bytes(folder: Path) -> int:
    """Free bytes on the filesystem of this folder, or of its nearest existing parent."""
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free


def format_size(count: float) -> str:
    """`312 MB`, `4.1 GB`"""
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}" if count < 10 * unit else f"{count / unit:.0f} {name}"
    return f"{count / 1000:.0f} kB"


def describe(capacity: Capacity) -> str:
    """Describe the capacity in one line."""
    line = f"Data: {format_size(capacity.bytes)}, {capacity.series} series"
    if capacity.bytes_a_day is None or capacity.settles is None:
        line += "; growth rate available after 24 hours"
        return line if capacity.free is None else f"{line}; {format_size(capacity.free)} free"
    line += f", {format_size(capacity.bytes_a_day)} a day"
    if capacity.free is None:
        return f"{line}; grows to {format_size(capacity.settles)}"
    room = f"{format_size(capacity.free)} free"
    if capacity.days_left is None:
        return f"{line}; grows to {format_size(capacity.settles)}, {room}"
    return f"{line}; disk full in {capacity.days_left:.0f} days, {room}"


def _growing_days(policy: PolicySize) -> float:
    """The number of days that a policy still grows. A shard is deleted as a whole, when its newest point expires."""
    if not policy.bytes_a_day:
        return 0.0
    if policy.keep == FOREVER:
        return math.inf
    most = policy.bytes_a_day * (policy.keep + policy.span) / 24
    return max(0.0, (most - policy.bytes) / policy.bytes_a_day)


def _growth(policy: PolicySize, days: float) -> float:
    """The growth of a policy in so many days, in bytes."""
    return (policy.bytes_a_day or 0.0) * min(days, _growing_days(policy))


def _days_until(room: int, policies: Sequence[PolicySize]) -> float | None:
    """The number of days until the growth of all policies fills the room; None if not within HORIZON."""
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
    """Convert InfluxDB's `168h0m0s` to hours; `0s` means forever."""
    return int(duration.partition("h")[0]) if "h" in duration else FOREVER


def _seconds(time: str) -> float:
    """Convert `2026-11-21T00:00:00Z` to seconds since 1970."""
    return datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()

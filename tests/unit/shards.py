"""What InfluxDB answers when it is asked for its shards, as it was seen to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from aresmon.influxdb.capacity import ShardSize
from aresmon.influxdb.client import Series

KEPT: Mapping[str, tuple[str, str]] = {
    "raw": ("168h0m0s", "24h0m0s"),
    "1m": ("2160h0m0s", "24h0m0s"),
    "1h": ("17520h0m0s", "168h0m0s"),
    "forever": ("0s", "168h0m0s"),
}
"""Retention policies: how long each keeps, and the span of its shards."""


def answers(shards: Sequence[ShardSize], *, series: int = 0) -> list[list[Series]]:
    """The four answers that capacity.measure asks for; another database's shards are among them."""
    policies = tuple({"name": name, "duration": d, "shardGroupDuration": s} for name, (d, s) in KEPT.items())
    rows = tuple(
        {"id": number, "retention_policy": one.policy, "start_time": _time(one.start), "end_time": _time(one.end)}
        for number, one in enumerate(shards, start=1)
    )
    foreign = {"id": 99, "retention_policy": "raw", "start_time": _time(0), "end_time": _time(86400)}
    return [
        [Series("", {}, policies)],
        [Series("telegraf", {}, rows), Series("_internal", {}, (foreign,))],
        [_size("telegraf", number, one.bytes) for number, one in enumerate(shards, start=1)]
        + [_size("_internal", 99, 10**12)],
        [Series("database", {"database": name}, ({"numSeries": n},)) for name, n in (("telegraf", series), ("o", 7))],
    ]


def _size(database: str, number: int, size: int) -> Series:
    return Series("shard", {"database": database, "id": str(number)}, ({"diskBytes": size},))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""The alerts of ZFS."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, interrupted, points


def _pool(state: Value) -> Points:
    return points("zfs_pool", "pool=tank", state=state)


def _throttled(count: Value) -> Points:
    return points("zfs", arcstats_memory_throttle_count=count)


CASES: dict[str, Case] = {
    "zfs-pool-warning": case(_pool(1), _pool(0), _pool(interrupted(1))),
    "zfs-pool-critical": case(_pool(4), _pool(1)),
    "zfs-memory-warning": case(_throttled(grows(1)), _throttled(12)),
}

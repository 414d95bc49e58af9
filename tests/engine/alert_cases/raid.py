"""The alerts of software RAID."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, interrupted, points


def _array(**fields: Value) -> Points:
    return points("mdstat", "Name=md0", **fields)


CASES: dict[str, Case] = {
    "raid-degraded-critical": case(_array(DisksDown=1), _array(DisksDown=0)),
    "raid-disk-failed-warning": case(_array(DisksFailed=1), _array(DisksFailed=0), _array(DisksFailed=interrupted(1))),
    "raid-inactive-critical": case(_array(DisksTotal=0), _array(DisksTotal=2), _array(DisksTotal=interrupted(0, by=2))),
}

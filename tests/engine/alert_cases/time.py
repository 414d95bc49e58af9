"""The alerts of the clock."""

from __future__ import annotations

from collections.abc import Callable

from tests.engine.alert_cases.shapes import Case, Points, Value, case, interrupted, points

_NS = 10**9


def _timex(**fields: Value) -> Points:
    return points("timex", "", **fields)


def _chrony(offset: Value) -> Points:
    return points("chrony", system_time=offset)


def _moves(left: float, a_minute: float) -> Callable[[float], float]:
    """Something that is so much now, and moves by so much."""
    return lambda age: left - age / 60 * a_minute


CASES: dict[str, Case] = {
    "clock-not-synchronised-warning": case(
        _timex(maxerror_ns=16 * _NS), _timex(maxerror_ns=15 * _NS), _timex(maxerror_ns=interrupted(16 * _NS))
    ),
    "clock-off-warning": case(
        _timex(offset_ns=-0.06 * _NS),
        _timex(offset_ns=0.04 * _NS),
        _timex(offset_ns=_moves(0.06 * _NS, -0.01 * _NS)),  # it comes nearer
        _timex(offset_ns=lambda age: 0.06 * _NS if age < 500 else 0),  # not for long enough
    ),
    "chrony-off-warning": case(
        _chrony(_moves(0.5, 0.02)), _chrony(-0.04), _chrony(_moves(0.5, -0.02)), _chrony(_moves(-0.5, 0.02))
    ),
    "chrony-servers-warning": case(
        points("chrony_sources", "peer=a", reachability=0),
        (points("chrony_sources", "peer=a", reachability=0), points("chrony_sources", "peer=b", reachability=1)),
    ),
    "ntpd-servers-warning": case(
        points("ntpq", "remote=192.0.2.1", reach=0),
        (points("ntpq", "remote=192.0.2.1", reach=0), points("ntpq", "remote=192.0.2.2", reach=8)),
    ),
}

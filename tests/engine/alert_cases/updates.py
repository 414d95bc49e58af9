"""The alerts of updates that wait."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, points

_DAY = 86400


def _updates(**fields: Value) -> Points:
    return points("updates", "", **fields)


def _for(seconds: float) -> Value:
    """That it has been 1 for so long."""
    return lambda age: 1 if age < seconds else 0


CASES: dict[str, Case] = {
    "updates-security-warning": case(
        _updates(security=2), _updates(security=0, pending=9), _updates(security=_for(0.9 * _DAY))
    ),
    "updates-security-late-critical": case(_updates(security=1), _updates(security=_for(5 * _DAY))),
    "updates-reboot-warning": case(_updates(reboot=1), _updates(reboot=_for(5 * _DAY))),
    "updates-lists-warning": case(_updates(lists_age=4 * _DAY), _updates(lists_age=2 * _DAY)),
    "updates-broken-warning": case(_updates(broken=1), _updates(broken=_for(1800))),
}

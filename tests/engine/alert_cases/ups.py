"""The alerts of uninterruptible power supplies."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, interrupted, points


def _ups(**fields: Value) -> Points:
    return points("ups", "ups=eaton", **fields)


CASES: dict[str, Case] = {
    "ups-on-battery-warning": case(_ups(on_battery=1), _ups(on_battery=0), _ups(on_battery=interrupted(1, every=90))),
    "ups-low-critical": case(_ups(low=1), _ups(low=0)),
    "ups-time-left-critical": case(
        _ups(runtime=200, on_battery=1), _ups(runtime=400, on_battery=1), _ups(runtime=200, on_battery=0)
    ),
    "ups-charge-warning": case(_ups(charge=70), _ups(charge=80)),
    "ups-charge-critical": case(_ups(charge=30), _ups(charge=50)),
    "ups-load-warning": case(_ups(load=85), _ups(load=75)),
    "ups-load-critical": case(_ups(load=97), _ups(load=90)),
    "ups-overload-critical": case(_ups(overload=1), _ups(overload=0)),
    "ups-replace-warning": case(_ups(replace=1), _ups(replace=0)),
}

"""The alerts of systemd's units."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, interrupted, points


def _unit(**fields: Value) -> Points:
    return points("systemd_units", "name=backup.service", **fields)


def _required(state: Value) -> Points:
    return points("systemd_required", "name=nginx.service", active_code=state)


CASES: dict[str, Case] = {
    "unit-failed-warning": case(
        _unit(active_code=3),
        _unit(active_code=0),
        _unit(active_code=4),
        _unit(active_code=lambda age: 3 if age < 200 else 0),  # not for long enough
    ),
    "unit-restarts-warning": case(_unit(restarts=grows(4 / 60)), _unit(restarts=grows(1 / 60)), _unit(restarts=40)),
    "unit-restarts-critical": case(_unit(restarts=grows(8 / 60)), _unit(restarts=grows(4 / 60))),
    "unit-inactive-critical": case(_required(2), _required(0), _required(interrupted(3))),
}

"""The alerts of virtual machines."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, interrupted, points


def _guest(state: Value, _tags: str = "") -> Points:
    return points("libvirt_state", f"domain_name=wiki{_tags}", state=state)


CASES: dict[str, Case] = {
    "guest-crashed-critical": case(_guest(6), _guest(1), _guest(5)),
    "guest-paused-warning": case(_guest(3), _guest(1), _guest(5)),
    "guest-off-critical": case(
        _guest(5, ",needed=yes"),
        _guest(1, ",needed=yes"),
        _guest(5),
        _guest(interrupted(5, by=1), ",needed=yes"),
    ),
}

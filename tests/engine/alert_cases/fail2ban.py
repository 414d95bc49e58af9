"""The alerts of Fail2ban."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, interrupted, points


def _jail(**fields: Value) -> Points:
    return points("fail2ban", "jail=sshd", **fields)


CASES: dict[str, Case] = {
    "fail2ban-banned-information": case(
        _jail(banned=120), _jail(banned=90), _jail(failed=120), _jail(banned=interrupted(120))
    ),
    "fail2ban-banned-warning": case(_jail(banned=1100), _jail(banned=900)),
}

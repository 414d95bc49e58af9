"""The alerts of logins. In ten minutes are twenty readings here."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, points


def _login(**fields: Value) -> Points:
    return points("login", "", **fields)


CASES: dict[str, Case] = {
    "login-failures-information": case(_login(failed=4), _login(failed=2), _login(accepted=40)),
    "login-failures-warning": case(_login(failed=30), _login(failed=20)),
    "login-after-failures-warning": case(
        _login(failed=3, by_password=lambda age: 1 if age == 300 else 0),
        _login(failed=30, by_password=0, accepted=1),
        _login(failed=0, by_password=1),
        _login(failed=30, by_password=lambda age: 1 if age > 900 else 0),
    ),
    "login-root-password-information": case(
        _login(root_by_password=lambda age: 1 if age == 300 else 0), _login(root=1, by_password=1, root_by_password=0)
    ),
}

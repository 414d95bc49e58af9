"""The alerts of mail servers that are asked from a host."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, points


def _greeting(**fields: Value) -> Points:
    return points("smtp", "server=mail.example.org,port=25", **fields)


CASES: dict[str, Case] = {
    "smtp-down-critical": case(
        _greeting(result_code=4), _greeting(result_code=0), _greeting(result_code=lambda age: 2 if age > 120 else 0)
    ),
    "smtp-slow-warning": case(_greeting(response_time=8), _greeting(response_time=4)),
}

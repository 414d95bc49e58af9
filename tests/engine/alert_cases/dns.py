"""The alerts of name servers."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, interrupted, points


def _answer(**fields: Value) -> Points:
    return points("dns_query", "server=192.0.2.53,domain=example.org,record_type=A", **fields)


CASES: dict[str, Case] = {
    "dns-down-critical": case(
        _answer(result_code=1, query_time_ms=0),
        _answer(result_code=0, query_time_ms=3),
        _answer(result_code=interrupted(2), query_time_ms=3),
    ),
    "dns-slow-warning": case(
        _answer(result_code=0, query_time_ms=300),
        _answer(result_code=0, query_time_ms=100),
        _answer(result_code=2, query_time_ms=300),  # an error that took long
    ),
}

"""The alerts of Unbound."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, points


def _unbound(**fields: Value) -> Points:
    return points("unbound", "", **fields)


CASES: dict[str, Case] = {
    "unbound-failures-warning": case(
        _unbound(num_answer_rcode_SERVFAIL=grows(10), total_num_queries=grows(100)),
        _unbound(num_answer_rcode_SERVFAIL=grows(3), total_num_queries=grows(100)),
        _unbound(num_answer_rcode_SERVFAIL=grows(1), total_num_queries=grows(1)),  # hardly used
    ),
    "unbound-gave-way-warning": case(
        _unbound(total_requestlist_overwritten=grows(10)), _unbound(total_requestlist_overwritten=grows(3))
    ),
    "unbound-dropped-warning": case(
        _unbound(total_requestlist_exceeded=grows(1)), _unbound(total_requestlist_exceeded=7)
    ),
}

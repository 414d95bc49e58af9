"""The alerts of Postfix."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, interrupted, points


def _queue(queue: str, **fields: Value) -> Points:
    return points("postfix_queue", f"queue={queue}", **fields)


CASES: dict[str, Case] = {
    "postfix-deferred-warning": case(
        _queue("deferred", length=60), _queue("deferred", length=40), _queue("active", length=60)
    ),
    "postfix-deferred-critical": case(_queue("deferred", length=600), _queue("deferred", length=400)),
    "postfix-incoming-warning": case(_queue("incoming", length=150), _queue("incoming", length=interrupted(150, by=3))),
    "postfix-held-information": case(
        _queue("hold", age=100_000), _queue("hold", age=50_000), _queue("deferred", age=100_000)
    ),
}

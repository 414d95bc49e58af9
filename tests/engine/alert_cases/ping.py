"""The alerts of machines that are pinged."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, interrupted, points


def _ping(**fields: Value) -> Points:
    return points("ping", "url=router.example.org", **fields)


CASES: dict[str, Case] = {
    "ping-down-critical": case(
        _ping(result_code=1, percent_packet_loss=100),
        _ping(result_code=0, percent_packet_loss=80),
        _ping(result_code=interrupted(1)),
    ),
    "ping-loss-warning": case(_ping(percent_packet_loss=7), _ping(percent_packet_loss=4)),
    "ping-loss-critical": case(_ping(percent_packet_loss=20), _ping(percent_packet_loss=8)),
    "ping-slow-warning": case(_ping(average_response_ms=600), _ping(average_response_ms=400)),
    "ping-slow-critical": case(_ping(average_response_ms=1200), _ping(average_response_ms=900)),
}

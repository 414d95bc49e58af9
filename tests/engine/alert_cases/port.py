"""The alerts of ports."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, interrupted, points


def _port(**fields: Value) -> Points:
    return points("net_response", "server=git.example.org,port=22,protocol=tcp", **fields)


CASES: dict[str, Case] = {
    "port-down-critical": case(_port(result_code=2), _port(result_code=0), _port(result_code=interrupted(1))),
    "port-slow-warning": case(_port(response_time=1.5), _port(response_time=0.5)),
}

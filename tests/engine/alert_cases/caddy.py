"""The alerts of Caddy."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, interrupted, points


def _requests(requests: float, failed: float) -> tuple[Points, Points]:
    counted = {"caddy_http_requests_total": requests, "caddy_http_request_errors_total": failed}
    one, other = (points("caddy", "server=srv0,handler=subroute", **{name: grows(a)}) for name, a in counted.items())
    return one, other


def _upstream(healthy: Value) -> Points:
    return points("caddy", "upstream=127.0.0.1:9001", caddy_reverse_proxy_upstreams_healthy=healthy)


def _answers(code: int, a_minute: float) -> Points:
    tags = f"server=srv0,handler=subroute,method=GET,code={code}"
    return points("caddy", tags, caddy_http_request_duration_seconds_count=grows(a_minute))


CASES: dict[str, Case] = {
    "caddy-upstream-critical": case(_upstream(0), _upstream(1), _upstream(interrupted(0, by=1))),
    "caddy-failing-critical": case(_requests(100, 60), _requests(100, 40), _requests(1, 1)),
    "caddy-errors-warning": case(_answers(502, 10), _answers(502, 2), _answers(404, 100)),
}

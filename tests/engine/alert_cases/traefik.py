"""The alerts of Traefik."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, interrupted, points


def _answers(code: int, a_minute: float) -> Points:
    tags = f"service=wiki@file,method=GET,protocol=http,code={code}"
    return points("traefik", tags, traefik_service_requests_total=grows(a_minute))


def _server(up: Value) -> Points:
    return points("traefik", "service=wiki@file,url=http://127.0.0.1:9102", traefik_service_server_up=up)


CASES: dict[str, Case] = {
    "traefik-server-critical": case(_server(0), _server(1), _server(interrupted(0, by=1))),
    "traefik-errors-warning": case(_answers(502, 10), _answers(502, 2), _answers(404, 100)),
}

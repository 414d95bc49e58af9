"""The alerts of exporters for Prometheus."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, interrupted, points


def _page(result: Value) -> Points:
    return points("prometheus_page", "exporter=node", result_code=result)


CASES: dict[str, Case] = {"exporter-down-critical": case(_page(3), _page(0), _page(interrupted(6)))}

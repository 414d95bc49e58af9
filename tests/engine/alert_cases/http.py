"""The alerts of web pages that are asked from a host."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, points


def _page(_tags: str = "", **fields: Value) -> Points:
    return points("http_response", f"server=http://wiki/{_tags}", **fields)


def _once_wrong(well: float, wrong: float) -> Value:
    """One reading that is wrong, a minute ago."""
    return lambda age: wrong if 60 <= age < 90 else well


CASES: dict[str, Case] = {
    "http-down-critical": case(
        _page(result_code=3),
        _page(result_code=0, http_response_code=200),
        _page(result_code=_once_wrong(0, 4)),
    ),
    "http-status-critical": case(
        _page(result_code=0, http_response_code=500),
        _page(result_code=0, http_response_code=399),
        _page(result_code=0, http_response_code=_once_wrong(200, 502)),
        _page(",expected=HTTP_403", result_code=0, http_response_code=403),
        _page(result_code=3),
    ),
    "http-slow-warning": case(
        _page(response_time=3), _page(response_time=1.5), _page(response_time=_once_wrong(0.1, 30))
    ),
    "http-slow-critical": case(_page(response_time=6), _page(response_time=4)),
}

"""The alerts of Memcached."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, points


def _memcached(**fields: Value) -> Points:
    return points("memcached", "server=127.0.0.1:11211", **fields)


CASES: dict[str, Case] = {
    "memcached-connections-warning": case(
        _memcached(curr_connections=85, max_connections=100), _memcached(curr_connections=75, max_connections=100)
    ),
    "memcached-connections-critical": case(
        _memcached(curr_connections=97, max_connections=100), _memcached(curr_connections=90, max_connections=100)
    ),
    "memcached-refused-warning": case(_memcached(rejected_connections=grows(1)), _memcached(rejected_connections=7)),
    "memcached-evictions-warning": case(_memcached(evictions=grows(900)), _memcached(evictions=grows(300))),
}

"""The alerts of PHP-FPM."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, interrupted, points


def _pool(**fields: Value) -> Points:
    return points("phpfpm", "pool=www", **fields)


CASES: dict[str, Case] = {
    "php-fpm-queue-warning": case(
        _pool(listen_queue=2), _pool(listen_queue=0), _pool(listen_queue=interrupted(3, every=120))
    ),
    "php-fpm-children-warning": case(
        _pool(max_children_reached=grows(2)),
        _pool(max_children_reached=grows(0.2)),
        _pool(max_children_reached=lambda age: 9.0 if age > 600 else 0.0),  # a restart
    ),
    "php-fpm-slow-warning": case(_pool(slow_requests=grows(2)), _pool(slow_requests=grows(0.3))),
}

"""The alerts of Varnish."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, interrupted, points


def _varnish(**fields: Value) -> Points:
    return points("varnish", "", **fields)


def _asked(failed: float, down: float) -> Points:
    return _varnish(backend_fail=grows(failed), backend_unhealthy=grows(down))


def _found(hits: float, misses: float) -> Points:
    return _varnish(cache_hit=grows(hits), cache_miss=grows(misses))


CASES: dict[str, Case] = {
    "varnish-backend-warning": case(_asked(0, 1), _asked(0, 0)),
    "varnish-backend-critical": case(_asked(6, 6), _asked(1, 1)),
    "varnish-dropped-critical": case(_varnish(sess_dropped=grows(2)), _varnish(sess_dropped=grows(0))),
    "varnish-queue-warning": case(
        _varnish(thread_queue_len=3),
        _varnish(thread_queue_len=0),
        _varnish(thread_queue_len=interrupted(9, every=120)),
    ),
    "varnish-hits-warning": case(_found(40, 60), _found(60, 40), _found(4, 6)),
    "varnish-full-warning": case(_varnish(n_lru_nuked=grows(900)), _varnish(n_lru_nuked=grows(300))),
}

"""The alerts of Elasticsearch."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, interrupted, points


def _cluster(**fields: Value) -> Points:
    return points("elasticsearch_cluster_health", "name=wiki", **fields)


def _node(part: str, **fields: Value) -> Points:
    return points(f"elasticsearch_{part}", "cluster_name=wiki,node_name=one", **fields)


CASES: dict[str, Case] = {
    "elasticsearch-red-critical": case(
        _cluster(status_code=3), _cluster(status_code=2), _cluster(status_code=interrupted(3, by=1))
    ),
    "elasticsearch-yellow-warning": case(
        _cluster(status_code=2), _cluster(status_code=1), _cluster(status_code=interrupted(2, by=1, every=300))
    ),
    "elasticsearch-heap-warning": case(
        _node("jvm", mem_heap_used_percent=85),
        _node("jvm", mem_heap_used_percent=75),
        _node("jvm", mem_heap_used_percent=interrupted(95, by=50)),
    ),
    "elasticsearch-heap-critical": case(_node("jvm", mem_heap_used_percent=95), _node("jvm", mem_heap_used_percent=85)),
    "elasticsearch-disk-warning": case(
        _node("fs", total_available_in_bytes=15, total_total_in_bytes=100),
        _node("fs", total_available_in_bytes=25, total_total_in_bytes=100),
    ),
    "elasticsearch-disk-critical": case(
        _node("fs", total_available_in_bytes=7, total_total_in_bytes=100),
        _node("fs", total_available_in_bytes=15, total_total_in_bytes=100),
    ),
    "elasticsearch-rejected-warning": case(
        _node("thread_pool", write_rejected=grows(2), search_rejected=0),
        _node("thread_pool", write_rejected=7, search_rejected=7),
    ),
    "elasticsearch-breaker-warning": case(
        _node("breakers", parent_tripped=grows(1)), _node("breakers", parent_tripped=7)
    ),
    "elasticsearch-pending-warning": case(
        _cluster(number_of_pending_tasks=3),
        _cluster(number_of_pending_tasks=0),
        _cluster(number_of_pending_tasks=interrupted(3, every=300)),
    ),
}

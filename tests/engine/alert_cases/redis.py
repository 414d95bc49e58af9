"""The alerts of Redis."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, points


def _redis(**fields: Value) -> Points:
    return points("redis", "server=127.0.0.1,port=6379", **fields)


CASES: dict[str, Case] = {
    "redis-memory-warning": case(
        _redis(used_memory=95, maxmemory=100, maxmemory_policy="noeviction"),
        _redis(used_memory=85, maxmemory=100, maxmemory_policy="noeviction"),
        _redis(used_memory=95, maxmemory=0, maxmemory_policy="noeviction"),
        _redis(used_memory=95, maxmemory=100, maxmemory_policy="allkeys-lru"),  # a cache is always full
    ),
    "redis-clients-warning": case(_redis(clients=95, maxclients=100), _redis(clients=85, maxclients=100)),
    "redis-refused-warning": case(_redis(rejected_connections=grows(1)), _redis(rejected_connections=7)),
    "redis-save-critical": case(
        _redis(clients=1, rdb_last_bgsave_status="err"), _redis(clients=1, rdb_last_bgsave_status="ok")
    ),
    "redis-replica-critical": case(
        _redis(clients=1, master_link_status="down"),
        _redis(clients=1, master_link_status="up"),
        _redis(clients=1),  # a primary
    ),
}

"""Redis, and what is read of its INFO."""

from __future__ import annotations

import pytest

from tests.services.agent import agent, gather, plugins
from tests.services.host import Host
from tests.services.points import only

READ = plugins("""
[[inputs.redis]]
  servers = ["tcp://127.0.0.1:6379"]
  namepass = ["redis"]
""")
_START = "redis-server --bind 127.0.0.1 --dir /tmp --maxclients 20 --maxmemory 2mb --maxmemory-policy allkeys-lru"


@pytest.fixture(scope="module")
def redis(host: Host) -> Host:
    host.start("redis", _START, ready="redis-cli ping", user="redis")
    return host


def told_by_redis(host: Host) -> dict[str, str]:
    """What INFO says."""
    lines = host.run("redis-cli info everything").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def test_what_is_read_is_what_redis_tells(redis: Host) -> None:
    redis.run("redis-cli set drink biere; redis-cli get drink; redis-cli get nothing; redis-cli bgsave")
    redis.wait("redis-cli info | grep -q rdb_bgsave_in_progress:0")
    points = gather(redis, READ, of="redis")
    told = told_by_redis(redis)

    read = only(points, "redis").fields
    same = ("maxclients", "maxmemory", "blocked_clients", "rejected_connections", "evicted_keys")
    counted = ("keyspace_hits", "keyspace_misses", "rdb_changes_since_last_save")
    assert {name: read[name] for name in (*same, *counted)} == {name: int(told[name]) for name in (*same, *counted)}
    assert read["rdb_last_bgsave_status"] == told["rdb_last_bgsave_status"] == "ok"
    assert read["clients"] == 1
    assert 0 < read["used_memory"] < 2 << 20
    assert 0 < read["total_commands_processed"] < int(told["total_commands_processed"])


def test_clients_that_are_one_too_many_are_counted(redis: Host) -> None:
    with agent(redis, READ) as running:
        running.read(2, of="redis")
        # The agent has one of the twenty.
        redis.run("for n in {1..25}; do timeout 2 nc -d 127.0.0.1 6379 > /dev/null & done; wait")
        points = running.read(2, of="redis")

    assert only(points, "redis")["rejected_connections"] >= 6


def test_keys_that_are_thrown_out_are_counted_and_memory_stays_at_its_limit(redis: Host) -> None:
    redis.run(
        "for n in {1..40}; do printf 'SET key%s %s\\n' $n $(head -c 65536 /dev/zero | tr '\\0' x); done | redis-cli"
    )

    read = only(gather(redis, READ, of="redis"), "redis").fields

    assert read["evicted_keys"] > 0
    assert read["used_memory"] <= read["maxmemory"] == 2 << 20

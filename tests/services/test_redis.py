"""Redis, and what is read of its INFO."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import fields_of, only, tags_of

READ = collect({"redis": {"user": "monitoring", "password": {"secret": "redis"}}}, secrets={"redis": "biere"})
_START = "redis-server --bind 127.0.0.1 --dir /tmp/redis --maxclients 20 --maxmemory 4mb --save ''"
_READY = "redis-cli ping | grep -q PONG"
_USER = "redis-cli ACL SETUSER monitoring on '>biere' +info"


@pytest.fixture
def redis(host: Host) -> Iterator[Host]:
    host.run("install -d -o redis /tmp/redis")
    host.start("redis", _START, ready=_READY, user="redis")
    host.run(_USER)
    yield host
    host.stop("redis", signal="KILL")
    host.run("rm -rf /tmp/redis")


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
    counted = ("keyspace_hits", "keyspace_misses")
    assert {name: read[name] for name in (*same, *counted)} == {name: int(told[name]) for name in (*same, *counted)}
    assert read["rdb_last_bgsave_status"] == told["rdb_last_bgsave_status"] == "ok"
    assert read["maxmemory_policy"] == told["maxmemory_policy"] == "noeviction"
    assert read["clients"] == 1
    assert 0 < read["used_memory"] < 4 << 20
    assert 0 < read["total_commands_processed"] < int(told["total_commands_processed"])
    assert tags_of(points, "redis") == {"server", "port"}
    assert fields_of(points, "redis") == {*same, *counted, "rdb_last_bgsave_status", "maxmemory_policy"} | {
        *("clients", "used_memory", "total_commands_processed")
    }


def test_clients_that_are_too_many_are_alerts(redis: Host, alerts: Alerts) -> None:
    with agent(redis, READ, pace=50) as running:
        running.read(10, of="redis")
        assert alerts.firing(running) == set()
        # The agent has one of the twenty.
        redis.run("for n in {1..19}; do timeout 10 nc -d 127.0.0.1 6379 > /dev/null & done; wait")
        assert alerts.firing(running) == {"redis-clients-warning"}
        redis.run("for n in {1..25}; do timeout 1 nc -d 127.0.0.1 6379 > /dev/null & done; wait")
        points = running.read(4, of="redis")

    assert only(points, "redis")["rejected_connections"] >= 6
    assert "redis-refused-warning" in alerts.firing(running)


def test_memory_that_is_nearly_full_is_an_alert(redis: Host, alerts: Alerts) -> None:
    redis.run(
        "for n in {1..200}; do printf 'SET key%s %s\\n' $n $(head -c 65536 /dev/zero | tr '\\0' x); done | redis-cli"
    )
    with agent(redis, READ, pace=50) as running:
        points = running.read(70, of="redis")

    read = only(points, "redis").fields
    assert read["maxmemory"] == 4 << 20
    assert read["used_memory"] > 0.9 * read["maxmemory"]
    assert alerts.firing(running) == {"redis-memory-warning"}


def test_a_snapshot_that_fails_and_a_primary_that_is_away_are_alerts(redis: Host, alerts: Alerts) -> None:
    with agent(redis, READ, pace=50) as running:
        running.read(10, of="redis")
        assert alerts.firing(running) == set()
        redis.run("rm -rf /tmp/redis; redis-cli bgsave; redis-cli replicaof 127.0.0.1 9")
        redis.wait("redis-cli info | grep -q rdb_last_bgsave_status:err")
        points = running.read(40, of="redis")

    assert only(points, "redis")["master_link_status"] == "down"
    assert alerts.firing(running) == {"redis-save-critical", "redis-replica-critical"}


def test_a_server_that_is_stopped_and_a_login_that_is_refused_are_errors_of_the_input(
    redis: Host, alerts: Alerts
) -> None:
    with agent(redis, READ, pace=50) as running:
        running.read(10, of="redis")
        redis.run("redis-cli ACL SETUSER monitoring off; redis-cli client kill user monitoring")
        running.read(60)

    assert "WRONGPASS" in running.log()
    assert alerts.firing(running) == {"input-fails-warning"}

"""Memcached, and what is read of its statistics."""

from __future__ import annotations

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import fields_of, only, tags_of

READ = collect("memcached")
_START = "memcached -u memcache -l 127.0.0.1 -m 2 -I 512k -c 400"


@pytest.fixture(scope="module")
def memcached(host: Host) -> Host:
    host.start("memcached", _START, ready="nc -z 127.0.0.1 11211")
    return host


def told_by_memcached(host: Host) -> dict[str, int]:
    """What its own statistics say, of those that are numbers."""
    lines = host.run(r"printf 'stats\r\nquit\r\n' | nc 127.0.0.1 11211").splitlines()
    words = [line.split() for line in lines if line.startswith("STAT")]
    return {name: int(value) for _, name, value in words if value.isdigit()}


def store(host: Host, size: int, items: range) -> None:
    lines = (
        f"for n in {{{items.start}..{items.stop - 1}}}; do printf 'set key%s 0 0 {size}\\r\\n' $n; "
        f"head -c {size} /dev/zero | tr '\\0' x; printf '\\r\\n'; done; printf 'quit\\r\\n'"
    )
    host.run(f"({lines}) | nc 127.0.0.1 11211 > /dev/null")


def test_what_is_read_is_what_memcached_tells(memcached: Host) -> None:
    store(memcached, 100, range(5))
    memcached.run(r"printf 'get key1\r\nget key2\r\nget nothing\r\nquit\r\n' | nc 127.0.0.1 11211")
    points = gather(memcached, READ, of="memcached")
    told = told_by_memcached(memcached)

    read = only(points, "memcached", server="127.0.0.1:11211").fields
    assert (read["get_hits"], read["get_misses"]) == (2, 1)
    for name in ("bytes", "limit_maxbytes", "max_connections", "get_hits", "get_misses", "evictions"):
        assert read[name] == told[name], name
    assert (read["listen_disabled_num"], read["rejected_connections"]) == (0, 0)
    assert read["curr_connections"] == told["curr_connections"]
    assert tags_of(points, "memcached") == {"server"}
    assert fields_of(points, "memcached") == {
        *("curr_connections", "max_connections", "bytes", "limit_maxbytes", "get_hits", "get_misses", "evictions"),
        *("listen_disabled_num", "rejected_connections"),
    }


def clients(number: int, seconds: int) -> str:
    """A program that keeps so many connections."""
    program = (
        "import socket, time; "
        f"kept = [socket.create_connection(('127.0.0.1', 11211)) for _ in range({number})]; "
        f"time.sleep({seconds})"
    )
    return f'python3 -c "{program}"'


def test_connections_at_the_limit_are_alerts(memcached: Host, alerts: Alerts) -> None:
    with agent(memcached, READ, pace=50) as running:
        running.read(10, of="memcached")
        assert alerts.firing(running) == set()
        with memcached.meanwhile("clients", clients(340, 99)):
            points = running.read(40, of="memcached")
            assert alerts.firing(running, points) == {"memcached-connections-warning"}
            memcached.run(clients(100, 1))
        points = running.read(5, of="memcached")

    assert only(points, "memcached")["rejected_connections"] > 0
    assert "memcached-refused-warning" in alerts.firing(running, points)


def test_items_that_are_evicted_are_an_alert(memcached: Host, alerts: Alerts) -> None:
    with agent(memcached, READ, pace=5) as running:
        running.read(2, of="memcached")
        for begin in range(0, 60_000, 6000):
            store_many(memcached, begin)
        points = running.read(2, of="memcached")

    assert only(points, "memcached")["evictions"] > 5000
    assert alerts.firing(running) == {"memcached-evictions-warning"}


def store_many(host: Host, begin: int) -> None:
    """Many small items, as fast as it takes them."""
    program = (
        "import sys; sys.stdout.write(''.join(f'set item{n} 0 0 300 noreply\\r\\n' + 300 * 'x' + '\\r\\n' "
        f"for n in range({begin}, {begin + 6000})) + 'quit\\r\\n')"
    )
    host.run(f'python3 -c "{program}" | nc 127.0.0.1 11211; sleep 1')

"""A firewall of nftables in the network of a container, read with the right that the collector says it needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.conftest import MakeHost
from tests.services.host import Host
from tests.services.points import only, select, tags_of
from tests.services.rights import give_sudo

READ = collect({"firewall": {"tables": ["inet filter"]}})
_TABLE = """\
flush ruleset
table inet filter {
  counter web { }
  set banned { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2, 192.0.2.3 } }
  chain input {
    type filter hook input priority 0; policy accept;
    ct state established counter comment "established"
    tcp dport 80 counter name web
    udp dport 9 counter drop comment "dropped"
    ip saddr @banned counter drop
  }
}
"""
_SEND = (
    "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    "for n in range({count}): s.sendto(b'x', ('127.0.0.1', 9))"
)


@pytest.fixture(scope="module")
def host(make_host: MakeHost) -> Host:
    made = make_host("NET_ADMIN")
    give_sudo(made, "firewall")
    made.run("echo 127.0.1.1 lewi >> /etc/hosts")
    return made


@pytest.fixture
def firewall(host: Host) -> Iterator[Host]:
    host.run("nft -f -", stdin=_TABLE)
    yield host
    host.run("nft flush ruleset")


def send(host: Host, count: int) -> None:
    """Send packets to a port that is closed by the firewall."""
    host.run(f'python3 -c "{_SEND.format(count=count)}"')


def told_by_nft(host: Host, kind: str) -> list[dict[str, Any]]:
    listed = json.loads(host.run("nft --json list table inet filter"))["nftables"]
    return [one[kind] for one in listed if kind in one]


def counted(rule: dict[str, Any]) -> dict[str, int]:
    (counter,) = (one["counter"] for one in rule["expr"] if "counter" in one)
    return {"pkts": counter["packets"], "bytes": counter["bytes"]}


def test_what_is_read_is_what_nft_tells(firewall: Host) -> None:
    send(firewall, 7)
    firewall.attempt("nc -z -w 1 127.0.0.1 80")
    points = gather(firewall, READ, of="nftables")

    named = {one["comment"]: counted(one) for one in told_by_nft(firewall, "rule") if "comment" in one}
    assert named.keys() == {"established", "dropped"}
    for comment, told in named.items():
        assert only(points, "nftables", rule=comment, chain="input", table="filter").fields == told
    (web,) = told_by_nft(firewall, "counter")
    assert only(points, "nftables", counter="web").fields == {"pkts": web["packets"], "bytes": web["bytes"]}
    (banned,) = told_by_nft(firewall, "set")
    assert only(points, "nftables", set="banned").fields == {"count": len(banned["elem"])} == {"count": 3}
    assert (named["dropped"]["pkts"], web["packets"]) == (7, 1)
    assert tags_of(points, "nftables") == {"table", "chain", "rule", "counter", "set"}


def test_tracked_connections_are_what_the_kernel_tells(firewall: Host) -> None:
    told = "cat /proc/sys/net/netfilter/nf_conntrack_{count,max}"
    with firewall.meanwhile("server", "nc -l -k 127.0.0.1 81"):
        firewall.wait("ss -ltn | grep -q :81")
        with firewall.meanwhile("client", "exec 3<>/dev/tcp/127.0.0.1/81; sleep 60"):
            firewall.wait("ss -tn | grep -q ESTAB")
            points = gather(firewall, READ, of="conntrack")
            count, room = map(int, firewall.run(told).split())

    assert only(points, "conntrack").fields == {"ip_conntrack_count": count, "ip_conntrack_max": room}
    assert count >= 1
    assert tags_of(points, "conntrack") == set()


def test_many_dropped_packets_are_an_alert(firewall: Host, alerts: Alerts) -> None:
    with agent(firewall, READ, pace=40) as running:
        running.read(24, of="nftables")
        assert alerts.firing(running) == set()
        send(firewall, 99_000)
        running.read(8, of="nftables")

    assert alerts.firing(running) == {"firewall-drops-warning"}


def test_a_table_that_is_gone_is_an_error_of_the_input_and_an_alert(firewall: Host, alerts: Alerts) -> None:
    firewall.run("nft delete table inet filter")
    with agent(firewall, READ, pace=60) as running:
        running.read(15)

    assert 'table "inet filter" does not exist' in running.errors()[0]
    assert alerts.firing(running) == {"input-fails-warning"}


def test_connections_are_left_out_where_they_are_not_tracked(firewall: Host) -> None:
    options = {"tables": ["inet filter"], "connections": False}
    points = gather(firewall, collect({"firewall": options}), of="nftables")

    assert select(points, "conntrack") == []


def test_the_right_to_list_is_no_right_to_change_anything(firewall: Host) -> None:
    for command in ("flush ruleset", "--json list ruleset", "--json list table inet filter '; flush ruleset'"):
        refused = firewall.attempt(f"sudo -n /usr/sbin/nft {command}", user="telegraf")
        assert "a password is required" in refused.err, refused
    assert told_by_nft(firewall, "counter") != []

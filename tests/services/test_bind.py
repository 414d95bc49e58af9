"""BIND, and what is read of its statistics channel."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.services.agent import Setup, agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import only, tags_of

READ = collect("bind")
JSON = collect({"bind": {"address": "http://127.0.0.1:8053/json/v1"}})
_CONFIGURATION = """\
options {
  directory "/var/cache/bind";
  listen-on { 127.0.0.1; };
  listen-on-v6 { none; };
  dnssec-validation no;
};
statistics-channels { inet 127.0.0.1 port 8053 allow { 127.0.0.1; }; };
zone "here" { type primary; file "/tmp/here.zone"; };
zone "away.example" { type forward; forward only; forwarders { 127.0.0.1 port 9; }; };
zone "silent.example" { type forward; forward only; forwarders { 127.0.0.1 port 5399; }; };
"""
_ZONE = """\
$TTL 60
@ SOA ns.here. root.here. 1 60 60 60 60
@ NS ns
ns A 127.0.0.1
wiki A 192.0.2.1
"""


@pytest.fixture(scope="module")
def bind(host: Host) -> Iterator[Host]:
    host.write("/etc/bind/named.conf", _CONFIGURATION)
    host.write("/tmp/here.zone", _ZONE)
    host.run("install -d -o bind /run/named")
    host.start("silent", "nc -u -l -k 127.0.0.1 5399")
    host.start("named", "named -g -u bind", ready="dig +short +time=1 +tries=1 @127.0.0.1 wiki.here | grep -q 192")
    yield host
    host.stop("named")
    host.stop("silent", signal="KILL")


def ask(host: Host, zone: str, count: int) -> None:
    host.run(f"for n in {{1..{count}}}; do dig +time=1 +tries=1 @127.0.0.1 n$n.{zone} > /dev/null & done; wait")


def told_by_bind(host: Host) -> dict[str, int]:
    told: dict[str, int] = json.loads(host.run("curl -fs http://127.0.0.1:8053/json/v1/server"))["nsstats"]
    return told


@pytest.mark.parametrize("setup", [READ, JSON], ids=["xml", "json"])
def test_what_is_read_is_what_bind_tells(bind: Host, setup: Setup) -> None:
    ask(bind, "here", 3)
    ask(bind, "away.example", 2)
    points = gather(bind, setup, of="bind_counter")
    told = told_by_bind(bind)

    read = only(points, "bind_counter", source="127.0.0.1", port="8053").fields
    names = ("Response", "QrySERVFAIL", "QryNXDOMAIN", "QryRecursion", "QryDropped", "RecursClients")
    # What is zero is not in the JSON.
    assert read == {name: told.get(name, 0) for name in names if name in read}
    assert read.keys() >= {"Response", "QrySERVFAIL", "QryNXDOMAIN", "QryRecursion"}
    assert read["QrySERVFAIL"] >= 2
    assert read["QryNXDOMAIN"] >= 3
    assert tags_of(points, "bind_counter") == {"source", "port"}


def test_a_forwarder_that_is_away_is_an_alert(bind: Host, alerts: Alerts) -> None:
    with agent(bind, READ, pace=50) as running:
        running.read(6, of="bind_counter")
        assert alerts.firing(running) == set()
        ask(bind, "away.example", 30)
        running.read(10, of="bind_counter")

    assert alerts.firing(running) == {"bind-failures-warning"}


def test_clients_that_wait_are_counted(bind: Host) -> None:
    waiting = "for n in {1..20}; do dig +time=9 +tries=1 @127.0.0.1 n$n.silent.example & done; wait"
    with bind.meanwhile("clients", waiting):
        points = gather(bind, READ, of="bind_counter")

    assert only(points, "bind_counter")["RecursClients"] == 20

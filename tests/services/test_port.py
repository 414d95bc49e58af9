"""Ports that take connections, answer, answer wrongly, are refused, or are dropped on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.services.agent import Setup, agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.conftest import MakeHost
from tests.services.host import Host
from tests.services.points import only, tags_of

_ECHO = """\
import socketserver, threading, time
class Talk(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"SSH-2.0-test\\r\\n")
class Slow(socketserver.BaseRequestHandler):
    def handle(self):
        time.sleep(2)
        self.request.sendall(b"late\\r\\n")
class Ask(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(b"PONG" if self.request[0] == b"PING\\r\\n" else b"what?", self.client_address)
socketserver.TCPServer.allow_reuse_address = True
servers = [
    socketserver.ThreadingTCPServer(("127.0.0.1", 2022), Talk),
    socketserver.ThreadingTCPServer(("127.0.0.1", 2023), Slow),
    socketserver.ThreadingUDPServer(("127.0.0.1", 2024), Ask),
]
for one in servers[1:]:
    threading.Thread(target=one.serve_forever, daemon=True).start()
servers[0].serve_forever()
"""
_DROP = "nft 'table ip t { chain c { type filter hook input priority 0; tcp dport 2022 drop; }; }'"


def trying(port: int, **options: Any) -> Setup:
    return collect({"port": {"addresses": [f"127.0.0.1:{port}"], "timeout": "1s", **options}})


@pytest.fixture(scope="module")
def host(make_host: MakeHost) -> Host:
    return make_host("NET_ADMIN")


@pytest.fixture(autouse=True)
def servers(host: Host) -> Iterator[None]:
    host.write("/srv/servers.py", _ECHO)
    host.start("servers", "python3 /srv/servers.py", ready="nc -z 127.0.0.1 2022")
    yield
    if host.is_running("servers"):
        host.stop("servers")


@pytest.mark.parametrize(
    ("port", "options", "result"),
    [
        (2022, {}, 0),
        (2022, {"expect": "^SSH-2"}, 0),
        (2022, {"expect": "^220"}, 4),
        (2023, {"expect": "late"}, 3),
        (2023, {"expect": "late", "timeout": "4s"}, 0),
        (2024, {"protocol": "udp", "send": "PING", "expect": "PONG"}, 0),
        (2024, {"protocol": "udp", "send": "HELLO", "expect": "PONG"}, 4),
        (2099, {}, 2),
    ],
)
def test_a_port_is_good_as_its_options_say(host: Host, port: int, options: dict[str, Any], result: int) -> None:
    points = gather(host, trying(port, **options), of="net_response")

    read = only(points, "net_response", server="127.0.0.1", port=str(port))
    assert read["result_code"] == result
    assert ("response_time" in read.fields) == (result in (0, 3, 4))
    assert tags_of(points, "net_response") == {"server", "port", "protocol"}
    is_open = host.attempt(f"nc -z {'-u' if port == 2024 else ''} 127.0.0.1 {port}").code == 0
    assert is_open == (result != 2)


def test_each_of_several_ports_is_tried(host: Host) -> None:
    points = gather(host, collect({"port": {"addresses": ["127.0.0.1:2022", "127.0.0.1:2099"]}}), of="net_response")

    assert only(points, "net_response", port="2022")["result_code"] == 0
    assert only(points, "net_response", port="2099")["result_code"] == 2


def test_a_service_that_is_killed_is_an_alert(host: Host, alerts: Alerts) -> None:
    with agent(host, trying(2022), pace=50) as running:
        running.read(12, of="net_response")
        assert alerts.firing(running) == set()
        host.stop("servers", signal="KILL")
        points = running.read(12, of="net_response")

    assert only(points, "net_response")["result_code"] == 2
    assert alerts.firing(running) == {"port-down-critical"}


def test_a_port_behind_a_firewall_is_an_alert(host: Host, alerts: Alerts) -> None:
    host.run(_DROP)
    try:
        with agent(host, trying(2022), pace=50) as running:
            points = running.read(8, of="net_response")
    finally:
        host.run("nft flush ruleset")

    assert only(points, "net_response")["result_code"] == 1
    assert alerts.firing(running) == {"port-down-critical"}


def test_a_port_that_answers_late_is_an_alert(host: Host, alerts: Alerts) -> None:
    with agent(host, trying(2023, expect="late", timeout="5s"), pace=50) as running:
        points = running.read(8, of="net_response")

    assert 2 < only(points, "net_response")["response_time"] < 4
    assert alerts.firing(running) == {"port-slow-warning"}

"""Name servers that are asked: one that knows a name, one that does not, one that is slow, and one that is gone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.agent import Setup, agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import only, tags_of

_CONFIGURATION = """\
server:
  interface: 127.0.0.1
  port: 53
  do-daemonize: no
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  do-not-query-localhost: no
  module-config: "iterator"
  local-zone: "example.org." static
  local-data: "wiki.example.org. A 192.0.2.7"
  local-data: "example.org. MX 10 mail.example.org."
  local-zone: "secret.example." refuse
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@5399
"""
# A name server that takes 400 ms.
_SLOW = """\
import socket, time
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 5353))
while True:
    asked, who = server.recvfrom(512)
    time.sleep(0.4)
    server.sendto(asked[:2] + b"\\x81\\x80" + asked[4:], who)
"""


def asking(domain: str, **options: Any) -> Setup:
    return collect({"dns": {"servers": ["127.0.0.1"], "domains": [domain], **options}})


@pytest.fixture(scope="module")
def unbound(host: Host) -> Host:
    host.write("/etc/unbound/test.conf", _CONFIGURATION)
    host.start(
        "unbound", "unbound -d -p -c /etc/unbound/test.conf", ready="dig +short @127.0.0.1 wiki.example.org | grep ."
    )
    return host


@pytest.mark.parametrize(
    ("domain", "record", "result"),
    [
        ("wiki.example.org", "A", 0),
        ("example.org", "MX", 0),
        ("none.example.org", "A", 2),
        ("secret.example", "A", 2),
    ],
)
def test_what_is_read_is_what_dig_tells(unbound: Host, domain: str, record: str, result: int) -> None:
    told = unbound.run(f"dig @127.0.0.1 {domain} {record} | sed -n 's/.*status: \\([A-Z]*\\),.*/\\1/p'").strip()
    with agent(unbound, asking(domain, record=record), longest=1) as running:
        points = running.read(2, of="dns_query")

    read = only(points, "dns_query", server="127.0.0.1", domain=domain, record_type=record)
    codes = {"NOERROR": 0, "SERVFAIL": 2, "NXDOMAIN": 3, "REFUSED": 5}
    assert (read["result_code"], read["rcode_value"]) == (result, codes[told])
    assert 0 < read["query_time_ms"] < 200
    assert tags_of(points, "dns_query") == {"server", "domain", "record_type"}


def test_tcp_is_asked_too(unbound: Host) -> None:
    points = gather(unbound, asking("wiki.example.org", network="tcp"), of="dns_query")

    assert only(points, "dns_query")["result_code"] == 0


def test_a_server_that_stops_is_an_alert_and_is_not_counted_as_a_fast_one(unbound: Host, alerts: Alerts) -> None:
    with agent(unbound, asking("wiki.example.org"), pace=30) as running:
        running.read(6, of="dns_query")
        assert alerts.firing(running) == set()
        with unbound.stopped("unbound"):
            points = running.read(9, of="dns_query")

    assert only(points, "dns_query")["result_code"] > 0
    assert only(points, "dns_query")["query_time_ms"] == 0
    assert "dns-down-critical" in alerts.firing(running, points)


def test_a_server_whose_forwarder_is_gone_is_an_alert(unbound: Host, alerts: Alerts) -> None:
    with agent(unbound, asking("elsewhere.example.net"), pace=30) as running:
        points = running.read(6, of="dns_query")

    assert only(points, "dns_query")["result_code"] > 0
    assert "dns-down-critical" in alerts.firing(running)


def test_a_slow_server_is_an_alert(unbound: Host, alerts: Alerts) -> None:
    unbound.write("/srv/slow.py", _SLOW)
    unbound.start("slow", "python3 /srv/slow.py", ready="dig +short -p 5353 @127.0.0.1 example.org")
    try:
        with agent(unbound, asking("example.org", port=5353), pace=30) as running:
            points = running.read(10, of="dns_query")
    finally:
        unbound.stop("slow")

    assert only(points, "dns_query")["query_time_ms"] == pytest.approx(400, abs=200)
    assert alerts.firing(running) == {"dns-slow-warning"}

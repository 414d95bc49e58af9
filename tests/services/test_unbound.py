"""Unbound, and what its control program tells."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import fields_of, only, tags_of

READ = collect("unbound")
# Debian's own file, which includes those of the folder, has the key of DNSSEC and the control socket.
_CONFIGURATION = """\
server:
  interface: 127.0.0.1
  chroot: ""
  username: unbound
  extended-statistics: yes
  num-threads: 1
  num-queries-per-thread: 4
  do-not-query-localhost: no
  module-config: iterator
  local-zone: "here." static
  local-data: "wiki.here. A 192.0.2.1"
remote-control:
  control-enable: yes
  control-interface: /run/unbound.ctl
forward-zone:
  name: "failing.example."
  forward-addr: 127.0.0.1@5398
forward-zone:
  name: "silent.example."
  forward-addr: 127.0.0.1@5399
"""
# A server that fails, and one that never answers.
_FAILING = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 5398))
while True:
    asked, client = server.recvfrom(4096)
    server.sendto(asked[:2] + bytes([0x81, 0x82]) + asked[4:], client)
"""
_SILENT = "nc -u -l -k 127.0.0.1 5399"


@pytest.fixture
def unbound(host: Host) -> Iterator[Host]:
    host.write("/etc/unbound/unbound.conf", _CONFIGURATION)
    host.run(
        "usermod -aG unbound telegraf; touch /run/unbound.ctl; chown unbound /run/unbound.ctl; rm /run/unbound.ctl"
    )
    host.write("/tmp/failing.py", _FAILING)
    host.start("failing", "python3 /tmp/failing.py")
    host.start("silent", _SILENT)
    host.start("unbound", "unbound -d -p", ready="dig +short +time=1 +tries=1 @127.0.0.1 wiki.here | grep -q 192")
    yield host
    host.stop("unbound")
    host.stop("failing", signal="KILL")
    host.stop("silent", signal="KILL")


def ask(host: Host, zone: str, count: int, *, at_once: bool = False) -> None:
    end = " &" if at_once else ";"
    one = f"dig +time=2 +tries=1 @127.0.0.1 n$n.{zone} > /dev/null{end}"
    host.run(f"for n in {{1..{count}}}; do {one} done; wait; true", timeout=120)


def told_by_unbound(host: Host) -> dict[str, float]:
    lines = host.run("unbound-control stats_noreset").splitlines()
    return {name: float(value) for name, value in (line.split("=") for line in lines)}


def test_what_is_read_is_what_unbound_tells(unbound: Host) -> None:
    ask(unbound, "here", 5)
    ask(unbound, "failing.example", 2)
    points = gather(unbound, READ, of="unbound")
    told = told_by_unbound(unbound)

    read = only(points, "unbound").fields
    assert read == {
        "total_num_queries": told["total.num.queries"],
        "total_num_cachehits": told["total.num.cachehits"],
        "num_answer_rcode_SERVFAIL": told["num.answer.rcode.SERVFAIL"],
        "total_requestlist_overwritten": 0,
        "total_requestlist_exceeded": 0,
        "total_requestlist_current_all": told["total.requestlist.current.all"],
    }
    assert read["num_answer_rcode_SERVFAIL"] == 2
    assert read["total_num_queries"] >= 8
    assert tags_of(points, "unbound") == set()
    assert fields_of(points, "unbound_threads") == set()


def test_a_forwarder_that_fails_is_an_alert(unbound: Host, alerts: Alerts) -> None:
    with agent(unbound, READ, pace=50) as running:
        running.read(6, of="unbound")
        assert alerts.firing(running) == set()
        ask(unbound, "failing.example", 30)
        running.read(10, of="unbound")

    assert alerts.firing(running) == {"unbound-failures-warning"}


def test_questions_for_which_there_is_no_room_are_an_alert(unbound: Host, alerts: Alerts) -> None:
    with agent(unbound, READ, pace=20) as running:
        running.read(6, of="unbound")
        assert alerts.firing(running) == set()
        ask(unbound, "silent.example", 40, at_once=True)
        points = running.read(2, of="unbound")

    last = only(points, "unbound")
    assert last["total_requestlist_current_all"] > 0
    assert last["total_requestlist_exceeded"] + last["total_requestlist_overwritten"] > 25
    assert "unbound-dropped-warning" in alerts.firing(running)


def test_an_account_outside_of_the_group_is_an_error_of_the_input(unbound: Host) -> None:
    unbound.run("gpasswd -d telegraf unbound")
    with agent(unbound, READ, pace=10) as running:
        running.read(3)

    assert "unbound-control" in running.errors()[0]

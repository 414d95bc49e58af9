"""postfix, and whether it greets: well, with another code because all places are taken, and not at all."""

from __future__ import annotations

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import only, tags_of

READ = collect({"smtp": {"addresses": ["127.0.0.1:25"], "timeout": "3s"}})
_SETTINGS = "inet_interfaces=loopback-only inet_protocols=ipv4 smtpd_client_event_limit_exceptions="


@pytest.fixture(scope="module")
def postfix(host: Host) -> Host:
    host.run(f"for one in {_SETTINGS} myhostname=lewi.example.org maillog_file=/dev/stdout; do postconf -e $one; done")
    start(host)
    return host


def start(host: Host) -> None:
    host.start("postfix", "postfix start-fg", ready="postfix status && nc -z 127.0.0.1 25")


def greeting(host: Host) -> str:
    return host.run("exec 3<>/dev/tcp/127.0.0.1/25; timeout 3 head -n 1 <&3")


def test_what_is_read_is_how_postfix_greets(postfix: Host) -> None:
    told = greeting(postfix)
    points = gather(postfix, READ, of="smtp")

    read = only(points, "smtp", server="127.0.0.1", port="25")
    assert told.startswith("220 lewi.example.org")
    assert read["result_code"] == 0
    assert 0 < read["response_time"] < 3
    assert tags_of(points, "smtp") == {"server", "port"}


def test_nothing_is_said_before_the_greeting(postfix: Host) -> None:
    gather(postfix, READ, of="smtp")

    assert "lost connection after CONNECT" in postfix.log("postfix")
    assert "non-SMTP command" not in postfix.log("postfix")
    assert "improper command pipelining" not in postfix.log("postfix")


def test_a_server_whose_places_are_all_taken_greets_with_another_code_and_is_an_alert(
    postfix: Host, alerts: Alerts
) -> None:
    with agent(postfix, READ, pace=60) as running:
        running.read(8, of="smtp")
        assert alerts.firing(running) == set()
    postfix.run("postconf -e smtpd_client_connection_count_limit=1 && postfix reload")
    try:
        with postfix.meanwhile("guest", "exec 3<>/dev/tcp/127.0.0.1/25; sleep 60"):
            postfix.wait("exec 3<>/dev/tcp/127.0.0.1/25; timeout 3 head -n 1 <&3 | grep ^421")
            with agent(postfix, READ, pace=60) as running:
                points = running.read(10, of="smtp")
    finally:
        postfix.run("postconf -e smtpd_client_connection_count_limit=50 && postfix reload")

    assert only(points, "smtp")["result_code"] == 4
    assert alerts.firing(running) == {"smtp-down-critical"}


def test_a_server_that_stops_is_an_alert(postfix: Host, alerts: Alerts) -> None:
    with agent(postfix, READ, pace=60) as running:
        running.read(4, of="smtp")
        postfix.run("postfix stop")
        points = running.read(10, of="smtp")
    postfix.wait("! postfix status")
    postfix.run("rm -f /shared/postfix.pid")
    start(postfix)

    assert only(points, "smtp")["result_code"] == 2
    assert alerts.firing(running) == {"smtp-down-critical"}

"""Machines that are pinged: one that answers, one of whose packets some are lost, and one that is gone."""

from __future__ import annotations

import re

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.conftest import MakeHost
from tests.services.host import Host
from tests.services.points import only, tags_of

_RULES = "nft flush ruleset; nft 'table ip t { chain c { type filter hook input priority 0; %s; }; }'"
_LOSE = "ip daddr 127.0.0.2 icmp type echo-request numgen inc mod 4 0 drop"
_GONE = "ip daddr 127.0.0.2 icmp type echo-request drop"


@pytest.fixture(scope="module")
def host(make_host: MakeHost) -> Host:
    return make_host("NET_ADMIN")


def told_by_ping(host: Host, address: str) -> dict[str, float]:
    """What the program says."""
    page = host.attempt(f"ping -c 4 -i 0.2 -W 1 {address}").out
    lost = re.search(r"([\d.]+)% packet loss", page)
    assert lost, page
    return {"lost": float(lost[1])}


def test_what_is_read_is_what_ping_tells(host: Host) -> None:
    host.run("nft flush ruleset")
    told = told_by_ping(host, "127.0.0.1")
    points = gather(host, collect({"ping": {"hosts": ["127.0.0.1", "127.0.0.2"], "count": 3}}), of="ping", readings=1)

    assert tags_of(points, "ping") == {"url"}
    for address in ("127.0.0.1", "127.0.0.2"):
        read = only(points, "ping", url=address)
        assert (read["result_code"], read["percent_packet_loss"]) == (0, told["lost"]) == (0, 0)
        assert 0 < read["average_response_ms"] <= read["maximum_response_ms"] < 500
        assert read["standard_deviation_ms"] >= 0


def test_packets_that_are_lost_are_a_share_and_an_alert(host: Host, alerts: Alerts) -> None:
    host.run(_RULES % _LOSE)
    told = told_by_ping(host, "127.0.0.2")
    with agent(host, collect({"ping": {"hosts": ["127.0.0.1", "127.0.0.2"], "count": 4}}), pace=60) as running:
        points = running.read(5, of="ping")

    assert only(points, "ping", url="127.0.0.2")["percent_packet_loss"] == told["lost"] == 25
    assert only(points, "ping", url="127.0.0.1")["percent_packet_loss"] == 0
    assert alerts.firing(running) == {"ping-loss-warning", "ping-loss-critical"}


def test_a_machine_that_is_gone_is_an_alert_and_one_that_answers_is_none(host: Host, alerts: Alerts) -> None:
    with agent(host, collect({"ping": {"hosts": ["127.0.0.1"], "count": 3}}), pace=30) as running:
        running.read(3, of="ping")
        assert alerts.firing(running) == set()
    host.run(_RULES % _GONE)
    # Each reading takes four seconds of the test, for ping waits: they must be less than the rule's two minutes apart.
    with agent(host, collect({"ping": {"hosts": ["127.0.0.2"], "count": 3}}), pace=12) as running:
        points = running.read(5, of="ping")

    assert only(points, "ping")["result_code"] == 1
    assert only(points, "ping")["percent_packet_loss"] == 100
    assert alerts.firing(running) == {"ping-down-critical", "ping-loss-critical", "ping-loss-warning"}


def test_a_name_that_nobody_knows_is_an_alert_too(host: Host, alerts: Alerts) -> None:
    with agent(host, collect({"ping": {"hosts": ["nobody.invalid"], "count": 3}}), pace=30) as running:
        points = running.read(8, of="ping")

    assert only(points, "ping")["result_code"] == 2
    assert alerts.firing(running) >= {"ping-down-critical"}

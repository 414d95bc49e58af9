"""The host of services itself: what runs there, ends there, and is booted."""

from __future__ import annotations

import pytest

from tests.services.agent import agent, gather, plugins
from tests.services.conftest import MakeHost
from tests.services.host import Host
from tests.services.points import only

UNITS = plugins("""
[[inputs.systemd_units]]
  unittype = "service"
  pattern = "nginx.service redis-server.service"
""")


def test_all_processes_of_what_is_stopped_are_gone(host: Host) -> None:
    host.start("sleepers", "bash -c 'sleep 1000 & sleep 1000'", ready="[[ $(pgrep -fc '^sleep 1000') = 2 ]]")

    host.stop("sleepers", signal="KILL")

    assert not host.is_running("sleepers")
    assert host.attempt("pgrep -f '^sleep 1000'").code == 1


def test_a_service_that_is_stopped_for_a_while_runs_again_as_before(host: Host) -> None:
    host.start("sleeper", "sleep 2000", user="nobody")

    with host.stopped("sleeper"):
        was_running = host.is_running("sleeper")

    assert (was_running, host.is_running("sleeper")) == (False, True)
    assert host.run("ps -o user= $(pgrep -f '^sleep 2000')").split() == ["nobody"]
    host.stop("sleeper")


def test_a_service_that_ends_or_does_not_answer_is_said_with_what_it_printed(host: Host) -> None:
    with pytest.raises(AssertionError, match=r"it ended(?s:.*)nothing works today"):
        host.start("ends", "bash -c 'echo nothing works today; sleep 0.5'", ready="false")
    with pytest.raises(AssertionError, match="not ready within 1 s"):
        host.start("mute", "sleep 1000", ready="false", within=1)

    host.stop("mute")


def test_nothing_outside_is_reached(host: Host) -> None:
    assert host.run("ls /sys/class/net").split() == ["lo"]


def test_a_capability_is_the_agents_only_where_it_is_given(host: Host) -> None:
    echo = plugins('[[inputs.ping]]\n  urls = ["127.0.0.1"]\n  method = "native"\n  count = 1\n')

    given = gather(host, echo, of="ping", capabilities=("net_raw",))
    with agent(host, echo) as running:
        running.read(2, of="ping")

    assert only(given, "ping", url="127.0.0.1")["percent_packet_loss"] == 0
    assert {one["result_code"] for one in running.points("ping")} == {2}
    assert "CAP_NET_RAW" in running.errors()[0]


def test_a_booted_host_has_units_and_none_of_a_service_is_started(make_host: MakeHost) -> None:
    host = make_host(systemd=True)
    assert host.run("systemctl list-units --failed --plain --no-legend") == ""

    host.run("systemctl start nginx")
    points = gather(host, UNITS, of="systemd_units")

    started = only(points, "systemd_units", name="nginx.service")
    assert (started["active_code"], host.run("systemctl is-active nginx").strip()) == (0, "active")
    assert host.attempt("systemctl is-active redis-server").out.strip() == "inactive"

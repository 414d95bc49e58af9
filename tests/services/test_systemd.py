"""Units of a booted systemd: one that runs, is stopped and started, one that fails, one that restarts all the time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.conftest import MakeHost
from tests.services.host import Host
from tests.services.points import fields_of, only, select, tags_of

READ = collect({"systemd": {"required": ["steady.service"]}})
_STATES = {"active": 0, "failed": 3, "activating": 4}
_UNITS = {
    "steady": "ExecStart=/usr/bin/sleep infinity",
    "broken": "ExecStart=/usr/bin/false",
    # It ends every half second, and is started again after as long.
    "flapping": "ExecStart=/usr/bin/sleep 0.5\nRestart=always\nRestartSec=500ms",
}


@pytest.fixture(scope="module")
def booted(make_host: MakeHost) -> Host:
    host = make_host(systemd=True)
    for name, service in _UNITS.items():
        host.write(f"/etc/systemd/system/{name}.service", f"[Unit]\nStartLimitIntervalSec=0\n[Service]\n{service}\n")
    host.run("systemctl daemon-reload")
    return host


@pytest.fixture
def units(booted: Host) -> Iterator[Host]:
    """A host on which the steady unit runs, and the others do not."""
    booted.run("systemctl start steady")
    yield booted
    booted.run(
        "systemctl stop flapping; systemctl reset-failed; rm -f /etc/systemd/system/multi-user.target.wants/steady*"
    )


def told_by_systemctl(host: Host, unit: str) -> dict[str, str]:
    """What its own tool shows of a unit."""
    lines = host.run(f"systemctl show {unit} -p ActiveState,NRestarts,MemoryCurrent").splitlines()
    # Where the kernel does not count memory, as in a container on some machines.
    return dict(line.replace("[not set]", "0").split("=") for line in lines)


def test_what_is_read_is_what_systemctl_shows(units: Host) -> None:
    units.attempt("systemctl start broken")
    units.run("systemctl start flapping")
    units.wait("[[ $(systemctl show -P NRestarts flapping) -ge 2 ]]")
    points = gather(units, READ, of="systemd_units")

    for name in ("steady.service", "broken.service"):
        read, told = only(points, "systemd_units", name=name), told_by_systemctl(units, name)
        assert read["active_code"] == _STATES[told["ActiveState"]], name
        assert read["restarts"] == int(told["NRestarts"]) == 0
    assert only(points, "systemd_units", name="flapping.service")["restarts"] >= 2
    steady = only(points, "systemd_units", name="steady.service")
    assert steady["mem_current"] == int(told_by_systemctl(units, "steady")["MemoryCurrent"])
    assert fields_of(points, "systemd_units") == {"active_code", "restarts", "mem_current"}
    assert tags_of(points, "systemd_units") == {"name"}
    assert only(points, "systemd_required").fields == {"active_code": 0}
    assert tags_of(points, "systemd_required") == {"name"}


def test_only_units_that_are_asked_for_and_are_not_inactive_are_sent(units: Host) -> None:
    options = {"units": ["s*"], "ignore": ["systemd-j*"], "types": ["service", "socket"]}
    points = gather(units, collect({"systemd": options}), of="systemd_units")

    listed = units.run("systemctl list-units --plain --no-legend --state=active,failed 's*.service' 's*.socket'")
    expected = {line.split()[0] for line in listed.splitlines()}
    sent = {one.tags["name"] for one in select(points, "systemd_units")}
    assert sent == {name for name in expected if not name.startswith("systemd-j")}
    assert {"steady.service", "systemd-journald.service"} <= expected


def test_a_unit_that_fails_is_an_alert_until_it_is_reset(units: Host, alerts: Alerts) -> None:
    with agent(units, READ, pace=40) as running:
        running.read(5, of="systemd_required")
        assert alerts.firing(running) == set()
        units.attempt("systemctl start broken")
        running.read(14, of="systemd_required")
        assert alerts.firing(running) == {"unit-failed-warning"}
        units.run("systemctl reset-failed broken")
        running.read(6, of="systemd_required")
        assert alerts.firing(running) == set()


def test_a_unit_that_is_started_again_and_again_is_an_alert(units: Host, alerts: Alerts) -> None:
    units.run("systemctl start flapping")
    with agent(units, READ, pace=40) as running:
        running.read(20, of="systemd_required")

        assert alerts.firing(running) == {"unit-restarts-warning", "unit-restarts-critical"}


def test_a_required_unit_that_somebody_stops_is_an_alert_until_it_runs_again(units: Host, alerts: Alerts) -> None:
    with agent(units, READ, pace=40) as running:
        running.read(4, of="systemd_required")
        units.run("systemctl stop steady")
        running.read(14, of="systemd_required")
        assert alerts.firing(running) == {"unit-inactive-critical"}
        units.run("systemctl start steady")
        running.read(4, of="systemd_required")
        assert alerts.firing(running) == set()

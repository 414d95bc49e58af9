"""Power supplies: by NUT's real `upsd`, whose driver dummy-ups reads a file, and by SNMP from the real snmpd."""

from __future__ import annotations

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import only, tags_of

BY_NUT = collect("ups")
BY_SNMP = collect(
    {"ups": {"nut": False, "snmp": ["127.0.0.1"], "community": {"secret": "ups"}}}, secrets={"ups": "biere"}
)
_WELL = {
    "ups.status": "OL CHRG",
    "battery.charge": "98",
    "battery.runtime": "1850",
    "ups.load": "23",
    "input.voltage": "231.4",
    "ups.temperature": "27.5",
    "device.model": "5P 1550",
    "device.serial": "0815",
}
_DEVICE = "/etc/nut/eaton.dev"
_MIB = ".1.3.6.1.2.1.33.1"
_SNMPD = f"""\
agentaddress udp:127.0.0.1:161
rwcommunity biere 127.0.0.1
override -rw {_MIB}.2.1.0 integer 2
override -rw {_MIB}.4.1.0 integer 3
override -rw {_MIB}.2.3.0 integer 31
override -rw {_MIB}.2.4.0 integer 98
override -rw {_MIB}.4.4.1.5.1 integer 23
override {_MIB}.3.3.1.3.1 integer 231
override {_MIB}.2.7.0 integer 27
"""
_SNMP = "-v2c -c biere -Oqvn 127.0.0.1"


@pytest.fixture(scope="module")
def nut(host: Host) -> Host:
    host.write("/etc/nut/nut.conf", "MODE=standalone\n")
    host.write("/etc/nut/ups.conf", "[eaton]\n  driver = dummy-ups\n  port = eaton.dev\n  mode = dummy-once\n")
    host.write("/etc/nut/upsd.conf", "LISTEN 127.0.0.1 3493\n")
    host.write("/etc/nut/upsd.users", "")
    host.run("mkdir -p /run/nut /var/lib/nut; chmod 0640 /etc/nut/*; touch /etc/nut/eaton.dev")
    show(host, wait=False)
    host.start("driver", "/lib/nut/dummy-ups -a eaton -D -u root", ready="[[ -S /run/nut/dummy-ups-eaton ]]")
    host.start("upsd", "upsd -D -u root", ready="upsc eaton@127.0.0.1 ups.status")
    return host


def show(host: Host, *, wait: bool = True, **changed: str) -> None:
    """Let the supply tell this, besides what it tells while all is well."""
    told = _WELL | {name.replace("__", "."): value for name, value in changed.items()}
    host.write(_DEVICE, "".join(f"{name}: {value}\n" for name, value in told.items()))
    if wait:
        host.wait(f"[[ $(upsc eaton@127.0.0.1 ups.status) = '{told['ups.status']}' ]]")


@pytest.fixture(scope="module")
def card(host: Host) -> Host:
    """A supply with a network card."""
    host.write("/etc/snmp/snmpd.conf", _SNMPD, mode="0600")
    ready = f"snmpget {_SNMP} {_MIB}.2.4.0"
    host.start("snmpd", "snmpd -f -Lo -C -c /etc/snmp/snmpd.conf", ready=ready)
    return host


def told_by_upsc(host: Host) -> dict[str, str]:
    lines = host.run("upsc eaton@127.0.0.1 2> /dev/null").splitlines()
    return dict(line.split(": ", 1) for line in lines)


def test_what_is_read_is_what_nut_tells(nut: Host) -> None:
    show(nut)
    points = gather(nut, BY_NUT, of="ups")

    read, told = only(points, "ups", ups="eaton").fields, told_by_upsc(nut)
    assert read["charge"] == float(told["battery.charge"])
    assert read["runtime"] == float(told["battery.runtime"])
    assert read["load"] == float(told["ups.load"])
    assert read["voltage"] == float(told["input.voltage"])
    assert read["temperature"] == float(told["ups.temperature"])
    assert {"on_battery": 0, "overload": 0, "low": 0, "replace": 0}.items() <= read.items()
    assert tags_of(points, "ups") == {"ups"}


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        ("OB DISCHRG", {"on_battery": 1, "overload": 0, "low": 0, "replace": 0}),
        ("OB LB", {"on_battery": 1, "overload": 0, "low": 1, "replace": 0}),
        ("OL RB OVER", {"on_battery": 0, "overload": 1, "low": 0, "replace": 1}),
    ],
)
def test_each_state_of_nut_is_a_field(nut: Host, status: str, fields: dict[str, int]) -> None:
    show(nut, ups__status=status)
    points = gather(nut, BY_NUT, of="ups")

    assert fields.items() <= only(points, "ups").fields.items()


def test_a_supply_that_tells_no_time_has_none(nut: Host) -> None:
    show(nut, battery__runtime="0")
    points = gather(nut, BY_NUT, of="ups")

    assert "runtime" not in only(points, "ups").fields


def test_power_that_is_out_is_an_alert_and_a_battery_that_empties_another(nut: Host, alerts: Alerts) -> None:
    show(nut)
    with agent(nut, BY_NUT, pace=20) as running:
        running.read(4, of="ups")
        assert alerts.firing(running) == set()
        show(nut, ups__status="OB DISCHRG", battery__charge="90", battery__runtime="900")
        points = running.read(14, of="ups")
        assert alerts.firing(running, points) == {"ups-on-battery-warning"}
        show(nut, ups__status="OB LB", battery__charge="20", battery__runtime="120")
        running.read(14, of="ups")
        firing = alerts.firing(running)

    assert {"ups-low-critical", "ups-time-left-critical", "ups-charge-critical"} <= firing


def test_nut_that_stops_is_an_error_of_the_input_and_an_alert(nut: Host, alerts: Alerts) -> None:
    with nut.stopped("upsd"), agent(nut, BY_NUT, pace=50) as running:
        running.read(30)

    assert "connection refused" in running.errors()[0]
    assert "input-fails-warning" in alerts.firing(running)


def test_what_is_read_by_snmp_is_what_the_card_tells(card: Host) -> None:
    points = gather(card, BY_SNMP, of="ups")

    names = {"charge": "2.4.0", "load": "4.4.1.5.1", "voltage": "3.3.1.3.1", "temperature": "2.7.0"}
    told = {name: float(card.run(f"snmpget {_SNMP} {_MIB}.{oid}")) for name, oid in names.items()}
    minutes = float(card.run(f"snmpget {_SNMP} {_MIB}.2.3.0"))
    assert only(points, "ups", ups="127.0.0.1").fields == told | {"runtime": minutes * 60, "on_battery": 0, "low": 0}
    assert tags_of(points, "ups") == {"ups"}


def test_a_card_that_tells_of_its_battery_is_an_alert(card: Host, alerts: Alerts) -> None:
    card.run(f"snmpset {_SNMP} {_MIB}.4.1.0 i 5 {_MIB}.2.1.0 i 3 {_MIB}.2.3.0 i 2")
    with agent(card, BY_SNMP, pace=20) as running:
        running.read(14, of="ups")
        firing = alerts.firing(running)

    assert firing == {"ups-on-battery-warning", "ups-low-critical", "ups-time-left-critical"}

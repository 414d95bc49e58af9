"""A network device, by the real snmpd: its ports are those of the kernel, and what no port here does is set by hand."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.services.agent import Setup, agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.conftest import MakeHost
from tests.services.host import Host
from tests.services.points import fields_of, only, select, tags_of

_ERRORS = ".1.3.6.1.2.1.2.2.1.14"
_OCTETS = ".1.3.6.1.2.1.31.1.1.1.6"
_SPEED = ".1.3.6.1.2.1.31.1.1.1.15"
# `override -rw`: a value that snmpset changes, in place of the kernel's. It cannot change a counter.
_CONFIGURATION = """\
agentaddress udp:127.0.0.1:161
rocommunity biere 127.0.0.1
rwcommunity ronflex 127.0.0.1
createUser monitoring SHA authenticating AES encrypting
rouser monitoring priv
override -rw {errors}.{index} integer 0
"""
# What net-snmp keeps for some seconds: the counters of ports. (nsCacheTimeout of ifTable)
_CACHE = ".1.3.6.1.4.1.8072.1.5.3.1.2.1.3.6.1.2.1.2.2"
_WALK = "snmpget -v2c -c biere -Oqvnt 127.0.0.1"


def read(**options: Any) -> Setup:
    given = {"addresses": ["127.0.0.1"], "community": {"secret": "switches"}, "without": ["lo"], "uplinks": ["uplink*"]}
    return collect({"snmp": given | options}, secrets={"switches": "biere"})


READ = read()


@pytest.fixture(scope="module")
def switch(make_host: MakeHost) -> Host:
    """A device with two ports, at the ends of one cable."""
    host = make_host("NET_ADMIN")
    host.run("ip link add uplink1 type veth peer name other1; ip link set uplink1 up; ip link set other1 up")
    # Whoever has the other address does not answer, and need not.
    host.run("ip address add 10.99.0.1/30 dev uplink1; ip neigh add 10.99.0.2 lladdr 02:00:00:00:00:09 dev uplink1")
    overrides = _CONFIGURATION.format(errors=_ERRORS, index=index_of(host, "other1"))
    host.write("/etc/snmp/snmpd.conf", overrides, mode="0600")
    host.start("snmpd", "snmpd -f -Lo -C -c /etc/snmp/snmpd.conf", ready=f"{_WALK} .1.3.6.1.2.1.1.3.0")
    host.run(f"snmpset -v2c -c ronflex 127.0.0.1 {_CACHE} i 1")
    return host


def index_of(host: Host, port: str) -> str:
    return host.run(f"cat /sys/class/net/{port}/ifindex").strip()


def told_by_snmpget(host: Host, port: str) -> dict[str, int]:
    index = index_of(host, port)
    columns = {
        "admin": ".1.3.6.1.2.1.2.2.1.7",
        "oper": ".1.3.6.1.2.1.2.2.1.8",
        "speed": _SPEED,
        "in_bytes": _OCTETS,
        "out_bytes": ".1.3.6.1.2.1.31.1.1.1.10",
        "in_packets": ".1.3.6.1.2.1.31.1.1.1.7",
        "in_errors": _ERRORS,
        "out_errors": ".1.3.6.1.2.1.2.2.1.20",
        "in_discards": ".1.3.6.1.2.1.2.2.1.13",
        "out_discards": ".1.3.6.1.2.1.2.2.1.19",
    }
    values = host.run(f"{_WALK} {' '.join(f'{oid}.{index}' for oid in columns.values())}").splitlines()
    return dict(zip(columns, map(int, values), strict=True))


def test_what_is_read_is_what_snmpget_tells(switch: Host) -> None:
    switch.run("echo x > /dev/udp/10.99.0.2/9; sleep 1")
    points = gather(switch, READ, of="snmp_ports")

    port = only(points, "snmp_ports", source="127.0.0.1", port="uplink1").fields
    told = told_by_snmpget(switch, "uplink1")
    assert port.keys() == told.keys()
    for name, value in told.items():
        assert port[name] == pytest.approx(value, abs=2000 if name.endswith(("bytes", "packets")) else 0), name
    assert port["out_bytes"] > 0
    ticks = int(switch.run(f"{_WALK} .1.3.6.1.2.1.1.3.0"))
    assert only(points, "snmp", source="127.0.0.1")["uptime"] == pytest.approx(ticks / 100, abs=20)
    assert tags_of(points, "snmp_ports") == {"source", "port"}
    assert fields_of(points, "snmp_uplinks") == {"admin", "oper"}


def test_only_the_ports_that_are_named_are_read(switch: Host) -> None:
    points = gather(switch, READ, of="snmp_ports")

    assert {one.tags["port"] for one in select(points, "snmp_ports")} == {"uplink1", "other1"}
    assert {one.tags["port"] for one in select(points, "snmp_uplinks")} == {"uplink1"}


def test_a_user_of_version_3_reads_the_same(switch: Host) -> None:
    user = {"version": 3, "user": "monitoring", "password": {"secret": "user"}}
    encrypted = {"level": "authPriv", "key": {"secret": "key"}}
    given = {"snmp": {"addresses": ["127.0.0.1"], **user, **encrypted}}
    points = gather(switch, collect(given, secrets={"user": "authenticating", "key": "encrypting"}), of="snmp_ports")

    assert only(points, "snmp_ports", port="other1")["oper"] == 1


def test_an_uplink_whose_other_end_is_gone_is_an_alert(switch: Host, alerts: Alerts) -> None:
    switch.run("ip link set other1 down")
    with agent(switch, READ, pace=50) as running:
        running.until(lambda points: any(one["oper"] != 1 for one in select(points, "snmp_uplinks")))
        running.read(6, of="snmp_uplinks")
        firing = alerts.firing(running)
    switch.run("ip link set other1 up")

    assert "snmp-uplink-down-critical" in firing


def test_an_uplink_that_somebody_switched_off_is_none(switch: Host, alerts: Alerts) -> None:
    switch.run("ip link set uplink1 down")
    with agent(switch, READ, pace=50) as running:
        running.until(lambda points: any(one["admin"] == 2 for one in select(points, "snmp_uplinks")))
        points = [one for one in running.read(6, of="snmp_uplinks") if one.fields.get("admin") != 1]
        firing = alerts.firing(running, points)
    switch.run("ip link set uplink1 up")

    assert "snmp-uplink-down-critical" not in firing


def test_packets_with_errors_are_an_alert(switch: Host, alerts: Alerts) -> None:
    traffic = "while true; do echo x > /dev/udp/10.99.0.2/9; sleep 0.05; done"
    error = f"snmpset -v2c -c ronflex 127.0.0.1 {_ERRORS}.{index_of(switch, 'other1')} i $((n += 10))"
    with (
        agent(switch, READ, pace=50) as running,
        switch.meanwhile("traffic", traffic),
        switch.meanwhile("errors", f"n=0; while true; do {error}; sleep 0.2; done"),
    ):
        running.read(24, of="snmp_ports", within=60)
        firing = alerts.firing(running)

    assert {"snmp-errors-warning", "snmp-errors-critical"} <= firing


def test_a_device_that_does_not_answer_is_an_error_of_its_input_and_an_alert(switch: Host, alerts: Alerts) -> None:
    with agent(switch, READ, pace=50) as running:
        running.read(2, of="snmp_ports")
        with switch.stopped("snmpd"):
            running.until(lambda _: len(running.errors()) > 2)
            running.read(30)
        firing = alerts.firing(running)

    assert re.search(r"agent .*127\.0\.0\.1", running.errors()[0])
    assert "input-fails-warning" in firing

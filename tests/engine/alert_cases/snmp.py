"""The alerts of network devices."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, interrupted, points

_GIGABIT = 10**9 / 8 * 60
"""What a port of 1 Gbit/s can carry, in bytes a minute."""


def _uplink(**fields: Value) -> Points:
    return points("snmp_uplinks", "source=switch,port=Te1", **fields)


def _port(**fields: Value) -> Points:
    return points("snmp_ports", "source=switch,port=Gi7", **fields)


def _device(uptime: float) -> Points:
    return points("snmp", "source=switch", uptime=uptime)


CASES: dict[str, Case] = {
    "snmp-uplink-down-critical": case(
        _uplink(oper=2, admin=1), _uplink(oper=1, admin=1), _uplink(oper=2, admin=2), _uplink(oper=interrupted(2, by=1))
    ),
    "snmp-errors-warning": case(
        _port(in_errors=grows(20), in_packets=grows(1000)), _port(in_errors=grows(5), in_packets=grows(1000))
    ),
    "snmp-errors-critical": case(
        _port(in_errors=grows(60), in_packets=grows(1000)), _port(in_errors=grows(40), in_packets=grows(1000))
    ),
    "snmp-load-in-warning": case(
        _port(in_bytes=grows(0.9 * _GIGABIT), speed=1000),
        _port(in_bytes=grows(0.7 * _GIGABIT), speed=1000),
        _port(in_bytes=grows(0.9 * _GIGABIT), speed=0),
    ),
    "snmp-load-out-warning": case(
        _port(out_bytes=grows(0.9 * _GIGABIT), speed=1000), _port(out_bytes=grows(0.7 * _GIGABIT), speed=1000)
    ),
    "snmp-restarted-information": case(_device(60), _device(400)),
}

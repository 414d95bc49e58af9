"""The alerts of firewalls."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, case, grows, points


def _connections(tracked: float, room: float = 1000) -> Points:
    return points("conntrack", ip_conntrack_count=tracked, ip_conntrack_max=room)


def _rule(comment: str, a_minute: float) -> Points:
    return points("nftables", f"table=filter,chain=input,rule={comment}", pkts=grows(a_minute))


def _counter(name: str, a_minute: float) -> Points:
    return points("nftables", f"table=filter,counter={name}", pkts=grows(a_minute))


CASES: dict[str, Case] = {
    "firewall-connections-warning": case(_connections(850), _connections(750), _connections(850, room=0)),
    "firewall-connections-critical": case(_connections(970), _connections(900)),
    "firewall-drops-warning": case(
        _rule("dropped", 7200), _rule("dropped", 4800), _rule("accepted", 7200), _counter("dropped", 7200)
    ),
    "firewall-drops-counter-warning": case(
        _counter("rejected", 7200), _counter("rejected", 4800), _counter("web", 7200), _rule("rejected", 7200)
    ),
}

"""The alerts of NFS mounts."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, points


def _mount(**fields: Value) -> Points:
    return points("nfsstat", "mountpoint=/home,serverexport=nas:/home,operation=READ", **fields)


CASES: dict[str, Case] = {
    "nfs-retransmissions-warning": case(
        _mount(ops=grows(600), retrans=grows(60)),
        _mount(ops=grows(600), retrans=grows(12)),
        _mount(ops=grows(1), retrans=grows(1)),
    ),
    "nfs-slow-warning": case(
        _mount(ops=grows(600), rtt=grows(600 * 150)),
        _mount(ops=grows(600), rtt=grows(600 * 80)),
        _mount(ops=grows(1), rtt=grows(150)),
    ),
    "nfs-slow-critical": case(
        _mount(ops=grows(600), rtt=grows(600 * 600)), _mount(ops=grows(600), rtt=grows(600 * 400))
    ),
}

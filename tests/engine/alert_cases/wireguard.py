"""The alerts of WireGuard."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, points


def _peer(handshake: Value, *, keepalive: float = 25e9) -> Points:
    return points(
        "wireguard_peer",
        "device=wg0,public_key=peer",
        last_handshake_time_ns=handshake,
        persistent_keepalive_interval_ns=keepalive,
    )


CASES: dict[str, Case] = {
    "wireguard-peer-warning": case(
        _peer(1.7e18),
        _peer(1.7e18, keepalive=0),
        _peer(lambda age: 1.7e18 - age // 120 * 120e9),
        _peer(lambda age: 1.7e18 - (240e9 if age > 240 else 0)),
    )
}

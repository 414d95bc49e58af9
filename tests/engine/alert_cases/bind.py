"""The alerts of BIND."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, interrupted, points


def _bind(**fields: Value) -> Points:
    return points("bind_counter", "source=127.0.0.1,port=8053", **fields)


CASES: dict[str, Case] = {
    "bind-failures-warning": case(
        _bind(QrySERVFAIL=grows(10), Response=grows(100)),
        _bind(QrySERVFAIL=grows(3), Response=grows(100)),
        _bind(QrySERVFAIL=grows(1), Response=grows(1)),  # hardly used
    ),
    "bind-clients-warning": case(
        _bind(RecursClients=950), _bind(RecursClients=850), _bind(RecursClients=interrupted(950, by=3))
    ),
}

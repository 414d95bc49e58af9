"""The alerts of Mosquitto."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, points


def _total(group: str, kind: str, value: Value) -> Points:
    return points("mosquitto_total", f"group={group},kind={kind}", value=value)


def _port(code: Value) -> Points:
    return points("mosquitto_port", "server=127.0.0.1,port=1883", result_code=code)


CASES: dict[str, Case] = {
    "mosquitto-down-critical": case(_port(2), _port(0), _port(lambda age: 0 if age < 100 else 2)),
    "mosquitto-dropped-warning": case(
        _total("messages", "dropped", grows(400)),
        _total("messages", "dropped", grows(200)),
        _total("messages", "sent", grows(400)),
    ),
}

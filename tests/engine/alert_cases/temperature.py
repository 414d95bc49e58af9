"""The alerts of temperatures."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, interrupted, points


def _sensor(sensor: str, temperature: Value) -> Points:
    return points("temp", f"sensor={sensor},device=0", temp=temperature)


CASES: dict[str, Case] = {
    "temperature-high-warning": case(
        _sensor("coretemp_core_0", 88),
        _sensor("coretemp_core_0", 84),
        _sensor("coretemp_core_0", interrupted(88, by=70)),
        _sensor("nvme_composite", 88),
    ),
    "temperature-high-critical": case(_sensor("coretemp_core_0", 96), _sensor("coretemp_core_0", 94)),
    "temperature-disk-warning": case(
        _sensor("drivetemp", 62),
        _sensor("drivetemp", 59),
        _sensor("coretemp_core_0", 62),
        _sensor("nvme_sensor_2", 72),
    ),
    "temperature-disk-critical": case(_sensor("nvme_composite", 72), _sensor("nvme_composite", 69)),
}

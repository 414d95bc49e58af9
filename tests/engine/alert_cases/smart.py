"""The alerts of disks by SMART."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, points

_DISK = "name=/dev/nvme0,model=980PRO,serial=S5GX"


def _disk(**fields: Value) -> Points:
    return points("smartctl", _DISK, **fields)


def _sectors(name: str, number: Value) -> Points:
    return points("smartctl_attributes", f"name={name},model=ST4000,serial=ZDH1", raw_value=number)


CASES: dict[str, Case] = {
    "smart-failing-critical": case(_disk(health_ok=0), _disk(health_ok=1)),
    "smart-warning-critical": case(_disk(critical_warning=4), _disk(critical_warning=0)),
    "smart-spare-critical": case(
        _disk(available_spare=9, available_spare_threshold=10), _disk(available_spare=10, available_spare_threshold=10)
    ),
    "smart-errors-warning": case(_disk(media_errors=grows(1 / 60)), _disk(media_errors=40)),
    "smart-sectors-warning": case(
        _sectors("Current_Pending_Sector", 8),
        _sectors("Current_Pending_Sector", 0),
        _sectors("Current_Pending_Sector", lambda age: 8 if age < 1800 else 0),
        _sectors("Reallocated_Sector_Ct", 8),
    ),
    "smart-hot-warning": case(_disk(temperature=62), _disk(temperature=58)),
    "smart-hot-critical": case(_disk(temperature=72), _disk(temperature=68)),
}

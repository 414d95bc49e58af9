"""The alert of Apache."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, case, points


def _workers(busy: float, idle: float, more: float) -> Points:
    return points("apache", "server=127.0.0.1,port=80", BusyWorkers=busy, IdleWorkers=idle, scboard_open=more)


CASES: dict[str, Case] = {"apache-busy-warning": case(_workers(140, 10, 0), _workers(100, 50, 0), _workers(45, 5, 100))}

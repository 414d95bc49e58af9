"""How often alerts fired and for how long, from Grafana's annotations."""

from __future__ import annotations

from typing import Any

import pytest

from aresmon.grafana.client import Grafana
from aresmon.report.alert_history import AlertFigures, summarise
from aresmon.report.period import Period
from tests.grafana.standin import StandIn

START, END = 1_790_000_000.0, 1_792_592_000.0
OCTOBER = Period(START, END, "2026-10", "October 2026", True, END)
DISK = "Disk full {alertname=Disk full, host=biere, path=/, severity=critical} - B=97.1"


def change(at: float, before: str, after: str, text: str = DISK) -> dict[str, Any]:
    return {"time": int((START + at) * 1000), "prevState": before, "newState": after, "text": text}


def test_the_time_between_two_changes_counts() -> None:
    changes = [
        change(500, "Alerting", "Normal", DISK.replace("97.1", "40")),
        change(60, "Normal", "Pending"),
        change(100, "Pending", "Alerting"),
        change(900, "Pending", "Alerting (NoData)"),
        change(1000, "Alerting (NoData)", "Normal (MissingSeries)"),
    ]

    assert summarise(changes, OCTOBER) == [AlertFigures("Disk full", "critical", "biere", 2, 500)]


def test_what_fires_at_an_end_of_the_period_counts_until_there() -> None:
    changes = [change(100, "Alerting", "Normal"), change(END - START - 50, "Normal", "Alerting")]

    assert summarise(changes, OCTOBER) == [AlertFigures("Disk full", "critical", "biere", 2, 150)]


def test_two_disks_of_a_host_at_the_same_time_are_one_alert() -> None:
    other = DISK.replace("path=/", "path=/var")
    changes = [
        change(0, "Normal", "Alerting"),
        change(50, "Normal", "Alerting", other),
        change(100, "Alerting", "Normal"),
        change(200, "Alerting", "Normal", other),
        change(300, "Normal", "Alerting", other),
        change(310, "Alerting", "Normal", other),
    ]

    assert summarise(changes, OCTOBER) == [AlertFigures("Disk full", "critical", "biere", 2, 210)]


def test_the_longest_is_first_and_severities_are_apart() -> None:
    warning = DISK.replace("critical", "warning")
    changes = [
        *(change(0, "Normal", "Alerting"), change(10, "Alerting", "Normal")),
        *(change(0, "Normal", "Alerting", warning), change(20, "Alerting", "Normal", warning)),
        *(change(0, "Normal", "Error", "Backups {} - Error"), change(5, "Error", "Normal", "Backups {} - 0")),
    ]

    assert [(one.title, one.severity, one.host, one.seconds) for one in summarise(changes, OCTOBER)] == [
        ("Disk full", "warning", "biere", 20),
        ("Disk full", "critical", "biere", 10),
        ("Backups", "", "", 5),
    ]


@pytest.mark.own_sockets("the stand-in for Grafana answers over HTTP")
@pytest.mark.parametrize("number", [0, 1, 999, 1000, 1001, 2500])
def test_all_changes_are_read_each_once(grafana: Grafana, standin: StandIn, number: int) -> None:
    for one in range(number):
        standin.state.annotations.append({**change(one // 3, "Normal", "Alerting"), "id": one})
    standin.state.annotations.append({**change(-9, "Normal", "Alerting"), "id": -1})

    read = [one["id"] for one in grafana.alert_changes(START, END)]

    assert sorted(read) == list(range(number))

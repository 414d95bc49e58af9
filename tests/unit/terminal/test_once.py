"""A state that is printed once: its lines and its exit code."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from aresmon.config.views import Severity
from aresmon.monitoring.active_alerts import ActiveAlert
from aresmon.monitoring.curves import Window
from aresmon.monitoring.fleet import Fleet, HostRow, HostState
from aresmon.system.errors import ExitCode
from aresmon.terminal import once
from aresmon.terminal.feed import Snapshot, Wanted
from aresmon.terminal.state import ScreenState
from aresmon.terminal.text import UNICODE, plain
from tests.unit.terminal import samples
from tests.unit.terminal.samples import NOW


def snapshot(state: HostState, *alerts: tuple[Severity, Literal["firing", "pending"]]) -> Snapshot:
    fleet = Fleet(NOW, Window.ending(NOW, 900, points=8), (), (HostRow("biere", state, 4.0, ()),))
    active = tuple(
        ActiveAlert("disk-full", "disk-full", severity, how, "biere", (), 91.0, NOW, "", "") for severity, how in alerts
    )
    return Snapshot(Wanted(900), NOW, fleet, active)


@pytest.mark.parametrize("state", ["silent", "never", "critical", "warning"])
def test_a_host_that_is_not_well_is_told_by_the_exit_code(state: HostState) -> None:
    assert once.exit_code(snapshot(state)) == ExitCode.DEGRADED


@pytest.mark.parametrize(("severity", "code"), [("critical", 5), ("warning", 5), ("information", 0)])
def test_an_alert_that_fires_is_told_by_the_exit_code_if_it_is_no_information(severity: Severity, code: int) -> None:
    assert once.exit_code(snapshot("ok", (severity, "firing"))) == code
    assert once.exit_code(snapshot("ok", (severity, "pending"))) == ExitCode.DONE


def test_panels_without_data_take_a_line_each_that_says_why() -> None:
    full = samples.reading(samples.panel("Load", "timeseries", "none", "load"))
    empty = [
        replace(full, panel=replace(full.panel, title=title, no_data=why), curves=())
        for title, why in (("RAID", "no array"), ("Pools", "no data"))
    ]
    data = replace(samples.snapshot(host="biere"), readings=(full, *empty, full))

    drawn = once.lines(ScreenState(host="biere"), data, 80, UNICODE, site="ares")

    shown = [plain(one) for one in drawn]
    assert shown[shown.index("RAID  no array") - 1 :][:4] == ["", "RAID  no array", "Pools  no data", ""]

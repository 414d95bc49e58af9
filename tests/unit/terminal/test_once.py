"""The exit code of a state that is printed once."""

from __future__ import annotations

from typing import Literal

import pytest

from aresmon.config.views import Severity
from aresmon.monitoring.active_alerts import ActiveAlert
from aresmon.monitoring.curves import Window
from aresmon.monitoring.fleet import Fleet, HostRow, HostState
from aresmon.system.errors import ExitCode
from aresmon.terminal import once
from aresmon.terminal.feed import Snapshot, Wanted
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

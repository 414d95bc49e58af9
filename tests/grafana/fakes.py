"""An engine whose Grafana is the stand-in: it runs, and its `grafana cli` sets the administrator's password."""

from __future__ import annotations

from collections.abc import Sequence

from aresmon.engine.containers import Container
from aresmon.system.process import Completed
from tests.grafana.standin import StandIn
from tests.grafana.state import RefusedError
from tests.unit.conftest import FakeEngine, container


class GrafanaEngine(FakeEngine):
    """Answers for the container of the stand-in; `commands` are what was run in it."""

    def __init__(self, standin: StandIn, *, runs: bool = True) -> None:
        running: dict[str, Container] = {"grafana": container("grafana", state="running" if runs else "exited")}
        super().__init__(running)
        self.standin, self.commands = standin, list[tuple[str, ...]]()

    def is_running(self, project: str, service: str) -> bool:
        return self.given[service].state == "running"

    def execute(self, container: str, command: Sequence[str], *, given: str, within: float = 60) -> Completed:
        self.commands.append(tuple(command))
        *_, action, from_stdin, option, user = command
        assert (action, from_stdin, option) == ("reset-admin-password", "--password-from-stdin", "--user-id")
        try:
            said = self.standin.state.reset_admin(int(user), given.rstrip("\n"))
        except RefusedError as refused:
            return Completed(tuple(command), 1, "", f"Error: {refused.message}\n")
        return Completed(tuple(command), 0, f"\n{said}\n", "")

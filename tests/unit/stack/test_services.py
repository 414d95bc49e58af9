"""The order in which services start, and the moment at which the server's own agent is recreated."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from aresmon.agents.readings import CPU_READER
from aresmon.site.folder import Site
from aresmon.stack import services
from aresmon.stack.plan import Step
from aresmon.system.progress import NoProgress
from tests.unit.conftest import container, load

NOON = 1_795_953_600.0  # a multiple of ten seconds
AGENT = b'[agent]\n  interval = "10s"\n[[inputs.cpu]]\n'


class Machine:
    """An engine, Compose and a clock; `done` is what happened, each with its second after noon."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, now: float, edge_answers_after: float = 0.0) -> None:
        self.now, self.done = NOON + now, list[tuple[str, float]]()
        self.running: dict[str, Any] = {}
        self.started: list[tuple[str, list[str]]] = []
        edge_from = self.now + edge_answers_after
        ready = {"edge": lambda: self.now >= edge_from}
        monkeypatch.setattr(services, "Compose", lambda *_: self)
        monkeypatch.setattr(services, "time", SimpleNamespace(time=lambda: self.now, sleep=self.sleep))
        monkeypatch.setattr("aresmon.system.poll.time", SimpleNamespace(monotonic=lambda: self.now, sleep=self.sleep))
        monkeypatch.setattr("aresmon.influxdb.service.anonymous_client", lambda _: None)
        monkeypatch.setattr("aresmon.stack.readiness.probes", lambda *_: ready)
        monkeypatch.setattr("aresmon.stack.readiness.wait", lambda *_, **__: None)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def containers(self, _: str) -> dict[str, Any]:
        return self.running

    def up(self, names: Sequence[str], *, recreate: bool = False) -> None:
        if names:
            self.done.append((" ".join(names), round(self.now - NOON, 1)))

    def start_in(self, container: str, command: Sequence[str]) -> None:
        self.started.append((container, list(command)))

    def start(self, tmp_path: Any, *names: str) -> list[tuple[str, float]]:
        config = load("server: biere\nhosts: {biere: {agent: docker, collect: [system]}}\n")
        intent: Any = SimpleNamespace(config=config, files={"agents/biere/telegraf.conf": AGENT})
        steps = [Step(name, "recreate", "its configuration changed") for name in names]
        services.start(Site(tmp_path), steps, intent, self, NoProgress())  # type: ignore[arg-type]
        return self.done


@pytest.mark.parametrize(("now", "expected"), [(2.0, 2.0), (7.0, 10.5), (0.1, 0.5)])
def test_the_agent_is_recreated_between_two_readings_after_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, now: float, expected: float
) -> None:
    machine = Machine(monkeypatch, now=now)
    machine.running = {"telegraf": container("telegraf")}

    assert machine.start(tmp_path, "edge", "grafana", "telegraf") == [("edge grafana", now), ("telegraf", expected)]


def test_the_agent_is_not_stopped_while_the_edge_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """It would lose what it has read: it sends that when it is stopped."""
    machine = Machine(monkeypatch, now=2.0, edge_answers_after=3.0)
    machine.running = {"telegraf": container("telegraf")}

    assert machine.start(tmp_path, "edge", "telegraf") == [("edge", 2.0), ("telegraf", 5.0)]


@pytest.mark.parametrize("state", ["", "exited"])
def test_an_agent_that_does_not_run_is_started_at_once_with_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, state: str
) -> None:
    machine = Machine(monkeypatch, now=9.0)
    machine.running = {"telegraf": container("telegraf", state=state)} if state else {}

    assert machine.start(tmp_path, "edge", "telegraf") == [("edge telegraf", 9.0)]
    assert machine.started == []


def test_other_services_do_not_wait_for_the_agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    machine = Machine(monkeypatch, now=9.0)
    machine.running = {"telegraf": container("telegraf")}

    assert machine.start(tmp_path, "edge") == [("edge", 9.0)]


def test_the_usage_of_the_cpu_is_read_in_the_new_container_until_the_agent_has_read_it_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    machine = Machine(monkeypatch, now=2.0)
    machine.running = {"telegraf": container("telegraf")}

    machine.start(tmp_path, "telegraf")

    arguments = ["-", "11.000", "/etc/aresmon/telegraf.conf", "", "7700", "10000"]
    assert machine.started == [(machine.running["telegraf"].id, ["bash", "-c", CPU_READER, *arguments])]

"""The inputs of the shipped collectors, by a real Telegraf on a made-up machine. It runs as a program, without an
engine; what it reads is told by files, as an agent in a container is told by HOST_PROC."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path

import pytest

from aresmon.config import collectors, view_files
from aresmon.engine import build
from tests.engine.sites import eventually

_FRAME = """\
[agent]
  interval = "1s"
  flush_interval = "1s"
  flush_jitter = "200ms"
  omit_hostname = true
  skip_processors_after_aggregators = true
[[outputs.file]]
  files = ["points"]
  data_format = "influx"
"""
_TICKS = 100  # of a second, in /proc/stat


@dataclass(frozen=True)
class Agent:
    """A running Telegraf, and the file that it writes its points to."""

    file: Path

    def points(self, measurement: str) -> list[dict[str, float]]:
        """The numbers of each point, the oldest first."""
        lines = self.file.read_text(encoding="utf-8").splitlines(keepends=True) if self.file.exists() else []
        fields = [line.split(" ")[1] for line in lines if line.startswith(f"{measurement},") and line.endswith("\n")]
        return [{name: float(value.rstrip("iu")) for name, value in map(_pair, one.split(","))} for one in fields]


def _pair(field: str) -> tuple[str, str]:
    name, _, value = field.partition("=")
    return name, value


@contextmanager
def agent(folder: Path, inputs: str, environment: Mapping[str, str]) -> Iterator[Agent]:
    """A Telegraf with these inputs."""
    (folder / "telegraf.conf").write_text(_FRAME + inputs, encoding="utf-8")
    argv = [str(build.compile_telegraf()), "--config", str(folder / "telegraf.conf")]
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(argv, cwd=folder, env=dict(environment), stdout=log, stderr=log)
        try:
            yield Agent(folder / "points")
        finally:
            running.terminate()
            running.wait(30)


def processor(proc: Path, **seconds: float) -> None:
    """What the kernel counted of all its processors until now. It counts what guests use as user and as nice too."""
    order = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
    counted = " ".join(f"{seconds.get(name, 0) * _TICKS:.0f}" for name in order)
    (proc / "stat.new").write_text(f"cpu  {counted}\ncpu0 {counted}\n", encoding="utf-8")
    (proc / "stat.new").rename(proc / "stat")


def test_the_parts_of_processor_use_and_idle_make_100(tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    proc.mkdir()
    spent = {"user": 25, "nice": 25, "system": 10, "idle": 20, "iowait": 8, "irq": 4, "softirq": 5, "steal": 3}
    by_guests = {"guest": 7, "guest_nice": 6}
    (panel,) = (one for one in view_files.load()["system"].panels if one.title == "CPU usage")
    parts, rounds = {one.name: one.field for one in panel.series}, count(1)

    def read(telegraf: Agent) -> bool:
        """Some more time passes on the processors, always spent in the same way."""
        passed = next(rounds)
        processor(proc, **{name: value * passed for name, value in (spent | by_guests).items()})
        return bool(telegraf.points("cpu"))

    with agent(tmp_path, collectors.load()["system"].text, {"HOST_PROC": str(proc)}) as telegraf:
        assert eventually(lambda: read(telegraf), within=30), (tmp_path / "log").read_text(encoding="utf-8")
        point = telegraf.points("cpu")[0]

    drawn = {name: point[field] for name, field in parts.items()}
    own = {"user": 25 - 7, "nice": 25 - 6, "guest": 7, "guest nice": 6}
    assert drawn == pytest.approx({name: value for name, value in spent.items() if name != "idle"} | own)
    assert sum(drawn.values()) + point["usage_idle"] == pytest.approx(100)


def test_what_an_agent_sends_is_even_over_the_shortest_step_and_not_over_each_reading(tmp_path: Path) -> None:
    """Here an agent reads and writes ten times as often as on a host, with a jitter as long in proportion."""
    internal = collectors.load()["internal"].text
    shortest = view_files.load()["internal"].measurements["internal_write"].min_step // 10

    with agent(tmp_path, internal, {}) as telegraf:
        assert eventually(lambda: len(telegraf.points("internal_write")) > 5 * shortest, within=90)
        sent = [point["metrics_written"] for point in telegraf.points("internal_write")][shortest:]

    steps = [after - before for before, after in pairwise(sent)]
    longer = [after - before for before, after in pairwise(sent[::shortest])]
    mean = (sent[-1] - sent[0]) / len(steps)
    assert min(steps) == 0
    assert all(0.5 * mean * shortest < one < 1.5 * mean * shortest for one in longer), (steps, longer)

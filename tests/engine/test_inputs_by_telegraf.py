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

    def lines(self, measurement: str) -> list[str]:
        """The points in InfluxDB's protocol, the oldest first."""
        lines = self.file.read_text(encoding="utf-8").splitlines(keepends=True) if self.file.exists() else []
        return [line for line in lines if line.startswith(f"{measurement},") and line.endswith("\n")]

    def points(self, measurement: str) -> list[dict[str, float]]:
        """The numbers of each point, the oldest first."""
        fields = [line.split(" ")[1] for line in self.lines(measurement)]
        return [{name: float(value.rstrip("iu")) for name, value in map(_pair, one.split(","))} for one in fields]

    def filesystems(self) -> set[tuple[str, str]]:
        """The mount points that it found, each with the type of its filesystem."""
        tags = [dict(map(_pair, line.split(" ")[0].split(",")[1:])) for line in self.lines("disk")]
        return {(one["path"], one["fstype"]) for one in tags}


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


# /proc/PID/mountinfo: what is mounted of which filesystem, where, and as what.
ROOT = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw"
DATA = "28 27 254:16 / {data} rw,relatime shared:1 - xfs /dev/vdb rw"
AGAIN = "42 27 254:0 /var/lib/docker {data}/docker rw,relatime - ext4 /dev/vda rw"
LAYERS = "43 42 0:39 / {data}/docker/merged rw,relatime - overlay overlay rw,lowerdir=/x"


@pytest.mark.parametrize(
    ("root", "found"),
    [
        (ROOT, "ext4"),
        ("27 1 0:39 / / rw,relatime - overlay overlay rw,lowerdir=/x,upperdir=/y,workdir=/z", "overlay"),
        ("27 1 0:25 /@ / rw,relatime - btrfs /dev/vda3 rw,ssd,subvolid=256,subvol=/@", "btrfs"),
        ("27 1 254:0 /var/lib/lxc/box/rootfs / rw,relatime - ext4 /dev/vda rw", "ext4"),
        ("27 1 0:25 / / rw,relatime - tmpfs tmpfs rw", "tmpfs"),
        ("27 1 7:0 / / ro,relatime - squashfs /dev/loop0 ro", None),
    ],
    ids=["disk", "overlay", "subvolume", "folder of another", "memory", "image, always full"],
)
def test_the_root_of_every_machine_is_found_and_what_is_mounted_twice_is_not(
    tmp_path: Path, root: str, found: str | None
) -> None:
    proc, data = tmp_path / "proc", tmp_path / "data"
    (proc / "1").mkdir(parents=True)
    (data / "docker" / "merged").mkdir(parents=True)
    mounts = "\n".join((root, DATA, AGAIN, LAYERS)).format(data=data)
    (proc / "1" / "mountinfo").write_text(f"{mounts}\n", encoding="utf-8")

    with agent(tmp_path, collectors.load()["disk"].text, {"HOST_PROC": str(proc)}) as telegraf:
        assert eventually(lambda: len(telegraf.lines("disk")) >= 6, within=30), (tmp_path / "log").read_text("utf-8")

    assert telegraf.filesystems() == {(str(data), "xfs"), *([("/", found)] if found else [])}


def test_an_agent_in_a_container_finds_the_root_of_the_machine_and_not_its_own(tmp_path: Path) -> None:
    seen, proc = tmp_path / "hostfs", tmp_path / "proc"
    for folder in (seen / "data", proc / "1"):
        folder.mkdir(parents=True)
    (proc / "1" / "mountinfo").write_text(f"{ROOT}\n{DATA.format(data='/data')}\n", encoding="utf-8")
    environment = {"HOST_MOUNT_PREFIX": str(seen), "HOST_PROC": str(proc)}

    with agent(tmp_path, collectors.load()["disk"].text, environment) as telegraf:
        assert eventually(lambda: len(telegraf.lines("disk")) >= 4, within=30), (tmp_path / "log").read_text("utf-8")

    assert telegraf.filesystems() == {("/", "ext4"), ("/data", "xfs")}

"""What a host sends and what it costs on disk: aresmon's collectors beside Telegraf's stock configuration.

Two real Telegraf containers look at this machine at the same time, mounted as in compose/agent.yml, for six whole
intervals of 10 s: one with the rendered configuration of system, disk, diskio, net, docker and internal, one with
what `telegraf config` prints for cpu, disk, diskio, kernel, mem, processes, swap, system, net, docker and internal.
Both write line protocol to a file. Ten containers of a Compose project of its own run meanwhile, each doing a
little work once a second; the containers, veth interfaces and bridges of others on the engine are left out of both.

Then a day of each is replayed into a database of its own of one real InfluxDB with aresmon's influxdb.conf: 8,640
intervals, that is the six collected ones over and over, with shifted times and moving values (bench/replay.py says
how). After a full compaction its files are measured.

Run it: `.venv/bin/python -m bench.collection` (four minutes; needs the engine and the built images).
`--hours 6` replays less than a day and scales the result up.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from aresmon.engine.images import pins
from bench.measure import ARESMON, ROOT, count, mib, run, table, tell
from bench.points import Point, parse
from bench.replay import days_size

_TEN = "aresmon-bench-ten"
_TELEGRAF = pins()["telegraf"].build
_INTERVAL, _INTERVALS = 10, 6
_STOCK = "cpu:disk:diskio:kernel:mem:processes:swap:system:net:docker:internal"
_ONLY_OURS = f'[[inputs.docker]]\n  container_name_include = ["{_TEN}-*"]\n'
_WORK = "while :; do head -c 65536 /dev/urandom | md5sum > /tmp/sum; sleep 1; done"


@dataclass(frozen=True, slots=True)
class Collected:
    """The points of six intervals, a list each."""

    intervals: Sequence[Sequence[Point]]

    @property
    def points(self) -> list[Point]:
        return [point for interval in self.intervals for point in interval]

    def an_interval(self, total: float) -> float:
        return total / len(self.intervals)


def measure(hours: int = 24) -> str:
    """The tables and the ratios, as Markdown."""
    ours, stock = _collect()
    return _counts(ours, stock) + "\n" + _by_input(ours, stock) + "\n" + _on_disk(ours, stock, hours)


# Collecting ------------------------------------------------------------------------------------------


def _collect() -> tuple[Collected, Collected]:
    folder = Path(tempfile.mkdtemp(prefix="aresmon-bench-"))
    try:
        configurations = {"ours": _our_configuration(folder), "stock": _stock_configuration()}
        with ExitStack() as stack:
            tell("starting ten containers")
            links = stack.enter_context(_ten_containers(folder))
            tell("collecting with both configurations")
            begun = time.time()
            outputs = {name: stack.enter_context(_agent(folder, name, text)) for name, text in configurations.items()}
            # `disk`, `docker_container_*` and differences are whole from the second interval on.
            start = (int(begun) // _INTERVAL + 2) * _INTERVAL + _INTERVAL // 2
            time.sleep(max(0.0, start + _INTERVAL * (_INTERVALS + 1) + 4 - time.time()))
        return (
            _whole_intervals(outputs["ours"], start, links),
            _whole_intervals(outputs["stock"], start, links),
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _our_configuration(folder: Path) -> str:
    """The rendered configuration, with a file for its output."""
    site, output = folder / "site", folder / "bundle"
    site.mkdir()
    text = "site: aresmon-bench-collection\nhosts:\n  bench: {collect: [system, disk, diskio, net, docker]}\n"
    (site / "aresmon.yml").write_text(text, encoding="utf-8")
    run((*ARESMON, "--site", str(site), "render", "--output", str(output)))
    return (output / "agents/bench/telegraf.conf").read_text(encoding="utf-8")


def _stock_configuration() -> str:
    options = ["config", "--input-filter", _STOCK, "--output-filter", "file"]
    done = subprocess.run(
        ["docker", "run", "--rm", _TELEGRAF, *options], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def _into_file(configuration: str) -> str:
    """The same agent and inputs with one output, a file, and only the ten containers in `docker`."""
    kept: list[str] = []
    inside = False
    for line in configuration.splitlines():
        if line.startswith("["):
            inside = line.startswith(("[[outputs.", "[[secretstores."))
        if not inside:
            kept.append(line)
    text = "\n".join(kept).replace("[[inputs.docker]]\n", _ONLY_OURS)
    return text + '\n[[outputs.file]]\n  files = ["/out/points"]\n  data_format = "influx"\n'


@contextmanager
def _agent(folder: Path, name: str, configuration: str) -> Iterator[Path]:
    """A Telegraf at work; yields the file with its points, which is whole once it has ended."""
    home = folder / name
    home.mkdir()
    home.chmod(0o777)
    (home / "telegraf.conf").write_text(_into_file(configuration), encoding="utf-8")
    parts = ("PROC", "SYS", "ETC", "VAR", "RUN", "DEV")
    environment = {f"HOST_{part}": f"/hostfs/{part.lower()}" for part in parts} | {"HOST_MOUNT_PREFIX": "/hostfs"}
    container = docker.from_env().containers.run(
        _TELEGRAF,
        ["--config", "/out/telegraf.conf"],
        name=f"aresmon-bench-agent-{name}",
        detach=True,
        network_mode="host",
        group_add=[Path("/var/run/docker.sock").stat().st_gid],
        environment=environment | {"ARESMON_HOST": "bench"},
        volumes=["/:/hostfs:ro", "/var/run/docker.sock:/var/run/docker.sock:ro", f"{home}:/out"],
    )
    try:
        yield home / "points"
        container.stop(timeout=20)
        _check_log(container.logs().decode(), name)
    finally:
        container.remove(force=True)
        tell(f"{name} has ended")


def _check_log(log: str, name: str) -> None:
    errors = [line for line in log.splitlines() if " E! " in line and "context canceled" not in line]
    if errors:
        raise RuntimeError(f"the agent {name} had errors: {errors[:3]}")


@contextmanager
def _ten_containers(folder: Path) -> Iterator[frozenset[str]]:
    """Ten containers of a Compose project; yields the names of its network interfaces on this machine."""
    service = {"image": "aresmon/rootfs:base", "command": ["bash", "-c", _WORK], "init": True, "mem_limit": "64m"}
    services = {f"worker{number}": service | {"stop_grace_period": "0s"} for number in range(10)}
    file = folder / "ten.json"
    file.write_text(json.dumps({"name": _TEN, "services": services}), encoding="utf-8")
    compose = ["docker", "compose", "--file", str(file), "--progress", "quiet"]
    try:
        subprocess.run([*compose, "up", "--detach"], check=True, capture_output=True)
        network = docker.from_env().networks.list(names=[f"{_TEN}_default"])[0]
        bridge = f"br-{str(network.id)[:12]}"
        links = (link for link in Path("/sys/class/net").glob("veth*/master") if link.resolve().name == bridge)
        yield frozenset({bridge, *(link.parent.name for link in links)})
    finally:
        subprocess.run([*compose, "down", "--timeout", "0"], check=False, capture_output=True)


def _whole_intervals(file: Path, start: int, links: frozenset[str]) -> Collected:
    """Six intervals, cut between two readings, without the interfaces of other people's containers."""
    points = [point for point in parse(file.read_text(encoding="utf-8")) if not _is_others(point, links)]
    intervals = [
        [point for point in points if begin * 10**9 <= point.time < (begin + _INTERVAL) * 10**9]
        for begin in range(start, start + _INTERVAL * _INTERVALS, _INTERVAL)
    ]
    if min(map(len, intervals)) < 0.8 * max(map(len, intervals)):
        raise RuntimeError(f"the intervals are not whole: {list(map(len, intervals))} points")
    return Collected(intervals)


def _is_others(point: Point, links: frozenset[str]) -> bool:
    name = dict(point.tags).get("interface", "")
    return point.measurement == "net" and name.startswith(("veth", "br-")) and name not in links


# Telling ---------------------------------------------------------------------------------------------


def _counts(ours: Collected, stock: Collected) -> str:
    def figures(of: Collected) -> list[float]:
        points = of.points
        size = sum(len(point.line) + 1 for point in points)
        return [
            of.an_interval(len(points)),
            of.an_interval(sum(len(point.fields) for point in points)),
            len({point.series for point in points}),
            of.an_interval(size),
            of.an_interval(size) * 8640,
        ]

    names = ("points", "fields", "series", "bytes of line protocol", "the same a day, uncompressed")
    rows = [
        (name, mib(a) if "a day" in name else count(a), mib(b) if "a day" in name else count(b), f"{b / a:.2f}")
        for name, a, b in zip(names, figures(ours), figures(stock), strict=True)
    ]
    return table(("a host with ten containers, an interval of 10 s", "aresmon", "stock", "stock / aresmon"), rows)


def _by_input(ours: Collected, stock: Collected) -> str:
    def fields(of: Collected, name: str) -> float:
        return of.an_interval(sum(len(point.fields) for point in of.points if point.measurement == name))

    names = sorted({point.measurement for point in (*ours.points, *stock.points)})
    rows = [(f"`{name}`", count(fields(ours, name)), count(fields(stock, name))) for name in names]
    rows.sort(key=lambda row: -int(row[2].replace(",", "")))
    return table(("fields an interval, by measurement", "aresmon", "stock"), rows)


def _on_disk(ours: Collected, stock: Collected, hours: int) -> str:
    tell(f"replaying {hours} hours of each into InfluxDB")
    sizes = days_size({"ours": ours.intervals, "stock": stock.intervals}, hours)
    a, b = sizes["ours"], sizes["stock"]
    rows = [
        ("values written", count(a.values), count(b.values), f"{b.values / a.values:.2f}"),
        ("points (TSM files)", mib(a.points), mib(b.points), f"{b.points / a.points:.2f}"),
        ("index of a day's shard", mib(a.index), mib(b.index), f"{b.index / a.index:.2f}"),
        ("together, a day a host", mib(a.both), mib(b.both), f"{b.both / a.both:.2f}"),
        ("`keep.raw: 7d` of it, a host", mib(7 * a.both), mib(7 * b.both), f"{b.both / a.both:.2f}"),
        ("series file, once a database", mib(a.series), mib(b.series), f"{b.series / a.series:.2f}"),
        ("bytes a value", f"{a.points / a.values:.2f}", f"{b.points / b.values:.2f}", ""),
    ]
    scaled = "" if hours == 24 else f"\n{hours} h were replayed; the sizes are scaled to a day.\n"
    return table(("on disk in InfluxDB, compacted", "aresmon", "stock", "stock / aresmon"), rows) + scaled


def main(arguments: Iterable[str] = ()) -> None:
    words = list(arguments)
    hours = int(words[words.index("--hours") + 1]) if "--hours" in words else 24
    print(measure(hours))


if __name__ == "__main__":
    os.chdir(ROOT)
    main(sys.argv[1:])

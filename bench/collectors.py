"""What collectors cost: fields, series, bytes and processor time, beside Telegraf's stock form of the same plug-in.

On one machine of the tests' services, two agents read the same service at the same time: one with what aresmon
renders for the collector, one with what `telegraf config` prints for its plug-in, of which only the address and the
login differ. Both also have aresmon's `internal`, which is not counted. The agents run ten times as fast as on a
machine; the numbers are those of a machine.

Then a site of 1,000 hosts that collect the whole catalogue is rendered, beside one with five collectors.

Run it: `.venv/bin/python -m bench.collectors` (eight minutes; needs the engine, and makes the image of the tests'
services where it is not there). `.venv/bin/python -m bench.collectors redis mysql` measures and prints these alone.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aresmon.config import collectors
from aresmon.engine import build
from aresmon.engine.docker import Engine
from bench.collector_services import SERVICES, Measured
from bench.measure import MIB, count, mib, table, tell
from bench.points import Point, parse
from bench.render import Phases, make_site, render_phases
from tests.services.agent import Agent, Setup, agent, collect, plugins
from tests.services.host import SHARED, Host, service_host
from tests.services.image import services_image

_PACE, _WINDOW = 10, 30.0
_REPETITIONS = 3
# Of each thread of the agent, in nanoseconds, and of the programs that it ran and that have ended, in ticks of 10 ms.
_PROCESSOR = "cat /proc/{pid}/task/*/schedstat; cut -d' ' -f16,17 /proc/{pid}/stat"
_SENTENCE = (
    "\nThe numbers of a pair are aresmon's and stock, with stock / aresmon in brackets. The processor time is that of "
    "the whole agent with the programs that it runs; the first row is an agent that reads nothing but itself.\n"
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one agent: fields a minute, series, bytes of line protocol a day, milliseconds of processor a minute."""

    fields: float
    series: float
    size: float
    processor: float


def measure(chosen: Collection[str] = ()) -> str:
    """The tables, as Markdown; of these collectors, or of all."""
    wanted = [one for one in SERVICES if one.name in chosen or not chosen]
    rows = [_row(name, *costs) for name, *costs in _costs(wanted)]
    header = ("collector", "fields a minute", "series", "line protocol a day", "ms of processor a minute")
    return table(header, rows) + _SENTENCE + ("" if chosen else f"\n{_rendering()}")


def _row(name: str, ours: Cost, stock: Cost) -> tuple[str, ...]:
    return (
        f"`{name}`" if name else "none",
        _pair(ours.fields, stock.fields, "{:.0f}"),
        _pair(ours.series, stock.series, "{:.0f}"),
        _pair(ours.size / MIB, stock.size / MIB, "{:.2f} MiB"),
        _pair(ours.processor, stock.processor, "{:.0f}"),
    )


def _pair(ours: float, stock: float, form: str) -> str:
    ratio = f" ({stock / ours:.1f})" if ours else ""
    return f"{form.format(ours)}, {form.format(stock)}{ratio}"


# Collecting ------------------------------------------------------------------------------------------


def _costs(wanted: Sequence[Measured]) -> Iterator[tuple[str, Cost, Cost]]:
    with service_host(services_image(Engine()), build.compile_telegraf()) as host:
        yield "", *_side_by_side(host, collect(), collect(), silent=True)
        for one in wanted:
            tell(one.name)
            _start(host, one)
            yield one.name, *_side_by_side(host, collect({one.name: dict(one.options)}), plugins(_stock(host, one)))


def _start(host: Host, one: Measured) -> None:
    for path, text in one.files.items():
        host.write(path, text)
    host.run(one.before)
    if one.start:
        host.start(one.name, one.start, ready=one.ready, user=one.user)
    host.run(one.after)


def _stock(host: Host, one: Measured) -> str:
    """What Telegraf prints for a plug-in, with these settings."""
    text = host.run(f"telegraf config --input-filter {one.plugin} --output-filter file")
    text = text[text.index(f"[[inputs.{one.plugin}]]") :]
    for name, value in one.stock.items():
        setting = re.compile(rf"^  (?:# ?)?{name} = (?:\[[^\]]*\]|.*)$", re.MULTILINE)
        text, found = setting.subn(f"  {name} = {json.dumps(value)}".replace("\\", r"\\"), text, count=1)
        if not found:
            raise RuntimeError(f"the sample of {one.plugin} has no {name}")
    return text


def _side_by_side(host: Host, ours: Setup, stock: Setup, *, silent: bool = False) -> tuple[Cost, Cost]:
    """What two agents cost that run at the same time; `silent` ones read nothing but themselves."""
    with ExitStack() as stack:
        agents = [stack.enter_context(agent(host, setup, pace=_PACE)) for setup in (ours, stock)]
        for one in agents:
            one.until(lambda points: silent or any(not _is_internal(point) for point in points), within=120)
        begun = [_processor(host, one) for one in agents]
        start = time.time_ns()
        time.sleep(_WINDOW)
        ended, end = [_processor(host, one) for one in agents], time.time_ns()
        time.sleep(2)  # for what is still to be written
        for one in agents:
            if errors := one.errors():
                raise RuntimeError(f"{one.name}: {errors[:2]}")
        first, second = (
            _cost(_points(host, one, start, end), after - before, (end - start) / 1e9)
            for one, before, after in zip(agents, begun, ended, strict=True)
        )
    return first, second


def _points(host: Host, one: Agent, start: int, end: int) -> list[Point]:
    text = (host.folder / f"{one.name}.points").read_text(encoding="utf-8")
    return [point for point in parse(text) if start <= point.time < end and not _is_internal(point)]


def _is_internal(point: Any) -> bool:
    return str(point.measurement).startswith(("internal", "aresmon"))


def _processor(host: Host, one: Agent) -> float:
    """The seconds of processor that an agent has used."""
    pid = host.run(f"cat {SHARED}/{one.name}.pid").strip()
    *threads, children = host.run(_PROCESSOR.format(pid=pid)).splitlines()
    ended = sum(map(int, children.split())) / 100
    return ended + sum(int(line.split()[0]) for line in threads) / 1e9


def _cost(points: Sequence[Point], processor: float, seconds: float) -> Cost:
    minutes = seconds * _PACE / 60
    return Cost(
        sum(len(point.fields) for point in points) / minutes,
        len({point.series for point in points}),
        sum(len(point.line) + 1 for point in points) / minutes * 1440,
        processor * 1000 / minutes,
    )


# Rendering -------------------------------------------------------------------------------------------


def _rendering() -> str:
    """A table of the time for each host, with five collectors and with all."""
    tell("rendering")
    folder = Path(tempfile.mkdtemp(prefix="aresmon-bench-"))
    whole, number = _whole_catalogue()
    try:
        for size in (100, 1000):
            make_site(folder / f"five-{size}", size)
            make_site(folder / f"whole-{size}", size, whole)
            # Some collectors run in a systemd agent alone.
            file = folder / f"whole-{size}" / "aresmon.yml"
            file.write_text(file.read_text().replace("host-0000: {", "host-0000: {agent: systemd, "))
        runs: dict[str, list[Phases]] = {}
        for _ in range(_REPETITIONS):
            for site in ("five-100", "whole-100", "five-1000", "whole-1000"):
                runs.setdefault(site, []).append(render_phases(folder / site, folder / "output"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rows = [_rendered(site, number, several) for site, several in runs.items()]
    header = ("hosts", "collectors each", "load and render", "a host", "a collector of a host", "bytes", "runs")
    return table(header, rows)


def _rendered(site: str, number: int, several: Sequence[Phases]) -> tuple[object, ...]:
    kind, _, size = site.partition("-")
    each = 6 if kind == "five" else number
    took = statistics.median(one.load + one.render for one in several)
    a_host = 1000 * took / int(size)
    return (
        count(int(size)), each, f"{took:.2f} s", f"{a_host:.2f} ms", f"{1000 * a_host / each:.0f} µs",
        mib(several[0].size), len(several),
    )  # fmt: skip


def _whole_catalogue() -> tuple[str, int]:
    """All collectors that a systemd agent can run and that need no variables, as `collect` takes them; how many."""
    known = [
        one
        for one in collectors.load().values()
        if one.agent in ("", "systemd") and not one.required and one.name != "internal"
    ]
    uses = [
        {one.name: {name: option.example for name, option in one.options.items() if option.is_required}}
        for one in known
    ]
    return json.dumps(uses)[1:-1], len(uses) + 1


if __name__ == "__main__":
    print(measure(sys.argv[1:]))

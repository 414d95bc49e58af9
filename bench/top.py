"""`aresmon top` on 30 and on 100 hosts, and `aresmon map` of 100: how long they take, and what `top` takes at rest.

A real InfluxDB with six hours of points of 100 hosts (bench/month.py), each ten seconds, which go on into the minutes
of the measurement. `top` runs in a terminal of 80 by 24. *First frame* is from its start until a host's line is on the
screen. *At rest* is what the kernel counts for the program in two minutes without keys: twelve readings of the fleet
and two evaluations of all alert rules. *Map* is the whole command: it reads the state of all hosts and of what runs on
them, has Graphviz draw them, and writes the SVG. There is no stack beside the database, and no Grafana to ask.

Run it: `.venv/bin/python -m bench.top` (ten minutes; needs the engine, the built image of InfluxDB and Graphviz).
`--socket` measures on a running InfluxDB without passwords, whose database `telegraf` is replaced.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aresmon.config.names import DATABASE
from aresmon.influxdb import downsampling, influxql
from bench import month, scratch
from bench.measure import ARESMON, ROOT, Run, median, mib, run, seconds, spread, table, tell, verdict
from bench.scratch import Line
from tests.harness.terminal import Terminal

_HOSTS = [f"host-{number:03}" for number in range(100)]
_SIZES = (30, 100)
_BEFORE, _AFTER = 6 * 3600, 1200  # seconds with points before and after now
_STARTS, _SETTLED, _REST = 9, 20, 120
_MAPS = 5
_FIRST_FRAME, _AT_REST = 0.7, 5.0  # seconds, per cent of a core


@dataclass(frozen=True, slots=True)
class Measured:
    """Of so many hosts: seconds of each start to its first frame, by the clock and of the processor, and per cent of a
    core at rest."""

    hosts: int
    starts: Sequence[tuple[float, float]]
    rest: float


def measure(socket: Path | None = None) -> str:
    """The tables and what they say, as Markdown."""
    if socket is None:
        with scratch.influxdb("top") as made:
            return _measure(made.socket)
    return _measure(socket)


def _measure(socket: Path) -> str:
    _fill(Line(socket, DATABASE))
    tell(f"six hours of {len(_HOSTS)} hosts are written")
    found = []
    for size in _SIZES:
        with _site(socket, _HOSTS[:size]) as folder:
            starts = [_first_frame(folder) for _ in range(_STARTS + 1)][1:]
            found.append(Measured(size, starts, _at_rest(folder)))
        tell(f"top of {size} hosts: {statistics.median(by_clock for by_clock, _ in starts):.2f} s")
    with _site(socket, _HOSTS) as folder:
        drawn = [_map(folder) for _ in range(_MAPS + 1)][1:]
    return f"{_told(found)}\n{_told_of_maps(drawn)}"


def _fill(line: Line) -> None:
    line.tell(f"DROP DATABASE {influxql.identifier(DATABASE)}", influxql.create_database(DATABASE, 48))
    line.tell(influxql.create_policy(DATABASE, downsampling.FOREVER_POLICY, 0))
    day = month.make_day(month.views())
    begin = int(time.time() - _BEFORE) // day.step * day.step
    month.write_moments(line, day, hosts=_HOSTS, moments=range(begin, int(time.time()) + _AFTER, day.step))


@contextmanager
def _site(socket: Path, names: Sequence[str]) -> Iterator[Path]:
    """A site of these hosts whose InfluxDB is this one."""
    with tempfile.TemporaryDirectory(prefix="aresmon-bench-") as made:
        folder = Path(made)
        hosts = "".join(f"  {host}: {{agent: systemd, collect: [{', '.join(month.COLLECT)}]}}\n" for host in names)
        (folder / "aresmon.yml").write_text(f"site: bench\nhosts:\n{hosts}", encoding="utf-8")
        run, secrets = folder / ".aresmon" / "run" / "influxdb", folder / ".aresmon" / "secrets"
        run.mkdir(parents=True)
        secrets.mkdir(mode=0o700)
        (run / "influxdb.sock").symlink_to(socket)
        (secrets / "influxdb-admin").write_text("nobody-asks-for-it\n", encoding="utf-8")
        (secrets / "influxdb-admin").chmod(0o600)
        yield folder


def _first_frame(folder: Path) -> tuple[float, float]:
    """Seconds by the clock, and of the processor, which other work on the machine does not change."""
    terminal = Terminal([*ARESMON, "-C", str(folder), "top"])
    begun = time.perf_counter()
    try:
        terminal.wait_for(_HOSTS[0])
        return time.perf_counter() - begun, _processor(terminal.process.pid)
    finally:
        terminal.close()


def _at_rest(folder: Path) -> float:
    terminal = Terminal([*ARESMON, "-C", str(folder), "top"])
    try:
        terminal.wait_for(_HOSTS[0])
        _watch(terminal, _SETTLED)
        before, begun = _processor(terminal.process.pid), time.perf_counter()
        _watch(terminal, _REST)
        return 100 * (_processor(terminal.process.pid) - before) / (time.perf_counter() - begun)
    finally:
        terminal.close()


def _watch(terminal: Terminal, long: float) -> None:
    """Read what it draws, as a terminal does."""
    end = time.monotonic() + long
    terminal.wait_until(lambda: time.monotonic() > end, within=long + 10)


def _processor(pid: int) -> float:
    """Seconds of processor that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _map(folder: Path) -> Run:
    """The picture's size is no part of what is measured, but that each host is in it is."""
    picture = folder / "map.svg"
    # 5: a stack is missing, which `map` says and draws.
    done = run([*ARESMON, "-C", str(folder), "map", "--output", str(picture)], allowed=(0, 5))
    missing = [host for host in _HOSTS if host not in picture.read_text(encoding="utf-8")]
    if missing:
        raise RuntimeError(f"the map has no {', '.join(missing[:3])}")
    return done


def _told(several: Sequence[Measured]) -> str:
    rows, words = [], []
    for found in several:
        by_clock = [one for one, _ in found.starts]
        first, processor = statistics.median(by_clock), statistics.median(one for _, one in found.starts)
        span = f"{min(by_clock):.2f} to {max(by_clock):.2f} s"
        rows += [
            (f"{found.hosts} hosts, first frame", seconds(first), span, seconds(processor), f"{_FIRST_FRAME} s"),
            (f"{found.hosts} hosts, at rest", "-", "-", f"{found.rest:.1f} % of a core", f"{_AT_REST:.0f} %"),
        ]
        rest = "met" if found.rest <= _AT_REST else "**missed**"
        words.append(f"{found.hosts} hosts: first frame {verdict(measured=first, aim=_FIRST_FRAME)}, at rest {rest}.")
    return f"{table(('`aresmon top`', 'median', 'range', 'processor', 'target'), rows)}\n{' '.join(words)}\n"


def _told_of_maps(runs: Sequence[Run]) -> str:
    of = median(runs)
    row = (f"{len(_HOSTS)} hosts", seconds(of.seconds), spread(of), seconds(of.processor), mib(of.peak))
    return table(("`aresmon map`", "median", "range", "processor", "peak memory"), [row])


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench.top", description="The terminal view and the map, timed.")
    parser.add_argument("--socket", type=Path, help="of a running InfluxDB; its database `telegraf` is replaced")
    print(measure(parser.parse_args(arguments).socket))


if __name__ == "__main__":
    os.chdir(ROOT)
    main(sys.argv[1:])

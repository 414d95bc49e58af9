"""`aresmon top` on thirty hosts: the time to the first values on the screen, and the processor that it takes at rest.

A real InfluxDB with six hours of points of thirty hosts (bench/month.py), each ten seconds, which go on into the
minutes of the measurement. The program runs in a terminal of 80 by 24. *First frame* is from its start until a host's
line is on the screen. *At rest* is what the kernel counts for the program in two minutes without keys: twelve readings
of the fleet and two evaluations of all alert rules.

Run it: `.venv/bin/python -m bench.top` (five minutes; needs the engine and the built image of InfluxDB). `--socket`
measures on a running InfluxDB without passwords, whose database `telegraf` is replaced.
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
from bench.measure import ARESMON, ROOT, seconds, table, tell, verdict
from bench.scratch import Line
from tests.harness.terminal import Terminal

_HOSTS = [f"host-{number:02d}" for number in range(30)]
_BEFORE, _AFTER = 6 * 3600, 600  # seconds with points before and after now
_STARTS, _SETTLED, _REST = 9, 20, 120
_FIRST_FRAME, _AT_REST = 0.7, 5.0  # seconds, per cent of a core
_A_REQUEST = 360  # intervals


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of each start to its first frame, and per cent of a core at rest."""

    starts: Sequence[float]
    rest: float


def measure(socket: Path | None = None) -> str:
    """The table and what it says, as Markdown."""
    if socket is None:
        with scratch.influxdb("top") as made:
            return _told(_measure(made.socket))
    return _told(_measure(socket))


def _measure(socket: Path) -> Measured:
    _fill(Line(socket, DATABASE))
    tell("six hours of thirty hosts are written")
    with _site(socket) as folder:
        starts = [_first_frame(folder) for _ in range(_STARTS + 1)][1:]
        return Measured(starts, _at_rest(folder))


def _fill(line: Line) -> None:
    line.tell(f"DROP DATABASE {influxql.identifier(DATABASE)}", influxql.create_database(DATABASE, 48))
    line.tell(influxql.create_policy(DATABASE, downsampling.FOREVER_POLICY, 0))
    day = month.make_day(month.views())
    begin = int(time.time() - _BEFORE) // day.step * day.step
    moments = range(begin, int(time.time()) + _AFTER, day.step)
    for first in range(0, len(moments), _A_REQUEST):
        some = moments[first : first + _A_REQUEST]
        texts = [day.intervals[at // day.step % len(day.intervals)].replace(month.TIME, str(at)) for at in some]
        for host in _HOSTS:
            line.write("".join(texts).replace(month.HOST, host).encode(), "raw")


@contextmanager
def _site(socket: Path) -> Iterator[Path]:
    """A site of these hosts whose InfluxDB is this one."""
    with tempfile.TemporaryDirectory(prefix="aresmon-bench-") as made:
        folder = Path(made)
        hosts = "".join(f"  {host}: {{agent: systemd, collect: [{', '.join(month.COLLECT)}]}}\n" for host in _HOSTS)
        (folder / "aresmon.yml").write_text(f"site: bench\nhosts:\n{hosts}", encoding="utf-8")
        run, secrets = folder / ".aresmon" / "run" / "influxdb", folder / ".aresmon" / "secrets"
        run.mkdir(parents=True)
        secrets.mkdir(mode=0o700)
        (run / "influxdb.sock").symlink_to(socket)
        (secrets / "influxdb-admin").write_text("nobody-asks-for-it\n", encoding="utf-8")
        (secrets / "influxdb-admin").chmod(0o600)
        yield folder


def _first_frame(folder: Path) -> float:
    terminal = Terminal([*ARESMON, "-C", str(folder), "top"])
    begun = time.perf_counter()
    try:
        terminal.wait_for(_HOSTS[0])
        return time.perf_counter() - begun
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


def _told(found: Measured) -> str:
    median = statistics.median(found.starts)
    rows = [
        ("first frame", seconds(median), f"{min(found.starts):.2f} to {max(found.starts):.2f} s", f"{_FIRST_FRAME} s"),
        ("processor at rest", f"{found.rest:.1f} % of a core", "-", f"{_AT_REST:.0f} %"),
    ]
    text = table(("30 hosts", "Median", "Fastest to slowest", "Target"), rows)
    rest = "met" if found.rest <= _AT_REST else "**missed**"
    return f"{text}\nFirst frame: {verdict(measured=median, aim=_FIRST_FRAME)}. At rest: {rest}.\n"


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench.top", description="The terminal view: its first frame, and at rest.")
    parser.add_argument("--socket", type=Path, help="of a running InfluxDB; its database `telegraf` is replaced")
    print(measure(parser.parse_args(arguments).socket))


if __name__ == "__main__":
    os.chdir(ROOT)
    main(sys.argv[1:])

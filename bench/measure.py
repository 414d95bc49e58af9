"""What every benchmark shares: a program's time and peak memory, medians, Markdown, the generated parts of a page.

Peak memory is the kernel's `ru_maxrss` from `os.wait4`: the most that the largest process of the command held
at once, its ended children included. Linux lets a child begin with its parent's peak, so a small launcher
(launch.py) starts each command, and about 9 MiB is the least that can be seen.
"""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parent.parent
ARESMON = (sys.executable, "-m", "aresmon")
MIB = 1 << 20
_FEWEST = 2

How = Literal["alone", "family", "watched"]

_LAUNCHER = Path(__file__).parent / "launch.py"


@dataclass(frozen=True, slots=True)
class Run:
    """A command that has ended: seconds by the clock, seconds of processor, bytes of peak memory, what it printed.

    `together` is the peak of all its processes, in bytes; 0 where it was not looked at.
    """

    seconds: float
    processor: float
    peak: int
    code: int
    said: str
    together: int = 0


@dataclass(frozen=True, slots=True)
class Median:
    """Several runs of the same: the medians, and the fastest and slowest."""

    seconds: float
    processor: float
    fastest: float
    slowest: float
    peak: int
    runs: int


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    allowed: Iterable[int] = (0,),
    environment: Mapping[str, str] = {},
    how: How = "alone",
) -> Run:
    """Run a command to its end, `environment` over the caller's; bench/launch.py says what is counted `how`.

    Raises RuntimeError with its last words if its exit code is not allowed.
    """
    with tempfile.NamedTemporaryFile(prefix="aresmon-bench-") as file:
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), file.name, how, *argv]
        variables = {**_environment(), **environment}
        told = subprocess.run(
            launcher, cwd=cwd, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        said = Path(file.name).read_text(encoding="utf-8", errors="replace")
    if told.returncode != 0:
        raise RuntimeError(f"{argv[0]} could not be started: {told.stderr.strip()[-500:]}")
    elapsed, processor, peak, whole, code = told.stdout.split()
    if int(code) not in allowed:
        raise RuntimeError(f"{' '.join(argv)} ended with code {code}:\n{said[-2000:]}")
    return Run(float(elapsed), float(processor), int(peak), int(code), said, int(whole))


def side_by_side(
    candidates: Mapping[str, Callable[[], Run]], *, repetitions: int, warm_up: bool = True, budget: float = math.inf
) -> dict[str, Median]:
    """Run the candidates in turns, so that whatever else the machine does falls on all of them alike.

    After `budget` seconds no further turn begins, but two are run always.
    """
    runs: dict[str, list[Run]] = {name: [] for name in candidates}
    if warm_up:
        for candidate in candidates.values():
            candidate()
    names = list(candidates)
    begun = time.monotonic()
    for turn in range(repetitions):
        if turn >= _FEWEST and time.monotonic() - begun > budget:
            break
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            runs[name].append(candidates[name]())
    return {name: median(of) for name, of in runs.items()}


def median(runs: Sequence[Run]) -> Median:
    """The medians of some runs."""
    elapsed = [one.seconds for one in runs]
    return Median(
        statistics.median(elapsed),
        statistics.median(one.processor for one in runs),
        min(elapsed),
        max(elapsed),
        int(statistics.median(one.peak for one in runs)),
        len(runs),
    )


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; every column but the first is aligned to the right."""
    lines = [f"| {' | '.join(header)} |", f"|---|{'---:|' * (len(header) - 1)}"]
    lines.extend(f"| {' | '.join(map(str, row))} |" for row in rows)
    return "\n".join(lines) + "\n"


def seconds(value: float) -> str:
    """`1.23 s`, `45 ms`"""
    return f"{value:.2f} s" if value >= 0.995 else f"{value * 1000:.0f} ms"


def spread(of: Median) -> str:
    """`0.20 to 0.31 s`"""
    return f"{of.fastest:.2f} to {of.slowest:.2f} s"


def mib(size: float) -> str:
    """`12 MiB`, `1.4 MiB`"""
    return f"{size / MIB:.0f} MiB" if size >= 10 * MIB else f"{size / MIB:.1f} MiB"


def count(number: float) -> str:
    """`1,234`"""
    return f"{number:,.0f}"


def verdict(*, measured: float, aim: float) -> str:
    """`met`, or `missed by …`: seconds."""
    return "met" if measured <= aim else f"**missed** by {seconds(measured - aim)}"


def write_part(page: Path, name: str, text: str) -> None:
    """Replace what stands between a page's markers of this name."""
    begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise RuntimeError(f"{page.name} has no {begin} … {end}")
    page.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")


def tell(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def _environment() -> dict[str, str]:
    """The caller's, with this checkout's aresmon, and without what would steer Compose elsewhere.

    Bytecode is kept, as where aresmon is installed: without it, every run compiles 160 modules.
    """
    dropped = ("COMPOSE_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return kept | {"PYTHONPATH": str(ROOT), "COLUMNS": "120"}

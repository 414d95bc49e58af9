"""Every benchmark, one after the other, and their tables written into docs/performance.md.

Run it: `make bench`, or `.venv/bin/python -m bench` (about six minutes; needs the engine and the built images).
"""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime

import docker

from aresmon import __version__
from bench import collection, commands, memory, render, up_nothing
from bench.measure import ROOT, tell, write_part
from bench.stand import running_site

PAGE = ROOT / "docs" / "performance.md"


def main() -> None:
    os.chdir(ROOT)
    begun = time.monotonic()
    write_part(PAGE, "machine", _machine())
    with running_site() as stand:
        _part("commands", lambda: commands.measure(stand))
        _part("up", lambda: up_nothing.measure(stand))
        _part("memory", lambda: memory.measure(stand))
    _part("render", render.measure)
    _part("collection", collection.measure)
    tell(f"docs/performance.md is written, after {time.monotonic() - begun:.0f} s")


def _part(name: str, measure: Callable[[], str]) -> None:
    tell(f"== {name}")
    begun = time.monotonic()
    text = measure()
    write_part(PAGE, name, text)
    print(text)
    tell(f"{name}: {time.monotonic() - begun:.0f} s")


def _machine() -> str:
    """The date, and what the numbers depend on; nothing that names the machine."""
    memory_size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    engine = docker.from_env().version()["Version"]
    compose = subprocess.run(
        ["docker", "compose", "version", "--short"], capture_output=True, text=True, check=True
    ).stdout.strip()
    linux = platform.release().partition("-")[0]
    load = os.getloadavg()[1]
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with aresmon {__version__}: {os.cpu_count()} cores, "
        f"{memory_size:.0f} GiB, Linux {linux}, Docker engine {engine.partition('+')[0]}, Docker Compose {compose}, "
        f"Python {platform.python_version()}. Load of the five minutes before: {load:.1f}; what others do on the "
        "machine falls on both sides of a table, since they take turns."
    )


if __name__ == "__main__":
    main()

"""Every benchmark, one after the other, and their tables written into docs/performance.md.

Run it: `make bench`, or `.venv/bin/python -m bench` (twenty minutes on two busy cores, ten more for `top`, eight for
`collectors`, and a quarter of an hour more each for `dashboards` and for `ingest year backup detection`; needs the
engine and the built images).
`.venv/bin/python -m bench up memory` measures only these parts anew. `soak` is run by its name alone:
`.venv/bin/python -m bench soak --minutes 20 --agents 30 --seed 1`.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

import docker

from aresmon import __version__
from bench import (
    backup,
    before,
    collection,
    collectors,
    commands,
    dashboard_fleet,
    dashboards,
    detection,
    ingest,
    memory,
    push,
    render,
    soak,
    top,
    up_nothing,
    year,
)
from bench.measure import ROOT, tell, write_part
from bench.stand import running_site

PARTS = (
    "commands", "before", "up", "memory", "render", "collection", "collectors", "push", "dashboards", "fleet", "top",
    "ingest", "year", "backup", "detection",
)  # fmt: skip
PAGE = ROOT / "docs" / "performance.md"


def main(chosen: Sequence[str]) -> None:
    os.chdir(ROOT)
    begun = time.monotonic()
    if chosen[:1] == ["soak"]:
        _part("soak", partial(soak.main, chosen[1:]))
        return
    unknown = set(chosen) - set(PARTS)
    if unknown:
        raise SystemExit(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    wanted = [name for name in PARTS if name in chosen or not chosen]
    on_site = {
        "commands": commands.measure,
        "before": before.measure,
        "up": up_nothing.measure,
        "memory": memory.measure,
    }
    if any(name in on_site for name in wanted):
        with running_site() as stand:
            for name in (name for name in wanted if name in on_site):
                _part(name, partial(on_site[name], stand))
    alone = {
        "render": render.measure,
        "collection": collection.measure,
        "collectors": collectors.measure,
        "push": push.measure,
        "dashboards": dashboards.measure,
        "fleet": dashboard_fleet.measure,
        "top": top.measure,
        "ingest": ingest.measure,
        "year": year.measure,
        "backup": backup.measure,
        "detection": detection.measure,
    }
    for name, measure in alone.items():
        if name in wanted:
            _part(name, measure)
    tell(f"docs/performance.md is written, after {time.monotonic() - begun:.0f} s")


def _part(name: str, measure: Callable[[], str]) -> None:
    tell(f"== {name}")
    begun = time.monotonic()
    text = measure()
    load = (
        f"Load of the machine in the five minutes before the end: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores."
    )
    write_part(PAGE, name, f"{text}\n{_machine()}\n{load}")
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
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with aresmon {__version__}: {os.cpu_count()} cores, "
        f"{memory_size:.0f} GiB, Linux {linux}, Docker engine {engine.partition('+')[0]}, Docker Compose {compose}, "
        f"Python {platform.python_version()}."
    )


if __name__ == "__main__":
    main(sys.argv[1:])

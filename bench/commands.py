"""How long the commands of every day take, and how much memory: aresmon beside Docker Compose, on a running site.

Run it: `.venv/bin/python -m bench.commands` (about a minute; needs the engine and the built images).
"""

from __future__ import annotations

import sys
from functools import partial

from bench.measure import mib, run, seconds, side_by_side, spread, table
from bench.stand import NAME, Stand, running_site

_REPETITIONS = 7


def measure(stand: Stand) -> str:
    """The table and the ratios, as Markdown."""
    names = [f"{NAME}-{service}-1" for service in stand.containers()]
    python, compose = (sys.executable, "-c", "pass"), ("docker", "compose")
    commands = {
        "`aresmon --help`": stand.aresmon("--help"),
        "`docker compose --help`": (*compose, "--help"),
        "`aresmon status`": stand.aresmon("status"),
        "`aresmon status --json`": stand.aresmon("status", "--json"),
        "`docker compose ps`": (*compose, "ps"),
        "`docker compose ps --format json`": (*compose, "ps", "--format", "json"),
        "`docker stats --no-stream` of its four": ("docker", "stats", "--no-stream", *names),
        "`python -c pass`: the floor": python,
    }
    # `status` ends with 5 while the site's first minute is not whole yet.
    runs = {name: partial(run, argv, cwd=stand.bundle, allowed=(0, 5)) for name, argv in commands.items()}
    found = side_by_side(runs, repetitions=_REPETITIONS)
    rows = [
        (name, seconds(one.seconds), spread(one), seconds(one.processor), mib(one.peak)) for name, one in found.items()
    ]
    status, ps, stats = (
        found[name].seconds
        for name in ("`aresmon status`", "`docker compose ps`", "`docker stats --no-stream` of its four")
    )
    help_ratio = found["`aresmon --help`"].seconds / found["`docker compose --help`"].seconds
    return (
        table((f"command, {_REPETITIONS} runs in turns", "median", "range", "processor", "peak memory"), rows)
        + f"\n`status` takes {status / ps:.1f} times what `docker compose ps` takes, and {status / (ps + stats):.2f} "
        "times `ps` and `docker stats` one after the other. It shows more: beside each service's state, its "
        "memory against its limit, whether each host's data arrives, how often its inputs were read, and what is "
        f"wrong with what to do. `--help` takes {help_ratio:.1f} times that of `docker compose`.\n"
    )


def main() -> None:
    with running_site() as stand:
        print(measure(stand))


if __name__ == "__main__":
    main()

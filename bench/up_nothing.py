"""`aresmon up` with nothing to do, beside `docker compose up --detach --wait` on the very same project.

Verifies that neither recreates or restarts a container.
Run it: `.venv/bin/python -m bench.up_nothing` (about a minute; needs the engine and the built images).
"""

from __future__ import annotations

from functools import partial

from bench.measure import mib, run, seconds, side_by_side, spread, table, verdict
from bench.stand import Stand, running_site

AIM = 0.3
"""Seconds that `aresmon up` may take more."""
_REPETITIONS = 9
_OURS, _THEIRS = "`aresmon up`", "`docker compose up --detach --wait`"


def measure(stand: Stand) -> str:
    """The table and the verdict, as Markdown."""
    before = stand.containers()
    found = side_by_side(
        {
            _OURS: partial(run, stand.aresmon("up")),
            _THEIRS: partial(run, ("docker", "compose", "up", "--detach", "--wait"), cwd=stand.bundle),
        },
        repetitions=_REPETITIONS,
    )
    if stand.containers() != before:
        raise RuntimeError("a container was recreated or restarted: there was something to do")
    said = run(stand.aresmon("up")).said
    if "Nothing to do" not in said:
        raise RuntimeError(f"`aresmon up` had something to do:\n{said}")
    rows = [
        (name, seconds(one.seconds), spread(one), seconds(one.processor), mib(one.peak)) for name, one in found.items()
    ]
    processor = found[_OURS].processor - found[_THEIRS].processor
    more = found[_OURS].seconds - found[_THEIRS].seconds
    return (
        table((f"command, {_REPETITIONS} runs in turns", "median", "range", "processor", "peak memory"), rows)
        + f"\n`aresmon up` takes {found[_OURS].seconds / found[_THEIRS].seconds:.2f} times as long, "
        f"{abs(more):.2f} s {'more' if more >= 0 else 'less'}. Target: at most {AIM} s more; "
        f"{verdict(measured=more, aim=AIM)}. It takes {processor:.2f} s more CPU time. "
        f"All {len(before)} containers kept their id and their time of start.\n"
    )


def main() -> None:
    with running_site() as stand:
        print(measure(stand))


if __name__ == "__main__":
    main()

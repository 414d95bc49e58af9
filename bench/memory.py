"""The memory of each container of a site at rest, as `aresmon status --json` tells it.

Run it: `.venv/bin/python -m bench.memory` (about two minutes: the site must come to rest first).
"""

from __future__ import annotations

import json
import statistics
import time

from bench.measure import mib, run, table, tell
from bench.stand import Stand, running_site

_AT_REST_AFTER = 75.0
_LOOKS = 5


def measure(stand: Stand) -> str:
    """The table, as Markdown."""
    left = stand.begun + _AT_REST_AFTER - time.monotonic()
    if left > 0:
        tell(f"waiting {left:.0f} s for the site to come to rest")
        time.sleep(left)
    looks = []
    for _ in range(_LOOKS):
        told = json.loads(run(stand.aresmon("status", "--json"), allowed=(0, 5)).said)
        looks.append({one["name"]: one for one in told["services"]})
        time.sleep(1)
    age = time.monotonic() - stand.begun
    rows = [
        (
            f"{name} (a stand-in, not Grafana)" if name == "grafana" else name,
            mib(statistics.median(look[name]["memory"] for look in looks)),
            mib(one["memory_limit"]),
        )
        for name, one in looks[0].items()
    ]
    real = sum(
        statistics.median(look[name]["memory"] for look in looks)
        for name, one in looks[0].items()
        if name != "grafana"  # a stand-in
    )
    return (
        table(("service", f"memory, median of {_LOOKS} looks", "limit"), rows)
        + f"\nThe three real ones together: {mib(real)}, {age:.0f} s after the start, with one host of five collectors "
        "and nobody looking at a dashboard.\n"
    )


def main() -> None:
    with running_site() as stand:
        print(measure(stand))


if __name__ == "__main__":
    main()

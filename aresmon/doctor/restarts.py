"""Restarts of agents that aresmon did not make: by what their counters show, since it restarted them last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aresmon.config.names import EVENT
from aresmon.influxdb.client import Series
from aresmon.influxdb.downsampling import FOREVER_POLICY

_WITHIN = 600  # seconds
_FIRST_POINT_WITHIN = 30  # seconds after an agent was restarted; its counters show it then


@dataclass(frozen=True, slots=True)
class Starts:
    """Moments by host, in seconds since 1970: `begun` is since when its data could arrive, the start of its agent, if
    known, and of the edge and the database; `restarted` is when aresmon last restarted its agent, as far as is known on
    this machine."""

    begun: Mapping[str, float]
    restarted: Mapping[str, float]


def statements(now: float) -> tuple[str, str]:
    """Ask for what `count` counts: the starts of the last ten minutes, and the last push to each host."""
    since = int(now) - _WITHIN
    return (
        # This counter grows at each reading, and begins again with each start of the agent.
        'SELECT "step" FROM (SELECT difference("metrics_gathered") AS "step" FROM "internal_agent" '
        f'WHERE time > {since}s GROUP BY "host") WHERE "step" < 0 GROUP BY "host"',
        f'SELECT last("title") FROM "{FOREVER_POLICY}"."{EVENT}" '
        f'WHERE time > {since}s AND "kind" = \'push\' GROUP BY "host"',
    )


def count(starts: Sequence[Series], pushes: Sequence[Series], restarted: Mapping[str, float]) -> dict[str, int]:
    """How often the agent of each host started since aresmon restarted it: by the last push, wherever that was made
    from, or by what this machine knows of."""
    pushed = {one.tags["host"]: float(one.rows[0]["time"]) for one in pushes}
    found = {}
    for one in starts:
        host = one.tags["host"]
        since = max(pushed.get(host, 0.0), restarted.get(host, 0.0)) + _FIRST_POINT_WITHIN
        found[host] = sum(float(row["time"]) > since for row in one.rows)
    return found

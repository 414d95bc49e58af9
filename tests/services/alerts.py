"""The alert rules of collectors, on what an agent really sent, in a real InfluxDB.

An agent that runs ten times as fast as on a machine tells in a minute what takes ten minutes there. Its points are
written with their distances in time stretched by that much, up to now: so each second of a test stands for ten. What is
counted by the service itself is not stretched: of a hundred requests a second, ten are left, and a field that holds
seconds stays as it is. Nothing of the rules is changed, neither their windows nor their `for`. Each series has a point
from before all windows, as on a machine that is watched since yesterday.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aresmon.config import view_files
from aresmon.monitoring import evaluation
from aresmon.render.grafana import alert_rules
from tests.engine.sites import Site
from tests.harness import names
from tests.services.agent import HOST, Agent
from tests.services.points import Point

_VIEWS = view_files.load()
_EARLIER = 1860.0
"""Seconds ago; longer than any window of these rules."""


@dataclass(frozen=True)
class Alerts:
    """A site's InfluxDB, which holds what agents sent, each time as of another host."""

    site: Site

    def firing(self, agent: Agent, points: Sequence[Point] | None = None) -> set[str]:
        """The rules that fire on what the agent sent, or on these points of it, at the moment of the last of them.

        They are those of its collectors, by their uid as `nginx-dropped-warning`; not that a host is silent.
        """
        host, now = names.fresh(), time.time()
        self.site.write("\n".join(stretched(agent.points() if points is None else points, host, agent.pace, now)))
        return {rule["uid"] for rule in _rules(agent) if host in self._hosts(rule, now)}

    def _hosts(self, rule: dict[str, Any], now: float) -> set[str]:
        return {dict(labels).get("host", "") for labels in evaluation.firing(rule, self.site.query, now)}


def _rules(agent: Agent) -> list[dict[str, Any]]:
    files = alert_rules.render(agent.setup.config, _VIEWS)
    rules = [rule for group in json.loads(files[alert_rules.RULES])["groups"] for rule in group["rules"]]
    return [rule for rule in rules if "host" not in rule["labels"]]


def stretched(points: Sequence[Point], host: str, pace: float, now: float) -> Iterator[str]:
    """The points as lines, of another host, and with the last of them at this moment."""
    assert points, "the agent has sent nothing"
    end = max(one.time for one in points)
    series: set[str] = set()
    for one in points:
        line = one.line.rpartition(" ")[0].replace(f",host={HOST}", f",host={host}", 1)
        name = f"{one.measurement} {sorted(one.tags.items())} {sorted(one.fields)}"
        if name not in series:
            series.add(name)
            yield f"{line} {int((now - _EARLIER) * 1e9)}"
        yield f"{line} {int((now - (end - one.time) * pace) * 1e9)}"

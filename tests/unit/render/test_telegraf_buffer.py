"""What an agent holds while the database is away, by what its collectors were measured to read."""

from __future__ import annotations

import re
import tomllib

from aresmon.config import package_data
from tests.unit.conftest import REPOSITORY

_AWAY = 600  # seconds
_CONTAINERS = 190
_A_CONTAINER = 4  # points: cpu, memory, network, status


def test_ten_minutes_of_the_largest_collectors_fit_into_an_agents_buffer() -> None:
    text = (package_data.TELEGRAF / "agent.conf").read_text(encoding="utf-8")
    agent = tomllib.loads(text)["agent"]
    page = (REPOSITORY / "docs" / "performance.md").read_text(encoding="utf-8")
    measured = re.search(r"^\| points \| ([0-9]+) \|", page, re.MULTILINE)

    assert measured, "docs/performance.md has the points of a host with ten containers"
    an_interval = int(measured[1]) + (_CONTAINERS - 10) * _A_CONTAINER
    assert agent["metric_buffer_limit"] >= an_interval * _AWAY / float(agent["interval"].removesuffix("s"))

"""Agents restarted by pushes, rotations and `up`: every input has a point at each interval nevertheless."""

from __future__ import annotations

import json
import time

from tests.engine.conftest import MakeSite, make_site  # noqa: F401 (a fixture)
from tests.engine.sites import Site, eventually
from tests.fleet.desk import Desk
from tests.fleet.servers import Server

INTERVAL = 6
STEADY = f"""[agent]
  interval = "{INTERVAL}s"
  flush_interval = "{INTERVAL}s"
  precision = "1s"

[[inputs.cpu]]
  percpu = false
[[inputs.mem]]
  fieldinclude = ["available_percent"]
[[inputs.system]]
  fieldinclude = ["load1"]
"""
FIELDS = {"cpu": "usage_idle", "mem": "available_percent", "system": "load1", "internal_agent": "metrics_gathered"}


def times(site: Site, host: str, measurement: str) -> list[int]:
    """When this host has points of a measurement, in order."""
    found = site.query(f"SELECT {FIELDS[measurement]} FROM {measurement} WHERE host = '{host}'")
    return sorted(round(row["time"]) for series in found for row in series.rows)


def begin(site: Site, *hosts: str) -> None:
    """Wait until each input has arrived twice."""
    assert eventually(lambda: all(len(times(site, host, one)) > 1 for host in hosts for one in FIELDS), 60)


def missing(site: Site, host: str) -> dict[str, list[int]]:
    """The intervals without exactly one point, of each input, in seconds before now; from its first point on."""
    until = int(time.time()) // INTERVAL * INTERVAL
    assert eventually(lambda: all(times(site, host, one)[-1] >= until for one in FIELDS), 60)
    found = {one: [at for at in times(site, host, one) if at <= until] for one in FIELDS}
    return {
        one: [at - until for at in range(several[0], until + 1, INTERVAL) if several.count(at) != 1]
        + [at - until for at in several if at % INTERVAL]
        for one, several in found.items()
    }


NONE: dict[str, list[int]] = {one: [] for one in FIELDS}


def test_pushes_and_rotations_lose_no_reading(desk: Desk, ronflex: Server, lewi: Server) -> None:
    desk.verified(ronflex, lewi, text=STEADY)
    begin(desk.site, "ronflex", "lewi")

    for number in range(2):
        desk.verified(ronflex, lewi, text=f"{STEADY}# {number}\n")
    rotated = desk.run("secrets", "rotate", "agent-ronflex", "agent-lewi")

    assert rotated.code == 0, rotated
    assert {host: missing(desk.site, host) for host in ("ronflex", "lewi")} == {"ronflex": NONE, "lewi": NONE}


def test_an_up_that_recreates_the_servers_own_agent_loses_no_reading(make_site: MakeSite) -> None:  # noqa: F811
    """Nor do a push to it, and a rotation of its password; nor an `up` that recreates the edge with it."""
    site = make_site(hosts={"box": {"collect": ["system"]}})
    site.override("agents/box.conf", STEADY)
    site.up()
    begin(site, "box")

    site.override("agents/box.conf", f"{STEADY}# pushed\n")
    pushed = site.run("push-config", "box", "--json")
    rotated = site.run("secrets", "rotate", "agent-box")
    before = site.ids()
    site.configure(memory={"telegraf": "300m", "edge": "300m"})
    site.up()

    assert [one["outcome"] for one in json.loads(pushed.out)["hosts"]] == ["verified"]
    assert rotated.code == 0, rotated
    after = site.ids()
    assert {name for name in after if after[name] != before[name]} == {"edge", "telegraf"}
    assert missing(site, "box") == NONE

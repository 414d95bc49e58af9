"""Thirty agents write while the stack is struck: every number that was read is in the database, once.

Three are real Telegrafs. The others are simulated (bench/agents.py): they hold, send, and send again as Telegraf does;
thirty real ones would leave two processors no time for anything else. Each reads ten series every second: what is away
for a minute is away for as many readings as a site's database in ten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.agents import COUNTED, Account, Agent, Arrived, Habits, agents, finish, missing
from tests.engine.sites import Site, eventually, site_in
from tests.engine.telegrafs import Numbers, Telegraf, arrived, telegrafs

REAL = [f"real{number}" for number in range(3)]
SIMULATED = [f"simulated{number}" for number in range(27)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    hosts = {name: {"agent": "systemd"} for name in ("box", *REAL, *SIMULATED)}
    with site_in(tmp_path_factory.mktemp("faults"), hosts=hosts, server="box") as made:
        made.up()
        yield made


class Load:
    """The agents of one test, and what they sent."""

    def __init__(self, site: Site, real: list[Telegraf], simulated: list[Agent]) -> None:
        self.site, self.real, self.simulated = site, real, simulated

    @property
    def reads(self) -> int:
        """How often the first of the simulated agents has read."""
        return self.simulated[0].read

    def go_on(self, seconds: int) -> None:
        """Let the agents read for so many of their intervals of a second."""
        until = self.reads + seconds
        assert eventually(lambda: self.reads >= until, within=10 * seconds + 30)

    def fails(self) -> bool:
        """Whether every simulated agent has failed to write since it was last asked for."""
        return all(one.failed for one in self.simulated)

    def has_all(self, one: Telegraf, numbers: Numbers) -> bool:
        """Whether these numbers of an agent's arrive while it goes on."""
        return eventually(lambda: set(arrived(self.site, one.host)) >= numbers, within=90)

    def settle(self) -> None:
        """Hold every number that was read against every number that arrived."""
        late = finish(self.simulated, within=90)
        assert late == []
        for one in self.real:
            assert self.has_all(one, one.read()), one.host
            one.stop()
            assert sorted(one.read()) == arrived(self.site, one.host)
        answer = self.site.query(COUNTED)
        there = {(one.tags["host"], one.tags["series"]): Arrived.told(one.rows[0]) for one in answer}
        assert missing(self.simulated, there) == {}
        assert sum(one.dropped + one.refused for one in self.simulated) == 0


@pytest.fixture
def load(site: Site, tmp_path: Path) -> Iterator[Load]:
    """Thirty agents, of which points have arrived."""
    site.query('DROP SERIES FROM "counted", "numbered"')
    accounts = [Account(host, site.agents, f"agent-{host}", site.secret(f"agent-{host}")) for host in SIMULATED]
    with telegrafs(site, REAL, tmp_path) as real, agents(accounts, Habits()) as simulated:
        made = Load(site, real, simulated)
        assert eventually(lambda: all(arrived(site, host) for host in REAL) and len(site.query(COUNTED)) == 270)
        yield made


def test_a_database_that_is_killed_again_and_again_loses_nothing(site: Site, load: Load) -> None:
    for _ in range(3):
        kill(site, "influxdb")
        load.go_on(4)

    load.settle()


def test_a_restarted_edge_and_one_that_up_changes_lose_nothing(site: Site, load: Load) -> None:
    site.containers()["edge"].restart()
    load.go_on(3)
    site.containers()["edge"].kill()  # what an operator's hand does; `up` brings it back
    before = site.ids()["edge"]
    site.configure(memory={"edge": "300m"})
    site.up()
    assert site.ids()["edge"] != before
    load.go_on(3)

    load.settle()


@pytest.mark.parametrize(
    ("leave", "come_back"),
    [
        pytest.param(lambda one: one.stop(), lambda one: one.start(), id="stopped"),
        pytest.param(lambda one: one.pause(), lambda one: one.unpause(), id="hanging"),
    ],
)
def test_what_is_read_while_the_database_is_away_arrives_when_it_is_back(
    site: Site, load: Load, leave: Callable[..., None], come_back: Callable[..., None]
) -> None:
    database = site.containers()["influxdb"]
    leave(database)
    try:
        load.go_on(45)
        assert load.fails()
    finally:
        come_back(database)

    load.settle()


def kill(site: Site, service: str) -> None:
    """End a service's program with SIGKILL, and wait until the engine has started it again."""
    before = started(site, service)
    site.containers()[service].exec_run(["bash", "-c", "kill -9 $(cat /proc/1/task/1/children)"])
    assert eventually(lambda: started(site, service) != before)


def started(site: Site, service: str) -> str:
    """When the service's container was last started."""
    return str(site.containers()[service].attrs["State"]["StartedAt"])

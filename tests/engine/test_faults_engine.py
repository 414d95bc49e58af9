"""The engine ends, or all of it at once as when the power goes: everything comes back by itself, nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from aresmon.engine.images import pins
from bench.agents import COUNTED, Account, Arrived, Habits, agents, finish, missing
from tests.engine.nested import SecondEngine, second_engine
from tests.engine.sites import Site, eventually, site_in

AGENTS = [f"simulated{number}" for number in range(5)]


@pytest.fixture
def engine_of_its_own() -> Iterator[SecondEngine]:
    """A second engine for one strike, which every command of the test finds in its environment.

    One that was restarted and then cut off has its containers not all running again within minutes; why is not known.
    """
    images = [pins()[service].build for service in ("influxdb", "edge", "telegraf")]
    with second_engine(*images) as made, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", made.address)
        yield made


@pytest.fixture
def site(engine_of_its_own: SecondEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    hosts = {"box": {"collect": ["system"]}, **{name: {"agent": "systemd"} for name in AGENTS}}
    with site_in(tmp_path_factory.mktemp("engine"), hosts=hosts) as made:
        made.up()
        yield made


def restart(engine: SecondEngine) -> None:
    engine.stop()
    engine.start()


def reboot(engine: SecondEngine) -> None:
    engine.cut_power()
    engine.start()


@pytest.mark.parametrize("strike", [pytest.param(restart, id="restarted"), pytest.param(reboot, id="power cut")])
def test_after_the_engine_ends_all_comes_back_by_itself_and_agents_elsewhere_lose_nothing(
    engine_of_its_own: SecondEngine, site: Site, strike: Callable[[SecondEngine], None]
) -> None:
    site.query('DROP SERIES FROM "counted"')
    accounts = [Account(name, site.agents, f"agent-{name}", site.secret(f"agent-{name}")) for name in AGENTS]
    with agents(accounts, Habits()) as running:
        assert eventually(lambda: len(site.query(COUNTED)) == 10 * len(AGENTS))
        before = site.ids()

        strike(engine_of_its_own)

        back = time.time()
        assert eventually(lambda: {one.status for one in site.containers().values()} == {"running"}, within=150)
        assert site.ids() == before  # the same containers: nobody ran `up`
        own = 'SELECT last("metrics_gathered") FROM "internal_agent" WHERE "host" = \'box\''
        assert eventually(lambda: float(site.query(own)[0].rows[0]["time"]) > back, within=90)
        assert finish(running, within=90) == []
    answers = site.query(COUNTED)
    there = {(one.tags["host"], one.tags["series"]): Arrived.told(one.rows[0]) for one in answers}
    assert missing(running, there) == {}
    assert sum(one.dropped + one.refused for one in running) == 0
    assert site.run("up", "--dry-run").steps == []

"""Agents in containers on other machines: brought by the host's own Compose, proven and taken back like the others."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.sites import Site, containers_of, remove_project
from tests.fleet.conftest import MakeServers
from tests.fleet.engines import docker_mounts, use_docker
from tests.fleet.keys import Key
from tests.fleet.operators import Operator, new_operator
from tests.fleet.servers import Server, joined
from tests.fleet.station import SECRET, STATION, give_secret, sent_secret

BARGE = {"agent": "docker", "collect": ["system"], "env": {"GREETING": "a b"}}
UNREACHED = '[[inputs.cpu]]\n[[outputs.influxdb]]\nurls = ["http://127.0.0.1:1"]\ndatabase = "telegraf"\n'


@pytest.fixture
def state(fleet_site: Site) -> Iterator[Path]:
    """The host's folder of the site, which its Compose mounts from and the engine must find under the same name."""
    folder = Path("/var/lib/aresmon") / fleet_site.name
    folder.mkdir(parents=True)
    yield folder
    remove_project(f"{fleet_site.name}-barge")
    shutil.rmtree(folder)


@pytest.fixture
def barge(fleet_site: Site, state: Path, make_servers: MakeServers) -> Iterator[Server]:
    """A machine with Docker, and with no Telegraf of its own, that the site's file names."""
    (made,) = make_servers("barge", mounts=docker_mounts(str(state)), telegraf=False).values()
    use_docker(made)
    edge = fleet_site.containers()["edge"].attrs["NetworkSettings"]["Networks"][f"{fleet_site.name}_front"]
    listening = {"agents": fleet_site.agents, "grafana": fleet_site.grafana, "url": f"http://{edge['IPAddress']}:8086"}
    with joined(fleet_site, [made]):
        fleet_site.configure(edge=listening, hosts={**fleet_site.settings["hosts"], "barge": BARGE})
        fleet_site.up()
        yield made


@pytest.fixture
def pilot(tmp_path: Path, key: Key, barge: Server) -> Operator:
    made = new_operator(tmp_path / "home", key)
    made.add_host(barge)
    return made


def agent_of(site: Site) -> str:
    """The id of the agent's container on barge."""
    (container,) = containers_of(f"{site.name}-barge")
    assert container.status == "running"
    return str(container.id)


def test_an_agent_in_a_container_is_brought_proven_and_then_left_alone(
    fleet_site: Site, barge: Server, pilot: Operator
) -> None:
    first = fleet_site.run("push-config", "barge", env=pilot.env())

    assert first.code == 0, first
    assert barge.run(f"stat -c %a {folder(fleet_site)}/secrets/agent").strip() == "400"
    before = agent_of(fleet_site)

    second = fleet_site.run("push-config", "barge", env=pilot.env())

    assert second.code == 0, second
    assert "unchanged" in second.out
    assert agent_of(fleet_site) == before


def test_an_agent_in_a_container_gets_another_password_and_of_the_old_one_nothing_is_left(
    fleet_site: Site, barge: Server, pilot: Operator
) -> None:
    assert fleet_site.run("push-config", "barge", env=pilot.env()).code == 0
    old, before = fleet_site.secret("agent-barge"), agent_of(fleet_site)

    result = fleet_site.run("secrets", "rotate", "agent-barge", env=pilot.env())

    assert result.code == 0, result
    assert agent_of(fleet_site) != before
    new = fleet_site.secret("agent-barge")
    assert barge.read(f"{folder(fleet_site)}/secrets/agent") == new != old
    barge.write("/run/sought", old)
    assert barge.run("grep -rlFf /run/sought /var/lib/aresmon", check=False) == ""
    assert {user for user in fleet_site.users() if "barge" in user} == {"agent-barge~2"}
    assert fleet_site.up().statements == []


def test_a_container_whose_data_does_not_arrive_gives_way_to_the_former_one(
    fleet_site: Site, barge: Server, pilot: Operator
) -> None:
    assert fleet_site.run("push-config", "barge", env=pilot.env()).code == 0
    before = barge.sha256(watched(fleet_site))
    fleet_site.override("agents/barge.conf", UNREACHED)

    result = fleet_site.run("push-config", "barge", "--deadline", "12", env=pilot.env())

    assert result.code == 3, result
    assert "no data arrived within 12 s" in result.out
    assert "The previous configuration is running and its data arrives" in result.out
    assert barge.sha256(watched(fleet_site)) == before
    agent_of(fleet_site)


def test_a_first_container_that_does_not_deliver_leaves_nothing_behind(
    fleet_site: Site, barge: Server, pilot: Operator
) -> None:
    fleet_site.override("agents/barge.conf", UNREACHED)

    result = fleet_site.run("push-config", "barge", "--deadline", "5", env=pilot.env())

    assert result.code == 3, result
    assert containers_of(f"{fleet_site.name}-barge") == []
    assert barge.run(f"find {folder(fleet_site)} -type f").split() == []


def test_a_configuration_that_telegraf_refuses_starts_no_container(
    fleet_site: Site, barge: Server, pilot: Operator
) -> None:
    fleet_site.override("agents/barge.conf", '[[inputs.cpu]]\n  nonsense = "yes"\n')

    result = fleet_site.run("push-config", "barge", env=pilot.env())

    assert result.code == 1, result
    assert "nonsense" in result.out
    assert containers_of(f"{fleet_site.name}-barge") == []


def test_a_secret_of_a_collector_reaches_the_container_and_is_not_shown_there(
    fleet_site: Site, barge: Server, pilot: Operator
) -> None:
    fleet_site.override("collectors/station.conf", STATION)
    hosts = fleet_site.settings["hosts"]
    collect = ["system", {"station": {"password": {"secret": "station"}}}]
    fleet_site.configure(hosts={**hosts, "barge": {**hosts["barge"], "collect": collect}})
    give_secret(fleet_site, SECRET)
    try:
        result = fleet_site.run("push-config", "barge", env=pilot.env())

        assert result.code == 0, result
        assert sent_secret(fleet_site, "barge") == SECRET
        (container,) = containers_of(f"{fleet_site.name}-barge")
        assert SECRET not in str(container.attrs)
        assert barge.run(f"stat -c %a {folder(fleet_site)}/secrets/collectors/station").strip() == "400"
    finally:
        (fleet_site.folder / "overrides" / "collectors" / "station.conf").unlink()


def folder(site: Site) -> str:
    return f"/var/lib/aresmon/{site.name}/agent"


def watched(site: Site) -> str:
    return f"{folder(site)}/agents/barge/telegraf.conf"

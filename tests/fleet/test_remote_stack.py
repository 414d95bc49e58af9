"""The same commands from a workstation: everything goes through ssh, and nothing is published for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.conftest import MakeSite, make_site  # noqa: F401 (a fixture)
from tests.engine.sites import Site
from tests.fleet.conftest import MakeServers
from tests.fleet.desk import QUICK
from tests.fleet.engines import docker_mounts, use_docker
from tests.fleet.keys import Key
from tests.fleet.operators import Operator, new_operator
from tests.fleet.servers import Server, joined
from tests.harness.terminal import Terminal


@pytest.fixture
def office(fleet_site: Site, make_servers: MakeServers) -> Iterator[Server]:
    """The machine that the site's stack runs on, as ssh reaches it: its folder and its engine are there."""
    (made,) = make_servers("office", packages=("python3",), mounts=docker_mounts(str(fleet_site.folder))).values()
    use_docker(made)
    with joined(fleet_site, [made]):
        yield made


@pytest.fixture
def workstation(fleet_site: Site, tmp_path: Path) -> Site:
    """A folder elsewhere with the same site's file, in which the server has an ssh."""
    made = Site(tmp_path / "workstation", fleet_site.name, settings=dict(fleet_site.settings))
    made.agents, made.grafana = fleet_site.agents, fleet_site.grafana
    hosts = {**fleet_site.settings["hosts"], "box": {"agent": "systemd", "ssh": "office", "collect": ["system"]}}
    made.configure(hosts=hosts)
    return made


@pytest.fixture
def traveller(operator: Operator, office: Server) -> Operator:
    """Somebody at the workstation, who reaches the servers by ssh and nothing else."""
    operator.add_host(office)
    return operator


def test_a_push_from_elsewhere_is_proven_through_the_connection_to_the_server(
    workstation: Site, traveller: Operator, lewi: Server
) -> None:
    pushed = workstation.run("push-config", "lewi", env=traveller.env())

    assert pushed.code == 0, pushed
    assert "lewi: verified" in pushed.out
    assert lewi.is_active
    assert not (workstation.state / "secrets").exists() or not list((workstation.state / "secrets").iterdir())


def test_an_agents_password_is_rotated_from_elsewhere_and_left_nowhere_there(
    fleet_site: Site, workstation: Site, traveller: Operator, lewi: Server
) -> None:
    assert workstation.run("push-config", "lewi", env=traveller.env()).code == 0
    old, before = fleet_site.secret("agent-lewi"), fleet_site.users()

    rotated = workstation.run("secrets", "rotate", "agent-lewi", env=traveller.env())
    refused = workstation.run("secrets", "rotate", "influxdb-admin", env=traveller.env())

    new = fleet_site.secret("agent-lewi")
    assert (rotated.code, "lewi: verified" in rotated.out) == (0, True), rotated
    assert new != old
    assert f"'{new}'" in lewi.read("/etc/default/telegraf") or f"={new}\n" in lewi.read("/etc/default/telegraf")
    assert len(before ^ fleet_site.users()) == 2
    assert not (fleet_site.state / "secrets" / "agent-lewi~next").exists()
    assert fleet_site.up().statements == []
    assert refused.code == 1
    assert "run this on that machine" in refused.err
    files = [path for path in workstation.folder.rglob("*") if path.is_file()]
    assert [path for path in files if new.encode() in path.read_bytes()] == []


def test_a_host_that_is_blocked_on_the_server_is_let_in_by_nothing_from_elsewhere(
    fleet_site: Site, workstation: Site, traveller: Operator, lewi: Server
) -> None:
    assert workstation.run("push-config", "lewi", env=traveller.env()).code == 0
    live, secret = lewi.read("/etc/default/telegraf"), fleet_site.secret("agent-lewi")

    assert fleet_site.run("hosts", "block", "lewi").code == 0
    try:
        commands = (("push-config", "lewi"), ("secrets", "rotate", "agent-lewi"), ("hosts", "add", "lewi"))
        refused = [workstation.run(*command, env=traveller.env()) for command in commands]
        users = fleet_site.users()
        meant = [workstation.run("hosts", verb, "lewi", env=traveller.env()) for verb in ("block", "unblock")]
    finally:
        unblocked = fleet_site.run("hosts", "unblock", "lewi")

    for result in refused:
        text = result.out + result.err
        assert (result.code, "has been blocked since" in text or "it is blocked, and" in text) == (1, True), result
        assert "on box: `aresmon hosts unblock lewi`" in result.out + result.err
    assert {user for user in users if "lewi" in user} == set()
    for result in meant:
        assert (result.code, "run the command there, in the site's folder" in result.err) == (1, True), result
    assert "may write again" in unblocked.out, "it was blocked until then"
    assert (lewi.read("/etc/default/telegraf"), fleet_site.secret("agent-lewi")) == (live, secret)
    assert not (fleet_site.state / "secrets" / "agent-lewi~next").exists()
    assert workstation.run("push-config", "lewi", env=traveller.env()).code == 0


def test_the_terminal_view_shows_the_hosts_from_elsewhere(workstation: Site, traveller: Operator, lewi: Server) -> None:
    assert workstation.run("push-config", "lewi", env=traveller.env()).code == 0

    shown = json.loads(workstation.run("top", "lewi", "--json", env=traveller.env()).out)
    terminal = Terminal([sys.executable, "-m", "aresmon", "-C", str(workstation.folder), "top"], env=traveller.env())
    try:
        terminal.wait_for("lewi ")
        terminal.press("q")
        assert terminal.end() == 0
    finally:
        terminal.close()

    assert next(host["age"] for host in shown["hosts"] if host["host"] == "lewi") < 60
    assert [one["alert"] for one in shown["alerts"] if one["host"] == "lewi" and one["alert"] == "agent-silent"] == []


def test_status_logs_history_and_drift_tell_the_same_from_elsewhere(
    fleet_site: Site, workstation: Site, traveller: Operator, lewi: Server
) -> None:
    assert workstation.run("push-config", "lewi", env=traveller.env()).code == 0

    status = json.loads(workstation.run("status", "--json", env=traveller.env()).out)
    here = json.loads(fleet_site.run("status", "--json").out)
    logs = workstation.run("logs", "edge", "--tail", "5", env=traveller.env())
    history = json.loads(workstation.run("history", "lewi", "--json", env=traveller.env()).out)
    drift = workstation.run("drift", "lewi", env=traveller.env())
    doctor = json.loads(workstation.run("doctor", "--json", env=traveller.env()).out)

    running = {service["name"]: service["state"] for service in status["services"]}
    assert running == {service["name"]: service["state"] for service in here["services"]}
    assert next(host["age"] for host in status["hosts"] if host["name"] == "lewi") < 60
    assert (logs.code, "agents" in logs.out) == (0, True)
    assert [line["outcome"] for line in history] == ["verified"]
    assert (drift.code, drift.out) == (0, "lewi: as it was pushed\n")
    assert [one for one in doctor["not_looked_at"] if not one["expected"]] == []
    assert {"database-silent", "series-host", "port-differs", "push-failed"} <= set(doctor["passed"])
    assert not {"disk-short", "secret-open", "engine-boot"} & set(doctor["passed"]), "which are the server's own"


def test_the_server_itself_is_pushed_to_like_any_other_host(
    workstation: Site, traveller: Operator, office: Server, lewi: Server
) -> None:
    result = workstation.run("push-config", "box", env=traveller.env())

    assert result.code == 0, result
    assert office.is_active
    assert "ARESMON_HOST=box" in office.read("/etc/default/telegraf")


def test_a_host_is_enrolled_and_removed_from_elsewhere(
    fleet_site: Site, workstation: Site, traveller: Operator, make_servers: MakeServers, lewi: Server
) -> None:
    (new,) = make_servers("tripel").values()
    traveller.add_host(new)
    before = (workstation.folder / "aresmon.yml").read_text()

    with joined(fleet_site, [new]):
        added = workstation.run("hosts", "add", "tripel", "--collect", "system", env=traveller.env())
        users = fleet_site.users()
        secret = (fleet_site.state / "secrets" / "agent-tripel").stat()
        removed = workstation.run("hosts", "remove", "tripel", "--yes", env=traveller.env())

    assert added.code == 0, added
    assert "agent-tripel" in users
    assert secret.st_mode & 0o777 == 0o600
    assert removed.code == 0, removed
    assert "agent-tripel" not in fleet_site.users()
    assert not (fleet_site.state / "secrets" / "agent-tripel").exists()
    assert (workstation.folder / "aresmon.yml").read_text() == before


def test_up_and_down_are_refused_where_the_stack_is_not(workstation: Site, traveller: Operator, lewi: Server) -> None:
    for command in ("up", "down"):
        result = workstation.run(command, env=traveller.env())

        assert result.code == 1, result
        assert "the stack of this site runs on box" in result.err
        assert "run the command there" in result.err


def test_a_server_that_is_not_reached_is_told_and_nothing_begins(
    workstation: Site, traveller: Operator, office: Server, lewi: Server
) -> None:
    traveller.forget_key(office)

    result = workstation.run("push-config", "lewi", env=traveller.env())

    assert result.code == 1, result
    assert "box: its host key is not in ~/.ssh/known_hosts" in result.err
    assert not lewi.exists("/var/lib/aresmon")


# The server is a container here: its loopback is not the one that the edge is published on.
_FORWARD = """
import asyncio, sys

async def pass_on(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()

async def serve(reader, writer):
    there = await asyncio.open_connection("edge", 8086)
    await asyncio.gather(pass_on(reader, there[1]), pass_on(there[0], writer))

async def main():
    await (await asyncio.start_server(serve, sys.argv[1], int(sys.argv[2]))).serve_forever()

asyncio.run(main())
"""


def test_the_sidecar_is_pushed_to_from_elsewhere_and_a_push_there_finds_nothing_to_do(
    make_site: MakeSite,  # noqa: F811
    make_servers: MakeServers,
    tmp_path: Path,
    key: Key,
) -> None:
    site = make_site(hosts={"box": {"collect": ["system"]}})
    site.up()
    (office,) = make_servers("office", packages=("python3",), mounts=docker_mounts(str(site.folder))).values()
    use_docker(office)
    traveller = new_operator(tmp_path / "home", key)
    traveller.add_host(office)
    elsewhere = Site(tmp_path / "workstation", site.name, site.agents, site.grafana)
    elsewhere.configure(hosts={"box": {"agent": "docker", "ssh": "office", "collect": ["system"]}})
    elsewhere.override("agents/box.conf", QUICK)
    before = site.ids()

    with joined(site, [office]):
        office.write("/srv/forward.py", _FORWARD)
        office.run(f"systemd-run --quiet python3 /srv/forward.py {site.agents.replace(':', ' ')}")
        result = elsewhere.run("push-config", "box", env=traveller.env())
        after, old = site.ids(), site.secret("agent-box")
        rotated = elsewhere.run("secrets", "rotate", "agent-box", env=traveller.env())

    assert result.code == 0, result
    assert {name for name in after if after[name] != before[name]} == {"telegraf"}
    assert rotated.code == 0, rotated
    assert site.secret("agent-box") != old
    site.override("agents/box.conf", QUICK)
    assert {user for user in site.users() if "box" in user} == {"agent-box~2"}
    told = site.run("push-config", "box", "--json")
    assert json.loads(told.out)["hosts"][0]["outcome"] == "unchanged", told

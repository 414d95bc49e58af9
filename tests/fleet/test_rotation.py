"""Agents given other passwords while they write: not a point is lost, and of the old password nothing is left."""

from __future__ import annotations

import base64
import json
import signal

import pytest

from aresmon.site import secrets
from tests.engine.door import basic, knock
from tests.engine.sites import Site, eventually
from tests.fleet.desk import QUICK, Desk
from tests.fleet.operators import Operator
from tests.fleet.pushes import settle
from tests.fleet.servers import Server

# Each reading is the next number, so that one that did not arrive leaves a hole, however long the agent was away.
COUNTING = (
    QUICK.replace('precision = "1s"', 'precision = "1ms"')
    + """
[[inputs.exec]]
  commands = ["/usr/local/bin/count"]
  data_format = "influx"
  timeout = "5s"
"""
)
COUNT = """#!/bin/sh
n=$(($(cat /var/tmp/count 2> /dev/null || echo 0) + 1))
echo $n > /var/tmp/count.new && mv /var/tmp/count.new /var/tmp/count
echo "counted n=${n}i"
"""
SEARCH = "find / /run /tmp -xdev -type f -exec grep -lFf /run/sought {} + | grep -v /run/sought"


@pytest.fixture
def desk(fleet_site: Site, operator: Operator) -> Desk:
    """Without what the other tests put back afterwards: the secrets of a site go on from test to test."""
    return Desk(fleet_site, operator)


def counting(desk: Desk, *servers: Server) -> None:
    """Have these servers' agents count, and be proven."""
    for one in servers:
        one.write("/usr/local/bin/count", COUNT, mode="0755")
    desk.verified(*servers, text=COUNTING)
    assert eventually(lambda: all(counted(desk.site, one) for one in servers))


def counted(site: Site, server: Server) -> list[int]:
    """The numbers that arrived of a server, in order."""
    found = site.query(f"SELECT n FROM counted WHERE host = '{server.name}'")
    return sorted(row["n"] for series in found for row in series.rows)


def nothing_is_missing(site: Site, server: Server) -> bool:
    """Whether every number arrived that its agent has read until now. The first was read by the trial before a push."""
    until = int(server.read("/var/tmp/count"))
    assert eventually(lambda: max(counted(site, server)) >= until, 30), server.journal(unit="telegraf")
    numbers = counted(site, server)
    return numbers == list(range(2, numbers[-1] + 1))


def rotate(desk: Desk, *names: str) -> tuple[int, dict[str, str]]:
    """Rotate these secrets; the exit code, and what became of each."""
    result = desk.run("secrets", "rotate", "--json", *names)
    assert result.out.startswith("{"), result
    return result.code, {one["name"]: one["outcome"] for one in json.loads(result.out)["secrets"]}


def takes(site: Site, name: str, password: str) -> bool:
    """Whether the edge lets this secret's value write."""
    user = secrets.database_user(name, password)
    return knock(site.agents, "POST", "/write?db=telegraf", authorization=[basic(user, password)]).status == 204


def agent_users(site: Site, *hosts: str) -> set[str]:
    return {user for user in site.users() if user.partition("~")[0] in {f"agent-{host}" for host in hosts}}


def left_of(desk: Desk, server: Server, password: str) -> list[str]:
    """Where a password still stands, on the server and in the site, plain or as HTTP carries it."""
    user = secrets.database_user(f"agent-{server.name}", password)
    sought = [password, base64.b64encode(f"{user}:{password}".encode()).decode().rstrip("=")]
    server.write("/run/sought", "\n".join(sought))
    there = server.run(SEARCH, check=False).split()
    journal = server.run("journalctl --no-pager --output cat")
    files = [path for path in desk.site.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    here = [str(path) for path in files if any(one.encode() in path.read_bytes() for one in sought)]
    return [*there, *here, *(one for one in sought if one in journal)]


def test_agents_get_other_passwords_and_not_a_point_is_lost(desk: Desk, ronflex: Server, lewi: Server) -> None:
    """Nor by going back afterwards to an earlier release, which brings no revoked password."""
    site, names = desk.site, ["agent-ronflex", "agent-lewi"]
    counting(desk, ronflex, lewi)
    old = {name: site.secret(name) for name in names}

    first = rotate(desk, *names)
    middle = site.secret("agent-lewi")
    desk.verified(lewi, text=COUNTING + "# newer\n")
    second = rotate(desk, "agent-lewi")
    back = desk.run("rollback-config", "lewi")

    assert first == (0, dict.fromkeys(names, "verified"))
    assert second == (0, {"agent-lewi": "verified"})
    assert back.code == 0, back
    assert "# newer" not in lewi.read("/etc/telegraf/telegraf.conf")
    assert [nothing_is_missing(site, one) for one in (ronflex, lewi)] == [True, True]
    passwords = [old["agent-lewi"], middle, site.secret("agent-lewi")]
    assert [takes(site, "agent-lewi", one) for one in passwords] == [False, False, True]
    assert not takes(site, "agent-ronflex", old["agent-ronflex"])
    assert left_of(desk, ronflex, old["agent-ronflex"]) == []
    assert left_of(desk, lewi, old["agent-lewi"]) == left_of(desk, lewi, middle) == []
    assert len(agent_users(site, "ronflex", "lewi")) == 2
    assert site.up().statements == []
    history = desk.run("history", "lewi").out
    assert history.count("rotated") == 2
    assert not any(one in history for one in passwords)


def test_a_host_that_is_not_reached_keeps_its_password_and_goes_on_later(
    desk: Desk, ronflex: Server, lewi: Server
) -> None:
    site = desk.site
    counting(desk, ronflex, lewi)
    old = {name: site.secret(name) for name in ("agent-ronflex", "agent-lewi")}
    ronflex.run("systemctl stop ssh.socket ssh 2> /dev/null; systemctl stop ssh", check=False)
    try:
        code, outcomes = rotate(desk, *old)
        up = site.up()
    finally:
        ronflex.run("systemctl start ssh")

    assert (code, outcomes) == (5, {"agent-ronflex": "unreachable", "agent-lewi": "verified"})
    assert up.statements == []
    assert takes(site, "agent-ronflex", old["agent-ronflex"])
    assert not takes(site, "agent-lewi", old["agent-lewi"])
    assert rotate(desk, "agent-ronflex") == (0, {"agent-ronflex": "verified"})
    assert not takes(site, "agent-ronflex", old["agent-ronflex"])
    assert [nothing_is_missing(site, one) for one in (ronflex, lewi)] == [True, True]


def test_a_rotation_that_is_killed_costs_no_point_and_the_next_one_ends_it(
    desk: Desk, ronflex: Server, lewi: Server
) -> None:
    """Just after the switch: the host takes itself back, to a password that must be valid still."""
    site = desk.site
    counting(desk, ronflex, lewi)
    old = {name: site.secret(name) for name in ("agent-ronflex", "agent-lewi")}

    with ronflex.hold("systemctl", "^restart telegraf") as held:
        rotating = desk.start("secrets", "rotate", *old)
        held.wait_reached()
        rotating.send_signal(signal.SIGKILL)
        rotating.wait(60)
        held.release()
        settle(desk, [ronflex, lewi])
    during = site.up()

    assert "is being rotated" in during.out + during.err
    assert all(takes(site, name, password) for name, password in old.items() if site.secret(name) == password)
    assert desk.push("ronflex", "lewi").code == 0
    code, outcomes = rotate(desk, *old)
    assert code == 0, outcomes
    assert [nothing_is_missing(site, one) for one in (ronflex, lewi)] == [True, True]
    assert not any(takes(site, name, password) for name, password in old.items())
    assert list((site.state / "secrets").glob("*~next")) == []
    assert len(agent_users(site, "ronflex", "lewi")) == 2
    assert site.up().statements == []
    assert [left_of(desk, one, old[f"agent-{one.name}"]) for one in (ronflex, lewi)] == [[], []]

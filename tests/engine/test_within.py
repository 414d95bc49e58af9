"""Whoever has an account on the machine reaches every container's address: what is to be had there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.door import basic, knock
from tests.engine.sites import Site

SELECT = "q=SELECT+count(value)+FROM+mark&db=telegraf"


@pytest.fixture(scope="module")
def inside(running: Site) -> str:
    """The address of the edge's frontend for Grafana, as any process of this machine may use it."""
    networks = running.containers()["edge"].attrs["NetworkSettings"]["Networks"]
    address = next(one["IPAddress"] for name, one in networks.items() if name.endswith("_inside"))
    return f"{address}:8087"


def test_influxdb_has_no_address_at_all(running: Site) -> None:
    networks = running.containers()["influxdb"].attrs["NetworkSettings"]["Networks"]

    assert {one["IPAddress"] for one in networks.values()} == {""}


def test_the_user_that_may_read_reads_and_may_nothing_else(running: Site, inside: str) -> None:
    running.mark(1)
    before = running.marks()
    own = [basic("grafana", running.secret("influxdb-grafana"))]

    assert '"count"' in knock(inside, "GET", f"/query?{SELECT}", authorization=own, body=b"").body
    for statement in ("DROP+DATABASE+telegraf", "DELETE+FROM+mark", "CREATE+USER+x+WITH+PASSWORD+'x'"):
        refused = knock(inside, "POST", f"/query?db=telegraf&q={statement}", authorization=own, body=b"")
        assert refused.status == 403 or "error" in refused.body
    assert running.marks() == before


@pytest.mark.parametrize("target", ["/write?db=telegraf", "/debug/vars", "/metrics", "/", "//query", "/%71uery"])
def test_it_reaches_nothing_but_queries(running: Site, inside: str, target: str) -> None:
    answer = knock(inside, "POST", target, authorization=[basic("grafana", running.secret("influxdb-grafana"))])

    assert (answer.status, answer.is_influxdb) == (403, False)


def test_an_agent_s_password_is_of_no_use_there(running: Site, inside: str) -> None:
    before = running.marks()
    agent, password = "agent-box", running.secret("agent-box")
    grafana = basic("grafana", running.secret("influxdb-grafana"))
    drop = "q=DROP+SERIES+FROM+mark&db=telegraf"

    answers = [
        knock(inside, "POST", f"/query?{drop}", authorization=[basic(agent, password)], body=b""),
        knock(inside, "POST", f"/query?{drop}", authorization=[basic(agent, password), grafana], body=b""),
        knock(inside, "POST", f"/query?{drop}", authorization=[grafana, basic(agent, password)], body=b""),
        knock(inside, "POST", f"/query?{drop}&u={agent}&p={password}", authorization=[grafana], body=b""),
        knock(inside, "POST", f"/query?{drop}&%75={agent}&%70={password}", authorization=[grafana], body=b""),
        knock(inside, "POST", f"/query?{drop}", authorization=[f"Token {agent}:{password}"], body=b""),
        knock(inside, "POST", f"/query?{drop}", body=b""),
    ]

    assert [answer.is_influxdb for answer in answers] == [False] * len(answers)
    assert running.marks() == before


def test_the_folder_of_its_socket_is_the_owner_s_alone(running: Site) -> None:
    folder = Path(running.state / "run")

    assert folder.stat().st_mode & 0o077 == 0

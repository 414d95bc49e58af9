"""What one host sends must not harm the others: a flood of series, and points that a wrong clock has dated."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bench.agents import COUNTED, Account, Arrived, Habits, agents, finish, missing
from tests.engine.door import basic, knock
from tests.engine.sites import Site, eventually, site_in

_FLOOD = 5_000  # series a request, as Telegraf's batches
_BATCHES = 21  # past the hundred thousand of `max-select-series`


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    hosts = {name: {"agent": "systemd"} for name in ("box", "lewi", "ronflex")}
    with site_in(tmp_path_factory.mktemp("hosts"), hosts=hosts) as made:
        made.up()
        yield made


def send(site: Site, host: str, body: bytes) -> int:
    """The status that an agent gets for these points."""
    authorization = [basic(f"agent-{host}", site.secret(f"agent-{host}"))]
    return knock(site.agents, "POST", "/write?db=telegraf", body=body, authorization=authorization).status


def sign_of_life(host: str, at: float) -> bytes:
    """What an agent says of itself, dated so."""
    return b"internal_agent,host=%s metrics_gathered=1i %d" % (host.encode(), int(at * 1e9))


def told(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(site.run("status", "--json").out)
    return found


def problems(site: Site, host: str) -> list[str]:
    return [one["what"] for one in told(site)["problems"] if one["about"] == host]


def site_series(site: Site) -> int:
    """How many series the database says that it has."""
    return int(site.query("SHOW SERIES CARDINALITY")[0].rows[0]["cardinality estimation"])


def test_a_host_that_floods_the_database_is_cut_off_while_the_others_go_on(site: Site) -> None:
    account = Account("ronflex", site.agents, "agent-ronflex", site.secret("agent-ronflex"))
    with agents([account], Habits()) as running:
        assert send(site, "box", sign_of_life("box", time.time())) == 204
        for batch in range(_BATCHES):
            body = b"\n".join(b"flood,host=lewi,request=%d-%d n=1i" % (batch, one) for one in range(_FLOOD))
            assert send(site, "lewi", body) == 204
        # InfluxDB answers no question that touches so many; what is known without one is told.
        said = re.match(r"the database has (\d+) series", problems(site, "influxdb")[0])
        assert said, problems(site, "influxdb")
        assert int(said[1]) == pytest.approx(site_series(site), abs=20)  # an agent's first points make some meanwhile
        assert not [one for one in problems(site, "influxdb") if one.startswith("the hosts' state is unknown")]
        assert next(one for one in told(site)["hosts"] if one["name"] == "box")["age"] is not None

        blocked = site.run("hosts", "block", "lewi")

        assert (blocked.code, blocked.out) == (0, "lewi is blocked; `aresmon hosts unblock lewi` reverses this\n")
        assert send(site, "lewi", b"flood,host=lewi n=1i") == 401
        assert "nothing to do" in site.run("hosts", "block", "lewi").out
        site.up()  # does not let it in
        assert send(site, "lewi", b"flood,host=lewi n=1i") == 401
        assert [one.partition(" since ")[0] for one in problems(site, "lewi")] == ["lewi has been blocked from writing"]
        assert finish(running, within=60) == []
    answers = site.query(COUNTED)
    there = {(one.tags["host"], one.tags["series"]): Arrived.told(one.rows[0]) for one in answers}
    assert missing(running, there) == {}

    site.run("hosts", "unblock", "lewi")
    assert send(site, "lewi", b"calm,host=lewi n=1i") == 204
    assert "nothing to do" in site.run("hosts", "unblock", "lewi").out
    assert site.up().statements == []


def test_points_from_the_future_do_not_make_a_host_look_alive(site: Site) -> None:
    site.query('DROP SERIES FROM "internal_agent"')
    assert send(site, "lewi", sign_of_life("lewi", time.time() + 3600)) == 204

    assert problems(site, "lewi") == ["the clock of lewi is wrong: its points are dated 60 min in the future"]
    # Its clock is set right: what it sends now counts, and what it sent before frightens nobody.
    assert send(site, "lewi", sign_of_life("lewi", time.time())) == 204
    assert not [one for one in problems(site, "lewi") if "clock" in one or "silent" in one]


def test_a_clock_that_goes_back_is_told_with_the_age_of_what_comes(site: Site) -> None:
    site.query('DROP SERIES FROM "internal_agent"')
    assert send(site, "lewi", sign_of_life("lewi", time.time() - 3600)) == 204

    # Right after a start of InfluxDB or the edge, no host is called silent.
    silent = "lewi is silent: its newest point is 6[0-9] min old"
    told_so = eventually(lambda: any(re.fullmatch(silent, one) for one in problems(site, "lewi")), within=240, every=5)
    assert told_so, problems(site, "lewi")
    assert len(problems(site, "lewi")) == 1
    next_step = next(one["next"] for one in told(site)["problems"] if one["about"] == "lewi")
    assert "timedatectl" in next_step

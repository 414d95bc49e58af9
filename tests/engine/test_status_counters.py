"""What `status` makes of an agent's own counters, which begin at zero each time that it starts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from aresmon.influxdb import events
from aresmon.influxdb.events import HostEvent
from tests.engine.sites import DATABASE, Site, eventually, site_in

_POINTS = 16  # one every ten seconds: the minute that is judged, and what lies before and after it


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running site, of whose hosts three have no agent but the tests."""
    agent = {"agent": "systemd"}
    hosts = {
        "box": {"collect": ["system"]},
        "lewi": {**agent, "collect": ["internal"]},
        "ronflex": {**agent, "collect": ["disk"]},
        "silva": {**agent, "collect": ["internal"]},
    }
    with site_in(tmp_path_factory.mktemp("counters"), hosts=hosts) as made:
        made.up()
        yield made


def send(site: Site, host: str, errors: list[int]) -> None:
    """Write what an agent on this host would have sent until now, with this counter of failed writes."""
    now = int(time.time()) // 10 * 10
    lines = list[str]()
    for index, count in enumerate(errors):
        at = (now - 10 * (len(errors) - 1 - index)) * 10**9
        lines.append(f"internal_agent,host={host} metrics_gathered={100 + index}i {at}")
        lines.append(f"internal_gather,host={host},input=internal metrics_gathered={100 + index}i,errors=0i {at}")
        lines.append(f"internal_write,host={host},output=influxdb errors={count}i {at}")
    site.write("\n".join(lines))


def told(site: Site, errors: list[int], host: str = "lewi") -> list[str]:
    send(site, host, errors)
    status = json.loads(site.run("status", "--json").out)
    return [one["what"] for one in status["problems"] if one["about"] == host]


def test_failed_writes_are_counted_by_what_the_counter_grew(site: Site) -> None:
    growing = list(range(_POINTS))
    assert told(site, growing) == [], "what failed while the edge was started is no problem"
    assert eventually(lambda: bool(told(site, growing)), 150, every=5)
    assert told(site, growing) == ["lewi: 5 of its writes failed in the last minute"]

    restarted = [7] * (_POINTS - 6) + [0] * 6
    assert told(site, restarted) == []


def test_an_agent_that_restarts_again_and_again_is_told_and_not_what_pushes_made(site: Site) -> None:
    now = int(time.time()) // 10 * 10
    counts = [*range(10, 13)] * 5  # the counters begin again four times
    points = [
        f"internal_agent,host=silva metrics_gathered={count}i {(now - 10 * (15 + len(counts) - index)) * 10**9}"
        for index, count in enumerate(counts)
    ]
    site.write("\n".join(points))
    looping = told(site, [0] * _POINTS, "silva")
    events.record_events(site.influxdb, [HostEvent("silva", "push", "push to silva: verified", "")])

    pushed = told(site, [0] * _POINTS, "silva")

    assert looping == ["silva: its agent restarts again and again: 4 times in the last 10 min"]
    assert pushed == []


def test_an_input_that_returns_nothing_is_missed_only_where_it_ever_returned_something(site: Site) -> None:
    """A machine may have nothing of the kind. An hour's point tells of what was months ago."""

    def silent() -> list[str]:
        send(site, "ronflex", [0] * _POINTS)
        now = int(time.time()) // 10 * 10
        lines = (
            f"internal_gather,host=ronflex,input=disk metrics_gathered=0i,errors=0i {now - 10 * age}"
            for age in range(_POINTS)
        )
        site.influxdb.write("\n".join(lines), database=DATABASE, policy="raw")
        (host,) = (one for one in json.loads(site.run("status", "--json").out)["hosts"] if one["name"] == "ronflex")
        assert host["reads"] == host["expected"]
        return list(host["silent"])

    site.influxdb.write(
        f"internal_gather,host=ronflex,input=disk metrics_gathered=9i {int(time.time()) - 5_000_000}",
        database=DATABASE,
        policy="1h",
    )
    assert eventually(lambda: silent() == ["disk"], within=150, every=5)
    site.query('DELETE FROM "internal_gather" WHERE "input" = \'disk\'')
    assert silent() == []

"""What `status` makes of an agent's own counters, which begin at zero each time that it starts."""

from __future__ import annotations

import json
import time

from tests.engine.conftest import MakeSite
from tests.engine.sites import DATABASE, Site, eventually

_POINTS = 16  # one every ten seconds: the minute that is judged, and what lies before and after it


def send(site: Site, errors: list[int]) -> None:
    """Write what an agent on lewi would have sent until now, with this counter of failed writes."""
    now = int(time.time()) // 10 * 10
    lines = list[str]()
    for index, count in enumerate(errors):
        at = (now - 10 * (len(errors) - 1 - index)) * 10**9
        lines.append(f"internal_agent,host=lewi metrics_gathered={100 + index}i {at}")
        lines.append(f"internal_gather,host=lewi,input=internal metrics_gathered={100 + index}i,errors=0i {at}")
        lines.append(f"internal_write,host=lewi,output=influxdb errors={count}i {at}")
    site.write("\n".join(lines))


def told(site: Site, errors: list[int]) -> list[str]:
    send(site, errors)
    status = json.loads(site.run("status", "--json").out)
    return [one["what"] for one in status["problems"] if one["about"] == "lewi"]


def test_failed_writes_are_counted_by_what_the_counter_grew(make_site: MakeSite) -> None:
    agent = {"agent": "systemd", "collect": ["internal"]}
    site = make_site(hosts={"box": {"collect": ["system"]}, "lewi": agent})
    site.up()

    growing = list(range(_POINTS))
    assert told(site, growing) == [], "what failed while the edge was started is no problem"
    assert eventually(lambda: bool(told(site, growing)), 150, every=5)
    assert told(site, growing) == ["lewi: 5 of its writes failed in the last minute"]

    restarted = [7] * (_POINTS - 6) + [0] * 6
    assert told(site, restarted) == []


def test_an_input_that_returns_nothing_is_missed_only_where_it_ever_returned_something(make_site: MakeSite) -> None:
    """A machine may have nothing of the kind. An hour's point tells of what was months ago."""
    agent = {"agent": "systemd", "collect": ["disk"]}
    site = make_site(hosts={"box": {"collect": ["system"]}, "lewi": agent})
    site.up()

    def silent() -> list[str]:
        send(site, [0] * _POINTS)
        now = int(time.time()) // 10 * 10
        lines = (
            f"internal_gather,host=lewi,input=disk metrics_gathered=0i,errors=0i {now - 10 * age}"
            for age in range(_POINTS)
        )
        site.influxdb.write("\n".join(lines), database=DATABASE, policy="raw")
        (lewi,) = (one for one in json.loads(site.run("status", "--json").out)["hosts"] if one["name"] == "lewi")
        assert lewi["reads"] == lewi["expected"]
        return list(lewi["silent"])

    site.influxdb.write(
        f"internal_gather,host=lewi,input=disk metrics_gathered=9i {int(time.time()) - 5_000_000}",
        database=DATABASE,
        policy="1h",
    )
    assert eventually(lambda: silent() == ["disk"], within=150, every=5)
    site.query('DELETE FROM "internal_gather" WHERE "input" = \'disk\'')
    assert silent() == []

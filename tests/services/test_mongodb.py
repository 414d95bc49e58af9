"""What is read of MongoDB: of the status that MongoDB 7 documents, sent by its wire protocol, of a secondary that is
well, one that cannot keep up, and one that recovers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import only, tags_of

RECORDED = Path(__file__).with_name("recorded") / "mongodb"
READ = collect("mongodb")


@pytest.fixture(scope="module")
def mongodb(host: Host) -> Host:
    show(host, "well")
    host.write("/srv/server.py", (RECORDED / "server.py").read_text(encoding="utf-8"))
    host.start("mongodb", "python3 /srv/server.py /srv/mongodb.json", ready="nc -z 127.0.0.1 27017")
    return host


def show(host: Host, name: str) -> None:
    """Let the status be one of those that are kept."""
    host.write("/srv/mongodb.json", (RECORDED / f"{name}.json").read_text(encoding="utf-8"))


def told(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(("name", "lag"), [("well", 1), ("ill", 75)])
def test_what_is_read_is_what_mongodb_tells(mongodb: Host, name: str, lag: int) -> None:
    show(mongodb, name)
    points = gather(mongodb, READ, of="mongodb")

    status, oplog = told(name)["serverStatus"], told(name)["oplog"]
    counters, cache, queue = status["opcounters"], status["wiredTiger"]["cache"], status["globalLock"]["currentQueue"]
    size = cache["maximum bytes configured"]
    assert only(points, "mongodb", hostname="127.0.0.1:27017", rs_name="rs0").fields == {
        "inserts": counters["insert"],
        "queries": counters["query"],
        "updates": counters["update"],
        "deletes": counters["delete"],
        "commands": counters["command"],
        "connections_current": status["connections"]["current"],
        "connections_available": status["connections"]["available"],
        "percent_cache_used": pytest.approx(100 * cache["bytes currently in the cache"] / size, abs=0.1),
        "percent_cache_dirty": pytest.approx(100 * cache["tracked dirty bytes in the cache"] / size, abs=0.1),
        "queued_reads": queue["readers"],
        "queued_writes": queue["writers"],
        "resident_megabytes": status["mem"]["resident"],
        "cursor_timed_out_count": status["metrics"]["cursor"]["timedOut"],
        "repl_state": 2,
        "repl_lag": lag,
        "repl_oplog_window_sec": oplog["newest"] - oplog["oldest"],
    }
    assert tags_of(points, "mongodb") == {"hostname", "rs_name"}


def test_a_server_that_cannot_keep_up_is_an_alert_for_each_reason(mongodb: Host, alerts: Alerts) -> None:
    show(mongodb, "well")
    with agent(mongodb, READ, pace=20) as running:
        running.read(4, of="mongodb")
        assert alerts.firing(running) == set()
        show(mongodb, "ill")
        running.read(34, of="mongodb")
        firing = alerts.firing(running)

    assert firing == {
        *("mongodb-connections-warning", "mongodb-connections-critical", "mongodb-lag-warning", "mongodb-lag-critical"),
        *("mongodb-waiting-warning", "mongodb-cache-warning"),
    }


def test_a_member_that_recovers_is_an_alert(mongodb: Host, alerts: Alerts) -> None:
    show(mongodb, "recovering")
    with agent(mongodb, READ, pace=20) as running:
        running.read(22, of="mongodb")

    assert alerts.firing(running) == {"mongodb-member-critical"}


def test_a_server_that_stops_is_an_alert_and_read_again_when_it_is_back(mongodb: Host, alerts: Alerts) -> None:
    show(mongodb, "well")
    with agent(mongodb, READ, pace=50) as running:
        running.read(2, of="mongodb")
        with mongodb.stopped("mongodb"):
            running.read(6, of="mongodb_port")
            firing = alerts.firing(running)
        running.read(2, of="mongodb")

    assert firing == {"mongodb-down-critical"}

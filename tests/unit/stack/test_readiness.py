"""Waiting: until a service answers, until data arrives, and no longer than that."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from aresmon.engine.containers import Container
from aresmon.influxdb import freshness
from aresmon.influxdb.client import InfluxDB, InfluxDBUnreachableError, Series
from aresmon.stack import readiness
from aresmon.system.errors import AresmonError, ExitCode
from tests.unit.conftest import FakeEngine, container


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that only waiting moves."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "time", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))


def wait(*, ready: bool = True, running: Container | None) -> None:
    engine = FakeEngine({"edge": running} if running else {})
    readiness.wait(engine, "ares", ["edge"], {"edge": lambda: ready})


def test_a_service_that_runs_and_answers_is_ready() -> None:
    wait(running=container("edge"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"state": "exited", "exit_code": 1}, "edge does not start (exited, exit code 1)"),
        ({"state": "restarting", "exit_code": 2, "restarts": 3}, "edge does not start (restarting, exit code 2)"),
        (
            {"state": "exited", "exit_code": 137, "out_of_memory": True},
            "edge does not start (exited, exit code 137, out of memory: raise memory.edge in aresmon.yml)",
        ),
        (
            {"state": "created", "error": "port is taken."},
            "edge does not start (created, exit code 0). port is taken",
        ),
    ],
)
def test_a_service_that_ended_is_told_at_once_and_why(changes: dict[str, Any], why: str) -> None:
    begun = time.monotonic()

    with pytest.raises(AresmonError) as caught:
        wait(running=container("edge", **changes))

    assert (caught.value.message, caught.value.code) == (why, ExitCode.BROKEN)
    assert "`aresmon logs edge`" in caught.value.hint
    assert time.monotonic() - begun < 1


def test_a_service_that_never_answers_is_waited_for_only_so_long() -> None:
    begun = time.monotonic()

    with pytest.raises(AresmonError, match="it is running but does not respond"):
        wait(ready=False, running=container("edge"))

    assert readiness.WITHIN <= time.monotonic() - begun < readiness.WITHIN + 1


def test_a_container_that_was_removed_meanwhile_is_told() -> None:
    with pytest.raises(AresmonError, match="its container was removed"):
        wait(running=None)


def test_an_influxdb_that_was_killed_may_be_started_again() -> None:
    killed = container("influxdb", state="exited", exit_code=137)

    assert isinstance(readiness.failure("influxdb", killed), InfluxDBUnreachableError)


class Arriving(InfluxDB):
    """An InfluxDB whose newest point comes with the clock; before that there is none."""

    first: float
    lost_until: float

    def query(self, *statements: str, database: str = "", within: float = 60.0) -> list[list[Series]]:
        (statement,) = statements
        assert "WHERE \"host\" = 'biere' AND time <= " in statement
        if time.time() < self.lost_until:
            raise InfluxDBUnreachableError("away")
        return [[Series("internal_agent", {}, ({"time": self.first, "last": 1},))] if time.time() >= self.first else []]


def arriving(first: float, *, lost_until: float = 0) -> Arriving:
    influxdb = Arriving(Path("/nonexistent"))
    object.__setattr__(influxdb, "first", first)
    object.__setattr__(influxdb, "lost_until", lost_until)
    return influxdb


def test_data_is_waited_for_through_a_database_that_is_away_for_a_moment() -> None:
    assert freshness.wait_for_data(arriving(1010.0, lost_until=1015.0), "biere", since=1000.0) == ""
    assert time.monotonic() == pytest.approx(1015, abs=1)


@pytest.mark.parametrize(
    ("first", "why"), [(900.0, r"the newest point is 1\d\d s old"), (9999.0, "the database has no data from it")]
)
def test_data_that_does_not_arrive_is_told_after_a_minute_with_what_is_known(first: float, why: str) -> None:
    said = freshness.wait_for_data(arriving(first), "biere", since=1000.0)

    assert said.startswith("no data from biere arrived within 60 s; ")
    assert re.search(why, said)
    assert 1060 <= time.monotonic() < 1062

"""Waiting for the data of hosts: what counts as its arrival, and what does not."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import pytest

from aresmon.influxdb.client import InfluxDBError, InfluxDBUnreachableError
from aresmon.push import verification
from aresmon.push.verification import Arrival, ExpectedData, Verifier
from aresmon.system.errors import AresmonError
from tests.unit.points import START, Clock, Points, fake_clock

AWAY = InfluxDBUnreachableError("InfluxDB does not answer on /run/influxdb.sock")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return fake_clock(monkeypatch)


@pytest.fixture
def points(clock: Clock) -> Points:
    return Points(clock=clock.read)


def wanted(host: str = "lewi", **changes: Any) -> ExpectedData:
    return ExpectedData(**{"host": host, "config_id": "new-1", "since": START, "within": 30.0, **changes})


def wait(points: Points, *several: ExpectedData, paused: Callable[[bool], None] = lambda _: None) -> list[Arrival]:
    """What becomes of these hosts; what arrived of them before is left out."""

    async def all_of_them() -> list[Arrival]:
        waiting = Verifier(points)
        return list(await asyncio.gather(*(waiting.wait_for(one, paused) for one in several)))

    return [dataclasses.replace(arrival, before=None) for arrival in asyncio.run(all_of_them())]


def before(points: Points, *measurements: str, host: str = "lewi", at: float = START - 10) -> None:
    for name in measurements:
        points.add(name, host, at)


def after(points: Points, *measurements: str, host: str = "lewi", at: float = START + 10, seen: float = 0.0) -> None:
    for name in measurements:
        points.add(name, host, at, seen_from=seen or at)


# Marks ------------------------------------------------------------------------------------------------


def test_a_host_is_there_as_soon_as_the_mark_of_its_configuration_is(points: Points, clock: Clock) -> None:
    points.mark("new-1", "lewi", START + 8, seen_from=START + 10)

    assert wait(points, wanted()) == [Arrival(True)]
    assert START + 10 <= clock.now < START + 12


def test_without_a_mark_nothing_has_arrived_whatever_else_does(points: Points, clock: Clock) -> None:
    after(points, "cpu", "mem")

    (arrival,) = wait(points, wanted())

    assert (arrival.arrived, arrival.is_late, arrival.unmarked) == (False, True, ("cpu", "mem"))
    assert arrival.why == "data arrived from cpu, mem, but not the config ID"
    assert START + 30 <= clock.now < START + 32


def test_where_nothing_arrived_that_is_told(points: Points) -> None:
    before(points, "mem")

    assert wait(points, wanted()) == [Arrival(False, why="no data arrived", is_late=True)]


def test_data_that_arrives_under_another_name_is_told_with_the_name(points: Points) -> None:
    points.mark("new-1", "other", START + 5)
    points.mark("new-2", "third", START + 5)

    lewi, ronflex = wait(points, wanted(), wanted("ronflex", config_id="new-2"))

    assert (lewi.elsewhere, ronflex.elsewhere) == ("other", "third")
    assert lewi.why == "the data arrived under the host name other, and not under lewi"


def test_data_of_another_configuration_is_told_as_that(points: Points) -> None:
    points.mark("old-1", "lewi", START + 5)
    after(points, "mem")

    (arrival,) = wait(points, wanted())

    assert arrival.why == "data arrived, but with the config ID of another configuration, and not with its own"


def test_what_arrived_instead_is_asked_for_at_the_end_only(points: Points) -> None:
    wait(points, wanted())

    asked = [len(statements) for statements in points.asked]
    assert asked.count(3) <= 6 < len(asked)


def test_the_mark_of_another_configuration_proves_nothing(points: Points) -> None:
    points.mark("old-1", "lewi", START + 10)
    points.mark("x-new-1", "lewi", START + 10)

    assert not wait(points, wanted())[0].arrived


def test_the_mark_of_another_host_proves_nothing(points: Points) -> None:
    for host in ("ronflex", "lewi2", "xlewi", "LEWI"):
        points.mark("new-1", host, START + 10)

    assert not wait(points, wanted())[0].arrived


def test_a_mark_from_before_the_restart_proves_nothing(points: Points) -> None:
    points.mark("new-1", "lewi", START - 5)

    assert not wait(points, wanted())[0].arrived


def test_a_mark_within_the_second_of_the_restart_counts(points: Points) -> None:
    points.mark("new-1", "lewi", int(START + 0.7) + 0.0)

    assert wait(points, wanted(since=START + 0.7))[0].arrived


def test_any_data_will_do_where_no_mark_is_wanted(points: Points, clock: Clock) -> None:
    after(points, "mem", at=START + 10)

    assert wait(points, wanted(config_id="")) == [Arrival(True)]
    assert START + 10 <= clock.now < START + 12


def test_data_from_before_will_not_do_for_that(points: Points) -> None:
    before(points, "mem", at=START - 1)
    after(points, "mem", host="ronflex")

    assert wait(points, wanted(config_id=""))[0].is_late


def test_what_a_clock_that_was_set_back_left_in_the_future_proves_nothing(points: Points) -> None:
    points.mark("new-1", "lewi", START + 3600)
    after(points, "mem", host="other", at=START + 3600, seen=START)

    lewi, other = wait(points, wanted(), wanted("other", config_id=""))

    assert lewi.is_late
    assert other.is_late


def test_what_runs_already_is_looked_for_in_its_past(points: Points) -> None:
    points.mark("new-1", "lewi", START - 15)

    assert wait(points, wanted(since=START - 20, back=20.0)) == [Arrival(True)]


def test_what_arrived_before_is_told_and_that_nobody_could_tell(points: Points, clock: Clock) -> None:
    before(points, "mem", "disk")
    points.mark("old-1", "lewi", START - 10)
    points.mark("new-1", "lewi", START + 5)

    async def arrival(**changes: Any) -> Arrival:
        return await Verifier(points).wait_for(wanted(**changes))

    assert asyncio.run(arrival()).before == frozenset({"mem", "disk"})
    assert asyncio.run(arrival(host="other")).before == frozenset()
    away(points, clock, START, START + 9999)
    assert asyncio.run(arrival()).before is None


def test_a_mark_of_the_same_content_before_a_push_is_known_by_its_beginning(points: Points) -> None:
    points.mark("new-1-and-more", "lewi", START + 10)

    assert wait(points, wanted(config_id="new-1"))[0].arrived


def test_a_clock_that_is_an_hour_behind_is_compared_with_itself(points: Points, clock: Clock) -> None:
    points.mark("new-1", "slow", START - 3600 + 5, seen_from=START + 5)
    before(points, "cpu", "mem", host="slow", at=START - 3610)
    after(points, "mem", host="slow", at=START - 3600 + 5, seen=START + 5)

    assert wait(points, wanted("slow", since=START - 3600)) == [Arrival(True)]
    assert clock.now < START + 8


# Measurements -----------------------------------------------------------------------------------------


def test_what_arrived_before_is_waited_for_as_well(points: Points, clock: Clock) -> None:
    before(points, "mem", "disk")
    points.mark("new-1", "lewi", START + 5, seen_from=START + 5)
    after(points, "mem", at=START + 5)
    after(points, "disk", at=START + 12)

    assert wait(points, wanted()) == [Arrival(True)]
    assert START + 12 <= clock.now < START + 14


def test_what_fell_silent_is_named_after_a_round_and_a_little(points: Points, clock: Clock) -> None:
    before(points, "mem", "zfs", "disk")
    points.mark("new-1", "lewi", START + 5, seen_from=START + 5)
    after(points, "mem", at=START + 5)

    assert wait(points, wanted()) == [Arrival(True, silent=("disk", "zfs"))]
    assert START + 19 <= clock.now < START + 21


def test_a_measurement_with_points_from_before_the_mark_alone_is_silent(points: Points) -> None:
    before(points, "mem")
    points.mark("new-1", "lewi", START + 5)
    after(points, "mem", at=START + 3)

    assert wait(points, wanted())[0].silent == ("mem",)


def test_a_measurement_that_was_long_gone_is_not_missed(points: Points) -> None:
    before(points, "old", at=START - 61)
    points.mark("new-1", "lewi", START + 5)

    assert wait(points, wanted()) == [Arrival(True)]


def test_a_measurement_that_is_new_is_not_waited_for(points: Points) -> None:
    points.mark("new-1", "lewi", START + 5)

    assert wait(points, wanted()) == [Arrival(True)]


def test_the_first_reading_has_no_percentages_of_the_processor_and_they_are_not_waited_for(
    points: Points, clock: Clock
) -> None:
    before(points, "cpu", "mem")
    points.mark("new-1", "lewi", START + 5, seen_from=START + 5)
    after(points, "mem", at=START + 5)

    assert wait(points, wanted()) == [Arrival(True)]
    assert clock.now < START + 8


def test_strictly_they_are_waited_for_too(points: Points, clock: Clock) -> None:
    before(points, "cpu", "mem")
    points.mark("new-1", "lewi", START + 5, seen_from=START + 5)
    after(points, "mem", at=START + 5)
    after(points, "cpu", at=START + 15)

    assert wait(points, wanted(strict=True)) == [Arrival(True)]
    assert START + 15 <= clock.now < START + 17


def test_strictly_those_of_the_first_reading_are_not_the_agents(points: Points, clock: Clock) -> None:
    """A second Telegraf has read them, since the agent cannot yet."""
    before(points, "cpu")
    points.mark("new-1", "lewi", START + 5, seen_from=START + 5)
    after(points, "cpu", at=START + 5)

    assert wait(points, wanted(strict=True, within=60.0)) == [Arrival(True, silent=("cpu",))]


def test_strictly_the_second_reading_is_the_last_that_is_waited_for(points: Points, clock: Clock) -> None:
    before(points, "cpu")
    points.mark("new-1", "lewi", START + 1, seen_from=START + 1)

    assert wait(points, wanted(strict=True, within=60.0)) == [Arrival(True, silent=("cpu",))]
    assert START + 25 <= clock.now < START + 27


def test_no_measurement_is_waited_for_past_the_end(points: Points, clock: Clock) -> None:
    before(points, "mem")
    points.mark("new-1", "lewi", START + 28, seen_from=START + 28)

    assert wait(points, wanted(interval=300.0)) == [Arrival(True, silent=("mem",))]
    assert clock.now < START + 32


# InfluxDB ---------------------------------------------------------------------------------------------


def away(points: Points, clock: Clock, since: float, until: float, error: AresmonError = AWAY) -> None:
    points.fail(lambda: error if since <= clock.now < until else None)


@pytest.mark.parametrize("error", [AWAY, InfluxDBError("timeout", status=503), InfluxDBError("engine is closed")])
def test_while_influxdb_is_of_no_help_the_time_stands_still_and_that_is_told(
    points: Points, clock: Clock, error: AresmonError
) -> None:
    away(points, clock, START + 5, START + 100, error)
    points.mark("new-1", "lewi", START + 8, seen_from=START + 120)
    told: list[bool] = []

    assert wait(points, wanted(), paused=told.append) == [Arrival(True)]

    changes = [now for now, former in zip(told, [None, *told], strict=False) if now != former]
    assert changes == [False, True, False]


def test_the_time_that_is_left_goes_on_afterwards(points: Points, clock: Clock) -> None:
    away(points, clock, START + 20, START + 100)

    assert wait(points, wanted())[0].is_late
    assert START + 108 <= clock.now < START + 113


def test_after_ten_minutes_nobody_waits_any_longer(points: Points, clock: Clock) -> None:
    away(points, clock, START, START + 9999)

    (arrival,) = wait(points, wanted())

    assert arrival == Arrival(False, why=f"{AWAY.message}, for more than ten minutes")
    assert START + 600 <= clock.now < START + 610


def test_what_nobody_expected_ends_the_wait(points: Points) -> None:
    def fail() -> AresmonError | None:
        raise ZeroDivisionError

    points.fail(fail)

    with pytest.raises(ZeroDivisionError):
        wait(points, wanted())


def test_nothing_is_begun_where_influxdb_is_away(points: Points, clock: Clock) -> None:
    away(points, clock, START, START + 1)

    with pytest.raises(InfluxDBUnreachableError):
        asyncio.run(Verifier(points).check_connection())
    clock.now += 2
    asyncio.run(Verifier(points).check_connection())


def test_an_influxdb_that_hangs_is_one_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    hang = threading.Event()
    points = Points()
    points.mark("new-1", "lewi", START + 1)
    points.fail(lambda: None if hang.wait(20) else AWAY)
    monkeypatch.setattr(verification, "_QUERY_TIMEOUT", 0.05)
    told: list[bool] = []

    def paused(now: bool) -> None:
        told.append(now)
        if now:
            hang.set()

    assert wait(points, wanted(within=0.5), paused=paused) == [Arrival(True)]
    assert True in told
    assert len(points.asked) <= 3, "it is asked one question at a time"


# Several hosts ----------------------------------------------------------------------------------------


def test_all_hosts_are_asked_for_in_one_request(points: Points) -> None:
    names = [f"host{number}" for number in range(50)]
    for name in names:
        before(points, "mem", host=name)
        points.mark("new-1", name, START + 3, seen_from=START + 3)
        after(points, "mem", host=name, at=START + 3)

    assert wait(points, *map(wanted, names)) == [Arrival(True)] * 50
    assert len(points.asked) < 12
    assert max(map(len, points.asked)) <= 4


def test_each_host_is_judged_by_itself(points: Points, clock: Clock) -> None:
    points.mark("new-1", "good", START + 5)
    points.mark("old-1", "bad", START + 5)
    before(points, "disk", host="quiet")
    points.mark("new-1", "quiet", START + 5)

    good, bad, quiet = wait(points, wanted("good"), wanted("bad"), wanted("quiet"))

    assert (good, quiet) == (Arrival(True), Arrival(True, silent=("disk",)))
    assert bad.is_late


def test_clocks_apart_do_not_lend_each_other_their_past(points: Points) -> None:
    before(points, "zfs", host="fast", at=START - 3000)
    points.mark("new-1", "fast", START + 5)
    points.mark("new-1", "slow", START - 3595)

    assert wait(points, wanted("fast"), wanted("slow", since=START - 3600)) == [Arrival(True), Arrival(True)]


@pytest.mark.parametrize("name", ["a.b", "a+b", "a(b", "a|b", "a/b", "a-b.c"])
def test_a_hosts_name_stands_for_itself(points: Points, name: str) -> None:
    points.mark("new-1", "aXb", START + 5)
    assert not wait(points, wanted(name))[0].arrived

    points.mark("new-1", name, START + 5)
    assert wait(points, wanted(name, within=90.0))[0].arrived


def test_a_host_that_comes_later_is_waited_for_with_the_others(points: Points, clock: Clock) -> None:
    points.mark("new-1", "first", START + 20, seen_from=START + 20)
    points.mark("new-1", "second", START + 15, seen_from=START + 15)

    async def both() -> list[bool]:
        waiting = Verifier(points)
        first = asyncio.ensure_future(waiting.wait_for(wanted("first")))
        while clock.now < START + 10:
            await asyncio.sleep(0)
        arrivals = await asyncio.gather(first, waiting.wait_for(wanted("second", since=START + 10)))
        return [arrival.arrived for arrival in arrivals]

    assert asyncio.run(both()) == [True, True]


def test_whoever_gives_up_is_not_asked_for_any_more(points: Points, clock: Clock) -> None:
    points.mark("new-1", "second", START + 20, seen_from=START + 20)

    async def one_gives_up() -> Arrival:
        waiting = Verifier(points)
        first = asyncio.ensure_future(waiting.wait_for(wanted("first")))
        second = asyncio.ensure_future(waiting.wait_for(wanted("second")))
        while clock.now < START + 5:
            await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(one_gives_up()).arrived
    assert "first" in points.asked[0][0]
    assert "first" not in points.asked[-1][0]


def test_nothing_is_asked_once_nobody_waits(points: Points, clock: Clock) -> None:
    points.mark("new-1", "lewi", START + 1)

    async def wait_twice() -> tuple[int, int]:
        waiting = Verifier(points)
        await waiting.wait_for(wanted())
        asked = len(points.asked)
        for _ in range(20):
            await asyncio.sleep(1)
        idle = len(points.asked)
        await waiting.wait_for(wanted())
        return asked, idle

    asked, idle = asyncio.run(wait_twice())
    assert asked == idle < len(points.asked)

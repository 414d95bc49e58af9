"""What the benchmarks of ingest and detection decide by themselves: how hosts are searched for, how faults are told."""

from __future__ import annotations

import gzip

import pytest

from aresmon.config import builtin_alerts, view_files
from bench.detection import arrived, first_that
from bench.detection_peers import DOCKPROM, NETDATA, mean_crosses
from bench.faults import COLLECT, FAULTS
from bench.ingest import Search, Step
from bench.month import Day
from bench.points import parse
from bench.writers import Door, Told, bodies

VIEWS = view_files.load()
ALERTS = {alert.id: alert for name in (*COLLECT, "internal") for alert in VIEWS[name].alerts}


def step(hosts: int, *, most: int) -> Step:
    """What becomes of so many hosts where no more than some can be held."""
    told = Told()
    told.answers[204 if hosts <= most else 503] = hosts
    told.times = [0.01] * hosts
    return Step(hosts, told, {}, {})


@pytest.mark.parametrize(("can", "found"), [(700, 500), (800, 750), (1500, 1500), (400, 0), (99_999, 4000)])
def test_the_search_ends_at_the_most_hosts_that_held(can: int, found: int) -> None:
    search = Search(500, 4000)

    while hosts := search.next():
        search.note(step(hosts, most=can))

    assert search.held == found
    assert all(one.is_held == (one.hosts <= can) for one in search.steps)
    assert len(search.steps) <= 5


def test_slow_answers_are_no_more_held_than_refused_ones() -> None:
    slow = Told()
    slow.answers[204] = 100
    slow.times = [0.01] * 97 + [3.0] * 3

    assert not Step(100, slow, {}, {}).is_held


def test_hosts_send_what_they_read_under_their_own_names_each_at_its_time() -> None:
    day = Day("raw", 10, tuple(f"cpu,host=\x01 n={number}i \x02\n" for number in range(8640)), 1, 1)

    sent = list(bodies(day, range(2, 4), at=1_700_000_000, turns=2))

    points = [[next(parse(gzip.decompress(body).decode())) for body in host] for host in sent]
    assert [[one.series for one in host] for host in points] == [
        ["cpu,host=host-00002"] * 2,
        ["cpu,host=host-00003"] * 2,
    ]
    assert [[one.time for one in host] for host in points] == [[1_700_000_000 * 10**9, 1_700_000_010 * 10**9]] * 2


def test_a_hosts_password_is_not_shown() -> None:
    assert "geheim" not in repr(Door(accounts=("agent-box:geheim",)))


def test_every_alert_has_a_fault() -> None:
    assert set(FAULTS) == {*ALERTS, builtin_alerts.UNREACHABLE.id}


def test_peers_are_told_of_rules_that_there_are() -> None:
    rules = {f"{one.id}-{severity}" for one in ALERTS.values() for severity, _ in one.levels.steps}

    assert {*DOCKPROM, *NETDATA} <= rules


@pytest.mark.parametrize("alert", sorted(set(FAULTS) - {builtin_alerts.UNREACHABLE.id}))
def test_what_is_read_changes_with_the_fault_or_ends(alert: str) -> None:
    def read(since: int, until: int) -> set[str]:
        lines = [line for sign in FAULTS[alert].signs for line in sign.lines("box", at=1000, since=since, until=until)]
        return {line.rpartition(" ")[0] for line in lines}

    assert read(0, 1000)
    assert read(0, 1000) != read(1000, 2000)


def test_points_that_are_still_on_their_way_are_not_seen() -> None:
    statement = "SELECT x FROM y WHERE time >= 1000ms and time <= 60000ms GROUP BY host"

    assert arrived(statement, by=48) == "SELECT x FROM y WHERE time >= 1000ms and time <= 48000ms GROUP BY host"
    assert arrived(statement, by=99) == statement


@pytest.mark.parametrize(("begin", "found"), [(0, 0), (1, 10), (60, 60), (61, 70), (175, 180), (10_000, None)])
def test_the_first_moment_is_found_to_ten_seconds(begin: int, found: float | None) -> None:
    assert first_that(lambda moment: moment >= begin, limit=600) == found


def test_a_mean_crosses_when_enough_of_its_window_is_after_the_fault() -> None:
    assert mean_crosses(0, 100, 50, window=600) == 300

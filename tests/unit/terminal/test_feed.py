"""What is read and when: one request for what is shown, alerts once a minute, and a database that is away."""

from __future__ import annotations

import pytest

from aresmon.config import view_files
from aresmon.system.errors import ExitCode
from aresmon.terminal import feed as terminal_feed
from aresmon.terminal import once
from aresmon.terminal.feed import Feed, Wanted
from tests.unit.conftest import load
from tests.unit.monitoring.databases import Answering, series

NOW = 1_000_000_000.0
AGENT = "{agent: systemd, collect: [system, disk]}"
CONFIG = load(f"site: ares\nhosts:\n  biere: {AGENT}\n  lewi: {AGENT}\n")
FLEET, HOST = Wanted(900), Wanted(3600, "biere")


def make(now: float = NOW) -> tuple[Feed, Answering]:
    """A feed of two hosts that send, and what it asks."""
    alive = [series({int(now) - 4: 3.0}, host=name) for name in ("biere", "lewi")]
    at = int(now) // 120 * 120 - 240
    idle = [series({at: [40.0, 5.0, 5.0]}, host="biere")]
    database = Answering({"metrics_gathered": alive, 'count("uptime")': alive, '"cpu"': idle})
    return Feed(CONFIG, view_files.load(), database), database


def test_one_request_reads_the_fleet_and_the_panels_of_the_host_that_is_open() -> None:
    feed, database = make()

    data = feed.read(HOST, NOW, evaluate=False)

    assert len(database.requests) == 1
    assert [row.state for row in data.fleet.rows] == ["ok", "ok"] if data.fleet else False
    assert data.readings
    assert not any(one.panel.place == "detail" for one in data.readings)
    assert data.alerts is None
    detailed = feed.read(Wanted(3600, "biere", details=True), NOW, evaluate=False)
    assert any(one.panel.place == "detail" for one in detailed.readings)


def test_alerts_are_evaluated_once_a_minute() -> None:
    feed, database = make()

    counts = []
    for late in (0, 10, 50, 61, 70):
        before = len(database.requests)
        feed.read(FLEET, NOW + late)
        counts.append(len(database.requests) - before)

    assert counts == [2, 1, 1, 2, 1]


def test_without_the_database_the_last_values_stay_with_the_reason_and_it_goes_on() -> None:
    feed, database = make()
    before = feed.read(FLEET, NOW)
    database.is_away = True
    away = feed.read(FLEET, NOW + 61)
    database.is_away = False
    again = feed.read(FLEET, NOW + 71)

    assert (away.problem, away.hint) == ("InfluxDB does not answer", "`aresmon up` starts it")
    assert away.fleet == before.fleet
    assert away.at == NOW, "the time is that of the values"
    assert again.problem == ""
    assert again.at == NOW + 71


def test_without_the_database_another_host_has_no_values_of_the_one_before() -> None:
    feed, database = make()
    feed.read(HOST, NOW)
    database.is_away = True

    assert feed.read(Wanted(3600, "lewi"), NOW + 10).readings == ()
    assert make()[0].read(FLEET, NOW).problem == ""


@pytest.mark.parametrize(("span", "expected"), [(900, 10), (3600, 10), (24 * 3600, 60), (30 * 86400, 60)])
def test_long_ranges_are_read_less_often(span: int, expected: float) -> None:
    assert terminal_feed.every(Wanted(span), 10) == expected
    assert terminal_feed.every(Wanted(span), 300) == 300


def test_the_exit_code_tells_whether_something_is_wrong() -> None:
    feed, database = make()

    assert once.exit_code(feed.read(FLEET, NOW)) == ExitCode.DONE
    database.found['count("uptime")'] = []
    assert once.exit_code(feed.read(FLEET, NOW + 61)) == ExitCode.DEGRADED


def test_the_data_for_scripts_have_values_units_and_alerts() -> None:
    feed, database = make()
    database.found['count("uptime")'] = []

    data = once.as_json(feed.read(HOST, NOW), site="ares")

    assert data["site"] == "ares"
    assert data["hosts"][0]["host"] == "biere"
    assert data["hosts"][0]["values"]["CPU"]["unit"] == "percent"
    assert [one["alert"] for one in data["alerts"]] == ["agent-silent"] * 2
    assert {"title", "unit", "since", "step", "curves"} == set(data["panels"][0])

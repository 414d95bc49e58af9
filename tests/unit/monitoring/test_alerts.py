"""What fires: since when, with which words, the critical one of two, and what cannot be evaluated."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from aresmon.config import view_files
from aresmon.influxdb.client import InfluxDBUnreachableError, Series
from aresmon.monitoring import active_alerts
from aresmon.monitoring.alerts import AlertWatch
from tests.unit.conftest import load
from tests.unit.monitoring.databases import Answering, series

NOW = 1_000_000_000.0
HOSTS = ("biere", "lewi")
CONFIG = load("hosts:\n" + "".join(f"  {name}: {{agent: systemd, collect: [system, disk]}}\n" for name in HOSTS))
VIEWS = view_files.load()
ALIVE = [series({0: 3.0}, host=name) for name in HOSTS]
FULL = [series({0: 98.0}, host="biere", path="/srv")]


def watch(**found: Sequence[Series]) -> tuple[AlertWatch, Answering]:
    """A watch of two hosts that are alive; `found` are the answers to statements with a word."""
    database = Answering({**found, 'count("uptime")': ALIVE})
    return AlertWatch(CONFIG, VIEWS, database), database


def test_nothing_fires_where_nothing_is_wrong() -> None:
    watching, _ = watch()

    assert watching.look(NOW) == ()
    assert active_alerts.worst(()) is None


def test_an_alert_says_what_and_where_and_what_to_do_next() -> None:
    watching, _ = watch(used_percent=FULL)

    (alert,) = (one for one in watching.look(NOW) if one.alert == "disk-full")

    assert (alert.severity, alert.state, alert.host, alert.place) == ("critical", "firing", "biere", ("/srv",))
    assert alert.value == 98
    assert alert.summary == "/srv on biere is 98 % full."
    assert "`du -xh --max-depth=2 /srv" in alert.next


def test_a_silent_host_is_told_by_its_own_rule() -> None:
    database = Answering({'count("uptime")': ALIVE[:1]})

    (alert,) = AlertWatch(CONFIG, VIEWS, database).look(NOW)

    assert (alert.alert, alert.host, alert.value) == ("agent-silent", "lewi", None)
    assert alert.summary == "Nothing has arrived from lewi for three minutes."
    assert active_alerts.worst([alert]) == "critical"


def test_a_condition_that_must_last_is_pending_at_first_and_fires_later() -> None:
    low = [series({0: 8.0}, host="biere")]

    class SinceNow(Answering):
        def __call__(self, texts: Sequence[str]) -> list[Sequence[Series]]:
            answers = super().__call__(texts)
            ends = [int(re.findall(r"time <= (\d+)ms", text)[0]) / 1000 for text in texts]
            return [[] if end < NOW else answer for end, answer in zip(ends, answers, strict=True)]

    database = SinceNow({"available_percent": low, 'count("uptime")': ALIVE})
    watching = AlertWatch(CONFIG, VIEWS, database)

    states = [
        {one.alert: (one.state, one.since) for one in watching.look(NOW + late)}["memory-low"] for late in (0, 600, 900)
    ]

    assert [state for state, _ in states] == ["pending", "pending", "firing"]


def test_one_that_has_held_long_enough_fires_at_the_first_look() -> None:
    watching, database = watch(available_percent=[series({0: 8.0}, host="biere")])

    found = {one.alert: one for one in watching.look(NOW)}

    assert found["memory-low"].state == "firing"
    assert found["memory-low"].since == NOW - 900
    assert len(database.requests) == 2, "all rules, then the earlier moments of those that hold"
    watching.look(NOW + 60)
    assert len(database.requests) == 3, "what is known is not looked for again"


def test_since_when_is_known_of_what_begins_while_somebody_looks() -> None:
    watching, database = watch()
    watching.look(NOW)
    database.found["used_percent"] = FULL

    begun = next(one for one in watching.look(NOW + 60) if one.alert == "disk-full")
    later = next(one for one in watching.look(NOW + 120) if one.alert == "disk-full")
    database.found["used_percent"] = []
    watching.look(NOW + 180)
    database.found["used_percent"] = FULL
    again = next(one for one in watching.look(NOW + 240) if one.alert == "disk-full")

    assert [one.since for one in (begun, later, again)] == [NOW + 60, NOW + 60, NOW + 240]


def test_without_an_answer_there_is_an_error_and_then_it_goes_on() -> None:
    watching, database = watch(used_percent=FULL)
    database.is_away = True
    with pytest.raises(InfluxDBUnreachableError):
        watching.look(NOW)
    database.is_away = False

    assert [one.alert for one in watching.look(NOW + 60) if one.state == "firing"] == ["disk-full"]


def test_a_rule_that_is_not_understood_is_named_and_the_others_are_evaluated() -> None:
    watching, _ = watch(used_percent=FULL)
    rule = next(one for one in watching.rules if one["uid"] == "cpu-high-warning")
    rule["data"][-1]["model"]["type"] = "sql"

    found = {one.alert for one in watching.look(NOW)}

    assert "disk-full" in found
    assert watching.unknown == ("cpu-high-warning",)

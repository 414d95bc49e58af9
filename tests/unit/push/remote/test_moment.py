"""When the host restarts its agent: between two readings, as soon as that can be."""

from __future__ import annotations

import time

import pytest

from aresmon.agents.readings import ReadingTimes
from tests.unit.push.remote.sandbox import OLD, Sandbox, words

INTERVAL = 3600.0
OTHER = "# Another configuration.\n"


def due_in(seconds: float) -> ReadingTimes:
    """Readings of which the next one is due in so many seconds, and no other for an hour."""
    return ReadingTimes(INTERVAL, offset=round((time.time() + seconds) % INTERVAL, 3))


def states(box: Sandbox, readings: ReadingTimes) -> list[str]:
    return [one.rest for one in box.bring(config=OTHER, readings=readings) if one.word == "state"]


def test_a_restart_that_would_fall_on_a_reading_waits_until_it_is_under_way(box: Sandbox) -> None:
    before = box.pid
    due = time.time() + 1.2
    with box.push(readings=due_in(1.2)) as talk:
        talk.until("state", "wait")
        assert (box.pid, box.config.read_text(), box.pending.exists()) == (before, OLD, False)
        talk.until("state", "prepare")
        began = time.time()
        told = talk.hear(answer="commit")

    assert due + 0.3 < began < due + 3
    assert told[-1].word == "committed"


@pytest.mark.parametrize("readings", [ReadingTimes(), due_in(1000)], ids=["not by the clock", "not soon"])
def test_a_restart_between_two_readings_does_not_wait(box: Sandbox, readings: ReadingTimes) -> None:
    assert "wait" not in states(box, readings)


def test_an_agent_that_does_not_run_is_started_at_once(box: Sandbox) -> None:
    box.call("systemctl", "stop", "telegraf")

    assert "wait" not in states(box, due_in(1.2))


def test_a_connection_that_ends_during_the_wait_changes_nothing(box: Sandbox) -> None:
    before = box.pid
    with box.push(readings=due_in(1.2)) as talk:
        talk.until("state", "wait")
        talk.hang_up()
        told = talk.hear()

    assert words(told)[-1] == "state wait"
    assert (box.pid, box.config.read_text(), box.strays()) == (before, OLD, [])


def test_a_roll_back_does_not_wait(box: Sandbox) -> None:
    due = time.time() + 4
    with box.push(readings=due_in(4)) as talk:
        talk.until("running")
        time.sleep(max(0.0, due - 0.3 - time.time()))
        began = time.time()
        talk.say("rollback it")
        told = talk.hear()

    assert "state wait" not in words(told)
    assert words(told)[-1] == "rolled-back it"
    assert time.time() - began < 1


def test_a_container_is_recreated_between_two_readings_too(dock: Sandbox) -> None:
    dock.bring()

    assert "wait" in states(dock, due_in(1.2))

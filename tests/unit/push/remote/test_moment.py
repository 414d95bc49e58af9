"""When the host restarts its agent: between two readings, as soon as that can be."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from aresmon.agents.readings import CPU_READER, ReadingTimes
from tests.unit.push.remote.sandbox import OLD, Sandbox, until, words

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


@pytest.mark.parametrize("case", ["not by the clock", "not soon"])
def test_a_restart_between_two_readings_does_not_wait(box: Sandbox, case: str) -> None:
    assert "wait" not in states(box, due_in(1000) if case == "not soon" else ReadingTimes())


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
    due = time.time() + 8
    with box.push(readings=due_in(8)) as talk:
        talk.until("running")
        time.sleep(max(0.0, due - 0.3 - time.time()))
        talk.say("rollback it")
        told = talk.hear()

    assert "state wait" not in words(told)
    assert words(told)[-1] == "rolled-back it"


def test_a_container_is_recreated_between_two_readings_too(dock: Sandbox) -> None:
    dock.bring()

    assert "wait" in states(dock, due_in(1.2))


# The usage of the CPU until the agent has read twice -----------------------------------------------------


def read_by(box: Sandbox) -> list[str]:
    """What the second Telegraf was started with; empty if it was not."""
    path = box.root / "agent/cpu reader"
    return path.read_text().splitlines() if path.exists() else []


def reader_runs(box: Sandbox) -> bool:
    pid = (box.root / "agent/cpu reader's pid").read_text().strip()
    return Path(f"/proc/{pid}").exists()


def test_a_second_telegraf_reads_the_cpu_until_the_first_reading(box: Sandbox) -> None:
    (box.root / "agent/user").write_text("telegraf")
    (box.config.parent / "telegraf.d").mkdir()
    with box.push(readings=due_in(60), cpu_reader=CPU_READER) as talk:
        talk.until("running")
        until(lambda: len(read_by(box)) == 12)
        talk.say("commit")
        talk.hear()

    given = read_by(box)
    assert given[:5] == [
        "--config",
        str(box.config),
        "--config-directory",
        f"{box.config.parent}/telegraf.d",
        "--config",
    ]
    assert given[6:9] == ["environment=1", "[agent]", "  round_interval = false"]
    assert 40_000 < int(given[9].removeprefix('  interval = "').removesuffix('ms"')) < 60_000
    assert given[10] == '  precision = "3600000ms"'
    assert len([call for call in box.calls("setpriv") if "--reuid=telegraf" in call and " bash -c " in call]) == 1
    (called,) = [call for call in box.calls("timeout") if "--kill-after=5" in call]
    assert 43 < float(called.split()[2]) < 70


def test_it_ends_with_a_roll_back(box: Sandbox) -> None:
    with box.push(readings=due_in(9), cpu_reader=CPU_READER) as talk:
        talk.until("running")
        until(lambda: (box.root / "agent/cpu reader's pid").exists())
        talk.say("rollback it")
        talk.hear()

    until(lambda: not reader_runs(box))
    assert words(talk.events)[-1] == "rolled-back it"


def test_it_holds_neither_the_lock_nor_the_connection(box: Sandbox) -> None:
    began = time.monotonic()
    told = box.bring(readings=due_in(9), cpu_reader=CPU_READER, verify=False)
    until(lambda: (box.root / "agent/cpu reader's pid").exists())

    assert told[-1].word == "committed"
    assert time.monotonic() - began < 20
    assert reader_runs(box)
    assert box.bring(config=OTHER)[-1].word == "committed"


@pytest.mark.parametrize("case", ["not asked for", "reads too soon", "did not run"])
def test_it_is_not_started_for_nothing(box: Sandbox, case: str) -> None:
    readings, text = due_in(1000), CPU_READER
    if case == "not asked for":
        text = ""
    elif case == "reads too soon":
        readings = ReadingTimes(0.9)
    else:
        box.call("systemctl", "stop", "telegraf")

    assert box.bring(readings=readings, cpu_reader=text)[-1].word == "committed"
    assert read_by(box) == []


def test_in_a_container_it_runs_beside_the_agent(dock: Sandbox) -> None:
    dock.bring()

    dock.bring(config=OTHER, readings=due_in(100), cpu_reader=CPU_READER)

    (given,) = read_by(dock)
    seconds, path, left, interval = given.split()
    assert (path, interval) == ("/etc/aresmon/telegraf.conf", "3600000")
    assert 80 < float(seconds) < 110
    assert 80_000 < int(left) < 100_000

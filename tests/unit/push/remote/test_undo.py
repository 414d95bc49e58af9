"""The way back: every end of a push but the good one, and that it leads to the former files."""

from __future__ import annotations

import dataclasses
import os
import signal
import time

import pytest

from aresmon.push.protocol import HostMessage, PushedFile
from tests.unit.push.remote.sandbox import NEW, OLD, OLD_ENVIRONMENT, SOON, Sandbox, until, words


def assert_back(box: Sandbox, *, config: str = OLD, environment: str = OLD_ENVIRONMENT, runs: bool = True) -> None:
    """The former files stand there, the agent runs with them as it did, and nothing lies about."""
    assert (box.config.read_text(), box.environment.read_text()) == (config, environment)
    assert box.loaded == (config if runs else "")
    assert not box.pending.exists()
    assert box.strays() == []


# While somebody listens -------------------------------------------------------------------------------


def test_who_is_told_to_undo_brings_the_former_files_back(box: Sandbox) -> None:
    with box.push() as talk:
        talk.until("running")
        talk.say("rollback nothing came from cpu, mem")
        told = talk.hear()

    assert words(told, "state")[-1] == "state rollback"
    assert [one.word for one in told][-2:] == ["clock", "rolled-back"]
    assert told[-1].rest == "nothing came from cpu, mem"
    assert_back(box)
    assert (box.last()["tx"], box.last()["outcome"]) == ("t0", "undone")
    assert (box.root / "log").read_text() == "push t0 by ada: rolled back (nothing came from cpu, mem)\n"


@pytest.mark.parametrize("number", [0, 1])
def test_a_file_that_cannot_be_replaced_after_all_costs_no_restart(box: Sandbox, number: int) -> None:
    box.trip(9999, "fail")
    box.bring(box.order("# First.\n"))
    box.trip(9999, "fail")
    box.bring(box.order("# Second.\n"))
    calls = (box.root / "count").read_text().splitlines()
    moves = [at for at, call in enumerate(calls, 1) if call.startswith("mv") and f".aresmon {box.root}/etc" in call]
    before, restarts = box.pid, len(box.calls("systemctl restart"))
    box.trip(moves[number], "fail")

    told = box.bring(box.order("# Third.\n"))

    assert told[-1].rest.startswith(f"{[box.environment, box.config][number]} could not be replaced: ")
    assert (told[-1].word, box.pid, len(box.calls("systemctl restart"))) == ("rolled-back", before, restarts)
    assert not (box.state / "undo").exists()
    assert_back(box, config="# Second.\n", environment="NEW='1'\n")


def test_a_file_that_was_not_replaced_need_not_be_replaced_to_restore_it(box: Sandbox) -> None:
    with box.push() as talk:
        talk.until("running")
        talk.kill()
    box.kill_all()
    box.config.write_text(OLD)  # as if the push had ended before it renamed this one
    box.config.chmod((box.state / "undo/1").stat().st_mode & 0o777)
    before = box.config.stat().st_ino

    box.boot()

    assert box.config.stat().st_ino == before
    assert_back(box)


def test_an_undo_without_a_reason_has_one(box: Sandbox) -> None:
    with box.push() as talk:
        talk.until("running")
        talk.say("rollback")
        assert words(talk.hear())[-1] == "rolled-back rollback was requested"


def test_a_connection_that_ends_brings_them_back(box: Sandbox) -> None:
    with box.push() as talk:
        talk.until("running")
        talk.hang_up()
        assert words(talk.hear())[-1] == "rolled-back the connection ended"

    assert_back(box)


@pytest.mark.parametrize("state", ["prepare", "switch", "restart"])
def test_a_connection_that_ends_before_the_agent_runs_brings_them_back_too(box: Sandbox, state: str) -> None:
    with box.push() as talk:
        talk.until("state", state)
        talk.hang_up()
        told = talk.hear()

    assert told[-1].word == "rolled-back" or words(told)[-1] == "state check"
    assert_back(box)


@pytest.mark.parametrize("verify", [True, False])
def test_a_connection_that_ends_before_anything_is_switched_ends_it(box: Sandbox, verify: bool) -> None:
    before = box.pid
    with box.push(verify=verify) as talk:
        talk.until("state", "stage")
        talk.hang_up()
        told = talk.hear()

    assert words(told)[-1] == "state check"
    assert box.pid == before
    assert_back(box)


def test_without_a_word_in_time_they_come_back(box: Sandbox) -> None:
    with box.push(deadline=SOON) as talk:
        told = talk.hear()

    assert words(told)[-1] == "rolled-back no commit arrived in time"
    assert_back(box)


def test_whoever_is_unknown_says_nothing(box: Sandbox) -> None:
    with box.push() as talk:
        talk.until("running")
        for word in ("", "comit", "COMMIT", "  ", "@commit"):
            talk.say(word)
        talk.say("rollback it")
        assert words(talk.hear())[-1] == "rolled-back it"

    assert_back(box)


def test_more_time_can_be_asked_for(box: Sandbox) -> None:
    with box.push(deadline=SOON) as talk:
        talk.until("running")
        talk.say("extend 60")
        until(lambda: "deadline=1090" in box.pending.read_text())  # the watchdog waits longer too
        time.sleep(2)
        talk.say("commit")
        assert talk.hear()[-1].word == "committed"

    assert box.loaded == NEW


@pytest.mark.parametrize("how", ["dies soon", "dies and comes back"])
def test_an_agent_that_dies_after_its_start_is_seen(box: Sandbox, how: str) -> None:
    (box.root / "agent/log").write_text("info\n2026-01-01T00:00:00Z E! [agent] bad URL\n")
    with box.push(config=f"# agent: {how}\n") as talk:
        told = talk.hear()

    assert told[-1].word == "rolled-back"
    assert told[-1].rest.startswith("the agent exited ")
    assert words(told, "log") == ["log 2026-01-01T00:00:00Z E! [agent] bad URL"]
    assert_back(box)


def test_an_agent_that_died_just_before_the_word_is_seen(box: Sandbox) -> None:
    with box.push() as talk:
        talk.until("running")
        pid = box.pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        until(lambda: box.pid is None)
        talk.say("commit")
        told = talk.hear()

    assert told[-1].word == "rolled-back"
    assert_back(box)


def test_an_agent_that_does_not_start_is_seen_at_once(box: Sandbox) -> None:
    (box.root / "agent/log").write_text("panic: no\n")

    told = box.bring(config="# agent: does not start\n")

    assert told[-1].rest.startswith("the agent does not start: Job for telegraf.service failed.")
    assert words(told, "log") == ["log panic: no"]
    assert "running" not in words(told)
    assert_back(box)


@pytest.mark.parametrize("when", ["start", "stop"])
def test_an_agent_that_hangs_is_not_waited_for_for_ever(box: Sandbox, when: str) -> None:
    (box.root / "impatient").touch()
    if when == "stop":
        box.call("systemctl", "stop", "telegraf")
        box.settle(f"# agent: hangs at its {when}\n")
        told = box.bring()
        assert told[-1].word == "committed"
        assert box.calls("systemctl kill") == ["systemctl kill --signal=KILL telegraf"]
        assert box.loaded == NEW
        return

    told = box.bring(config=f"# agent: hangs at its {when}\n")

    assert told[-1].word == "rolled-back"
    assert_back(box)


def test_too_many_starts_are_too_many_for_systemd_alone(box: Sandbox) -> None:
    box.fault("start limit")

    told = box.bring()

    assert told[-1].word == "committed"
    assert box.loaded == NEW


def test_an_agent_that_starts_with_neither_is_broken_and_its_files_are_the_former(box: Sandbox) -> None:
    with box.push() as talk:
        talk.until("running")
        box.fault("does not start")
        talk.say("rollback it")
        told = talk.hear()

    assert words(told)[-1] == "broken it"
    assert_back(box, runs=False)
    assert box.last()["outcome"] == "broken"
    assert (box.state / "undo" / "0").exists(), "a person must look, and may want them"


def test_an_agent_that_did_not_run_before_does_not_run_afterwards(box: Sandbox) -> None:
    box.call("systemctl", "stop", "telegraf")

    with box.push() as talk:
        talk.until("running")
        talk.say("rollback it")
        assert words(talk.hear())[-1] == "rolled-back it"

    assert_back(box, runs=False)


def test_files_that_were_not_there_go_again(box: Sandbox) -> None:
    box.environment.unlink()
    order = box.order()
    extra = PushedFile(str(box.root / "etc/new/file"), b"x")

    with box.push(dataclasses.replace(order, files=(*order.files, extra))) as talk:
        talk.until("running")
        talk.say("rollback it")
        talk.hear()

    assert not box.environment.exists()
    assert not (box.root / "etc/new/file").exists()
    assert (box.config.read_text(), box.loaded, box.strays()) == (OLD, OLD, [])


def test_former_files_come_back_with_their_modes(box: Sandbox) -> None:
    box.config.chmod(0o604)
    box.environment.chmod(0o600)

    with box.push() as talk:
        talk.until("running")
        assert box.config.stat().st_mode & 0o777 == 0o640
        talk.say("rollback it")
        talk.hear()

    assert [path.stat().st_mode & 0o777 for path in (box.config, box.environment)] == [0o604, 0o600]


def test_the_former_push_is_remembered_after_one_that_was_rolled_back(box: Sandbox) -> None:
    first = box.order()
    box.bring(first)

    with box.push(config="# Another.\n") as talk:
        talk.until("running")
        talk.say("rollback it")
        talk.hear()

    assert_back(box, config=NEW, environment="NEW='1'\n")
    assert words(box.look(), "current")[1] == f"current gen={first.config_id}"
    assert box.bring(config=NEW)[-1].word == "unchanged"


# When nobody is there ---------------------------------------------------------------------------------


def test_a_push_that_is_killed_is_rolled_back_when_its_time_is_over(box: Sandbox) -> None:
    with box.push() as talk:
        talk.until("running")
        talk.kill()

    assert box.loaded == NEW
    box.wait_settled()

    assert_back(box)
    assert box.uptime >= 1060
    assert (box.last()["outcome"], box.last()["why"]) == ("undone", "the push was not committed in time")


def test_the_watchdog_lets_a_push_be_that_has_time_left(box: Sandbox) -> None:
    with box.push() as talk:
        talk.until("running")
        box.uptime += 50
        until(lambda: len(box.calls("sleep")) > 2)
        talk.say("commit")
        assert talk.hear()[-1].word == "committed"


def test_a_watchdog_that_was_first_is_told(box: Sandbox) -> None:
    with box.push() as talk:
        talk.until("running")
        box.uptime += 1000
        until(lambda: not box.pending.exists())
        talk.say("commit")
        told = talk.hear()

    assert told[-1].word == "rolled-back"
    assert_back(box)


@pytest.mark.parametrize("state", ["switch", "verify"])
def test_the_next_push_takes_back_what_was_left_in_the_middle_first(box: Sandbox, state: str) -> None:
    with box.push() as talk:
        talk.until("state", state)
        talk.kill()

    told = _push_when_free(box, answer="rollback it")

    assert words(told, "recovered") == ["recovered t0"]
    assert told[-1].word == "rolled-back"
    assert_back(box)
    assert _push_when_free(box)[-1].word == "committed"
    assert box.loaded == "# Another.\n"


def _push_when_free(box: Sandbox, *, answer: str = "commit") -> list[HostMessage]:
    """A push, once the children of a script that was killed have let its lock go."""
    while True:
        with box.push(config="# Another.\n") as talk:
            told = talk.hear(answer=answer)
        if told[-1].word != "locked":
            return told


def test_what_was_left_and_cannot_be_rolled_back_stops_the_next_push(box: Sandbox) -> None:
    with box.push() as talk:
        talk.until("running")
        talk.kill()
    box.fault("does not start")

    told = box.bring(config="# Another.\n")

    assert (
        words(told)[-1]
        == "refused recover an earlier push was interrupted, and the agent does not start with its previous files"
    )
    assert_back(box, runs=False)


def test_a_lock_can_be_broken_and_what_its_holder_did_is_rolled_back(box: Sandbox) -> None:
    with box.push() as first:
        first.until("running")

        told = box.bring(config="# Another.\n", by="eve", break_lock=True)

    assert words(told, "lock-broken", "recovered") == ["lock-broken ada", "recovered t0"]
    assert told[-1].word == "committed"
    assert box.loaded == "# Another.\n"


def test_breaking_a_lock_that_nobody_holds_breaks_nothing(box: Sandbox) -> None:
    told = box.bring(break_lock=True)

    assert words(told, "lock-broken", "recovered") == []
    assert told[-1].word == "committed"


def test_after_the_loss_of_power_the_agent_starts_with_the_former_files(box: Sandbox) -> None:
    with box.push() as talk:
        talk.until("running")
        talk.kill()

    box.boot()

    assert_back(box)
    assert box.last()["why"] == "the machine restarted during the push"


def test_after_a_good_push_a_start_takes_nothing_back(box: Sandbox) -> None:
    box.bring()

    box.boot()

    assert box.loaded == NEW


def test_a_watchdog_that_is_gone_leaves_it_to_the_next_push(box: Sandbox) -> None:
    with box.push() as talk:
        talk.until("running")
        talk.kill()
    box.kill_all()
    box.call("systemctl", "start", "telegraf")

    told = box.bring(config="# Another.\n")

    assert words(told, "recovered") == ["recovered t0"]
    assert told[-1].word == "committed"

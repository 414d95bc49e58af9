"""The host script, killed or failed at each of its steps in turn: the former files, whole, or the new ones, whole.

A step is a call of a program that changes something. Which there are is the script's own affair. On CI each is tried,
elsewhere every third.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.push.remote.sandbox import NEW, OLD, OLD_ENVIRONMENT, Sandbox, Talk, until

NEW_ENVIRONMENT = "NEW='1'\n"
EVERY = 1 if os.environ.get("CI") else 3
GOES_BACK = {"refused", "rolled-back"}


def assert_whole(box: Sandbox, *, new: bool) -> None:
    """All the files are of one push, and the agent runs with them."""
    config, environment = (NEW, NEW_ENVIRONMENT) if new else (OLD, OLD_ENVIRONMENT)
    assert (box.config.read_text(), box.environment.read_text()) == (config, environment)
    assert box.loaded == config
    assert not box.pending.exists()


def at_each(folder: Path, steps: Iterable[int], run: Callable[[Sandbox, int], None]) -> None:
    """Do this on a host of its own for every step, several at a time; fail with all that went wrong."""

    def one(step: int) -> str:
        box = Sandbox(folder / f"{step}")
        box.settle()
        try:
            run(box, step)
        except AssertionError as error:
            return f"step {step} ({box.untrip() or 'not reached'}): {error}"
        finally:
            box.close()
        return ""

    with ThreadPoolExecutor(4) as pool:
        wrong = [told for told in pool.map(one, steps) if told]
    assert not wrong, "\n".join(wrong)


def hear(talk: Talk, *, answer: str = "commit") -> str:
    """Its last word, whatever becomes of it; an answer where it waits for one."""
    for told in talk.heard():
        if told.word == "running":
            talk.say(answer)
    return talk.events[-1].word if talk.events else ""


@dataclass(frozen=True)
class Steps:
    """How many steps a push has until it has ended well, and its way back; after which of them everything is staged,
    and from which on somebody waits beside the push."""

    push: int
    armed: int
    staged: int
    back: int


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Steps:
    """Those of the script as it is, seen on a host with which nothing is wrong."""

    def calls(*, answer: str) -> list[str]:
        box = Sandbox(tmp_path_factory.mktemp("steps") / "box")
        box.settle()
        box.trip(9999, "fail")
        with box.push() as talk:
            hear(talk, answer=answer)
        box.close()
        return (box.root / "count").read_text().splitlines()

    good, back = calls(answer="commit"), calls(answer="rollback it")
    (armed,) = [number for number, call in enumerate(good, 1) if call.startswith("systemd-run")]
    (staged,) = [number for number, call in enumerate(good, 1) if call.startswith("telegraf config check")]
    (undoing,) = [number for number, call in enumerate(back, 1) if call.startswith("cp") and "/undo/0 " in call]
    assert 25 < len(good) < 60, good
    return Steps(len(good), armed + 1, staged, len(back) - undoing + 1)


def test_a_push_that_is_killed_at_any_step_is_rolled_back_or_was_whole(tmp_path: Path, steps: Steps) -> None:
    def run(box: Sandbox, step: int) -> None:
        box.trip(step, "kill-before")
        with box.push() as talk:
            hear(talk)
        assert box.untrip().startswith("kill-before")
        if step // EVERY % 3 == 0:
            box.boot()
        elif step // EVERY % 3 == 1 and step >= steps.armed:
            box.wait_settled()
        if box.pending.exists():  # so early that neither a watchdog nor a start of the machine takes care of it
            next_push(box)
        is_new = (box.state / "current").exists()
        assert_whole(box, new=is_new)
        if is_new:
            assert box.last()["outcome"] == "committed"

    # While the files are staged one step is as good as another.
    at_each(tmp_path, [1, steps.staged // 2, *range(steps.staged, steps.push + 1, EVERY)], run)


def next_push(box: Sandbox) -> None:
    """A push to a host whose last one was killed; it goes back to where that one began."""
    while (told := box.bring(force=True))[-1].word == "locked":
        pass
    assert told[-1].word in ("committed", "unchanged")
    assert box.strays() == []


def test_a_push_with_any_step_failing_tells_what_stands_there(tmp_path: Path, steps: Steps) -> None:
    def run(box: Sandbox, step: int) -> None:
        box.trip(step, "fail")
        with box.push() as talk:
            word = hear(talk)
        assert box.untrip().startswith("fail")
        assert word in {*GOES_BACK, "committed"}, talk.events
        until_closed(box)
        assert_whole(box, new=word == "committed")
        assert box.strays() == []

    at_each(tmp_path, range(2, steps.push + 1, EVERY), run)


def until_closed(box: Sandbox) -> None:
    """A journal that could not be closed is closed by the watchdog."""
    if box.pending.exists():
        box.wait_settled()


def test_a_way_back_that_is_killed_at_any_step_is_gone_again(tmp_path: Path, steps: Steps) -> None:
    def run(box: Sandbox, step: int) -> None:
        box.trip(9999, "fail")
        with box.push() as talk:
            talk.until("running")
            box.trip(step, "kill-before")
            talk.say("rollback it")
            hear(talk)
        assert box.untrip().startswith("kill-before")
        if step // EVERY % 2:
            box.boot()
        else:
            box.wait_settled()
            box.boot()  # what is left to do after the journal is closed is the agent's start alone
        assert_whole(box, new=False)

    at_each(tmp_path, range(1, steps.back + 1, EVERY), run)


def test_a_watchdog_that_is_killed_at_any_step_leaves_it_to_the_next_push_or_start(
    tmp_path: Path, steps: Steps
) -> None:
    def run(box: Sandbox, step: int) -> None:
        box.trip(9999, "fail")
        with box.push() as talk:
            talk.until("running")
            talk.kill()
        box.trip(step, "kill-before")
        box.hurry()
        until(lambda: (box.root / "tripped").exists())
        box.hurry(False)
        box.untrip()
        if step // EVERY % 2:
            box.boot()
            assert_whole(box, new=False)
        else:
            next_push(box)
            assert_whole(box, new=True)

    at_each(tmp_path, range(2, steps.back + 1, EVERY), run)


@pytest.mark.parametrize("step", ["sync", "mv"])
def test_a_push_that_is_killed_while_it_is_remembered_forgets_nothing_of_the_one_before(
    box: Sandbox, step: str
) -> None:
    box.trip(9999, "fail")
    box.bring()
    box.trip(9999, "fail")
    box.bring(config="# Second.\n")
    calls = (box.root / "count").read_text().splitlines()
    (number,) = [index for index, call in enumerate(calls, 1) if call.startswith(step) and "/current.new" in call]
    box.trip(number, "kill-after")
    with box.push(config="# Third.\n") as talk:
        hear(talk)
    assert box.untrip()

    box.wait_settled()

    third = step == "mv"
    assert box.loaded == ("# Third.\n" if third else "# Second.\n")
    told = box.bring(config="# Third.\n")
    assert told[-1].word == ("unchanged" if third else "committed"), "and nobody takes it for an edit"

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from aresmon.system.poll import poll, poll_async, retry


class FakeClock:
    """A clock that only a pause moves; `pauses` is how many there were."""

    def __init__(self) -> None:
        self.now, self.pauses = 1000.0, 0

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(time, "monotonic", clock.read)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock


def _answers(*answers: Any) -> Callable[[], Any]:
    """A probe that gives these answers one after the other, raises those that are exceptions, and repeats the last."""
    left = list(answers)

    def probe() -> Any:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return probe


def test_the_first_answer_is_returned_without_a_pause(clock: FakeClock) -> None:
    assert poll(_answers("ready"), within=10, every=1) == "ready"
    assert clock.pauses == 0


def test_an_answer_that_is_false_is_an_answer(clock: FakeClock) -> None:
    assert poll(_answers(None, 0), within=10, every=1) == 0
    assert clock.pauses == 1


def test_without_an_answer_it_ends_at_the_deadline(clock: FakeClock) -> None:
    assert poll(_answers(None), within=10, every=3) is None
    assert 1010 <= clock.now < 1013


def test_no_time_at_all_is_one_try(clock: FakeClock) -> None:
    assert poll(_answers("now"), within=0, every=1) == "now"
    assert poll(_answers(None), within=-1, every=1) is None
    assert clock.pauses == 0


def test_it_ends_when_there_is_nothing_to_wait_for(clock: FakeClock) -> None:
    going_on = iter([True, False])

    assert poll(_answers(None), within=10, every=1, keep_trying=lambda: next(going_on)) is None
    assert clock.pauses == 1


def test_an_error_is_retried_until_there_is_a_result(clock: FakeClock) -> None:
    away = OSError("away")

    assert retry(_answers(away, away, None), on=OSError, within=10, every=1) is None
    assert clock.pauses == 2


def test_the_last_error_is_raised_at_the_deadline(clock: FakeClock) -> None:
    with pytest.raises(OSError, match="still away"):
        retry(_answers(OSError("away"), OSError("still away")), on=OSError, within=10, every=1)
    assert 1010 <= clock.now < 1012


def test_the_last_error_is_raised_when_there_is_nothing_to_wait_for(clock: FakeClock) -> None:
    with pytest.raises(OSError, match="away"):
        retry(_answers(OSError("away")), on=OSError, within=10, every=1, keep_trying=lambda: False)
    assert clock.pauses == 0


def test_another_error_passes_at_once(clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="other"):
        retry(_answers(ValueError("other")), on=OSError, within=10, every=1)
    assert clock.pauses == 0


def test_coroutines_are_polled_too(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    async def pause(seconds: float) -> None:
        clock.sleep(seconds)

    monkeypatch.setattr(asyncio, "sleep", pause)
    answers = _answers(None, "found")

    async def ask() -> Any:
        return answers()

    async def never() -> None:
        return None

    assert asyncio.run(poll_async(ask, within=10, every=3)) == "found"
    assert clock.now == 1003
    assert asyncio.run(poll_async(never, within=10, every=3)) is None
    assert 1013 <= clock.now < 1017

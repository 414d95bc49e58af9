"""How tests run side by side: locks, turns, numbers, names and the order of files."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from tests.harness import names, order
from tests.harness.locks import lock, number
from tests.harness.turns import turn
from tests.unit.conftest import REPOSITORY, load

TESTS = REPOSITORY / "tests"


def test_every_file_in_the_list_of_durations_is_there() -> None:
    assert [path for path in order.durations() if not (TESTS / path).exists()] == []


def test_numbers_that_are_held_at_once_differ() -> None:
    with number("harness", 3) as one, number("harness", 3) as two, number("harness", 3) as three:
        assert {one, two, three} == {0, 1, 2}
        with pytest.raises(AssertionError, match="every harness is taken"), number("harness", 3):
            pass
    with number("harness", 1) as again:
        assert again == 0


def test_a_number_is_held_against_other_processes() -> None:
    program = "from tests.harness.locks import number\nwith number('harness', 1): print('had it')"
    argv = [sys.executable, "-c", program]
    with number("harness", 1):
        taken = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True)
    free = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True)

    assert "every harness is taken" in taken.stderr
    assert free.stdout == "had it\n"


def test_threads_of_one_process_hold_a_lock_one_after_the_other() -> None:
    inside = threading.Event()
    order_of: list[str] = []

    def other() -> None:
        inside.set()
        with lock("harness-threads"):
            order_of.append("other")

    with lock("harness-threads"):
        thread = threading.Thread(target=other)
        thread.start()
        inside.wait(5)
        thread.join(0.1)
        order_of.append("this")
    thread.join(5)

    assert order_of == ["this", "other"]


def test_a_serial_test_runs_alone_and_is_not_overtaken() -> None:
    running, most, seen = [0], [0], []
    begun = threading.Event()

    def one(name: str, *, alone: bool) -> None:
        with turn(alone=alone, of="harness"):
            running[0] += 1
            most[0] = max(most[0], running[0])
            seen.append((name, running[0]))
            begun.wait(1)
            running[0] -= 1

    def start(name: str, *, alone: bool = False) -> threading.Thread:
        thread = threading.Thread(target=one, args=(name,), kwargs={"alone": alone})
        thread.start()
        time.sleep(0.3)
        return thread

    threads = [start("first"), start("second"), start("serial", alone=True), start("last")]
    for thread in threads:
        thread.join(10)

    assert most == [2]
    assert seen == [("first", 1), ("second", 2), ("serial", 1), ("last", 1)]


def test_names_say_whose_they_are_and_serve_for_sites(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(names.WORKER_VARIABLE, "gw11")

    made = names.fresh()

    assert made.startswith(names.prefix("gw11"))
    assert not made.startswith(names.prefix("gw1"))
    assert load(f"site: {made}\nhosts: {{box: }}\n").site == made
    assert len(f"{names.bridges(names.this_worker())}ff") <= 15  # IFNAMSIZ, less its end

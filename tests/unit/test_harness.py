"""How tests run side by side: locks, turns, numbers, names, the order of files and who runs them."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from xdist.remote import Producer

from tests.harness import limits, names, order
from tests.harness.locks import lock, number
from tests.harness.turns import turn
from tests.harness.workers import Scheduling
from tests.unit.conftest import REPOSITORY, load

TESTS = REPOSITORY / "tests"


class Item:
    """A test as pytest's hooks see it, and the marks that it got."""

    def __init__(self, file: str) -> None:
        self.path, self.marks = TESTS / file, list[pytest.MarkDecorator]()

    def add_marker(self, mark: pytest.MarkDecorator) -> None:
        self.marks.append(mark)


def test_tests_of_a_folder_with_a_real_engine_are_marked_so() -> None:
    items = [Item(f"{path.parent.name}/test_one.py") for path in sorted(TESTS.glob("*/__init__.py"))]

    limits.pytest_collection_modifyitems(items)  # type: ignore[arg-type]

    assert {one.path.parent.name for one in items if one.marks == [pytest.mark.engine]} == set(names.REAL)
    assert all(not one.marks for one in items if one.path.parent.name not in names.REAL)


def test_the_first_test_of_each_folder_has_time_for_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_begun", set[str]())
    files = ("unit/test_a.py", "engine/test_a.py", "engine/test_b.py", "services/test_a.py", "unit/test_b.py")
    items = [Item(file) for file in files]

    for one in items:
        limits.give_time_for_images(one)  # type: ignore[arg-type]

    assert [len(one.marks) for one in items] == [0, 1, 0, 1, 0]


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


class Worker:
    """A worker as xdist's scheduler sees it; `run` makes it run all that it was sent but the last, which it holds."""

    def __init__(self, name: str) -> None:
        self.gateway, self.shutting_down = SimpleNamespace(id=name), False
        self.sent, self.ran = list[int](), list[int]()

    def send_runtest_some(self, indices: list[int]) -> None:
        self.sent += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    def next(self) -> int | None:
        if len(self.sent) > (0 if self.shutting_down else 1):
            self.ran.append(self.sent.pop(0))
            return self.ran[-1]
        return None


def scheduled(tests: list[str], workers: int) -> list[list[str]]:
    """The files that each worker runs, where all tests take the same time."""
    config = SimpleNamespace(
        getvalue=lambda name: {"tx": [f"{workers}*popen"]}[name], option=SimpleNamespace(loadscopereorder=False)
    )
    made = [Worker(f"gw{number}") for number in range(workers)]
    scheduling = Scheduling(config, Producer("tests"))
    for one in made:
        scheduling.add_node(one)
    for one in made:
        scheduling.add_node_collection(one, tests)
    scheduling.schedule()
    while ended := [(one, test) for one in made if (test := one.next()) is not None]:
        for one, test in ended:
            scheduling.mark_test_complete(one, test)

    assert sorted(test for one in made for test in one.ran) == list(range(len(tests)))
    assert all(one.shutting_down for one in made)
    return [list(dict.fromkeys(tests[test].partition("::")[0] for test in one.ran)) for one in made]


def several(*files: str, each: int = 4) -> list[str]:
    return [f"{file}::test_{number}" for file in files for number in range(each)]


def test_one_worker_runs_the_unit_tests_and_nothing_else() -> None:
    engine = [f"tests/{folder}/test_{letter}.py" for folder in names.REAL for letter in "abc"]

    first, *others = scheduled(several(*engine, "tests/unit/test_a.py", "tests/unit/test_b.py"), 3)

    assert first == ["tests/unit/test_a.py", "tests/unit/test_b.py"]
    assert sorted(file for one in others for file in one) == engine
    assert others[0][0] == engine[0]


def test_who_has_run_the_last_test_with_an_engine_helps_with_the_unit_tests() -> None:
    unit = [f"tests/unit/test_{letter}.py" for letter in "abcdefghi"]

    first, *others = scheduled(several("tests/fleet/test_a.py", *unit), 3)

    assert set(first) < set(unit)
    assert all(set(one) & set(unit) for one in others)


@pytest.mark.parametrize(
    "tests", [several("tests/unit/a.py", "tests/unit/b.py"), several("tests/engine/a.py", "tests/fleet/b.py")]
)
def test_tests_of_one_kind_are_for_every_worker(tests: list[str]) -> None:
    assert [len(files) for files in scheduled(tests, 2)] == [1, 1]


def test_a_worker_alone_runs_everything() -> None:
    assert scheduled(several("tests/engine/a.py", "tests/unit/b.py"), 1) == [["tests/engine/a.py", "tests/unit/b.py"]]


def test_names_say_whose_they_are_and_serve_for_sites(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(names.WORKER_VARIABLE, "gw11")

    made = names.fresh()

    assert made.startswith(names.prefix("gw11"))
    assert not made.startswith(names.prefix("gw1"))
    assert load(f"site: {made}\nhosts: {{box: }}\n").site == made
    assert len(f"{names.bridges(names.this_worker())}ff") <= 15  # IFNAMSIZ, less its end

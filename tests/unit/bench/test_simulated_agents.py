"""The agents of the soak and of the tests with faults hold and send as Telegraf does, and their count finds a hole."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.agents import Account, Agent, Arrived, Habits, agents, finish, missing

pytestmark = pytest.mark.own_sockets("a stand-in for the edge answers over HTTP")

HABITS = Habits(series=2, interval=0.01, flush=0.02, limit=1000, batch=50)


class Door(http.server.BaseHTTPRequestHandler):
    """An edge that answers as it is told, and keeps what it took."""

    server: Edge

    def do_POST(self) -> None:
        lines = self.rfile.read(int(self.headers["Content-Length"])).decode().splitlines()
        if self.server.status == 204:
            self.server.taken.extend(lines)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the base class's name)
        pass


class Edge(http.server.ThreadingHTTPServer):
    status = 204

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Door)
        self.taken: list[str] = []

    def numbers(self, series: int) -> list[int]:
        return [int(line.split(" n=")[1].split("i")[0]) for line in self.taken if f"series={series} " in line]


@contextmanager
def edge() -> Iterator[Edge]:
    with Edge() as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()


@contextmanager
def agent(of: Edge, habits: Habits = HABITS) -> Iterator[Agent]:
    account = Account("box", f"127.0.0.1:{of.server_port}", "agent-box", "secret")
    with agents([account], habits) as (one,):
        yield one


def until(ready: object) -> None:
    assert callable(ready)
    deadline = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("status", [500, 503, 401, 429])
def test_what_is_not_taken_is_sent_again_in_order(status: int) -> None:
    with edge() as door, agent(door) as one:
        until(lambda: one.read > 5)
        door.status = status
        until(lambda: one.failed > 2)
        door.status = 204
        assert finish([one], within=30) == []

        assert door.numbers(0) == door.numbers(1) == list(range(one.read))
        assert (one.dropped, one.refused) == (0, 0)


def test_nothing_leaves_an_agent_that_is_cut_off() -> None:
    with edge() as door, agent(door) as one:
        one.cut.set()
        until(lambda: one.failed > 3)
        before = len(door.taken)
        until(lambda: one.failed > 6)

        assert len(door.taken) == before
        one.cut.clear()
        assert finish([one], within=30) == []
        assert door.numbers(0) == list(range(one.read))


def test_a_full_buffer_drops_the_oldest() -> None:
    with edge() as door, agent(door, Habits(series=2, interval=0.01, flush=0.02, limit=10, batch=50)) as one:
        one.cut.set()
        until(lambda: one.read > 30)
        one.cut.clear()
        assert finish([one], within=30) == []

        assert one.dropped > 0
        assert door.numbers(0)[-1] == one.read - 1
        assert 2 * one.read == len(door.taken) + one.dropped


def test_a_point_that_will_never_be_taken_is_not_sent_again() -> None:
    with edge() as door, agent(door) as one:
        door.status = 400
        until(lambda: one.refused > 0)
        door.status = 204
        assert finish([one], within=30) == []

        assert one.refused + len(door.taken) == 2 * one.read


@pytest.mark.parametrize(
    "there", [Arrived(9, 45, 0, 9), Arrived(10, 44, 0, 9), Arrived(10, 45, 1, 9), Arrived(11, 45, 0, 9), None]
)
def test_the_count_finds_a_hole_and_a_point_that_is_there_twice(there: Arrived | None) -> None:
    one = Agent(Account("box", "127.0.0.1:1", "agent-box", "secret"), Habits(series=2), begin=0)
    one.read = 10
    arrived = {("box", "0"): Arrived(10, 45, 0, 9)} | ({("box", "1"): there} if there else {})

    assert list(missing([one], arrived)) == [("box", "1")]
    assert missing([one], {("box", series): Arrived(10, 45, 0, 9) for series in "01"}) == {}

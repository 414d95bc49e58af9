"""Agents that behave as Telegraf does towards its output, without a Telegraf each: what they read is numbered.

As in telegraf/agent.conf: points are read each interval, held in a buffer of so many, sent in batches in the order in
which they were read, kept and sent again where the answer is no 2xx or none; what does not fit drops the oldest. What
the database will never take (400, which Telegraf drops too) is counted as refused.

Source: Telegraf 1.39, models/buffer_mem.go, models/running_output.go and plugins/outputs/influxdb/http.go.
"""

from __future__ import annotations

import base64
import http.client
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

MEASUREMENT = "counted"
_TIMEOUT = 5.0  # seconds for one answer, as in telegraf/output.conf
_OK, _BAD = range(200, 300), 400


@dataclass(frozen=True, slots=True)
class Account:
    """Where an agent writes, and as whom; `host` is the tag on its points."""

    host: str
    address: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Habits:
    """How an agent reads and sends: series, seconds between readings and between flushes, points held and sent."""

    series: int = 10
    interval: float = 1.0
    flush: float = 2.0
    limit: int = 50_000
    batch: int = 5_000


class Agent:
    """One agent, which reads and sends side by side, in two threads. `read` is how often it read each series, which are
    numbered 0, 1, 2, …; `failed` counts writes that came to nothing, `dropped` and `refused` points that are gone."""

    def __init__(self, account: Account, habits: Habits, *, begin: float) -> None:
        self.account, self.habits = account, habits
        self.read = self.failed = self.dropped = self.refused = 0
        self.cut = threading.Event()
        """While it is set nothing leaves this agent, as with a network cable unplugged."""
        self._begin, self._held, self._lock = begin, deque[str](), threading.Lock()
        self._last, self._given_up, self._sending = threading.Event(), threading.Event(), 0
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._gather, self._deliver)]
        self._token = base64.b64encode(f"{account.user}:{account.password}".encode()).decode()

    @property
    def held(self) -> int:
        """Points that wait in the buffer, or for an answer."""
        return len(self._held) + self._sending

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Read no more; what is held is still sent."""
        self._last.set()

    def finish(self, within: float) -> bool:
        """Read no more, and send what is held; whether all of it was taken in time (seconds)."""
        self.end()
        for thread in self._threads:
            thread.join(within)
        self._given_up.set()
        return not self.held

    def _gather(self) -> None:
        due = self._begin
        while not self._last.wait(max(0.0, due - time.time())):
            stamp = int(due * 1e9)
            with self._lock:
                for series in range(self.habits.series):
                    line = f"{MEASUREMENT},host={self.account.host},series={series} n={self.read}i {stamp}"
                    self._held.append(line)
                self.read += 1
                self._make_room()
            # As Telegraf's ticker: what came due while it was busy is not read afterwards.
            due = max(due + self.habits.interval, time.time())

    def _deliver(self) -> None:
        while not self._last.wait(self.habits.flush):
            self._flush()
        self._threads[0].join()
        while self._held and not self._given_up.is_set():
            if not self._flush():
                self._given_up.wait(1)

    def _flush(self) -> bool:
        """Send batches until nothing is held or one is not taken; whether all were."""
        while self._held:
            with self._lock:
                lines = [self._held.popleft() for _ in range(min(self.habits.batch, len(self._held)))]
                self._sending = len(lines)
            status = 0 if self.cut.is_set() else self._send(lines)
            is_over = status in _OK or status == _BAD
            with self._lock:
                self._sending = 0
                if not is_over:
                    self.failed += 1
                    self._held.extendleft(reversed(lines))
                    self._make_room()
                elif status == _BAD:
                    self.refused += len(lines)
            if not is_over:
                return False
        return True

    def _make_room(self) -> None:
        while len(self._held) > self.habits.limit:
            self._held.popleft()
            self.dropped += 1

    def _send(self, lines: Sequence[str]) -> int:
        """The status of the answer; 0 where there is none."""
        connection = http.client.HTTPConnection(self.account.address, timeout=_TIMEOUT)
        try:
            headers = {"Authorization": f"Basic {self._token}"}
            connection.request("POST", "/write?db=telegraf", "\n".join(lines).encode(), headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()


@contextmanager
def agents(accounts: Sequence[Account], habits: Habits) -> Iterator[list[Agent]]:
    """Agents that read and write until the end of the block; those that did not finish by themselves are left."""
    begin = time.time()
    # Hosts are not in step: each begins a little later, and so flushes at another moment.
    made = [
        Agent(one, habits, begin=begin + habits.flush * number / len(accounts)) for number, one in enumerate(accounts)
    ]
    for one in made:
        one.start()
    try:
        yield made
    finally:
        for one in made:
            one.finish(0)


def finish(running: Sequence[Agent], *, within: float) -> list[str]:
    """Let all read no more and send what they hold; the hosts that did not get rid of it in time (seconds)."""
    deadline = time.monotonic() + within
    for one in running:
        one.end()
    return [one.account.host for one in running if not one.finish(max(0.0, deadline - time.monotonic()))]


@dataclass(frozen=True, slots=True)
class Arrived:
    """Of one series of one host, what is in the database: how many points, their sum, the first and last number."""

    count: int
    sum: int
    first: int
    last: int

    @classmethod
    def told(cls, row: Mapping[str, object]) -> Arrived:
        """What a row of the answer to `COUNTED` says."""
        return cls(*(int(str(row[name])) for name in ("count", "sum", "min", "max")))

    @classmethod
    def whole(cls, read: int) -> Arrived:
        """What must be there of a series that was read so often: every number once."""
        return cls(read, read * (read - 1) // 2, 0, read - 1)


COUNTED = f'SELECT count("n"), sum("n"), min("n"), max("n") FROM "{MEASUREMENT}" GROUP BY "host", "series"'
"""What `arrived` wants the answer of."""


def missing(running: Sequence[Agent], arrived: dict[tuple[str, str], Arrived]) -> dict[tuple[str, str], object]:
    """Every series of which not each number is there once, with what should be there and what is.

    Sum and count together find a hole that a doubled point would hide.
    """
    wanted = {
        (one.account.host, str(series)): Arrived.whole(one.read)
        for one in running
        for series in range(one.habits.series)
        if one.read
    }
    return {key: (whole, arrived.get(key)) for key, whole in wanted.items() if arrived.get(key) != whole}

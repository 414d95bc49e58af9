"""What several hosts send after a push, seen in InfluxDB: one query for all of them, again and again.

A host is proven when the mark of its new configuration has arrived, and with it every measurement that arrived
before. Times are the hosts' own: each is compared with that host's clock alone, so that clocks apart prove nothing
false.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from aresmon.config.names import DATABASE, MARKER
from aresmon.influxdb import influxql
from aresmon.influxdb.client import InfluxDB, Series
from aresmon.system.errors import AresmonError

_BEFORE = 60  # seconds before the restart in which a measurement counts as one that arrives
_GRACE = 4.0
_FIRST_ANSWER = 10.0
_AHEAD = 5.0  # seconds for a host's word to come here
_LONGEST_PAUSE = 600.0
_PATIENCE = 5.0  # seconds for an answer; the hosts wait ten longer than we do
# Percentages of processor time take two readings, and the first flush of an agent has one.
_LATE = frozenset({"cpu"})


@dataclass(frozen=True, slots=True)
class ExpectedData:
    """What must arrive of a host: the points that carry `mark`, or any where it is empty, from `since` on (by the
    host's clock, seconds since 1970), within `within` seconds. `back` is how long ago `since` is, `interval` the
    agent's. `strict` waits for the measurements that come with the second reading too."""

    host: str
    mark: str
    since: float
    within: float
    back: float = 0.0
    interval: float = 10.0
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """Whether the data of a host arrived, or why not. `before` are the measurements that arrived before, None where
    nobody could tell, `silent` those of them that do not now; `is_late` says that its time was over."""

    arrived: bool
    before: frozenset[str] | None = None
    silent: tuple[str, ...] = ()
    why: str = ""
    is_late: bool = False


@dataclass(slots=True)
class _Waiting:
    """One host that is waited for. Times are monotonic, `marked` is by the host's clock."""

    wanted: ExpectedData
    outcome: asyncio.Future[Arrival]
    paused: Callable[[bool], None]
    deadline: float
    begun: float
    before: frozenset[str] | None = None
    marked: float | None = None
    marked_at: float = 0.0
    seen: set[str] = field(default_factory=set)

    @property
    def missing(self) -> frozenset[str]:
        return (self.before or frozenset()) - self.seen

    @property
    def latest(self) -> float:
        """The host's present, by its clock: later points are left from before that was set back."""
        return self.wanted.since + self.wanted.back + time.monotonic() - self.begun + _AHEAD

    def verdict(self, now: float) -> Arrival | None:
        """What is known by now; None while it is worth waiting."""
        if self.marked is None:
            late = Arrival(False, self.before, why="none of its data arrived", is_late=True)
            return late if now > self.deadline else None
        awaited = self.missing if self.wanted.strict else self.missing - _LATE
        rounds = 2 if self.wanted.strict else 1
        if awaited and now < min(self.deadline, self.marked_at + rounds * self.wanted.interval + _GRACE):
            return None
        return Arrival(True, self.before, silent=tuple(sorted(awaited)))


class Delivery:
    """Waits for hosts. Use it as a context; nothing is asked while nobody is waited for."""

    def __init__(self, influxdb: InfluxDB, *, every: float = 0.5) -> None:
        self._influxdb, self._every = influxdb, every
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Raise AresmonError where InfluxDB cannot be asked: then nothing should be pushed."""
        await asyncio.to_thread(self._influxdb.query, "SHOW DATABASES", within=_FIRST_ANSWER)

    async def arrived(self, wanted: ExpectedData, paused: Callable[[bool], None] = lambda _: None) -> Arrival:
        """Wait for a host. While InfluxDB does not answer the time stands still, and `paused` is told so."""
        outcome, now = asyncio.get_running_loop().create_future(), time.monotonic()
        waiting = _Waiting(wanted, outcome, paused, now + wanted.within, now)
        self._waiting.append(waiting)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        try:
            return await waiting.outcome
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    async def _watch(self) -> None:
        try:
            await self._ask_again_and_again()
        except Exception as error:  # whoever waits is told, and does not wait for ever
            for waiting in self._waiting:
                if not waiting.outcome.done():
                    waiting.outcome.set_exception(error)

    async def _ask_again_and_again(self) -> None:
        silent_since: float | None = None
        last = time.monotonic()
        asking: asyncio.Task[str] | None = None
        while self._waiting:
            now = time.monotonic()
            asking = asking or asyncio.create_task(asyncio.to_thread(self._ask, list(self._waiting)))
            await asyncio.wait({asking}, timeout=_PATIENCE)
            trouble = asking.result() if asking.done() else "InfluxDB does not answer"
            asking = None if asking.done() else asking
            silent_since = (silent_since or now) if trouble else None
            over = silent_since is not None and time.monotonic() - silent_since > _LONGEST_PAUSE
            for waiting in list(self._waiting):
                if trouble:
                    waiting.deadline += time.monotonic() - last
                waiting.paused(bool(trouble))
                verdict = None if trouble else waiting.verdict(time.monotonic())
                verdict = Arrival(False, why=f"{trouble}, for ten minutes") if over else verdict
                if verdict is not None and not waiting.outcome.done():
                    waiting.outcome.set_result(verdict)
                    self._waiting.remove(waiting)
            last = now
            await asyncio.sleep(self._every)

    def _ask(self, waiting: Iterable[_Waiting]) -> str:
        """Look, and why there was nothing to see; empty if there was. What is no answer says nothing of a host."""
        try:
            self._look(waiting)
        except AresmonError as error:
            return error.message
        return ""

    def _look(self, waiting: Iterable[_Waiting]) -> None:
        """One request about all of them."""
        several = list(waiting)
        new = [one for one in several if one.before is None]
        marked = [one for one in several if one.marked is not None and one.missing]
        unmarked = [one for one in several if not one.wanted.mark and one.marked is None]
        asked = [(_marks(several), partial(_note_marks, several))]
        if new:
            end = max(one.wanted.since for one in new)
            asked.append((_newest(new, _since(new) - _BEFORE, end), partial(_note_before, new)))
        if unmarked:
            begin = math.ceil(_since(unmarked))
            asked.append((_newest(unmarked, begin, _latest(unmarked)), partial(_note_any, unmarked)))
        if marked:
            first = min(one.marked or 0.0 for one in marked)
            asked.append((_newest(marked, first, _latest(marked)), partial(_note_seen, marked)))
        answers = self._influxdb.query(*(statement for statement, _ in asked), database=DATABASE)
        for (_, note), answer in zip(asked, answers, strict=True):
            note(answer)


def _since(several: Iterable[_Waiting]) -> float:
    return min(one.wanted.since for one in several)


def _latest(several: Iterable[_Waiting]) -> float:
    return max(one.latest for one in several)


def _hosts(several: Iterable[_Waiting]) -> str:
    names = "|".join(re.escape(name).replace("/", r"\/") for name in sorted({one.wanted.host for one in several}))
    return f'"host" =~ /^(?:{names})$/'


def _marks(several: Iterable[_Waiting]) -> str:
    return (
        f'SELECT "gen" FROM {influxql.identifier(MARKER)} WHERE time >= {_since(several) - 1:.0f}s '
        f'AND {_hosts(several)} GROUP BY "host"'
    )


def _newest(several: Iterable[_Waiting], since: float, until: float) -> str:
    """The newest row of every measurement of these hosts."""
    return (
        f"SELECT * FROM /.*/ WHERE time >= {since:.0f}s AND time <= {until:.0f}s "
        f'AND {_hosts(several)} GROUP BY "host" ORDER BY time DESC LIMIT 1'
    )


def _by_host(answer: Iterable[Series]) -> Mapping[str, list[Series]]:
    found: dict[str, list[Series]] = {}
    for series in answer:
        found.setdefault(series.tags.get("host", ""), []).append(series)
    return found


def _note_marks(several: Iterable[_Waiting], answer: Iterable[Series]) -> None:
    found = _by_host(answer)
    for one in several:
        times = [
            float(row["time"])
            for series in found.get(one.wanted.host, ())
            for row in series.rows
            if int(one.wanted.since) - 1 <= row["time"] <= one.latest and row["gen"].startswith(one.wanted.mark)
        ]
        if times and one.wanted.mark and one.marked is None:
            one.marked, one.marked_at = min(times), time.monotonic()


def _note_any(unmarked: Iterable[_Waiting], answer: Iterable[Series]) -> None:
    found = _by_host(answer)
    for one in unmarked:
        times = [float(series.rows[0]["time"]) for series in found.get(one.wanted.host, ())]
        if times and max(times) >= one.wanted.since:
            one.marked, one.marked_at = max(times), time.monotonic()


def _note_before(new: Iterable[_Waiting], answer: Iterable[Series]) -> None:
    found = _by_host(answer)
    for one in new:
        series_of = found.get(one.wanted.host, ())
        recent = {one_of.name for one_of in series_of if one_of.rows[0]["time"] >= one.wanted.since - _BEFORE}
        one.before = frozenset(recent) - {MARKER}


def _note_seen(marked: Iterable[_Waiting], answer: Iterable[Series]) -> None:
    found = _by_host(answer)
    for one in marked:
        for series in found.get(one.wanted.host, ()):
            if one.marked is not None and series.rows[0]["time"] >= one.marked:
                one.seen.add(series.name)

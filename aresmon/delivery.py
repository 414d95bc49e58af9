"""What several hosts send after a push, seen in InfluxDB: one query for all of them, again and again.

A host is proven when the mark of its new configuration has arrived, and with it every measurement that arrived
before. Times are the hosts' own: each is compared with that host's clock alone, so that clocks apart prove nothing
false.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from aresmon.influxdb import InfluxDB, Series, UnreachableError
from aresmon.render import influxql
from aresmon.render.telegraf import DATABASE, MARKER

_BEFORE = 60  # seconds before the restart in which a measurement counts as one that arrives
_GRACE = 4.0
_LONGEST_PAUSE = 600.0
# Percentages of processor time take two readings, and the first flush of an agent has one.
_LATE = frozenset({"cpu"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What must arrive of a host: the points that carry `mark`, or any where it is empty, from `since` on (by the
    host's clock, seconds since 1970), within `within` seconds. `interval` is the agent's. `strict` waits for the
    measurements that come with the second reading too."""

    host: str
    mark: str
    since: float
    within: float
    interval: float = 10.0
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """Whether the data of a host arrived, or why not; `silent` are the measurements that did before and do not now,
    `is_late` says that its time was over."""

    arrived: bool
    silent: tuple[str, ...] = ()
    why: str = ""
    is_late: bool = False


@dataclass(slots=True)
class _Waiting:
    """One host that is waited for. Times are monotonic, `marked` is by the host's clock."""

    wanted: Wanted
    outcome: asyncio.Future[Arrival]
    paused: Callable[[bool], None]
    deadline: float
    before: frozenset[str] | None = None
    marked: float | None = None
    marked_at: float = 0.0
    seen: set[str] = field(default_factory=set)

    @property
    def missing(self) -> frozenset[str]:
        return (self.before or frozenset()) - self.seen

    def verdict(self, now: float) -> Arrival | None:
        """What is known by now; None while it is worth waiting."""
        if self.marked is None:
            return Arrival(False, why="none of its data arrived", is_late=True) if now > self.deadline else None
        awaited = self.missing if self.wanted.strict else self.missing - _LATE
        rounds = 2 if self.wanted.strict else 1
        if awaited and now < min(self.deadline, self.marked_at + rounds * self.wanted.interval + _GRACE):
            return None
        return Arrival(True, silent=tuple(sorted(awaited)))


class Delivery:
    """Waits for hosts. Use it as a context; nothing is asked while nobody is waited for."""

    def __init__(self, influxdb: InfluxDB, *, every: float = 0.5) -> None:
        self._influxdb, self._every = influxdb, every
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Raise AresmonError where InfluxDB cannot be asked: then nothing should be pushed."""
        await asyncio.to_thread(self._influxdb.query, "SHOW DATABASES")

    async def arrived(self, wanted: Wanted, paused: Callable[[bool], None] = lambda _: None) -> Arrival:
        """Wait for a host. While InfluxDB does not answer the time stands still, and `paused` is told so."""
        waiting = _Waiting(wanted, asyncio.get_running_loop().create_future(), paused, time.monotonic() + wanted.within)
        self._waiting.append(waiting)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        try:
            return await waiting.outcome
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    async def _watch(self) -> None:
        silent_since: float | None = None
        last = time.monotonic()
        while self._waiting:
            now = time.monotonic()
            round_of = list(self._waiting)
            try:
                await asyncio.to_thread(self._look, round_of)
                answered = True
            except UnreachableError:
                answered = False
            silent_since = None if answered else silent_since or now
            over = silent_since is not None and time.monotonic() - silent_since > _LONGEST_PAUSE
            for waiting in round_of:
                if not answered:
                    waiting.deadline += time.monotonic() - last
                waiting.paused(not answered)
                verdict = Arrival(False, why="InfluxDB did not answer for ten minutes") if over else None
                verdict = verdict or (waiting.verdict(time.monotonic()) if answered else None)
                if verdict is not None and not waiting.outcome.done():
                    waiting.outcome.set_result(verdict)
                    self._waiting.remove(waiting)
            last = now
            await asyncio.sleep(self._every)

    def _look(self, waiting: Iterable[_Waiting]) -> None:
        """One request about all of them."""
        several = list(waiting)
        new = [one for one in several if one.before is None]
        marked = [one for one in several if one.marked is not None and one.missing]
        statements = [_marks(several)]
        if new:
            statements.append(_newest(new, min(one.wanted.since for one in new) - _BEFORE, _latest(new)))
        if marked:
            statements.append(_newest(marked, min(one.marked or 0.0 for one in marked)))
        answers = self._influxdb.query(*statements, database=DATABASE)
        _note_marks(several, answers[0])
        if new:
            _note_before(new, answers[1])
        if marked:
            _note_seen(marked, answers[-1])


def _latest(several: Iterable[_Waiting]) -> float:
    return max(one.wanted.since for one in several)


def _hosts(several: Iterable[_Waiting]) -> str:
    names = "|".join(re.escape(name).replace("/", r"\/") for name in sorted({one.wanted.host for one in several}))
    return f'"host" =~ /^(?:{names})$/'


def _marks(several: Iterable[_Waiting]) -> str:
    since = min(one.wanted.since for one in several)
    return (
        f'SELECT "gen" FROM {influxql.identifier(MARKER)} WHERE time >= {since - 1:.0f}s AND {_hosts(several)} '
        'GROUP BY "host"'
    )


def _newest(several: Iterable[_Waiting], since: float, until: float | None = None) -> str:
    """The newest row of every measurement of these hosts."""
    end = "" if until is None else f" AND time <= {until:.0f}s"
    return (
        f'SELECT * FROM /.*/ WHERE time >= {since:.0f}s{end} AND {_hosts(several)} GROUP BY "host" '
        "ORDER BY time DESC LIMIT 1"
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
            if row["time"] >= int(one.wanted.since) - 1 and row["gen"].startswith(one.wanted.mark)
        ]
        if times and one.marked is None:
            one.marked, one.marked_at = min(times), time.monotonic()


def _note_before(new: Iterable[_Waiting], answer: Iterable[Series]) -> None:
    found = _by_host(answer)
    for one in new:
        one.before = frozenset(series.name for series in found.get(one.wanted.host, ())) - {MARKER}


def _note_seen(marked: Iterable[_Waiting], answer: Iterable[Series]) -> None:
    found = _by_host(answer)
    for one in marked:
        for series in found.get(one.wanted.host, ()):
            if one.marked is not None and series.rows[0]["time"] >= one.marked:
                one.seen.add(series.name)

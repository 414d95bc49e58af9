"""Verify that hosts' data arrives in InfluxDB after a push: one query for all waiting hosts, repeated.

A host is verified when the config ID of its new configuration has arrived, and with it every measurement that arrived
before. Times are compared with the same host's clock only, so that a wrong clock does not falsify the result.
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

_BEFORE = 60  # seconds before the restart: measurements that arrived in them are expected afterwards
_GRACE = 4.0
_CONNECT_TIMEOUT = 10.0
_TRANSIT = 5.0  # seconds for a host's message to arrive here
_LONGEST_PAUSE = 600.0
_DIAGNOSIS = 2.0  # seconds before the deadline from which on it is asked what arrived instead
_NAMED = 5  # measurements in a message
_QUERY_TIMEOUT = 5.0  # seconds; hosts wait ten seconds longer for the command
# Processor usage needs two readings, and an agent's first flush has only one: at that time it is another's.
_LATE = frozenset({"cpu"})


@dataclass(frozen=True, slots=True)
class ExpectedData:
    """The data that is expected from a host: points with the config ID `config_id`, or any points if it is empty, from
    `since` on (by the host's clock, in seconds since 1970), within `within` seconds. `back` is how many seconds ago
    `since` is, `interval` the agent's. `strict` also waits for measurements that need a second reading. `is_excused`
    says of a measurement that arrived before whether it need not arrive again: it was taken out of the configuration,
    or is read less often."""

    host: str
    config_id: str
    since: float
    within: float
    back: float = 0.0
    interval: float = 10.0
    strict: bool = False
    is_excused: Callable[[str], bool] = field(default=lambda _: False, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Whether the data of a host arrived, or why not. `before` are the measurements that arrived before the push, None
    if that is unknown; `silent` are those of them that are missing now. `failing` are the inputs of which every reading
    until now failed. `is_late` says that the deadline has passed. Of a host whose config ID is missing then, `unmarked`
    are the measurements that arrived without it, `elsewhere` is the host name under which it arrived."""

    arrived: bool
    before: frozenset[str] | None = None
    silent: tuple[str, ...] = ()
    why: str = ""
    is_late: bool = False
    failing: tuple[str, ...] = ()
    unmarked: tuple[str, ...] = ()
    elsewhere: str = ""


@dataclass(slots=True)
class _Waiting:
    """One host whose data is awaited. Times are monotonic, except `found`, the time of its data by the host's clock."""

    expected: ExpectedData
    outcome: asyncio.Future[Arrival]
    paused: Callable[[bool], None]
    deadline: float
    begun: float
    before: frozenset[str] | None = None
    found: float | None = None
    found_at: float = 0.0
    seen: set[str] = field(default_factory=set)
    excused: dict[str, bool] = field(default_factory=dict)
    failing: tuple[str, ...] = ()
    unmarked: set[str] = field(default_factory=set)
    elsewhere: str = ""

    @property
    def missing(self) -> frozenset[str]:
        absent = (self.before or frozenset()) - self.seen
        for name in absent - self.excused.keys():
            self.excused[name] = self.expected.is_excused(name)
        return frozenset(name for name in absent if not self.excused[name])

    @property
    def latest(self) -> float:
        """The current time by the host's clock. Later points date from before the clock was set back."""
        return self.expected.since + self.expected.back + time.monotonic() - self.begun + _TRANSIT

    @property
    def is_nearly_late(self) -> bool:
        return self.deadline - time.monotonic() < _DIAGNOSIS

    def evaluate(self, now: float) -> Arrival | None:
        """The result, or None while more data may arrive."""
        if self.found is None:
            return self._late() if now > self.deadline else None
        awaited = self.missing if self.expected.strict else self.missing - _LATE
        rounds = 2 if self.expected.strict else 1
        if awaited and now < min(self.deadline, self.found_at + rounds * self.expected.interval + _GRACE):
            return None
        return Arrival(True, self.before, silent=tuple(sorted(awaited)), failing=self.failing)

    def _late(self) -> Arrival:
        why, names = "no data arrived", tuple(sorted(self.unmarked))
        if self.elsewhere:
            why = f"the data arrived under the host name {self.elsewhere}, and not under {self.expected.host}"
        elif MARKER in self.unmarked:
            why = "data arrived, but with the config ID of another configuration, and not with its own"
        elif self.unmarked:
            why = f"data arrived from {', '.join(names[:_NAMED])}, but not the config ID"
        return Arrival(False, self.before, why=why, is_late=True, unmarked=names, elsewhere=self.elsewhere)


class Verifier:
    """Waits for the data of hosts. It queries InfluxDB only while a host is waited for."""

    def __init__(self, influxdb: InfluxDB, *, every: float = 0.5) -> None:
        self._influxdb, self._every = influxdb, every
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def check_connection(self) -> None:
        """Raise AresmonError if InfluxDB does not answer: then nothing should be pushed."""
        await asyncio.to_thread(self._influxdb.query, "SHOW DATABASES", within=_CONNECT_TIMEOUT)

    async def wait_for(self, expected: ExpectedData, paused: Callable[[bool], None] = lambda _: None) -> Arrival:
        """Wait for the data of a host. While InfluxDB does not answer, `paused` is called and the deadline moves."""
        outcome, now = asyncio.get_running_loop().create_future(), time.monotonic()
        waiting = _Waiting(expected, outcome, paused, now + expected.within, now)
        self._waiting.append(waiting)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            return await waiting.outcome
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    async def _run(self) -> None:
        try:
            await self._poll()
        except Exception as error:  # or the callers of wait_for would wait for ever
            for waiting in self._waiting:
                if not waiting.outcome.done():
                    waiting.outcome.set_exception(error)

    async def _poll(self) -> None:
        silent_since: float | None = None
        last = time.monotonic()
        query: asyncio.Task[str] | None = None
        while self._waiting:
            now = time.monotonic()
            query = query or asyncio.create_task(asyncio.to_thread(self._try_query, list(self._waiting)))
            await asyncio.wait({query}, timeout=_QUERY_TIMEOUT)
            error = query.result() if query.done() else "InfluxDB does not answer"
            query = None if query.done() else query
            silent_since = (silent_since or now) if error else None
            over = silent_since is not None and time.monotonic() - silent_since > _LONGEST_PAUSE
            for waiting in list(self._waiting):
                if error:
                    waiting.deadline += time.monotonic() - last
                waiting.paused(bool(error))
                result = None if error else waiting.evaluate(time.monotonic())
                result = Arrival(False, why=f"{error}, for more than ten minutes") if over else result
                if result is not None and not waiting.outcome.done():
                    waiting.outcome.set_result(result)
                    self._waiting.remove(waiting)
            last = now
            await asyncio.sleep(self._every)

    def _try_query(self, waiting: Iterable[_Waiting]) -> str:
        """Query, and return the error message, or an empty string. A failed query says nothing about a host."""
        try:
            self._query(waiting)
        except AresmonError as error:
            return error.message
        return ""

    def _query(self, waiting: Iterable[_Waiting]) -> None:
        """Update all waiting hosts by one request."""
        several = list(waiting)
        new = [one for one in several if one.before is None]
        missing = [one for one in several if one.found is not None and one.missing]
        without_id = [one for one in several if not one.expected.config_id and one.found is None]
        asked = [
            (_config_id_query(several), partial(_update_config_ids, several)),
            (_readings_query(several), partial(_update_failing, several)),
        ]
        if new:
            end = max(one.expected.since for one in new)
            asked.append((_newest_query(new, _earliest(new) - _BEFORE, end), partial(_update_before, new)))
        if without_id:
            begin = math.ceil(_earliest(without_id))
            asked.append((_newest_query(without_id, begin, _latest(without_id)), partial(_update_any_data, without_id)))
        if missing:
            first = min(one.found or 0.0 for one in missing)
            asked.append((_newest_query(missing, first, _latest(missing)), partial(_update_seen, missing)))
        # What arrived instead is asked for at the end only.
        if late := [one for one in several if one.expected.config_id and one.found is None and one.is_nearly_late]:
            begin = math.ceil(_earliest(late))
            asked.append((_newest_query(late, begin, _latest(late)), partial(_update_unmarked, late)))
            asked.append((_other_hosts_query(late), partial(_update_elsewhere, late)))
        answers = self._influxdb.query(*(statement for statement, _ in asked), database=DATABASE)
        for (_, note), answer in zip(asked, answers, strict=True):
            note(answer)


def _earliest(several: Iterable[_Waiting]) -> float:
    return min(one.expected.since for one in several)


def _latest(several: Iterable[_Waiting]) -> float:
    return max(one.latest for one in several)


def _host_condition(several: Iterable[_Waiting]) -> str:
    return f'"host" =~ {influxql.any_of(sorted({one.expected.host for one in several}))}'


def _config_id_query(several: Iterable[_Waiting]) -> str:
    return (
        f'SELECT "gen" FROM {influxql.identifier(MARKER)} WHERE time >= {_earliest(several) - 1:.0f}s '
        f'AND {_host_condition(several)} GROUP BY "host"'
    )


def _newest_query(several: Iterable[_Waiting], since: float, until: float) -> str:
    """A query for the newest row of every measurement of these hosts."""
    return (
        f"SELECT * FROM /.*/ WHERE time >= {since:.0f}s AND time <= {until:.0f}s "
        f'AND {_host_condition(several)} GROUP BY "host" ORDER BY time DESC LIMIT 1'
    )


def _readings_query(several: Iterable[_Waiting]) -> str:
    """A query for what each input of these hosts has returned and logged since its agent's start, by its own count."""
    return (
        'SELECT last("metrics_gathered") AS "metrics", last("errors") AS "errors" FROM "internal_gather" '
        f'WHERE time >= {_earliest(several):.0f}s AND {_host_condition(several)} GROUP BY "host", "input", "alias"'
    )


def _other_hosts_query(several: Iterable[_Waiting]) -> str:
    """A query for these config IDs under whatever host name."""
    config_ids = "|".join(re.escape(one.expected.config_id) for one in several)
    return (
        f'SELECT "gen" FROM {influxql.identifier(MARKER)} WHERE time >= {_earliest(several) - 1:.0f}s '
        f'AND "gen" =~ /^(?:{config_ids})/ GROUP BY "host"'
    )


def _by_host(answer: Iterable[Series]) -> Mapping[str, list[Series]]:
    found: dict[str, list[Series]] = {}
    for series in answer:
        found.setdefault(series.tags.get("host", ""), []).append(series)
    return found


def _update_config_ids(several: Iterable[_Waiting], answer: Iterable[Series]) -> None:
    found = _by_host(answer)
    for one in several:
        times = [
            float(row["time"])
            for series in found.get(one.expected.host, ())
            for row in series.rows
            if int(one.expected.since) - 1 <= row["time"] <= one.latest
            and row["gen"].startswith(one.expected.config_id)
        ]
        if times and one.expected.config_id and one.found is None:
            one.found, one.found_at = min(times), time.monotonic()


def _update_any_data(without_id: Iterable[_Waiting], answer: Iterable[Series]) -> None:
    found = _by_host(answer)
    for one in without_id:
        times = [float(series.rows[0]["time"]) for series in found.get(one.expected.host, ())]
        if times and max(times) >= one.expected.since:
            one.found, one.found_at = max(times), time.monotonic()


def _update_before(new: Iterable[_Waiting], answer: Iterable[Series]) -> None:
    found = _by_host(answer)
    for one in new:
        series_of = found.get(one.expected.host, ())
        recent = {one_of.name for one_of in series_of if one_of.rows[0]["time"] >= one.expected.since - _BEFORE}
        one.before = frozenset(recent) - {MARKER}


def _update_seen(missing: Iterable[_Waiting], answer: Iterable[Series]) -> None:
    found = _by_host(answer)
    for one in missing:
        for series in found.get(one.expected.host, ()):
            if one.found is None or series.rows[0]["time"] < one.found:
                continue
            if series.name not in _LATE or series.rows[0]["time"] > one.found:
                one.seen.add(series.name)


def _update_failing(several: Iterable[_Waiting], answer: Iterable[Series]) -> None:
    found = _by_host(answer)
    for one in several:
        rows = [(series.tags.get("input", ""), series.rows[0]) for series in found.get(one.expected.host, ())]
        one.failing = tuple(sorted({name for name, row in rows if row["errors"] and not row["metrics"]}))


def _update_unmarked(late: Iterable[_Waiting], answer: Iterable[Series]) -> None:
    found = _by_host(answer)
    for one in late:
        for series in found.get(one.expected.host, ()):
            if series.rows[0]["time"] >= one.expected.since:
                one.unmarked.add(series.name)


def _update_elsewhere(late: Iterable[_Waiting], answer: Iterable[Series]) -> None:
    for series in answer:
        for one in late:
            if any(row["gen"].startswith(one.expected.config_id) for row in series.rows):
                one.elsewhere = series.tags.get("host", "") or "(none)"

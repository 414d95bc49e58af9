"""What the points of each policy, measurement and day add up to: enough to tell whether two databases have the same.

For each series and field: how many values a day has, their sum, the first and the last; of texts and truths how many,
the first and the last. Not told apart are two values of a day that changed places, or a point that moved within it.
InfluxDB adds the values of a shard up in one order, so that equal points give equal sums, to the last digit.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aresmon.config.layout import Layout
from aresmon.config.names import DATABASE
from aresmon.influxdb import influxql
from aresmon.influxdb.client import InfluxDB, InfluxDBError, InfluxDBUnreachableError, Series
from aresmon.system.errors import AresmonError
from aresmon.system.json_file import JsonFile

DAY = 86400  # seconds
_HOUR = 3600
_QUICK, _SLOW = 1.0, 8.0  # seconds of a query: pieces get longer, pieces get shorter; InfluxDB ends it after 30
_LONGEST = 512 * DAY
_ALL = 1 << 64
_PATIENCE, _PAUSE = 20, 0.5  # tries, and seconds between them, while a shard is being opened or closed
_WHAT = "count(*), sum(*), first(*), last(*)"


@dataclass(frozen=True, slots=True)
class Checksum:
    """How many values there are, and what tells them from others, as a number below 2**64."""

    values: int = 0
    mark: int = 0

    def __add__(self, other: Checksum) -> Checksum:
        return Checksum(self.values + other.values, (self.mark + other.mark) % _ALL)


Key = tuple[str, str, int]
"""Policy, measurement, and the beginning of the day (UTC) in seconds since 1970."""

Fingerprint = Mapping[Key, Checksum]
"""Days without any point are not in it."""


@dataclass(frozen=True, slots=True)
class ShardSpan:
    """A shard: the time that it holds, in seconds since 1970."""

    id: int
    policy: str
    start: int
    end: int

    def days(self) -> set[tuple[str, int]]:
        """The days that it has a part of."""
        return {(self.policy, day) for day in range(self.start // DAY * DAY, self.end, DAY)}


@dataclass(slots=True)
class _Search:
    """One measurement in one policy: how it is asked for, which the answers' duration decides."""

    influxdb: InfluxDB
    policy: str
    measurement: str
    window: int
    found: dict[Key, Checksum]
    span: int = DAY
    hosts: list[str] = field(default_factory=list)
    patience: int = _PATIENCE

    def look(self, start: int, end: int) -> None:
        at = start
        while at < end:
            until = min(end, at + self.span)
            begun = time.monotonic()
            try:
                marks = list(self._marks(at, until))
            except (InfluxDBError, InfluxDBUnreachableError) as error:
                self._ask_for_less(error)
                continue
            for key, mark in marks:
                self.found[key] = self.found.get(key, Checksum()) + mark
            took = time.monotonic() - begun
            if took < _QUICK:
                self.span = min(_LONGEST, self.span * 4)
            elif took > _SLOW:
                self._ask_for_less(None)
            at = until

    def _marks(self, start: int, end: int) -> Iterator[tuple[Key, Checksum]]:
        within = f"time >= {start}s AND time < {end}s"
        place = f"{influxql.identifier(self.policy)}.{influxql.identifier(self.measurement)}"
        conditions = [f'"host" = {influxql.string(host)} AND {within}' for host in self.hosts] or [within]
        for condition in conditions:
            statement = f"SELECT {_WHAT} FROM {place} WHERE {condition} GROUP BY time({self.window}s), * fill(none)"
            for series in self.influxdb.stream(statement, database=DATABASE):
                for second, mark in _rows(series):
                    yield (self.policy, self.measurement, second // DAY * DAY), mark

    def _ask_for_less(self, error: InfluxDBError | InfluxDBUnreachableError | None) -> None:
        """Shorter pieces, then host by host; raises the error where neither is left."""
        if error is not None and is_passing(error) and self.patience:
            self.patience -= 1
            time.sleep(_PAUSE)
        elif self.span > DAY:
            self.span = max(DAY, self.span // 4 // DAY * DAY)
        elif not self.hosts:
            place = f"{influxql.identifier(self.policy)}.{influxql.identifier(self.measurement)}"
            (answer,) = self.influxdb.query(f'SHOW TAG VALUES FROM {place} WITH KEY = "host"', database=DATABASE)
            # The empty name stands for the points without that tag.
            self.hosts = ["", *sorted({str(row["value"]) for series in answer for row in series.rows})]
        elif error is not None:
            raise error


def list_shards(influxdb: InfluxDB) -> list[ShardSpan]:
    """The shards of the database, of all policies."""
    (answer,) = influxdb.query("SHOW SHARDS")
    rows = [row for series in answer if series.name == DATABASE for row in series.rows]
    return [
        ShardSpan(int(row["id"]), str(row["retention_policy"]), _second(row["start_time"]), _second(row["end_time"]))
        for row in rows
    ]


def shard_windows(found: Iterable[ShardSpan]) -> dict[str, int]:
    """The seconds that one sum may cover, by policy: sums across shards have no order that could be relied on."""
    shortest: dict[str, int] = {}
    for shard in found:
        window = DAY if shard.end - shard.start >= DAY else _HOUR
        shortest[shard.policy] = min(window, shortest.get(shard.policy, DAY))
    return shortest


def days(found: Iterable[ShardSpan]) -> set[tuple[str, int]]:
    """The days that these shards have a part of, each with its policy."""
    return {day for shard in found for day in shard.days()}


def take(influxdb: InfluxDB, wanted: Iterable[tuple[str, int]], windows: Mapping[str, int]) -> Fingerprint:
    """The fingerprint of these days. Each query takes a fraction of the time that InfluxDB allows it."""
    measurements = _measurements(influxdb)
    found: dict[Key, Checksum] = {}
    ranges = _ranges(wanted)
    for policy in sorted(ranges):
        for measurement in measurements:
            search = _Search(influxdb, policy, measurement, windows.get(policy, DAY), found)
            for start, end in ranges[policy]:
                search.look(start, end)
    return found


def is_passing(error: AresmonError) -> bool:
    """Whether InfluxDB only says that a shard is being closed: one that was just restored is opened anew, and one
    whose time is over goes."""
    return any(word in error.message for word in ("closing", "closed", "shard is disabled"))


def _measurements(influxdb: InfluxDB) -> list[str]:
    for tries_left in reversed(range(_PATIENCE)):
        try:
            (answer,) = influxdb.query("SHOW MEASUREMENTS", database=DATABASE)
            return [str(row["name"]) for series in answer for row in series.rows]
        except InfluxDBError as error:
            if not is_passing(error) or not tries_left:
                raise
        time.sleep(_PAUSE)
    return []


def _ranges(wanted: Iterable[tuple[str, int]]) -> dict[str, list[tuple[int, int]]]:
    """Days, joined to stretches of time."""
    joined: dict[str, list[tuple[int, int]]] = {}
    for policy, day in sorted(set(wanted)):
        stretches = joined.setdefault(policy, [])
        if stretches and stretches[-1][1] == day:
            stretches[-1] = (stretches[-1][0], day + DAY)
        else:
            stretches.append((day, day + DAY))
    return joined


def _rows(series: Series) -> Iterator[tuple[int, Checksum]]:
    """Each window of a series, its beginning in seconds since 1970, and its mark."""
    tags = sorted((name, value) for name, value in series.tags.items() if value)
    for row in series.rows:
        details = {name: value for name, value in row.items() if value is not None and name != "time"}
        values = sum(value for name, value in details.items() if name.startswith("count_"))
        content = json.dumps([tags, row["time"], sorted(details.items())], separators=(",", ":"))
        yield int(row["time"]), Checksum(values, int.from_bytes(hashlib.sha256(content.encode()).digest()[:8], "big"))


def _second(details: str) -> int:
    """InfluxDB's `2026-11-21T00:00:00Z` in seconds since 1970."""
    return int(datetime.fromisoformat(details.replace("Z", "+00:00")).astimezone(UTC).timestamp())


_FILE = "fingerprints.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ChecksumCache:
    """A fingerprint, and the state that each shard's files had before it was taken, by the shard's number."""

    states: Mapping[int, str] = field(default_factory=dict)
    windows: Mapping[str, int] = field(default_factory=dict)
    days: Fingerprint = field(default_factory=dict)


def update(former: ChecksumCache, influxdb: InfluxDB, states: Mapping[int, str]) -> ChecksumCache:
    """The same for the database as it is now, whose shards' files had these states a moment ago."""
    shards = list_shards(influxdb)
    windows = shard_windows(shards)
    changed = [
        shard
        for shard in shards
        if states.get(shard.id) is None
        or states[shard.id] != former.states.get(shard.id)
        or windows[shard.policy] != former.windows.get(shard.policy)
    ]
    stale = days(changed)
    same = days(shards) - stale
    kept = {key: mark for key, mark in former.days.items() if (key[0], key[2]) in same}
    return ChecksumCache(states, windows, kept | dict(take(influxdb, stale, windows)))


def read(site: Layout) -> ChecksumCache:
    """What the last backup kept; an empty one where there is none that can be read."""
    return _file(site).read_or(ChecksumCache())


def write(site: Layout, ledger: ChecksumCache) -> None:
    """Keep it for the next backup."""
    _file(site).write(ledger)


def _file(site: Layout) -> JsonFile[ChecksumCache]:
    return JsonFile(site.state / _FILE, _parse, _serialise, indent=None)


def _parse(data: Any) -> ChecksumCache:
    if data["format"] != _FORMAT:
        return ChecksumCache()
    return ChecksumCache(
        states={int(shard): str(state) for shard, state in data["states"].items()},
        windows={str(policy): int(window) for policy, window in data["windows"].items()},
        days={(p, m, int(day)): Checksum(int(values), int(mark, 16)) for p, m, day, values, mark in data["days"]},
    )


def _serialise(cache: ChecksumCache) -> Any:
    days = [[*key, mark.values, f"{mark.mark:016x}"] for key, mark in cache.days.items()]
    return {"format": _FORMAT, "states": cache.states, "windows": cache.windows, "days": days}

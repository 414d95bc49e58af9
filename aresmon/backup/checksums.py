"""Checksums of the points of each policy, measurement and day, to compare two databases.

For each series and field they cover the number of a day's values, their sum, the first and the last; for strings and
booleans the number, the first and the last. Two values of a day that changed places are not noticed, nor is a point
that moved within its day. InfluxDB adds the values of a shard in a fixed order, so equal points give equal sums.
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
    """The number of values, and a digest of them below 2**64."""

    values: int = 0
    digest: int = 0

    def __add__(self, other: Checksum) -> Checksum:
        return Checksum(self.values + other.values, (self.digest + other.digest) % _ALL)


Key = tuple[str, str, int]
"""Policy, measurement, and the beginning of the day (UTC) in seconds since 1970."""

Fingerprint = Mapping[Key, Checksum]
"""The checksums of days; days without points are not included."""


@dataclass(frozen=True, slots=True)
class ShardSpan:
    """A shard: the time that it holds, in seconds since 1970."""

    id: int
    policy: str
    start: int
    end: int

    def days(self) -> set[tuple[str, int]]:
        """The days that it covers at least in part."""
        return {(self.policy, day) for day in range(self.start // DAY * DAY, self.end, DAY)}


@dataclass(slots=True)
class _Search:
    """Compute one measurement in one policy, with queries whose range adapts to their duration."""

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
                self._query_less(error)
                continue
            for key, mark in marks:
                self.found[key] = self.found.get(key, Checksum()) + mark
            took = time.monotonic() - begun
            if took < _QUICK:
                self.span = min(_LONGEST, self.span * 4)
            elif took > _SLOW:
                self._query_less(None)
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

    def _query_less(self, error: InfluxDBError | InfluxDBUnreachableError | None) -> None:
        """Use shorter ranges, then one query for each host; raise the error if that has been tried."""
        if error is not None and is_transient(error) and self.patience:
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


def list_shard_spans(influxdb: InfluxDB) -> list[ShardSpan]:
    """The shards of the database, of all policies."""
    (answer,) = influxdb.query("SHOW SHARDS")
    rows = [row for series in answer if series.name == DATABASE for row in series.rows]
    return [
        ShardSpan(int(row["id"]), str(row["retention_policy"]), _second(row["start_time"]), _second(row["end_time"]))
        for row in rows
    ]


def shard_windows(found: Iterable[ShardSpan]) -> dict[str, int]:
    """The seconds that one sum may cover, by policy: across shards, the order of addition is not fixed."""
    shortest: dict[str, int] = {}
    for shard in found:
        window = DAY if shard.end - shard.start >= DAY else _HOUR
        shortest[shard.policy] = min(window, shortest.get(shard.policy, DAY))
    return shortest


def days(found: Iterable[ShardSpan]) -> set[tuple[str, int]]:
    """The days that these shards cover at least in part, each with its policy."""
    return {day for shard in found for day in shard.days()}


def compute(influxdb: InfluxDB, wanted: Iterable[tuple[str, int]], windows: Mapping[str, int]) -> Fingerprint:
    """Compute the checksums of these days. Each query takes a fraction of InfluxDB's query timeout."""
    measurements = _measurements(influxdb)
    found: dict[Key, Checksum] = {}
    ranges = _ranges(wanted)
    for policy in sorted(ranges):
        for measurement in measurements:
            search = _Search(influxdb, policy, measurement, windows.get(policy, DAY), found)
            for start, end in ranges[policy]:
                search.look(start, end)
    return found


def is_transient(error: AresmonError) -> bool:
    """Whether the error only means that a shard is being closed: a restored shard is reopened, and an expired one is
    deleted."""
    return any(word in error.message for word in ("closing", "closed", "shard is disabled"))


def _measurements(influxdb: InfluxDB) -> list[str]:
    for tries_left in reversed(range(_PATIENCE)):
        try:
            (answer,) = influxdb.query("SHOW MEASUREMENTS", database=DATABASE)
            return [str(row["name"]) for series in answer for row in series.rows]
        except InfluxDBError as error:
            if not is_transient(error) or not tries_left:
                raise
        time.sleep(_PAUSE)
    return []


def _ranges(wanted: Iterable[tuple[str, int]]) -> dict[str, list[tuple[int, int]]]:
    """Join adjacent days to ranges."""
    joined: dict[str, list[tuple[int, int]]] = {}
    for policy, day in sorted(set(wanted)):
        stretches = joined.setdefault(policy, [])
        if stretches and stretches[-1][1] == day:
            stretches[-1] = (stretches[-1][0], day + DAY)
        else:
            stretches.append((day, day + DAY))
    return joined


def _rows(series: Series) -> Iterator[tuple[int, Checksum]]:
    """Yield each window of a series: its start in seconds since 1970, and its checksum."""
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
    """Checksums, and the state that each shard's files had before they were computed, by the shard's number."""

    states: Mapping[int, str] = field(default_factory=dict)
    windows: Mapping[str, int] = field(default_factory=dict)
    days: Fingerprint = field(default_factory=dict)


def update(former: ChecksumCache, influxdb: InfluxDB, states: Mapping[int, str]) -> ChecksumCache:
    """The checksums of the database now; `states` are the states of the shards' files just before."""
    shards = list_shard_spans(influxdb)
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
    return ChecksumCache(states, windows, kept | dict(compute(influxdb, stale, windows)))


def read(site: Layout) -> ChecksumCache:
    """The checksums that the last backup saved; empty if there are none that can be read."""
    return _file(site).read_or(ChecksumCache())


def write(site: Layout, cache: ChecksumCache) -> None:
    """Save the checksums for the next backup."""
    _file(site).write(cache)


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
    days = [[*key, mark.values, f"{mark.digest:016x}"] for key, mark in cache.days.items()]
    return {"format": _FORMAT, "states": cache.states, "windows": cache.windows, "days": days}

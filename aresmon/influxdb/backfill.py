"""Coarser points of what is there already: planned by what their source still covers wholly, made piece by piece.

A bucket of whose points some are past the retention is left alone: made anew, it would replace a good point with one
of a part. Nothing is lost by an end at any time, since the same points make the same buckets; what is still owed
stands in a journal, and whoever comes next goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aresmon.config.model import FOREVER, Config
from aresmon.config.names import DATABASE
from aresmon.config.views import Views
from aresmon.influxdb import capacity, downsampling, influxql
from aresmon.influxdb.capacity import ShardSize
from aresmon.influxdb.client import InfluxDB, InfluxDBError
from aresmon.influxdb.downsampling import TIERS, Downsampling
from aresmon.system.errors import AresmonError
from aresmon.system.json_file import JsonFile
from aresmon.system.progress import Progress

JOURNAL = "backfill.json"
"""The file, in a site's `.aresmon/`, that says what is still to be filled."""
_HOUR, _DAY = 3600, 86400  # seconds
FIRST_PIECE = {"1m": 3 * _HOUR, "1h": _DAY}
"""Seconds of points that the first statement makes: a hundred hosts' take some seconds. The next learn from it."""
_LONGEST_PIECE = {"1m": 8 * _DAY, "1h": 64 * _DAY}
# Seconds: a piece that takes less is followed by a longer one, one that takes more by a shorter.
_SHORT_QUERY, _LONG_QUERY = 2.0, 10.0
_SAVE_INTERVAL = 2.0  # seconds
_QUERY_TIMEOUT = "query-timeout limit exceeded"
_OTHER_TYPE = "field type conflict"
OTHER_TYPE_HINT = "a field has another type than before; InfluxDB takes it from the policy's next shard on"

PolicyMeasurement = tuple[str, str]
"""A policy and a measurement."""


@dataclass(frozen=True, slots=True)
class BackfillTask:
    """Of which measurement, into which policy, and of what time; in seconds since 1970, `until` not included."""

    policy: str
    measurement: str
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class BackfillOptions:
    """What is to be filled: everything, where nothing is said. Times are in seconds since 1970."""

    since: int | None = None
    until: int | None = None
    policies: tuple[str, ...] = ()
    measurements: tuple[str, ...] = ()


@dataclass(slots=True)
class BackfillResult:
    """What was made: points by policy, and what InfluxDB would not take, as it is told to a person."""

    points: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


# Planned ---------------------------------------------------------------------------------------------


def plan(
    influxdb: InfluxDB, config: Config, ones: Sequence[Downsampling], wish: BackfillOptions, *, now: float
) -> list[BackfillTask]:
    """What there is to fill, the finer policy first. Nothing is changed."""
    rows = [row for series in influxdb.query("SHOW MEASUREMENTS", database=DATABASE)[0] for row in series.rows]
    there = {row["name"] for row in rows}
    spans = fillable_spans(config, capacity.list_shards(influxdb), wish, now=now)
    return [
        BackfillTask(one.tier.policy, one.measurement.name, *spans[one.tier.policy])
        for one in ones
        if one.tier.policy in spans and one.measurement.name in there and _is_wanted(one, wish)
    ]


def fillable_spans(
    config: Config, shards: Collection[ShardSize], wish: BackfillOptions, *, now: float
) -> dict[str, tuple[int, int]]:
    """From when to when each policy can be filled: whole buckets, of which the source keeps every point.

    Policies of which nothing can be are not there. Times begin at whole hours, which no bucket crosses.
    """
    begins = {one.policy: int(min(two.start for two in shards if two.policy == one.policy)) for one in shards}
    found: dict[str, tuple[int, int]] = {}
    for tier in TIERS:
        if wish.policies and tier.policy not in wish.policies:
            continue
        # What this run itself makes of the finer policy is there for the coarser one.
        sources = [begins[tier.source]] if tier.source in begins else []
        sources += [found[tier.source][0]] if tier.source in found else []
        if not sources:
            continue
        since = max(
            _round_up_to_hour(min(sources)),
            *(retained_since(config, policy, now) for policy in (tier.source, tier.policy)),
        )
        until = int(now) // tier.bucket * tier.bucket
        if wish.since is not None:
            since = max(since, wish.since // _HOUR * _HOUR)
        if wish.until is not None:
            until = min(until, _round_up_to_hour(wish.until))
        if since < until:
            found[tier.policy] = (since, until)
    return found


def retained_since(config: Config, policy: str, now: float) -> int:
    """The first whole hour of which a policy keeps every point; 0 where it keeps them for ever."""
    hours = influxql.retention_hours(config.keep, policy)
    return 0 if hours == FOREVER else _round_up_to_hour(now) - hours * _HOUR


def _round_up_to_hour(moment: float) -> int:
    return -int(-moment // _HOUR) * _HOUR


def _is_wanted(one: Downsampling, wish: BackfillOptions) -> bool:
    return not wish.measurements or one.measurement.name in wish.measurements


# The journal -----------------------------------------------------------------------------------------


def read_journal(journal: Path) -> list[BackfillTask]:
    """What was begun and is not done; nothing where there is no journal, or none that can be read."""
    return _journal_file(journal).read_or([])


def write_journal(journal: Path, tasks: Sequence[BackfillTask]) -> None:
    """Write down what is still to be done; with nothing, the journal goes."""
    if tasks:
        _journal_file(journal).write(list(tasks))
    else:
        _journal_file(journal).delete()


def _journal_file(journal: Path) -> JsonFile[list[BackfillTask]]:
    return JsonFile(journal, _parse, _serialise, mode=0o644, indent=None)


def _parse(data: Any) -> list[BackfillTask]:
    return [
        BackfillTask(str(policy), str(name), int(since), int(until)) for policy, name, since, until in data["tasks"]
    ]


def _serialise(tasks: Sequence[BackfillTask]) -> Any:
    return {"tasks": [[one.policy, one.measurement, one.since, one.until] for one in tasks]}


def merge_tasks(former: Sequence[BackfillTask], new: Sequence[BackfillTask]) -> list[BackfillTask]:
    """What is owed and what is asked for now, each measurement once, the finer policy first."""
    known: dict[PolicyMeasurement, BackfillTask] = {}
    for one in [*former, *new]:
        other = known.get((one.policy, one.measurement), one)
        whole = replace(one, since=min(one.since, other.since), until=max(one.until, other.until))
        known[one.policy, one.measurement] = whole
    order = {tier.policy: number for number, tier in enumerate(TIERS)}
    return sorted(known.values(), key=lambda one: (order.get(one.policy, len(order)), one.measurement))


# Filled ----------------------------------------------------------------------------------------------


def run(
    influxdb: InfluxDB,
    config: Config,
    views: Views,
    tasks: Sequence[BackfillTask],
    *,
    journal: Path,
    progress: Progress,
) -> BackfillResult:
    """Make what is planned, and forget it in the journal as it is made.

    Raises AresmonError if InfluxDB refuses or goes away; what is owed then stays in the journal.
    """
    ones = {(one.tier.policy, one.measurement.name): one for one in downsampling.downsamplings(views)}
    filler = _Filler(influxdb, config, journal, [task for task in tasks if (task.policy, task.measurement) in ones])
    write_journal(journal, filler.left)
    filled = BackfillResult()
    for tier in TIERS:
        if not any(task.policy == tier.policy for task in filler.left):
            continue
        with progress.stage(f"filling {tier.policy} from {tier.source}") as stage:
            while filler.left and filler.left[0].policy == tier.policy:
                task = filler.left[0]
                made = filler.fill(ones[tier.policy, task.measurement], filled, stage.say)
                filled.points[tier.policy] = filled.points.get(tier.policy, 0) + made
    return filled


@dataclass(slots=True)
class _Filler:
    """What is left to do, and how long a piece may be."""

    influxdb: InfluxDB
    config: Config
    journal: Path
    left: list[BackfillTask]
    pieces: dict[str, int] = field(default_factory=lambda: dict(FIRST_PIECE))
    remembered: float = 0.0

    def fill(self, one: Downsampling, filled: BackfillResult, say: Callable[[str], None]) -> int:
        """The first task that is left, to its end; the points that were made."""
        task, written = self.left[0], 0
        at, shards = task.since, _shards_of(self.influxdb, one.tier.source)
        at = max(at, _first_complete_bucket(self.influxdb, one, shards, task))
        while at < task.until:
            at = max(_next_point(shards, at), retained_since(self.config, one.tier.source, time.time()))
            end = min(at + self.pieces[task.policy], task.until)
            if at >= end:
                break
            say(f"{task.measurement}, {datetime.fromtimestamp(at, UTC):%Y-%m-%d}")
            made = self._piece(one, at, end, filled)
            if made is not None:
                at, written = end, written + made
                self._note(replace(task, since=at))
        del self.left[0]
        write_journal(self.journal, self.left)
        return written

    def _piece(self, one: Downsampling, since: int, until: int, filled: BackfillResult) -> int | None:
        """How many points a piece gave; None where it takes too long, and shorter ones are to be tried."""
        begun = time.monotonic()
        try:
            answer = self.influxdb.query(one.fill(since, until), database=DATABASE)[0]
        except InfluxDBError as error:
            if _QUERY_TIMEOUT in error.message and until - since > one.tier.bucket:
                self._resize(one, (until - since) // 2)
                return None
            if _OTHER_TYPE not in error.message:
                raise _stopped_error(one, since, error) from error
            told = f"{one.measurement.name} into {one.tier.policy}: {error.message.partition(' dropped=')[0]}"
            if told not in filled.refused:
                filled.refused.append(told)
            return 0
        took = time.monotonic() - begun
        if took < _SHORT_QUERY and until - since == self.pieces[one.tier.policy]:
            self._resize(one, 2 * (until - since))
        elif took > _LONG_QUERY:
            self._resize(one, (until - since) // 2)
        return sum(int(row["written"]) for series in answer for row in series.rows)

    def _resize(self, one: Downsampling, seconds: int) -> None:
        bucket, longest = one.tier.bucket, _LONGEST_PIECE[one.tier.policy]
        self.pieces[one.tier.policy] = max(bucket, min(seconds, longest) // bucket * bucket)

    def _note(self, rest: BackfillTask) -> None:
        """Remember how far it is; on the disk now and then, as to do a piece again costs less than to write."""
        self.left[0] = rest
        if time.monotonic() - self.remembered > _SAVE_INTERVAL:
            write_journal(self.journal, self.left)
            self.remembered = time.monotonic()


def _shards_of(influxdb: InfluxDB, policy: str) -> list[ShardSize]:
    """The shards of a policy, the oldest first."""
    return sorted((one for one in capacity.list_shards(influxdb) if one.policy == policy), key=lambda one: one.start)


def _next_point(shards: Sequence[ShardSize], at: int) -> int:
    """This time, or where the next shard begins if none has it: there is nothing to make points of in between."""
    return min((max(at, int(one.start)) for one in shards if one.end > at), default=2**62)


def _first_complete_bucket(
    influxdb: InfluxDB, one: Downsampling, shards: Sequence[ShardSize], task: BackfillTask
) -> int:
    """Where to begin: behind the first bucket, if its source has the end of it alone and it is there already.

    So it is where the finer policy was made anew: what it has now begins in the middle of an hour.
    """
    first = next(_first_points(influxdb, one, one.tier.source, shards, task), None)
    if first is None:
        return task.until
    bucket = first // one.tier.bucket * one.tier.bucket
    is_late = first - bucket > min(tier.bucket for tier in TIERS)
    inside = replace(task, since=bucket, until=bucket + 1)
    if is_late and next(
        _first_points(influxdb, one, one.tier.policy, _shards_of(influxdb, one.tier.policy), inside), None
    ):
        return bucket + one.tier.bucket
    return bucket


def _first_points(
    influxdb: InfluxDB, one: Downsampling, policy: str, shards: Sequence[ShardSize], task: BackfillTask
) -> Iterator[int]:
    """The first point of each shard, within a task's time: to ask all of them at once would open all their series."""
    place = f"{influxql.identifier(policy)}.{influxql.identifier(one.measurement.name)}"
    for shard in shards:
        since, until = max(int(shard.start), task.since), min(int(shard.end), task.until)
        if since < until:
            statement = f"SELECT * FROM {place} WHERE time >= {since}s AND time < {until}s ORDER BY time LIMIT 1"
            for series in influxdb.query(statement, database=DATABASE)[0]:
                yield int(series.rows[0]["time"])


def _stopped_error(one: Downsampling, since: int, error: InfluxDBError) -> AresmonError:
    when = datetime.fromtimestamp(since, UTC)
    return AresmonError(
        f"{one.measurement.name} of {when:%Y-%m-%d %H:%M} UTC into {one.tier.policy}: {error.message}",
        hint="what was made stays, and `aresmon data backfill` goes on from here; `aresmon logs influxdb` says more",
    )


def unfilled_before(
    tasks: Sequence[BackfillTask], shards: Sequence[ShardSize], config: Config, *, now: float
) -> Mapping[str, int]:
    """Policies that could be filled further back than these tasks go: from when on."""
    whole = fillable_spans(config, shards, BackfillOptions(), now=now)
    begun = {task.policy: min(one.since for one in tasks if one.policy == task.policy) for task in tasks}
    return {policy: whole[policy][0] for policy in begun if policy in whole and whole[policy][0] < begun[policy]}

"""Backfill: downsample points that existed before their continuous query.

An interval of which some points are past the source's retention is skipped, because downsampling it again would
replace a complete point with one from a part of the data. Pieces can be repeated: the same points give the same
result. A journal in the site's folder lists the remaining tasks, so that the next command continues an interrupted
backfill.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aresmon.config.model import Config
from aresmon.config.names import DATABASE
from aresmon.config.units import FOREVER
from aresmon.config.views import Views
from aresmon.influxdb import capacity, downsampling, influxql
from aresmon.influxdb.capacity import ShardSize
from aresmon.influxdb.client import InfluxDB, InfluxDBError
from aresmon.influxdb.downsampling import TIERS, Downsampling
from aresmon.system.errors import AresmonError
from aresmon.system.json_file import JsonFile
from aresmon.system.progress import Progress

JOURNAL = "backfill.json"
"""The journal with the remaining tasks, in a site's `.aresmon/`."""
_HOUR, _DAY = 3600, 86400  # seconds
FIRST_PIECE = {"1m": 3 * _HOUR, "1h": _DAY}
"""The time range of the first query, in seconds: some seconds of work for a hundred hosts. Later queries adapt."""
_LONGEST_PIECE = {"1m": 8 * _DAY, "1h": 64 * _DAY}
# Seconds: after a query faster than the first, the next covers a longer range; after one slower than the second, a
# shorter one.
_SHORT_QUERY, _LONG_QUERY = 2.0, 10.0
_SAVE_INTERVAL = 2.0  # seconds
_QUERY_TIMEOUT = "query-timeout limit exceeded"
_OTHER_TYPE = "field type conflict"
OTHER_TYPE_HINT = "the type of a field has changed; InfluxDB accepts the new type from the policy's next shard on"

PolicyMeasurement = tuple[str, str]
"""A retention policy and a measurement."""


@dataclass(frozen=True, slots=True)
class BackfillTask:
    """The measurement and time range to downsample into a policy; in seconds since 1970, `until` not included."""

    policy: str
    measurement: str
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class BackfillOptions:
    """Limits of a backfill; without any, everything is downsampled. Times are in seconds since 1970."""

    since: int | None = None
    until: int | None = None
    policies: tuple[str, ...] = ()
    measurements: tuple[str, ...] = ()


@dataclass(slots=True)
class BackfillResult:
    """The number of points written, by policy, and a message for each measurement that InfluxDB rejected."""

    points: dict[str, int] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)


# Plan ------------------------------------------------------------------------------------------------


def plan(
    influxdb: InfluxDB, config: Config, ones: Sequence[Downsampling], options: BackfillOptions, *, now: float
) -> list[BackfillTask]:
    """Return the tasks of a backfill, the finer policy first; changes nothing."""
    rows = [row for series in influxdb.query("SHOW MEASUREMENTS", database=DATABASE)[0] for row in series.rows]
    existing = {row["name"] for row in rows}
    spans = fillable_spans(config, capacity.list_shards(influxdb), options, now=now)
    return [
        BackfillTask(one.tier.policy, one.measurement.name, *spans[one.tier.policy])
        for one in ones
        if one.tier.policy in spans and one.measurement.name in existing and _is_wanted(one, options)
    ]


def fillable_spans(
    config: Config, shards: Collection[ShardSize], options: BackfillOptions, *, now: float
) -> dict[str, tuple[int, int]]:
    """Return for each policy the time range that can be filled: intervals of which the source has every point.

    Policies without such a range are left out. Ranges begin at whole hours, which no interval crosses.
    """
    begins = {one.policy: int(min(two.start for two in shards if two.policy == one.policy)) for one in shards}
    found: dict[str, tuple[int, int]] = {}
    for tier in TIERS:
        if options.policies and tier.policy not in options.policies:
            continue
        # What this run writes into the finer policy is available for the coarser one.
        sources = [begins[tier.source]] if tier.source in begins else []
        sources += [found[tier.source][0]] if tier.source in found else []
        if not sources:
            continue
        since = max(
            _round_up_to_hour(min(sources)),
            *(retained_since(config, policy, now) for policy in (tier.source, tier.policy)),
        )
        until = int(now) // tier.bucket * tier.bucket
        if options.since is not None:
            since = max(since, options.since // _HOUR * _HOUR)
        if options.until is not None:
            until = min(until, _round_up_to_hour(options.until))
        if since < until:
            found[tier.policy] = (since, until)
    return found


def retained_since(config: Config, policy: str, now: float) -> int:
    """The first whole hour of which a policy keeps every point; 0 if it keeps points forever."""
    hours = influxql.retention_hours(config.keep, policy)
    return 0 if hours == FOREVER else _round_up_to_hour(now) - hours * _HOUR


def _round_up_to_hour(moment: float) -> int:
    return -int(-moment // _HOUR) * _HOUR


def _is_wanted(one: Downsampling, options: BackfillOptions) -> bool:
    return not options.measurements or one.measurement.name in options.measurements


# The journal -----------------------------------------------------------------------------------------


def read_journal(journal: Path) -> list[BackfillTask]:
    """The remaining tasks; none if there is no journal or it cannot be read."""
    return _journal_file(journal).read_or([])


def write_journal(journal: Path, tasks: Sequence[BackfillTask]) -> None:
    """Replace the remaining tasks; without any, delete the journal."""
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


def merge_tasks(remaining: Sequence[BackfillTask], new: Sequence[BackfillTask]) -> list[BackfillTask]:
    """Combine remaining and new tasks: each measurement once, the finer policy first."""
    known: dict[PolicyMeasurement, BackfillTask] = {}
    for one in [*remaining, *new]:
        other = known.get((one.policy, one.measurement), one)
        whole = replace(one, since=min(one.since, other.since), until=max(one.until, other.until))
        known[one.policy, one.measurement] = whole
    order = {tier.policy: number for number, tier in enumerate(TIERS)}
    return sorted(known.values(), key=lambda one: (order.get(one.policy, len(order)), one.measurement))


# Run -------------------------------------------------------------------------------------------------


def run(
    influxdb: InfluxDB,
    config: Config,
    views: Views,
    tasks: Sequence[BackfillTask],
    *,
    journal: Path,
    progress: Progress,
) -> BackfillResult:
    """Execute the tasks and remove them from the journal as they complete.

    Raises AresmonError if InfluxDB rejects a query or stops; the remaining tasks then stay in the journal.
    """
    ones = {(one.tier.policy, one.measurement.name): one for one in downsampling.downsamplings(views)}
    filler = _Filler(influxdb, config, journal, [task for task in tasks if (task.policy, task.measurement) in ones])
    write_journal(journal, filler.left)
    filled = BackfillResult()
    for tier in TIERS:
        if not any(task.policy == tier.policy for task in filler.left):
            continue
        with progress.stage(f"backfilling {tier.policy} from {tier.source}") as stage:
            while filler.left and filler.left[0].policy == tier.policy:
                task = filler.left[0]
                made = filler.fill(ones[tier.policy, task.measurement], filled, stage.say)
                filled.points[tier.policy] = filled.points.get(tier.policy, 0) + made
    return filled


@dataclass(slots=True)
class _Filler:
    """The remaining tasks, and the time range of one query by policy, in seconds."""

    influxdb: InfluxDB
    config: Config
    journal: Path
    left: list[BackfillTask]
    pieces: dict[str, int] = field(default_factory=lambda: dict(FIRST_PIECE))
    saved: float = 0.0

    def fill(self, one: Downsampling, filled: BackfillResult, say: Callable[[str], None]) -> int:
        """Complete the first remaining task; return the number of points written."""
        task, written = self.left[0], 0
        at, shards = task.since, _shards_of(self.influxdb, one.tier.source)
        at = max(at, _first_complete_bucket(self.influxdb, one, shards, task))
        while at < task.until:
            at = max(_next_point(shards, at), retained_since(self.config, one.tier.source, time.time()))
            end = min(at + self.pieces[task.policy], task.until)
            if at >= end:
                break
            say(f"{task.measurement}, {datetime.fromtimestamp(at, UTC):%Y-%m-%d}")
            made = self._fill_piece(one, at, end, filled)
            if made is not None:
                at, written = end, written + made
                self._save_progress(replace(task, since=at))
        del self.left[0]
        write_journal(self.journal, self.left)
        return written

    def _fill_piece(self, one: Downsampling, since: int, until: int, filled: BackfillResult) -> int | None:
        """Downsample one range; return the number of points written, None if it has to be retried in shorter ranges."""
        begun = time.monotonic()
        try:
            answer = self.influxdb.query(one.backfill_statement(since, until), database=DATABASE)[0]
        except InfluxDBError as error:
            if _QUERY_TIMEOUT in error.message and until - since > one.tier.bucket:
                self._resize(one, (until - since) // 2)
                return None
            if _OTHER_TYPE not in error.message:
                raise _stopped_error(one, since, error) from error
            message = f"{one.measurement.name} into {one.tier.policy}: {error.message.partition(' dropped=')[0]}"
            if message not in filled.rejected:
                filled.rejected.append(message)
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

    def _save_progress(self, rest: BackfillTask) -> None:
        """Record the progress; written to disk only now and then, since repeating a query costs less than a write."""
        self.left[0] = rest
        if time.monotonic() - self.saved > _SAVE_INTERVAL:
            write_journal(self.journal, self.left)
            self.saved = time.monotonic()


def _shards_of(influxdb: InfluxDB, policy: str) -> list[ShardSize]:
    """The shards of a policy, oldest first."""
    return sorted((one for one in capacity.list_shards(influxdb) if one.policy == policy), key=lambda one: one.start)


def _next_point(shards: Sequence[ShardSize], at: int) -> int:
    """This time, or the start of the next shard if no shard contains it: there are no points in between."""
    return min((max(at, int(one.start)) for one in shards if one.end > at), default=2**62)


def _first_complete_bucket(
    influxdb: InfluxDB, one: Downsampling, shards: Sequence[ShardSize], task: BackfillTask
) -> int:
    """The start of the first interval to write.

    The first interval is skipped if the source has only the end of it and the target already has its point. That
    happens when the finer policy was deleted and created again: its points then begin in the middle of an hour.
    """
    first = next(_first_points(influxdb, one, one.tier.source, shards, task), None)
    if first is None:
        return task.until
    bucket = first // one.tier.bucket * one.tier.bucket
    is_late = first - bucket > min(tier.bucket for tier in TIERS)
    first_interval = replace(task, since=bucket, until=bucket + 1)
    if is_late and next(
        _first_points(influxdb, one, one.tier.policy, _shards_of(influxdb, one.tier.policy), first_interval), None
    ):
        return bucket + one.tier.bucket
    return bucket


def _first_points(
    influxdb: InfluxDB, one: Downsampling, policy: str, shards: Sequence[ShardSize], task: BackfillTask
) -> Iterator[int]:
    """The first point of each shard within a task's range. One query over all shards would open all their series."""
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
        hint="completed ranges are kept; `aresmon data backfill` continues from here; see `aresmon logs influxdb`",
    )


def unfilled_before(
    tasks: Sequence[BackfillTask], shards: Sequence[ShardSize], config: Config, *, now: float
) -> Mapping[str, int]:
    """The policies that could be filled further back than these tasks, and from which time, in seconds since 1970."""
    whole = fillable_spans(config, shards, BackfillOptions(), now=now)
    begun = {task.policy: min(one.since for one in tasks if one.policy == task.policy) for task in tasks}
    return {policy: whole[policy][0] for policy in begun if policy in whole and whole[policy][0] < begun[policy]}

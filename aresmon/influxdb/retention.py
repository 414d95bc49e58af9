"""Retention policies: what each one holds, and what a shorter `storage.keep` would delete.

`shortened_policies` and `measure_losses` find the loss before anything is changed, `describe` puts it into a sentence.
`list_policies` is what `aresmon data` shows of each policy: its oldest and newest point, its size and its rate.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from aresmon.config.model import Config
from aresmon.config.names import DATABASE
from aresmon.config.views import Views
from aresmon.influxdb import capacity, downsampling, influxql
from aresmon.influxdb.capacity import ShardSize
from aresmon.influxdb.client import InfluxDB, InfluxDBError, Series
from aresmon.influxdb.users import SHORTEN_HINT, describe_shorter_retention, is_shorter, parse_hours
from aresmon.system.errors import AresmonError, plural

_COUNT_TIMEOUT = 30.0  # seconds that a user waits for a number


@dataclass(frozen=True, slots=True)
class PointCount:
    """A number of points, and of how many hosts and measurements they are."""

    points: int
    hosts: int
    measurements: int


@dataclass(frozen=True, slots=True)
class Loss:
    """What one policy loses. `shards` are deleted at once, as a whole; None if InfluxDB could not be queried.

    `kept` (the current retention) and `wanted` are in hours, 0 for forever. `points` is None if counting took too long.
    """

    policy: str
    kept: int
    wanted: int
    shards: tuple[ShardSize, ...] | None = None
    points: PointCount | None = None


def shortened_policies(kept: Mapping[str, int], config: Config) -> tuple[Loss, ...]:
    """The policies whose retention gets shorter; `kept` are the current ones, in hours. Queries nothing."""
    return tuple(
        Loss(policy, kept[policy], wanted)
        for policy in influxql.POLICIES
        if policy in kept and is_shorter(wanted := influxql.retention_hours(config.keep, policy), kept[policy])
    )


def measure_losses(influxdb: InfluxDB, config: Config, views: Views, *, now: float) -> tuple[Loss, ...]:
    """The policies whose retention gets shorter, with the points that each one loses; changes nothing."""
    databases = influxdb.query("SHOW DATABASES")[0]
    if DATABASE not in {row["name"] for series in databases for row in series.rows}:
        return ()
    policies = influxdb.query(f"SHOW RETENTION POLICIES ON {influxql.identifier(DATABASE)}")[0]
    kept = {row["name"]: parse_hours(row["duration"]) for series in policies for row in series.rows}
    losses = shortened_policies(kept, config)
    if not losses:
        return ()
    shards, fields = capacity.list_shards(influxdb), field_of_each_measurement(influxdb, views)
    return tuple(_measure_loss(influxdb, one, fields, shards, now) for one in losses)


def describe(loss: Loss) -> str:
    """Describe the loss in a sentence or two."""
    change = describe_shorter_retention(loss.policy, loss.kept, loss.wanted)
    if loss.shards is None:
        return change
    rest = "; each later shard is deleted when all of its points are that old"
    if not loss.shards:
        return f"{change}. No shard is that old yet{rest}"
    begin = _format_time(min(one.start for one in loss.shards))
    end = _format_time(max(one.end for one in loss.shards))
    shards = plural(len(loss.shards), "shard")
    lost = f"{_describe_count(loss.points)}, {capacity.format_size(sum(one.bytes for one in loss.shards))} on disk"
    return f"{change}. Deleted at once: {shards}, from {begin} to {end} UTC, with {lost}{rest}"


def shortening_error(losses: Sequence[Loss]) -> AresmonError:
    """The error about these losses, which names the option to accept them."""
    return AresmonError("\n".join(map(describe, losses)), hint=SHORTEN_HINT)


def _measure_loss(
    influxdb: InfluxDB, loss: Loss, fields: Mapping[str, str], shards: Sequence[ShardSize], now: float
) -> Loss:
    oldest = now - loss.wanted * 3600
    expired = tuple(one for one in shards if one.policy == loss.policy and one.end <= oldest)
    if not expired:
        return replace(loss, shards=())
    span = (min(one.start for one in expired), max(one.end for one in expired))
    return replace(loss, shards=expired, points=_count_points(influxdb, fields, loss.policy, span))


def _count_points(influxdb: InfluxDB, fields: Mapping[str, str], policy: str, span: Span) -> PointCount | None:
    """Count the points of a time range; of each measurement the values of one field."""
    found: list[Series] = []
    begun = time.monotonic()
    try:
        for series in query_fields(influxdb, fields, policy, "count", span):
            found.append(series)
            if time.monotonic() - begun > _COUNT_TIMEOUT:
                return None
    except InfluxDBError:
        return None  # a single query exceeded InfluxDB's timeout
    counted = sum(int(row["count"]) for one in found for row in one.rows)
    return PointCount(counted, len({one.tags.get("host") for one in found}), len({one.name for one in found}))


def _describe_count(points: PointCount | None) -> str:
    if points is None:
        return "too many points to count within 30 s"
    return f"about {points.points:,} points of {plural(points.hosts, 'host')} in {points.measurements} measurements"


def _format_time(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"


Span = tuple[float, float]
"""Start and end of a time range, in seconds since 1970; the end is not included."""
_DAY = 86400
# The time range, in seconds before now, from which the points a day are estimated: the continuous queries have
# completed it, and counting a whole day of a large site would take too long.
_SAMPLE_SPANS: Mapping[str, tuple[int, int]] = {"raw": (900, 300), "1m": (2 * 3600, 3600), "1h": (26 * 3600, 2 * 3600)}


@dataclass(frozen=True, slots=True)
class PolicyUsage:
    """One policy. `keep` is in hours, 0 for forever; `oldest` and `newest` are seconds since 1970, None without points.

    `queries` is the number of continuous queries into it that exist, `missing` of those that should exist and do not.
    """

    policy: str
    keep: int
    oldest: int | None = None
    newest: int | None = None
    points_a_day: int = 0
    shards: int = 0
    bytes: int = 0
    queries: int = 0
    missing: int = 0

    def as_json(self) -> dict[str, Any]:
        """The fields for `--json`."""
        return asdict(self)


def list_policies(influxdb: InfluxDB, config: Config, views: Views, *, now: float) -> list[PolicyUsage]:
    """Return the usage of every policy of measurements; changes nothing."""
    shards = capacity.list_shards(influxdb)
    (found,) = influxdb.query("SHOW CONTINUOUS QUERIES")
    names = {row["name"] for series in found if series.name == DATABASE for row in series.rows}
    fields = field_of_each_measurement(influxdb, views)
    wanted = {(one.tier.policy, one.name) for one in downsampling.continuous_queries(views)}
    return [
        _policy_usage(
            influxdb,
            PolicyUsage(
                policy,
                influxql.retention_hours(config.keep, policy),
                queries=len(due & names),
                missing=len(due - names),
            ),
            fields,
            sorted((one for one in shards if one.policy == policy), key=lambda one: one.start),
            now,
        )
        for policy in influxql.POLICIES
        for due in [{name for into, name in wanted if into == policy}]
    ]


def _policy_usage(
    influxdb: InfluxDB, known: PolicyUsage, fields: Mapping[str, str], mine: Sequence[ShardSize], now: float
) -> PolicyUsage:
    policy = known.policy
    since, until = (int(now) // 60 * 60 - before for before in _SAMPLE_SPANS[policy])
    counts = query_fields(influxdb, fields, policy, "count", (since, until))
    counted = sum(int(row["count"]) for one in counts for row in one.rows)
    return replace(
        known,
        oldest=next(_end_points(influxdb, fields, policy, mine, newest=False), None),
        newest=next(_end_points(influxdb, fields, policy, mine[::-1], newest=True), None),
        points_a_day=counted * _DAY // (until - since),
        shards=len(mine),
        bytes=sum(one.bytes for one in mine),
    )


def _end_points(
    influxdb: InfluxDB, fields: Mapping[str, str], policy: str, shards: Sequence[ShardSize], *, newest: bool
) -> Iterator[int]:
    """Yield the time of the oldest or newest point of each shard that has points."""
    function = "last" if newest else "first"
    for shard in shards:
        found = query_fields(influxdb, fields, policy, function, (shard.start, shard.end))
        times = [int(row["time"]) for one in found for row in one.rows]
        if times:
            yield max(times) if newest else min(times)


def field_of_each_measurement(influxdb: InfluxDB, views: Views) -> dict[str, str]:
    """Return one field for each measurement. Counting that field is enough; `*` would read all fields."""
    keys = influxdb.query("SHOW FIELD KEYS", database=DATABASE)[0]
    known = {name: next(iter(one.fields)) for view in views.values() for name, one in view.measurements.items()}
    return {one.name: known.get(one.name, one.rows[0]["fieldKey"]) for one in keys}


def query_fields(
    influxdb: InfluxDB, fields: Mapping[str, str], policy: str, function: str, span: Span
) -> Iterator[Series]:
    """Apply an InfluxQL function to one field of each measurement in a time range, by host."""
    since, until = map(int, span)
    for name, field in fields.items():
        place = f"{influxql.identifier(policy)}.{influxql.identifier(name)}"
        where = f'WHERE time >= {since}s AND time < {until}s GROUP BY "host"'
        statement = f"SELECT {function}({influxql.identifier(field)}) FROM {place} {where}"
        yield from influxdb.query(statement, database=DATABASE)[0]

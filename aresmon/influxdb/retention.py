"""What a shorter `storage.keep` deletes, looked at before anything is changed, and told."""

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
from aresmon.system.errors import AresmonError

_COUNT_TIMEOUT = 30.0  # seconds that somebody waits for a number


@dataclass(frozen=True, slots=True)
class PointCount:
    """How many points there are, of how many hosts and measurements."""

    points: int
    hosts: int
    measurements: int


@dataclass(frozen=True, slots=True)
class Loss:
    """What one policy loses: `shards` are the groups that go at once, as whole ones; None where nobody could be asked.

    `kept` and `wanted` are in hours, 0 for ever. `points` is None where they could not be counted in time.
    """

    policy: str
    kept: int
    wanted: int
    shards: tuple[ShardSize, ...] | None = None
    points: PointCount | None = None


def shortened_policies(kept: Mapping[str, int], config: Config) -> tuple[Loss, ...]:
    """The policies, kept for so many hours until now, that get shorter; of their points nothing is known."""
    return tuple(
        Loss(policy, kept[policy], wanted)
        for policy in influxql.POLICIES
        if policy in kept and is_shorter(wanted := influxql.retention_hours(config.keep, policy), kept[policy])
    )


def measure_losses(influxdb: InfluxDB, config: Config, views: Views, *, now: float) -> tuple[Loss, ...]:
    """The same by the database itself, with what each policy loses. Nothing is changed."""
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
    """All of it in a sentence or two."""
    asked = describe_shorter_retention(loss.policy, loss.kept, loss.wanted)
    if loss.shards is None:
        return asked
    rest = "; each later group follows when all of it is that old"
    if not loss.shards:
        return f"{asked}. No group of points is that old yet{rest}"
    begin, end = (
        _format_time(pick) for pick in (min(one.start for one in loss.shards), max(one.end for one in loss.shards))
    )
    size = capacity.format_size(sum(one.bytes for one in loss.shards))
    groups = "1 whole group" if len(loss.shards) == 1 else f"{len(loss.shards)} whole groups"
    return (
        f"{asked}. At once go {groups}, from {begin} to {end} UTC: {_describe_count(loss.points)}, {size} on disk{rest}"
    )


def shortening_error(losses: Sequence[Loss]) -> AresmonError:
    """The error that says so."""
    return AresmonError("\n".join(map(describe, losses)), hint=SHORTEN_HINT)


def _measure_loss(
    influxdb: InfluxDB, loss: Loss, fields: Mapping[str, str], shards: Sequence[ShardSize], now: float
) -> Loss:
    oldest = now - loss.wanted * 3600
    going = tuple(one for one in shards if one.policy == loss.policy and one.end <= oldest)
    if not going:
        return replace(loss, shards=())
    span = (min(one.start for one in going), max(one.end for one in going))
    return replace(loss, shards=going, points=_count_points(influxdb, fields, loss.policy, span))


def _count_points(influxdb: InfluxDB, fields: Mapping[str, str], policy: str, span: Span) -> PointCount | None:
    """The points of a time; of each measurement as many as one of its fields has."""
    found: list[Series] = []
    begun = time.monotonic()
    try:
        for series in query_fields(influxdb, fields, policy, "count", span):
            found.append(series)
            if time.monotonic() - begun > _COUNT_TIMEOUT:
                return None
    except InfluxDBError:
        return None  # one alone takes half a minute
    counted = sum(int(row["count"]) for one in found for row in one.rows)
    return PointCount(counted, len({one.tags.get("host") for one in found}), len({one.name for one in found}))


def _describe_count(points: PointCount | None) -> str:
    if points is None:
        return "too many points to be counted in half a minute"
    hosts = "1 host" if points.hosts == 1 else f"{points.hosts} hosts"
    return f"about {points.points:,} points of {hosts} in {points.measurements} measurements"


def _format_time(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"


Span = tuple[float, float]
"""From when to when, in seconds since 1970; the end is not included."""
_DAY = 86400
# From which span before now a day's points are reckoned, in seconds: the continuous queries are done with it, and
# to count a whole day of a large fleet's points would take too long.
_SAMPLE_SPANS: Mapping[str, tuple[int, int]] = {"raw": (900, 300), "1m": (2 * 3600, 3600), "1h": (26 * 3600, 2 * 3600)}


@dataclass(frozen=True, slots=True)
class PolicyUsage:
    """One policy. `keep` is in hours, 0 for ever; `oldest` and `newest` are seconds since 1970, None without points.

    `queries` are the continuous queries into it that are there, `missing` those that should be and are not.
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
        """The same, for scripts."""
        return asdict(self)


def list_policies(influxdb: InfluxDB, config: Config, views: Views, *, now: float) -> list[PolicyUsage]:
    """What is in every policy that points are made for. Nothing is changed."""
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
    """The oldest or newest point of each shard that has any."""
    how = "last" if newest else "first"
    for shard in shards:
        found = query_fields(influxdb, fields, policy, how, (shard.start, shard.end))
        times = [int(row["time"]) for one in found for row in one.rows]
        if times:
            yield max(times) if newest else min(times)


def field_of_each_measurement(influxdb: InfluxDB, views: Views) -> dict[str, str]:
    """Of each measurement one field that tells of its points: `*` would read all fields of all of them."""
    keys = influxdb.query("SHOW FIELD KEYS", database=DATABASE)[0]
    known = {name: next(iter(one.fields)) for view in views.values() for name, one in view.measurements.items()}
    return {one.name: known.get(one.name, one.rows[0]["fieldKey"]) for one in keys}


def query_fields(influxdb: InfluxDB, fields: Mapping[str, str], policy: str, how: str, span: Span) -> Iterator[Series]:
    """What a function gives of one field of each measurement, by host, in a time."""
    since, until = map(int, span)
    for name, field in fields.items():
        place = f"{influxql.identifier(policy)}.{influxql.identifier(name)}"
        where = f'WHERE time >= {since}s AND time < {until}s GROUP BY "host"'
        statement = f"SELECT {how}({influxql.identifier(field)}) FROM {place} {where}"
        yield from influxdb.query(statement, database=DATABASE)[0]

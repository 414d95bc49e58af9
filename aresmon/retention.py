"""What a shorter `storage.keep` deletes, looked at before anything is changed, and told."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from aresmon import capacity, holdings
from aresmon.capacity import Shard
from aresmon.database import MEANT, hours, is_shorter, told_shorter
from aresmon.errors import AresmonError
from aresmon.fleet import Fleet
from aresmon.holdings import Span
from aresmon.influxdb import InfluxDB, InfluxDBError, Series
from aresmon.render import influxql
from aresmon.render.telegraf import DATABASE
from aresmon.views import Views

_WITHIN = 30.0  # seconds that somebody waits for a number


@dataclass(frozen=True, slots=True)
class Points:
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
    shards: tuple[Shard, ...] | None = None
    points: Points | None = None


def by_memory(kept: Mapping[str, int], fleet: Fleet) -> tuple[Loss, ...]:
    """The policies, kept for so many hours until now, that get shorter; of their points nothing is known."""
    return tuple(
        Loss(policy, kept[policy], wanted)
        for policy in influxql.POLICIES
        if policy in kept and is_shorter(wanted := influxql.keep_hours(fleet.keep, policy), kept[policy])
    )


def look(influxdb: InfluxDB, fleet: Fleet, views: Views, *, now: float) -> tuple[Loss, ...]:
    """The same by the database itself, with what each policy loses. Nothing is changed."""
    databases = influxdb.query("SHOW DATABASES")[0]
    if DATABASE not in {row["name"] for series in databases for row in series.rows}:
        return ()
    policies = influxdb.query(f"SHOW RETENTION POLICIES ON {influxql.identifier(DATABASE)}")[0]
    kept = {row["name"]: hours(row["duration"]) for series in policies for row in series.rows}
    losses = by_memory(kept, fleet)
    if not losses:
        return ()
    shards, fields = capacity.shards(influxdb), holdings.one_field_each(influxdb, views)
    return tuple(_look(influxdb, one, fields, shards, now) for one in losses)


def told(loss: Loss) -> str:
    """All of it in a sentence or two."""
    asked = told_shorter(loss.policy, loss.kept, loss.wanted)
    if loss.shards is None:
        return asked
    rest = "; each later group follows when all of it is that old"
    if not loss.shards:
        return f"{asked}. No group of points is that old yet{rest}"
    begin, end = (_when(pick) for pick in (min(one.start for one in loss.shards), max(one.end for one in loss.shards)))
    size = capacity.size(sum(one.bytes for one in loss.shards))
    groups = "1 whole group" if len(loss.shards) == 1 else f"{len(loss.shards)} whole groups"
    return f"{asked}. At once go {groups}, from {begin} to {end} UTC: {_counted(loss.points)}, {size} on disk{rest}"


def refusal(losses: Sequence[Loss]) -> AresmonError:
    """The error that says so."""
    return AresmonError("\n".join(map(told, losses)), hint=MEANT)


def _look(influxdb: InfluxDB, loss: Loss, fields: Mapping[str, str], shards: Sequence[Shard], now: float) -> Loss:
    oldest = now - loss.wanted * 3600
    going = tuple(one for one in shards if one.policy == loss.policy and one.end <= oldest)
    if not going:
        return replace(loss, shards=())
    span = (min(one.start for one in going), max(one.end for one in going))
    return replace(loss, shards=going, points=_count(influxdb, fields, loss.policy, span))


def _count(influxdb: InfluxDB, fields: Mapping[str, str], policy: str, span: Span) -> Points | None:
    """The points of a time; of each measurement as many as one of its fields has."""
    found: list[Series] = []
    begun = time.monotonic()
    try:
        for series in holdings.each(influxdb, fields, policy, "count", span):
            found.append(series)
            if time.monotonic() - begun > _WITHIN:
                return None
    except InfluxDBError:
        return None  # one alone takes half a minute
    counted = sum(int(row["count"]) for one in found for row in one.rows)
    return Points(counted, len({one.tags.get("host") for one in found}), len({one.name for one in found}))


def _counted(points: Points | None) -> str:
    if points is None:
        return "too many points to be counted in half a minute"
    hosts = "1 host" if points.hosts == 1 else f"{points.hosts} hosts"
    return f"about {points.points:,} points of {hosts} in {points.measurements} measurements"


def _when(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"

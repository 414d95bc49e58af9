"""What each retention policy holds: how old, how new, how much, and whether it is filled by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from aresmon import capacity
from aresmon.capacity import Shard
from aresmon.fleet import Fleet
from aresmon.influxdb import InfluxDB, Series
from aresmon.render import downsampling, influxql
from aresmon.render.telegraf import DATABASE
from aresmon.views import Views

Span = tuple[float, float]
"""From when to when, in seconds since 1970; the end is not included."""
_DAY = 86400
# From which span before now a day's points are reckoned, in seconds: the continuous queries are done with it, and
# to count a whole day of a large fleet's points would take too long.
_COUNTED: Mapping[str, tuple[int, int]] = {"raw": (900, 300), "1m": (2 * 3600, 3600), "1h": (26 * 3600, 2 * 3600)}


@dataclass(frozen=True, slots=True)
class Holding:
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


def look(influxdb: InfluxDB, fleet: Fleet, views: Views, *, now: float) -> list[Holding]:
    """What is in every policy that points are made for. Nothing is changed."""
    shards = capacity.shards(influxdb)
    (found,) = influxdb.query("SHOW CONTINUOUS QUERIES")
    names = {row["name"] for series in found if series.name == DATABASE for row in series.rows}
    fields = one_field_each(influxdb, views)
    wanted = {(one.tier.policy, one.name) for one in downsampling.continuous(views)}
    return [
        _holding(
            influxdb,
            Holding(
                policy, influxql.keep_hours(fleet.keep, policy), queries=len(due & names), missing=len(due - names)
            ),
            fields,
            sorted((one for one in shards if one.policy == policy), key=lambda one: one.start),
            now,
        )
        for policy in influxql.POLICIES
        for due in [{name for into, name in wanted if into == policy}]
    ]


def _holding(
    influxdb: InfluxDB, known: Holding, fields: Mapping[str, str], mine: Sequence[Shard], now: float
) -> Holding:
    policy = known.policy
    since, until = (int(now) // 60 * 60 - before for before in _COUNTED[policy])
    counts = each(influxdb, fields, policy, "count", (since, until))
    counted = sum(int(row["count"]) for one in counts for row in one.rows)
    return replace(
        known,
        oldest=next(_ends(influxdb, fields, policy, mine, newest=False), None),
        newest=next(_ends(influxdb, fields, policy, mine[::-1], newest=True), None),
        points_a_day=counted * _DAY // (until - since),
        shards=len(mine),
        bytes=sum(one.bytes for one in mine),
    )


def _ends(
    influxdb: InfluxDB, fields: Mapping[str, str], policy: str, shards: Sequence[Shard], *, newest: bool
) -> Iterator[int]:
    """The oldest or newest point of each shard that has any."""
    how = "last" if newest else "first"
    for shard in shards:
        found = each(influxdb, fields, policy, how, (shard.start, shard.end))
        times = [int(row["time"]) for one in found for row in one.rows]
        if times:
            yield max(times) if newest else min(times)


def one_field_each(influxdb: InfluxDB, views: Views) -> dict[str, str]:
    """Of each measurement one field that tells of its points: `*` would read all fields of all of them."""
    keys = influxdb.query("SHOW FIELD KEYS", database=DATABASE)[0]
    known = {name: next(iter(one.fields)) for view in views.values() for name, one in view.measurements.items()}
    return {one.name: known.get(one.name, one.rows[0]["fieldKey"]) for one in keys}


def each(influxdb: InfluxDB, fields: Mapping[str, str], policy: str, how: str, span: Span) -> Iterator[Series]:
    """What a function gives of one field of each measurement, by host, in a time."""
    since, until = map(int, span)
    for name, field in fields.items():
        place = f"{influxql.identifier(policy)}.{influxql.identifier(name)}"
        where = f'WHERE time >= {since}s AND time < {until}s GROUP BY "host"'
        statement = f"SELECT {how}({influxql.identifier(field)}) FROM {place} {where}"
        yield from influxdb.query(statement, database=DATABASE)[0]

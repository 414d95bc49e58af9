"""Continuous queries: from each measurement's points, one a minute and one an hour, under the same names.

So a dashboard asks the same of every retention policy. `SELECT mean(*)` would rename the fields and lose texts,
therefore each field is named: the mean of a gauge, the greatest of a peak, the least of a low, the last value of a
counter or a state, which stays an integer.

Source: InfluxDB 1.x, "InfluxQL continuous queries"; influxdb#7332.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from aresmon.config import builtin_alerts
from aresmon.config.model import FOREVER, Config
from aresmon.config.names import DATABASE, uid_of_host
from aresmon.config.views import FieldKind, Measurement, Views
from aresmon.influxdb import influxql
from aresmon.influxdb.client import InfluxDB, Series
from aresmon.influxdb.influxql import identifier
from aresmon.influxdb.users import DatabaseChange

FOREVER_POLICY = builtin_alerts.FOREVER
"""The retention policy of what is not measured: tiers, hosts, events and backups."""


@dataclass(frozen=True, slots=True)
class Tier:
    """Points of one resolution: made from those of the policy `source`, looked back for `span`, each `every`.

    `late` is a second look at what the first one made already, for points that an agent held back meanwhile.
    """

    policy: str
    source: str
    every: str
    span: str
    late: bool = False

    @property
    def bucket(self) -> int:
        """Seconds of points that become one."""
        return {"1m": 60, "1h": 3600}[self.policy]


TIERS = (Tier("1m", "raw", "5m", "15m"), Tier("1h", "1m", "1h", "9h"))
# An agent holds 50,000 points, which is two to five and a half hours of them. To look back so far each five
# minutes would read each point 84 times; once an hour, seven times. The hours are made of what this leaves, hence
# their longer look.
LATE_TIER = Tier("1m", "raw", "1h", "7h", late=True)
_AGGREGATES: Mapping[FieldKind, str] = {
    "gauge": "mean({})",
    # A float, as a mean is: within a shard, InfluxDB drops points whose field has another type than before.
    "peak": "max({}) * 1.0",
    "low": "min({})",
    "counter": "last({})",
    "state": "last({})",
}
# How long a time each policy serves, in milliseconds: so that no dashboard asks for steps finer than its points,
# nor for more than some ten thousand of a series.
_HOUR = 3_600_000
SERVED_SPANS = (("raw", 0, 12 * _HOUR), ("1m", 12 * _HOUR, 21 * 24 * _HOUR), ("1h", 21 * 24 * _HOUR, 2**53))


@dataclass(frozen=True, slots=True)
class Downsampling:
    """One measurement into one tier."""

    tier: Tier
    measurement: Measurement

    @property
    def name(self) -> str:
        """Its name tells what it does from what another version would: InfluxDB writes statements its own way."""
        does = self._select() if self.tier == TIERS[0] else f"{self.tier.every} {self.tier.span} {self._select()}"
        mark = hashlib.sha256(does.encode()).hexdigest()[:8]
        return f"{self.tier.policy}_{self.measurement.name}_{'late_' if self.tier.late else ''}{mark}"

    def create(self) -> str:
        """The statement that makes it."""
        resample = f"RESAMPLE EVERY {self.tier.every} FOR {self.tier.span}"
        return (
            f"CREATE CONTINUOUS QUERY {identifier(self.name)} ON {identifier(DATABASE)} {resample} "
            f"BEGIN {self._select()} GROUP BY time({self.tier.policy}), * END"
        )

    def fill(self, since: int, until: int) -> str:
        """The same for points that are there already, from one time to another, in seconds since 1970."""
        return f"{self._select()} WHERE time >= {since}s AND time < {until}s GROUP BY time({self.tier.policy}), *"

    def _select(self) -> str:
        place, name = identifier(DATABASE), identifier(self.measurement.name)
        fields = ", ".join(self._fields())
        return (
            f"SELECT {fields} INTO {place}.{identifier(self.tier.policy)}.{name} "
            f"FROM {place}.{identifier(self.tier.source)}.{name}"
        )

    def _fields(self) -> Iterator[str]:
        for field, kind in self.measurement.fields.items():
            yield f"{_AGGREGATES[kind].format(identifier(field))} AS {identifier(field)}"


def downsamplings(views: Views) -> list[Downsampling]:
    """Every measurement into every tier, the finer tier first: the coarser one is made from it."""
    known: dict[str, Measurement] = {}
    for _, view in sorted(views.items()):
        for name, one in view.measurements.items():
            # Two collectors may read one measurement, and each know other fields of it.
            fields = {**(known[name].fields if name in known else {}), **one.fields}
            known[name] = replace(one, fields=fields)
    return [Downsampling(tier, known[name]) for tier in TIERS for name in sorted(known)]


def continuous_queries(views: Views) -> list[Downsampling]:
    """All that runs by itself: those, and the second look at what arrived late."""
    ones = downsamplings(views)
    return [*ones, *(replace(one, tier=LATE_TIER) for one in ones if one.tier.policy == LATE_TIER.policy)]


def drop_statement(name: str) -> str:
    """The statement that removes one."""
    return f"DROP CONTINUOUS QUERY {identifier(name)} ON {identifier(DATABASE)}"


def tier_points() -> str:
    """Which policy serves how long a time, as lines of InfluxDB's protocol, for the dashboards' variable `rp`."""
    return "\n".join(
        f'aresmon_tier rp="{policy}",start={start}i,end={end}i {second}'
        for second, (policy, start, end) in enumerate(SERVED_SPANS, start=1)
    )


def host_points(uids: Iterable[tuple[str, str]]) -> str:
    """The hosts that should be there, and their dashboards' uids, in the same form."""
    return "\n".join(f'aresmon_host,host={host} uid="{uid}" 1' for host, uid in uids)


def plan(influxdb: InfluxDB, config: Config, views: Views) -> list[DatabaseChange]:
    """What is missing or different. Nothing is changed."""
    policies, queries = influxdb.query(
        f"SHOW RETENTION POLICIES ON {influxql.identifier(DATABASE)}", "SHOW CONTINUOUS QUERIES"
    )
    changes: list[DatabaseChange] = []
    is_new = FOREVER_POLICY not in {row["name"] for series in policies for row in series.rows}
    if is_new:
        statement = influxql.create_policy(DATABASE, FOREVER_POLICY, FOREVER)
        changes.append(DatabaseChange(f"create the retention policy {FOREVER_POLICY}", statement))
    there = {row["name"] for series in queries if series.name == DATABASE for row in series.rows}
    changes.extend(_plan_queries(views, there))
    tiers, hosts = _registered(influxdb) if not is_new else ([], [])
    told = [(row["rp"], row["start"], row["end"]) for series in tiers for row in series.rows]
    if told != list(SERVED_SPANS):
        lines = tier_points()
        changes.append(DatabaseChange("tell the dashboards which points serve how long a time", lines=lines))
    known = {series.tags["host"]: series.rows[-1]["uid"] for series in hosts}
    changes.extend(_plan_hosts(config, known))
    return changes


def apply(influxdb: InfluxDB, changes: list[DatabaseChange]) -> None:
    """Carry out a plan: statements first, since points need their policy."""
    influxdb.query(*(change.statement for change in changes if change.statement), database=DATABASE)
    lines = [change.lines for change in changes if change.lines]
    if lines:
        influxdb.write("\n".join(lines), database=DATABASE, policy=FOREVER_POLICY)


def added_with_points(influxdb: InfluxDB, changes: list[DatabaseChange], views: Views) -> list[Downsampling]:
    """What a plan adds of downsampling for which there are points already."""
    added = {statement for change in changes for statement in change.statement.split("; ")}
    new = [one for one in downsamplings(views) if one.create() in added]
    if not new:
        return []
    there = {row["name"] for series in influxdb.query("SHOW MEASUREMENTS", database=DATABASE)[0] for row in series.rows}
    return [one for one in new if one.measurement.name in there]


def _registered(influxdb: InfluxDB) -> list[list[Series]]:
    """What the dashboards are told now: the tiers, and the hosts."""
    return influxdb.query(
        f'SELECT "rp", "start", "end" FROM "{FOREVER_POLICY}"."aresmon_tier"',
        f'SELECT "uid" FROM "{FOREVER_POLICY}"."aresmon_host" GROUP BY "host"',
        database=DATABASE,
    )


def _plan_queries(views: Views, there: set[str]) -> Iterator[DatabaseChange]:
    wanted = {one.name: one for one in continuous_queries(views)}
    gone = sorted(name for name in there - wanted.keys() if name.startswith(("1m_", "1h_")))
    if gone:
        yield DatabaseChange(f"end {len(gone)} former ways of downsampling", "; ".join(map(drop_statement, gone)))
    for tier in (*TIERS, LATE_TIER):
        new = [one for name, one in wanted.items() if one.tier == tier and name not in there]
        if new:
            what = f"downsample {len(new)} measurements into {tier.policy}{', late points too' if tier.late else ''}"
            yield DatabaseChange(what, "; ".join(one.create() for one in new))


def _plan_hosts(config: Config, known: dict[str, str]) -> Iterator[DatabaseChange]:
    wanted = {host.name: uid_of_host(host.name) for host in config.hosts}
    for host in sorted(known.keys() - wanted.keys()):
        statement = f'DROP SERIES FROM "aresmon_host" WHERE "host" = {influxql.string(host)}'
        yield DatabaseChange(f"tell the dashboards that {host} is gone", statement)
    missing = [(host, uid) for host, uid in wanted.items() if known.get(host) != uid]
    if missing:
        names = ", ".join(host for host, _ in missing[:5]) + (f" and {len(missing) - 5} more" if missing[5:] else "")
        yield DatabaseChange(f"tell the dashboards of {names}", lines=host_points(missing))

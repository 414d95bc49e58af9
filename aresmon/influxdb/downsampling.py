"""Downsampling by continuous queries: one point a minute and one an hour of each measurement, with the same names.

Because the names are the same, a dashboard's query works on every retention policy. `SELECT mean(*)` would rename the
fields and drop strings, so each field is selected by name: the mean of a gauge, the maximum of a peak, the minimum of
a low, the last value of a counter or a state, which stays an integer.

`plan` compares InfluxDB with what the site needs, `apply` executes the result. Both also register for the dashboards
which hosts exist and which retention policy serves which time range.

Source: InfluxDB 1.x, "InfluxQL continuous queries"; influxdb#7332.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from aresmon.config import builtin_alerts
from aresmon.config.model import Config
from aresmon.config.names import DATABASE, uid_of_host
from aresmon.config.units import FOREVER
from aresmon.config.views import FieldKind, Measurement, Views
from aresmon.influxdb import influxql
from aresmon.influxdb.client import InfluxDB, Series
from aresmon.influxdb.influxql import identifier
from aresmon.influxdb.users import DatabaseChange

FOREVER_POLICY = builtin_alerts.FOREVER
"""The retention policy of what is not a measurement of a host: tiers, hosts, events and backups."""


@dataclass(frozen=True, slots=True)
class Tier:
    """One resolution: `policy` is filled from `source`, every `every`, over the last `span` (InfluxQL durations).

    `late` marks the second query of a tier, which looks further back for points that an agent had buffered.
    """

    policy: str
    source: str
    every: str
    span: str
    late: bool = False

    @property
    def bucket(self) -> int:
        """The length in seconds of the interval that becomes one point."""
        return {"1m": 60, "1h": 3600}[self.policy]


TIERS = (Tier("1m", "raw", "5m", "15m"), Tier("1h", "1m", "1h", "9h"))
# An agent buffers 50,000 points, which are two to five and a half hours. Looking back that far every five minutes
# would read each point 84 times; once an hour reads it seven times. The hourly points are made from the result, so
# their query looks back further.
LATE_TIER = Tier("1m", "raw", "1h", "7h", late=True)
_AGGREGATES: Mapping[FieldKind, str] = {
    "gauge": "mean({})",
    # A float, like a mean: within a shard, InfluxDB drops points whose field has another type than before.
    "peak": "max({}) * 1.0",
    "low": "min({})",
    "counter": "last({})",
    "state": "last({})",
}
# The time ranges that each policy serves, in milliseconds, so that no dashboard requests intervals shorter than those
# of the points, nor more than about ten thousand points of a series.
_HOUR = 3_600_000
SERVED_SPANS = (("raw", 0, 12 * _HOUR), ("1m", 12 * _HOUR, 21 * 24 * _HOUR), ("1h", 21 * 24 * _HOUR, 2**53))


@dataclass(frozen=True, slots=True)
class Downsampling:
    """The downsampling of one measurement into one tier."""

    tier: Tier
    measurement: Measurement

    @property
    def name(self) -> str:
        """The name of the continuous query. It contains a hash of the query, because InfluxDB reformats statements."""
        query = self._select() if self.tier == TIERS[0] else f"{self.tier.every} {self.tier.span} {self._select()}"
        digest = hashlib.sha256(query.encode()).hexdigest()[:8]
        return f"{self.tier.policy}_{self.measurement.name}_{'late_' if self.tier.late else ''}{digest}"

    def create_statement(self) -> str:
        """The statement that creates the continuous query."""
        resample = f"RESAMPLE EVERY {self.tier.every} FOR {self.tier.span}"
        return (
            f"CREATE CONTINUOUS QUERY {identifier(self.name)} ON {identifier(DATABASE)} {resample} "
            f"BEGIN {self._select()} GROUP BY time({self.tier.policy}), * END"
        )

    def backfill_statement(self, since: int, until: int) -> str:
        """The query that downsamples existing points, from `since` to before `until`, in seconds since 1970."""
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
    """Every measurement into every tier; the finer tier first, because the coarser one is made from it."""
    known: dict[str, Measurement] = {}
    for _, view in sorted(views.items()):
        for name, one in view.measurements.items():
            # Two collectors may produce the same measurement with different fields.
            fields = {**(known[name].fields if name in known else {}), **one.fields}
            known[name] = replace(one, fields=fields)
    return [Downsampling(tier, known[name]) for tier in TIERS for name in sorted(known)]


def continuous_queries(views: Views) -> list[Downsampling]:
    """Everything that needs a continuous query: all downsamplings, and the second queries for late points."""
    regular = downsamplings(views)
    return [*regular, *(replace(one, tier=LATE_TIER) for one in regular if one.tier.policy == LATE_TIER.policy)]


def drop_statement(name: str) -> str:
    """The statement that drops a continuous query."""
    return f"DROP CONTINUOUS QUERY {identifier(name)} ON {identifier(DATABASE)}"


def tier_points() -> str:
    """The time ranges that each policy serves, in line protocol, for the dashboards' variable `rp`."""
    return "\n".join(
        f'aresmon_tier rp="{policy}",start={start}i,end={end}i {second}'
        for second, (policy, start, end) in enumerate(SERVED_SPANS, start=1)
    )


def host_points(uids: Iterable[tuple[str, str]]) -> str:
    """The hosts of the site and the uids of their dashboards, in line protocol."""
    return "\n".join(f'aresmon_host,host={host} uid="{uid}" 1' for host, uid in uids)


def plan(influxdb: InfluxDB, config: Config, views: Views) -> list[DatabaseChange]:
    """Return the changes that InfluxDB needs; changes nothing."""
    policies, queries = influxdb.query(
        f"SHOW RETENTION POLICIES ON {influxql.identifier(DATABASE)}", "SHOW CONTINUOUS QUERIES"
    )
    changes: list[DatabaseChange] = []
    is_new = FOREVER_POLICY not in {row["name"] for series in policies for row in series.rows}
    if is_new:
        statement = influxql.create_policy(DATABASE, FOREVER_POLICY, FOREVER)
        changes.append(DatabaseChange(f"create the retention policy {FOREVER_POLICY}", statement))
    existing = {row["name"] for series in queries if series.name == DATABASE for row in series.rows}
    changes.extend(_plan_queries(views, existing))
    tiers, hosts = _registered(influxdb) if not is_new else ([], [])
    registered = [(row["rp"], row["start"], row["end"]) for series in tiers for row in series.rows]
    if registered != list(SERVED_SPANS):
        what = "register for the dashboards which retention policy serves which time range"
        changes.append(DatabaseChange(what, lines=tier_points()))
    known = {series.tags["host"]: series.rows[-1]["uid"] for series in hosts}
    changes.extend(_plan_hosts(config, known))
    return changes


def apply(influxdb: InfluxDB, changes: list[DatabaseChange]) -> None:
    """Execute a plan: statements first, because the points need their retention policy."""
    influxdb.query(*(change.statement for change in changes if change.statement), database=DATABASE)
    lines = [change.lines for change in changes if change.lines]
    if lines:
        influxdb.write("\n".join(lines), database=DATABASE, policy=FOREVER_POLICY)


def added_with_points(influxdb: InfluxDB, changes: list[DatabaseChange], views: Views) -> list[Downsampling]:
    """The downsamplings that a plan adds for measurements that already have points."""
    added = {statement for change in changes for statement in change.statement.split("; ")}
    new = [one for one in downsamplings(views) if one.create_statement() in added]
    if not new:
        return []
    (found,) = influxdb.query("SHOW MEASUREMENTS", database=DATABASE)
    existing = {row["name"] for series in found for row in series.rows}
    return [one for one in new if one.measurement.name in existing]


def _registered(influxdb: InfluxDB) -> list[list[Series]]:
    """The tiers and the hosts that are registered for the dashboards now."""
    return influxdb.query(
        f'SELECT "rp", "start", "end" FROM "{FOREVER_POLICY}"."aresmon_tier"',
        f'SELECT "uid" FROM "{FOREVER_POLICY}"."aresmon_host" GROUP BY "host"',
        database=DATABASE,
    )


def _plan_queries(views: Views, existing: set[str]) -> Iterator[DatabaseChange]:
    wanted = {one.name: one for one in continuous_queries(views)}
    outdated = sorted(name for name in existing - wanted.keys() if name.startswith(("1m_", "1h_")))
    if outdated:
        statement = "; ".join(map(drop_statement, outdated))
        yield DatabaseChange(f"drop {len(outdated)} outdated continuous queries", statement)
    for tier in (*TIERS, LATE_TIER):
        new = [one for name, one in wanted.items() if one.tier == tier and name not in existing]
        if new:
            late = ", including late points" if tier.late else ""
            what = f"downsample {len(new)} measurements into {tier.policy}{late}"
            yield DatabaseChange(what, "; ".join(one.create_statement() for one in new))


def _plan_hosts(config: Config, known: dict[str, str]) -> Iterator[DatabaseChange]:
    wanted = {host.name: uid_of_host(host.name) for host in config.hosts}
    for host in sorted(known.keys() - wanted.keys()):
        statement = f'DROP SERIES FROM "aresmon_host" WHERE "host" = {influxql.string(host)}'
        yield DatabaseChange(f"unregister host {host} from the dashboards", statement)
    missing = [(host, uid) for host, uid in wanted.items() if known.get(host) != uid]
    if missing:
        names = ", ".join(host for host, _ in missing[:5]) + (f" and {len(missing) - 5} more" if missing[5:] else "")
        noun = "host" if len(missing) == 1 else "hosts"
        yield DatabaseChange(f"register {noun} {names} for the dashboards", lines=host_points(missing))

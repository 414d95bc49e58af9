"""What the dashboards find in the database beside the measurements: coarser points, their tiers, the hosts, and
what happened to them."""

from __future__ import annotations

from collections.abc import Iterator

from aresmon.database import Change
from aresmon.fleet import FOREVER, Fleet
from aresmon.influxdb import InfluxDB, Series
from aresmon.render import downsampling, influxql
from aresmon.render.boards import uid_of_host
from aresmon.render.downsampling import Downsampling
from aresmon.render.telegraf import DATABASE
from aresmon.views import Views


def plan(influxdb: InfluxDB, fleet: Fleet, views: Views) -> list[Change]:
    """What is missing or different. Nothing is changed."""
    policies, queries = influxdb.query(
        f"SHOW RETENTION POLICIES ON {influxql.identifier(DATABASE)}", "SHOW CONTINUOUS QUERIES"
    )
    changes: list[Change] = []
    is_new = downsampling.FOREVER not in {row["name"] for series in policies for row in series.rows}
    if is_new:
        statement = influxql.create_policy(DATABASE, downsampling.FOREVER, FOREVER)
        changes.append(Change(f"create the retention policy {downsampling.FOREVER}", statement))
    there = {row["name"] for series in queries if series.name == DATABASE for row in series.rows}
    changes.extend(_downsampling(views, there))
    tiers, hosts = _told(influxdb) if not is_new else ([], [])
    told = [(row["rp"], row["start"], row["end"]) for series in tiers for row in series.rows]
    if told != list(downsampling.SERVES):
        lines = downsampling.tier_points()
        changes.append(Change("tell the dashboards which points serve how long a time", lines=lines))
    known = {series.tags["host"]: series.rows[-1]["uid"] for series in hosts}
    changes.extend(_hosts(fleet, known))
    return changes


def apply(influxdb: InfluxDB, changes: list[Change]) -> None:
    """Carry out a plan: statements first, since points need their policy."""
    influxdb.query(*(change.statement for change in changes if change.statement), database=DATABASE)
    lines = [change.lines for change in changes if change.lines]
    if lines:
        influxdb.write("\n".join(lines), database=DATABASE, policy=downsampling.FOREVER)


def due(influxdb: InfluxDB, changes: list[Change], views: Views) -> list[Downsampling]:
    """What a plan adds of downsampling for which there are points already."""
    added = {statement for change in changes for statement in change.statement.split("; ")}
    new = [one for one in downsampling.downsamplings(views) if one.create() in added]
    if not new:
        return []
    there = {row["name"] for series in influxdb.query("SHOW MEASUREMENTS", database=DATABASE)[0] for row in series.rows}
    return [one for one in new if one.measurement.name in there]


def _told(influxdb: InfluxDB) -> list[list[Series]]:
    """What the dashboards are told now: the tiers, and the hosts."""
    return influxdb.query(
        f'SELECT "rp", "start", "end" FROM "{downsampling.FOREVER}"."aresmon_tier"',
        f'SELECT "uid" FROM "{downsampling.FOREVER}"."aresmon_host" GROUP BY "host"',
        database=DATABASE,
    )


def _downsampling(views: Views, there: set[str]) -> Iterator[Change]:
    wanted = {one.name: one for one in downsampling.continuous(views)}
    gone = sorted(name for name in there - wanted.keys() if name.startswith(("1m_", "1h_")))
    if gone:
        yield Change(f"end {len(gone)} former ways of downsampling", "; ".join(map(downsampling.drop, gone)))
    for tier in (*downsampling.TIERS, downsampling.LATE):
        new = [one for name, one in wanted.items() if one.tier == tier and name not in there]
        if new:
            what = f"downsample {len(new)} measurements into {tier.policy}{', late points too' if tier.late else ''}"
            yield Change(what, "; ".join(one.create() for one in new))


def _hosts(fleet: Fleet, known: dict[str, str]) -> Iterator[Change]:
    wanted = {host.name: uid_of_host(host.name) for host in fleet.hosts}
    for host in sorted(known.keys() - wanted.keys()):
        statement = f'DROP SERIES FROM "aresmon_host" WHERE "host" = {influxql.string(host)}'
        yield Change(f"tell the dashboards that {host} is gone", statement)
    missing = [(host, uid) for host, uid in wanted.items() if known.get(host) != uid]
    if missing:
        names = ", ".join(host for host, _ in missing[:5]) + (f" and {len(missing) - 5} more" if missing[5:] else "")
        yield Change(f"tell the dashboards of {names}", lines=downsampling.host_points(missing))

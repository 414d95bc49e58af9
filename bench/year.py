"""A year of ten hosts on disk, as `storage.keep` keeps it by default but for an hour's points, of which a year counts.

A real InfluxDB has the policies that `up` makes. Into `1h` go all points of the year; into `1m` and `raw` those of as
many of the newest days as are asked for, and the rest is in proportion, since a shard of a policy holds the same
whatever its place in the year (a whole one is a week of `1m`, a day of `raw`). Points are written as the downsampling
would leave them (bench/month.py), whole shards, and measured after a full compaction.

Run it: `.venv/bin/python -m bench year` (three minutes on two idle cores, 1 GB of disk; needs the engine and the built
image of InfluxDB). For a try: `.venv/bin/python -m bench.year --hosts 1 --weeks 1 --days 1`. `--weeks 12` leaves
next to nothing of `1m` to proportion, and takes four times as long.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from aresmon.config import collectors, model
from aresmon.config.names import DATABASE
from aresmon.influxdb import influxql
from bench import month
from bench.measure import ROOT, count, mib, seconds, table, tell
from bench.month import DAY
from bench.scratch import Line, Scratch, influxdb

KEPT = {"raw": 7, "1m": 90, "1h": 365}
"""Days, by policy: aresmon.yml's defaults, and of `1h` a year."""
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Size:
    """Of a policy: the days that were written, values and points in them, bytes of points and of its indexes, and
    seconds that writing took."""

    days: int
    values: int
    points: int
    bytes: int
    index: int
    took: float

    def of(self, days: float) -> float:
        """Bytes of so many days, in proportion."""
        return (self.bytes + self.index) / self.days * days


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many hosts, and how many days of a policy are written."""

    hosts: int
    days: Mapping[str, int]


def measure(*, hosts: int = 10, weeks: int = 2, days: int = 1, hours: int = 52) -> str:
    """The table and what it comes to, as Markdown. `weeks` of `1m`, `days` of `raw`, `hours` weeks of `1h`."""
    wanted = Wanted(hosts, {"1h": hours * 7, "1m": weeks * 7, "raw": days})
    names = [f"host-{number:02}" for number in range(hosts)]
    sizes: dict[str, Size] = {}
    with influxdb("year") as scratch, closing(scratch.line(DATABASE)) as line:
        line.tell(*policies())
        spans = _spans(line)
        written = {
            policy: _write(scratch, policy, names, days=number, span=spans[policy])
            for policy, number in wanted.days.items()
        }
        scratch.rest()
        series = _series(line)
        for policy, (values, points, took) in written.items():
            folder = scratch.folder / "data" / DATABASE / policy
            index = sum(path.stat().st_blocks * 512 for path in folder.rglob("index/**/*") if path.is_file())
            sizes[policy] = Size(wanted.days[policy], values, points, scratch.size(DATABASE, policy), index, took)
    return _told(wanted, sizes, series)


def policies() -> list[str]:
    """The database and its policies, as `up` makes them."""
    keep = model.load("hosts:\n  one: {}\n", collectors.load()).keep
    hours = {policy: influxql.retention_hours(keep, policy) for policy in influxql.POLICIES}
    coarser = [influxql.create_policy(DATABASE, policy, hours[policy]) for policy in hours if policy != "raw"]
    return [influxql.create_database(DATABASE, hours["raw"]), *coarser]


def _spans(line: Line) -> dict[str, int]:
    """How long a shard of each policy is, in days; InfluxDB chooses it by how long points are kept."""
    told = json.loads(line.ask(f"SHOW RETENTION POLICIES ON {influxql.identifier(DATABASE)}").body)
    series = told["results"][0]["series"][0]
    rows = [dict(zip(series["columns"], row, strict=True)) for row in series["values"]]
    return {row["name"]: int(row["shardGroupDuration"].partition("h")[0]) // 24 for row in rows}


def _write(scratch: Scratch, policy: str, hosts: list[str], *, days: int, span: int) -> tuple[int, int, float]:
    """Write the newest days that fill whole shards; values and points in them, and seconds."""
    day = month.make_day(month.views(), policy)
    # Shards begin on multiples of their length since 1970.
    end = int(time.time()) // DAY // span * span
    begun = time.monotonic()
    month.write(scratch, day, database=DATABASE, hosts=hosts, days=range(end - days, end))
    took = time.monotonic() - begun
    intervals = len(day.intervals) * len(hosts) * days
    tell(f"{days} days of `{policy}` are written, {seconds(took)}")
    return day.values * intervals, day.points * intervals, took


def _series(line: Line) -> int:
    """How many series the database has, all policies together."""
    told = json.loads(line.ask(f"SHOW SERIES EXACT CARDINALITY ON {influxql.identifier(DATABASE)}").body)
    return sum(int(row[0]) for series in told["results"][0]["series"] for row in series["values"])


def _told(wanted: Wanted, sizes: Mapping[str, Size], series: int) -> str:
    rows = []
    for policy, size in sorted(sizes.items(), key=lambda pair: list(KEPT).index(pair[0])):
        kept = KEPT[policy]
        rows.append((
            f"`{policy}`", f"{size.days} d", count(size.values), mib(size.bytes), mib(size.index),
            f"{size.bytes / size.values:.2f}", f"{size.bytes / size.points:.1f}",
            f"{count(size.values / size.took)}", f"{kept} d", mib(size.of(kept)),
            "measured" if size.days >= kept - 1 else f"{kept / size.days:.1f} times what was measured",
        ))  # fmt: skip
    header = (
        "policy", "written", "values", "points", "index", "bytes a value", "bytes a point", "values a second",
        "kept", "takes", "",
    )  # fmt: skip
    ours = sum(sizes[policy].of(KEPT[policy]) for policy in KEPT)
    coarser = sum(sizes[policy].of(KEPT[policy]) for policy in ("1m", "1h"))
    raw = sizes["raw"].of(365)
    return (
        table(header, rows)
        + f"\n{wanted.hosts} hosts with `{', '.join(month.COLLECT)}` and {month.CONTAINERS} containers each: "
        f"{count(series)} series. A year of them, as it is kept by default, takes {mib(coarser)} in `1m` and `1h`, and "
        f"{mib(ours)} with the raw points of a week. A year of raw points would take {raw / _GIB:.1f} GiB, "
        f"{raw / ours:.0f} times as much (not written: {365 / sizes['raw'].days:.0f} times the "
        f"{sizes['raw'].days} d that were).\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.year", description="A year of some hosts, on disk.")
    parser.add_argument("--hosts", type=int, default=10)
    parser.add_argument("--weeks", type=int, default=2, help="weeks of `1m` that are written")
    parser.add_argument("--days", type=int, default=1, help="days of `raw` that are written")
    parser.add_argument("--year", type=int, default=52, help="weeks of `1h` that are written")
    said = parser.parse_args()
    print(measure(hosts=said.hosts, weeks=said.weeks, days=said.days, hours=said.year))


if __name__ == "__main__":
    os.chdir(ROOT)
    main()

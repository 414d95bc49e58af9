"""How much a site takes in: fields a second and hosts, through the edge, beside InfluxDB alone.

The site is a real one: edge with TLS, InfluxDB with its memory limit and its users. The writers (bench/writers.py)
send what Telegraf sends for `system` and `docker` with five containers (bench/month.py), one request a host each ten
seconds. They come to the edge's own address, since on loopback the engine's proxy would stand between, which hosts
from elsewhere do not meet. InfluxDB alone has the same settings and limit, no edge, no TLS and no users, and is
written to by its socket: nothing that stands in front of it can be faster.

Hosts join first, a few at a time, since a new series costs much more than a point; that is told apart. They are
doubled until writes are refused, unanswered or slow, and then tried half-way; the two take turns. Then
what the continuous queries do is done while as many hosts write as were held, and both are flooded by a few writers,
each sending the next as soon as the last is answered. At last a day of a few hosts is
written, compacted and measured on disk.

Run it: `.venv/bin/python -m bench ingest` (seven minutes on two idle cores; 2 GB of memory and disk).
For a try: `.venv/bin/python -m bench.ingest --from 100 --most 200 --flood 2`, two minutes.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from aresmon.config.names import DATABASE
from bench import month, writers
from bench.ingest_sites import Candidate, edge_site, influxdb_alone, memory_of, processor_of
from bench.measure import ROOT, count, mib, seconds, table, tell
from bench.month import DAY, HOUR, INTERVAL, Day
from bench.scratch import influxdb
from bench.writers import Told

SLOW = 1.0
"""Seconds: when one write in a hundred takes longer, it is too much. Telegraf gives one five."""
_COLLECT = ("system", "docker", "internal")
_FLOODERS, _FLOODING = 16, 1000
_JOINING = 4
_ON_DISK = 3  # hosts


@dataclass(frozen=True, slots=True)
class Step:
    """So many hosts for an interval: how the writes ended, and of each container its memory afterwards (bytes) and
    the processor that it took (seconds a second). `joined` is how many new hosts a second were taken before."""

    hosts: int
    told: Told
    memory: dict[str, int]
    processor: dict[str, float]
    joined: float = 0.0
    series: int = 0
    tries: int = 1

    @property
    def is_held(self) -> bool:
        """Whether all was taken in time."""
        return not self.told.refused and self.told.quantile(0.99) <= SLOW


@dataclass(slots=True)
class Search:
    """The most hosts that hold: doubled until they do not, then tried half-way so many times."""

    first: int
    most: int
    halvings: int = 1
    held: int = 0
    failed: int = 0
    steps: list[Step] = field(default_factory=list)
    greeting: float = 0.0
    """Seconds that the first write of an account took."""

    def next(self) -> int:
        """How many to try; 0 when it is over."""
        if not self.failed:
            wanted = self.held * 2 or self.first
            return wanted if wanted <= self.most else 0
        return (self.held + self.failed) // 2 if self.held and self.halvings else 0

    def note(self, step: Step) -> None:
        """What became of it."""
        self.steps.append(step)
        self.halvings -= bool(self.failed)
        if step.is_held:
            self.held = step.hosts
        else:
            self.failed = step.hosts


@dataclass(frozen=True, slots=True)
class Tiers:
    """The policy `1m` made of the last quarter of an hour while so many hosts write: seconds it took the first time,
    when series are made, without them, and again with them; statements that failed then; how the writes ended."""

    hosts: int
    first: float
    again: float
    failed: int
    told: Told


@dataclass(frozen=True, slots=True)
class Flood:
    """What a few writers got through: how the writes ended, fields, seconds."""

    told: Told
    fields: int
    took: float

    @property
    def speed(self) -> float:
        """Fields a second."""
        return self.fields / self.took


def measure(*, first: int = 1000, most: int = 4000, flood: float = 10.0) -> str:
    """The tables and the ratios, as Markdown. `flood` is in seconds."""
    day = month.make_day({name: view for name, view in month.views().items() if name in _COLLECT})
    with edge_site() as ours, influxdb_alone() as theirs:
        searches = {one.name: Search(first, most) for one in (ours, theirs)}
        while any(search.next() for search in searches.values()):
            for one in (ours, theirs):
                _try(one, searches[one.name], day)
        tiers = _make_tiers(ours, searches[ours.name].held, day)
        tell("flooding both")
        sent = _flooding(day, flood)
        floods = {one.name: _flood(one, sent, day, flood) for one in (ours, theirs)}
    return "\n".join((_steps(searches, day), _limits(searches, floods, day), _tiers_told(tiers), _on_disk(day)))


# Writing ---------------------------------------------------------------------------------------------


def _try(one: Candidate, search: Search, day: Day) -> None:
    """The next step of a search, if there is one. One that does not hold is tried once more: after many series were
    made InfluxDB is busy with its index for a while."""
    hosts = search.next()
    if not hosts:
        return
    if not search.steps:
        (body,) = next(writers.bodies(day, range(1), at=int(time.time()) - HOUR, turns=1))
        search.greeting = writers.greet(one.door, body)
    joined = _join(one, search, day, hosts)
    step = replace(_step(one, day, hosts), joined=joined)
    search.note(step if step.is_held else replace(_step(one, day, hosts), joined=joined, tries=2))


def _step(one: Candidate, day: Day, hosts: int) -> Step:
    sent = list(writers.bodies(day, range(hosts), at=int(time.time()) // INTERVAL * INTERVAL, turns=2))
    before = {name: processor_of(container) for name, container in one.containers.items()}
    begun = time.monotonic()
    told = writers.offer(one.door, sent)
    took = time.monotonic() - begun
    spent = {name: (processor_of(container) - before[name]) / took for name, container in one.containers.items()}
    memory = {name: memory_of(container) for name, container in one.containers.items()}
    said = ", ".join(f"{status or 'no answer'}: {number}" for status, number in sorted(told.answers.items()))
    tell(f"{one.name}, {hosts} hosts: {said}; 99 % within {seconds(told.quantile(0.99))}")
    return Step(hosts, told, memory, spent, series=one.series())


def _join(one: Candidate, search: Search, day: Day, hosts: int) -> float:
    """Let the hosts that were not there before send once, a few at a time; how many that were a second. New series
    cost much more than points, and a site's hosts do not all come on one day."""
    before = max((step.hosts for step in search.steps), default=0)
    if hosts <= before:
        return 0.0
    sent = writers.bodies(day, range(before, hosts), at=int(time.time()) // INTERVAL * INTERVAL - HOUR, turns=1)
    told, took = writers.flood(one.door, [body for (body,) in sent], writers=_JOINING, within=300)
    if told.refused:
        tell(f"{one.name}: {told.refused} hosts were not taken when they joined")
    return (hosts - before) / took


def _make_tiers(one: Candidate, hosts: int, day: Day) -> Tiers:
    """Have `1m` made of what the steps wrote, alone and then while hosts write."""
    tell(f"making `1m` while {hosts} hosts write")
    time.sleep(60 - time.time() % 60)  # only whole minutes are taken
    first, _ = one.downsample()
    if not hosts:
        return Tiers(0, first, 0, 0, Told())
    sent = list(writers.bodies(day, range(hosts), at=int(time.time()) // INTERVAL * INTERVAL, turns=3))
    with ThreadPoolExecutor(1) as pool:
        # Once the first turn, in which connections are opened, is over.
        again = pool.submit(_later, one.downsample)
        told = writers.offer(one.door, sent)
        took, failed = again.result()
    tell(f"first {seconds(first)}, then {seconds(took)}; {told.refused} writes were not taken")
    return Tiers(hosts, first, took, failed, told)


def _later(what: Callable[[], tuple[float, int]]) -> tuple[float, int]:
    time.sleep(INTERVAL + 1)
    return what()


def _flooding(day: Day, within: float) -> list[bytes]:
    """More than can be taken in that time, of later moments than were written before; first a turn that every host
    has its series from."""
    turns = 1 + max(2, round(within * 4))
    at = int(time.time()) // INTERVAL * INTERVAL + INTERVAL
    some = list(writers.bodies(day, range(_FLOODING), at=at, turns=turns))
    return [one[turn] for turn in range(turns) for one in some]


def _flood(one: Candidate, sent: Sequence[bytes], day: Day, within: float) -> Flood:
    writers.flood(one.door, sent[:_FLOODING], writers=_FLOODERS, within=60)
    told, took = writers.flood(one.door, sent[_FLOODING:], writers=_FLOODERS, within=within)
    found = Flood(told, told.answers[204] * day.values, took)
    tell(f"{one.name}: {count(found.speed)} fields a second")
    return found


# Telling ---------------------------------------------------------------------------------------------


def _steps(searches: dict[str, Search], day: Day) -> str:
    header = (
        "hosts", "fields a second", "written to", "taken", "not taken", "half within", "99 % within", "late at most",
        "processors", "memory", "joined a second", "",
    )  # fmt: skip
    rows = []
    for hosts in sorted({step.hosts for search in searches.values() for step in search.steps}):
        for name, search in searches.items():
            rows += [_row(name, step, day) for step in search.steps if step.hosts == hosts]
    return table(header, rows)


def _row(name: str, step: Step, day: Day) -> tuple[object, ...]:
    told = step.told
    refused = ", ".join(
        f"{count(number)} {f'answers {status}' if status else 'unanswered'}"
        for status, number in sorted(told.answers.items())
        if status != 204
    )
    processors = ", ".join(f"{service} {used:.2f}" for service, used in step.processor.items())
    memory = ", ".join(f"{service} {mib(used)}" for service, used in step.memory.items())
    return (
        count(step.hosts), count(step.hosts * day.values / INTERVAL), name, count(told.answers[204]), refused or "none",
        seconds(told.quantile(0.5)), seconds(told.quantile(0.99)), seconds(told.late), processors, memory,
        f"{step.joined:.0f}" if step.joined else "-",
        f"{'held' if step.is_held else '**not held**'}{', at the second try' if step.tries > 1 else ''}",
    )  # fmt: skip


def _limits(searches: dict[str, Search], floods: dict[str, Flood], day: Day) -> str:
    rows = []
    for name, search in searches.items():
        flood = floods[name]
        held = next((step for step in search.steps if step.hosts == search.held), None)
        series = f"{count(held.series)} series" if held and held.series else ""
        memory = mib(held.memory["influxdb"]) if held else "-"
        rows.append((
            name, count(search.held), count(search.held * day.values / INTERVAL), memory, series,
            f"{count(flood.speed)}", seconds(flood.told.quantile(0.99)), flood.told.refused,
        ))  # fmt: skip
    header = (
        "written to", "hosts held", "fields a second", "InfluxDB's memory", "",
        f"flooded by {_FLOODERS}: fields a second", "99 % within", "not taken",
    )  # fmt: skip
    (ours, theirs), (our_flood, their_flood) = searches.values(), floods.values()
    ends = {name: "" if one.failed else " (more were not tried)" for name, one in searches.items()}
    ratio = f"{ours.held / theirs.held:.2f} of the hosts and " if theirs.held else ""
    return (
        table(header, rows)
        + f"\nA host sends {day.points} points with {day.values} fields each ten seconds. Through the edge: {ratio}"
        f"{our_flood.speed / their_flood.speed:.2f} of the fields a second of InfluxDB alone. "
        f"Hosts held: {', '.join(f'{name} {count(one.held)}{ends[name]}' for name, one in searches.items())}. "
        f"An account's first write after the start takes {seconds(ours.greeting)}, most of it its password's check, so "
        f"a thousand hosts are back after {1000 * ours.greeting / (os.cpu_count() or 1):.0f} s at best.\n"
    )


def _tiers_told(of: Tiers) -> str:
    """What the continuous queries do to writes."""
    writes = (
        f"half of the writes are answered within {seconds(of.told.quantile(0.5))}, 99 % within "
        f"{seconds(of.told.quantile(0.99))}, {count(of.told.refused)} of {count(sum(of.told.answers.values()))} not"
    )
    return (
        f"Every five minutes the continuous queries make `1m` of the last quarter of an hour, of which the steps wrote "
        f"less than a minute. For {count(of.hosts)} hosts that takes {seconds(of.first)} the first time, when each "
        f"series is new in that policy, and {seconds(of.again)} while they write, {of.failed} statements given up; "
        f"meanwhile {writes}.\n"
    )


def _on_disk(day: Day) -> str:
    """A day of a few hosts, compacted."""
    tell("writing a day, for its size on disk")
    hosts = [f"host-{number}" for number in range(_ON_DISK)]
    with influxdb("ingest-disk") as scratch:
        line = scratch.line(DATABASE)
        line.tell(f'CREATE DATABASE "{DATABASE}" WITH DURATION 7d REPLICATION 1 SHARD DURATION 1d NAME "raw"')
        month.write(scratch, day, database=DATABASE, hosts=hosts, days=[int(time.time()) // DAY - 1])
        scratch.rest()
        size = scratch.size(DATABASE, "raw")
    values = day.values * len(day.intervals) * len(hosts)
    return (
        f"On disk, of a day of {len(hosts)} hosts after a full compaction: {size / values:.2f} bytes a field, "
        f"{mib(size / len(hosts))} a host and day.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.ingest", description="How much a site takes in.")
    parser.add_argument("--from", dest="first", type=int, default=1000, help="hosts of the first step")
    parser.add_argument("--most", type=int, default=4000, help="no step has more hosts")
    parser.add_argument("--flood", type=float, default=10.0, help="seconds")
    said = parser.parse_args()
    print(measure(first=said.first, most=said.most, flood=said.flood))


if __name__ == "__main__":
    os.chdir(ROOT)
    main()

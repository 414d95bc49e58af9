"""How long dashboards take at their default ranges: all at 30 hosts, and those of all hosts at 300.

A real InfluxDB with somewhat more than the range of raw points (bench/month.py): an hour of all hosts, and six hours of
the one whose own page is asked for. Of older points none are needed: what a query costs does not depend on the age of
the database (bench/dashboard_times.py). *Processor* is what the kernel counts for InfluxDB's container, which other
work on the machine hardly changes.

Run it: `.venv/bin/python -m bench fleet` (three minutes on two idle cores; needs the engine and the built image of
InfluxDB).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import docker

from aresmon.config import collectors, model
from aresmon.config.names import DATABASE
from aresmon.influxdb import downsampling, influxql
from aresmon.render.grafana.dashboards import PATH, dashboards
from bench import month
from bench.asking import AT_A_TIME, Board, Opening, ask, ask_as_grafana, middle, read_board
from bench.measure import count, mib, seconds, table, tell, verdict
from bench.month import COLLECT
from bench.scratch import Line, Scratch, influxdb

SIZES = (30, 300)
_OF_ALL, _OF_ONE = 4200, 22_200  # seconds of points
AIM = 1.0
"""Seconds of database time of any page at 30 hosts, and of the fleet's at 300."""
_REPETITIONS, _SLOWEST = 5, 5


@dataclass(frozen=True, slots=True)
class Look:
    """A page: its queries in turn, seconds with six at a time, and those of InfluxDB's processor."""

    board: Board
    opening: Opening
    together: float
    processor: float


def measure(sizes: Sequence[int] = SIZES) -> str:
    """The tables and the verdicts, as Markdown."""
    return "\n".join(_measure(hosts) for hosts in sizes)


def _measure(hosts: int) -> str:
    names = [f"host-{number:03}" for number in range(hosts)]
    with influxdb("fleet") as scratch, ExitStack() as stack:
        lines = [stack.enter_context(closing(scratch.line(DATABASE))) for _ in range(AT_A_TIME)]
        until = int(time.time()) // 60 * 60
        _prepare(lines[0], names)
        day = month.make_day(month.views())
        of_all = range(until - _OF_ALL, until + day.step, day.step)
        of_one = range(until - _OF_ONE, of_all.start + day.step, day.step)
        month.write_moments(lines[0], day, hosts=names, moments=of_all)
        month.write_moments(lines[0], day, hosts=names[:1], moments=of_one)
        scratch.rest()
        return _told(hosts, [_look(scratch, lines, board, until) for board in _boards(names)])


def _boards(hosts: Sequence[str]) -> list[Board]:
    text = "".join(f"  {host}: {{collect: [{', '.join(COLLECT)}]}}\n" for host in hosts)
    files = dashboards(model.load(f"site: bench\nhosts:\n{text}", collectors.load()), month.views())
    of_all = [("the fleet", "fleet"), ("`docker`, all hosts", "docker"), ("`internal`, all hosts", "internal")]
    own = read_board("one host", files[f"{PATH}/hosts/{hosts[0]}.json"], hosts[0])
    return [*(read_board(name, files[f"{PATH}/{path}.json"], ".*") for name, path in of_all), own]


def _prepare(line: Line, hosts: Sequence[str]) -> None:
    tell(f"filling a database: {len(hosts)} hosts")
    line.tell(influxql.create_database(DATABASE, 48), influxql.create_policy(DATABASE, downsampling.FOREVER_POLICY, 0))
    known = downsampling.host_points((host, f"host-{host}") for host in hosts)
    line.write("\n".join((downsampling.tier_points(), known)).encode(), downsampling.FOREVER_POLICY)


def _look(scratch: Scratch, lines: Sequence[Line], board: Board, until: int) -> Look:
    since = until - board.since
    ask(lines[0], board, policy="raw", since=since, until=until)  # so that the files are in the page cache
    before = _processor(scratch)
    openings = [ask(lines[0], board, policy="raw", since=since, until=until) for _ in range(_REPETITIONS)]
    processor = (_processor(scratch) - before) * _shown(openings) / _REPETITIONS
    together = [ask_as_grafana(lines, board, policy="raw", since=since, until=until) for _ in range(_REPETITIONS)]
    one = Look(board, middle(openings), statistics.median(together), processor)
    tell(f"{board.name}: {seconds(one.opening.seconds())}, processor {seconds(processor)}")
    return one


def _shown(openings: Sequence[Opening]) -> float:
    """Which part of the time went into what is shown at first."""
    return sum(one.seconds() for one in openings) / sum(one.seconds(folded=True) for one in openings)


def _processor(scratch: Scratch) -> float:
    """Seconds of processor that InfluxDB's container has taken."""
    told: Any = docker.from_env().containers.get(scratch.container).stats(stream=False)
    return float(told["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9


def _told(hosts: int, looks: Sequence[Look]) -> str:
    rows = [
        (
            f"{one.board.name}, {one.board.since // 3600} h",
            f"{len(one.board.shown())} of {len(one.board.queries)}",
            seconds(one.opening.seconds()),
            seconds(one.processor),
            seconds(one.together),
            mib(one.opening.size()),
            seconds(one.opening.seconds(folded=True)),
        )
        for one in looks
    ]
    header = (
        f"{count(hosts)} hosts, default range",
        "queries",
        "in turn",
        "processor",
        "six at a time",
        "answers",
        "unfolded",
    )
    fleet = looks[0].opening
    shown = sorted((one for one in fleet.asked if not one.query.folded), key=lambda one: -one.seconds)
    slowest = [
        (f"*{one.query.panel}*: {_column(one.statement)}", seconds(one.seconds), mib(one.size))
        for one in shown[:_SLOWEST]
    ]
    parts = (
        table(header, rows),
        " ".join(f"{one.board.name}: {verdict(measured=one.opening.seconds(), aim=AIM)}." for one in looks) + "\n",
        table(("the slowest queries of the fleet's page", "time", "answer"), slowest),
    )
    return "\n".join(parts)


def _column(statement: str) -> str:
    """What a query's column is called, else what it asks."""
    _, _, named = statement.partition(' AS "')
    return named.partition('"')[0] or f"`{statement.split()[1]}`"

"""How long the pages of all hosts take at 300 hosts, at their default range of an hour.

A real InfluxDB with somewhat more than that hour of raw points of 300 hosts (bench/month.py). Of older points none are
needed: what a query costs does not depend on the age of the database (bench/dashboard_times.py).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from aresmon.config import collectors, model
from aresmon.config.names import DATABASE
from aresmon.influxdb import downsampling, influxql
from aresmon.render.grafana.dashboards import PATH, dashboards
from bench import month
from bench.asking import AT_A_TIME, Board, Opening, ask, ask_as_grafana, middle, read_board
from bench.measure import count, mib, seconds, table, tell, verdict
from bench.month import COLLECT
from bench.scratch import Line, influxdb

HOSTS = 300
AIM = 1.0
"""Seconds of database time of the fleet's page."""
_FILLED = 4200  # seconds of points
_REPETITIONS, _SLOWEST = 5, 5
_A_REQUEST = 420  # intervals


@dataclass(frozen=True, slots=True)
class Look:
    """A page: its queries in turn, and seconds with six at a time."""

    board: Board
    opening: Opening
    together: float


def measure(hosts: int = HOSTS) -> str:
    """The tables and the verdict, as Markdown."""
    names = [f"host-{number:03}" for number in range(hosts)]
    with influxdb("fleet") as scratch, ExitStack() as stack:
        lines = [stack.enter_context(closing(scratch.line(DATABASE))) for _ in range(AT_A_TIME)]
        until = int(time.time()) // 60 * 60
        _fill(lines[0], names, until)
        scratch.rest()
        return _told(hosts, [_look(lines, board, until) for board in _boards(names)])


def _boards(hosts: Sequence[str]) -> list[Board]:
    text = "".join(f"  {host}: {{collect: [{', '.join(COLLECT)}]}}\n" for host in hosts)
    files = dashboards(model.load(f"site: bench\nhosts:\n{text}", collectors.load()), month.views())
    boards = [("the fleet", "fleet"), ("`docker`, all hosts", "docker"), ("`internal`, all hosts", "internal")]
    return [read_board(name, files[f"{PATH}/{path}.json"], ".*") for name, path in boards]


def _fill(line: Line, hosts: Sequence[str], until: int) -> None:
    tell(f"filling a database: {len(hosts)} hosts")
    line.tell(influxql.create_database(DATABASE, 48), influxql.create_policy(DATABASE, downsampling.FOREVER_POLICY, 0))
    known = downsampling.host_points((host, f"host-{host}") for host in hosts)
    line.write("\n".join((downsampling.tier_points(), known)).encode(), downsampling.FOREVER_POLICY)
    day = month.make_day(month.views())
    moments = range(until - _FILLED, until + day.step, day.step)
    for first in range(0, len(moments), _A_REQUEST):
        some = moments[first : first + _A_REQUEST]
        text = "".join(day.intervals[at // day.step % len(day.intervals)].replace(month.TIME, str(at)) for at in some)
        for host in hosts:
            line.write(text.replace(month.HOST, host).encode(), "raw")


def _look(lines: Sequence[Line], board: Board, until: int) -> Look:
    since = until - board.since
    ask(lines[0], board, policy="raw", since=since, until=until)  # so that the files are in the page cache
    openings = [ask(lines[0], board, policy="raw", since=since, until=until) for _ in range(_REPETITIONS)]
    together = [ask_as_grafana(lines, board, policy="raw", since=since, until=until) for _ in range(_REPETITIONS)]
    one = Look(board, middle(openings), statistics.median(together))
    tell(f"{board.name}: {seconds(one.opening.seconds())}")
    return one


def _told(hosts: int, looks: Sequence[Look]) -> str:
    rows = [
        (
            one.board.name,
            f"{len(one.board.shown())} of {len(one.board.queries)}",
            seconds(one.opening.seconds()),
            seconds(one.together),
            mib(one.opening.size()),
            seconds(one.opening.seconds(folded=True)),
        )
        for one in looks
    ]
    header = (f"{count(hosts)} hosts, 1 h (default)", "queries", "in turn", "six at a time", "answers", "unfolded")
    fleet = looks[0].opening
    shown = sorted((one for one in fleet.asked if not one.query.folded), key=lambda one: -one.seconds)
    slowest = [
        (f"*{one.query.panel}*: {_column(one.statement)}", seconds(one.seconds), mib(one.size))
        for one in shown[:_SLOWEST]
    ]
    parts = (
        f"**{count(hosts)} hosts, 70 minutes of raw points.**\n",
        table(header, rows),
        f"The fleet: target under {AIM:.0f} s in turn; {verdict(measured=fleet.seconds(), aim=AIM)}.\n",
        table(("the slowest queries of the fleet's page", "time", "answer"), slowest),
    )
    return "\n".join(parts)


def _column(statement: str) -> str:
    """What a query's column is called, else what it asks."""
    _, _, named = statement.partition(' AS "')
    return named.partition('"')[0] or f"`{statement.split()[1]}`"

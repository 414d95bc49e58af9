"""What Grafana asks of InfluxDB when a dashboard is opened, asked and timed.

The statements are those of every panel, annotation and variable of a rendered dashboard; the length of a step is
what Grafana would choose. Source: Grafana 12, packages/grafana-data/src/datetime/rangeutil.ts (`roundInterval`) and
pkg/tsdb/influxdb/models/query.go (`renderTimeFilter`). A browser has six requests to one server under way at a time,
each of them one panel, whose statements Grafana sends one after the other.
"""

from __future__ import annotations

import json
import math
import re
import statistics
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby, zip_longest
from typing import Any

from aresmon.config.units import parse_span
from aresmon.influxdb.downsampling import SERVED_SPANS
from aresmon.render.grafana import queries as grafana_queries
from bench.scratch import Line

AT_A_TIME = 6
_LEAST = 10_000  # milliseconds: the data source's `timeInterval`
_WIDE = 1000  # points, where a panel does not say
# Up to which length a step becomes which, both in milliseconds; shorter ones are below the least.
_ROUNDED = (
    (12_500, 10_000), (17_500, 15_000), (25_000, 20_000), (45_000, 30_000), (90_000, 60_000), (210_000, 120_000),
    (450_000, 300_000), (750_000, 600_000), (1_050_000, 900_000), (1_500_000, 1_200_000), (2_700_000, 1_800_000),
    (5_400_000, 3_600_000), (9_000_000, 7_200_000), (16_200_000, 10_800_000), (32_400_000, 21_600_000),
    (86_400_000, 43_200_000), (math.inf, 86_400_000),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Query:
    """A statement of a panel with its variables in it; `points` is how many steps the panel has room for, `least` the
    shortest one that it asks for, in milliseconds."""

    panel: str
    folded: bool
    template: str
    points: int
    least: int = _LEAST


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard's queries and its default range, in seconds."""

    name: str
    since: int
    queries: tuple[Query, ...]
    tiers: bool
    host: str

    def shown(self) -> tuple[Query, ...]:
        """Those that are asked when it is opened."""
        return tuple(one for one in self.queries if not one.folded)


@dataclass(frozen=True, slots=True)
class Asked:
    """One query and what it took: seconds, bytes of JSON, the error where the database gave up, and whether there was
    nothing to tell."""

    query: Query
    statement: str
    seconds: float
    size: int
    error: str
    is_empty: bool


@dataclass(frozen=True, slots=True)
class Opening:
    """A dashboard's queries, one after the other; `whole` is false where it took too long to ask all of them."""

    asked: tuple[Asked, ...]
    whole: bool

    def seconds(self, *, folded: bool = False) -> float:
        """Of what is shown at first, or of everything."""
        return sum(one.seconds for one in self.asked if folded or not one.query.folded)

    def size(self) -> int:
        """Bytes of what is shown at first."""
        return sum(one.size for one in self.asked if not one.query.folded)

    def errors(self) -> int:
        """How many queries the database gave up."""
        return sum(bool(one.error) for one in self.asked)


def read_board(name: str, content: bytes, host: str) -> Board:
    """A rendered dashboard. `host` is the one that is looked at, `.*` for all."""
    data = json.loads(content)
    span = re.fullmatch(r"now-(\d+[mhd])", data["time"]["from"])[1]  # type: ignore[index]
    variables = {one["name"] for one in data["templating"]["list"]}
    return Board(name, parse_span(span), tuple(_queries(data)), "rp" in variables, host)


def policy_for(span: int) -> str:
    """Which retention policy a dashboard chooses for so many seconds."""
    return next(policy for policy, start, end in SERVED_SPANS if start < span * 1000 <= end)


def step_for(span: int, points: int, least: int = _LEAST) -> int:
    """The length of a step in milliseconds, for a range in seconds."""
    exact = span * 1000 / points
    return max(least, _ROUNDED[bisect_right(_ROUNDED, exact, key=lambda pair: pair[0])][1])


def statement(query: Query, board: Board, *, policy: str, since: int, until: int) -> str:
    """What the database is asked for a range, in seconds since 1970."""
    step = f"{step_for(until - since, query.points, query.least) // 1000}s"
    begin, end = since * 1000, until * 1000
    text = query.template.replace("$timeFilter", f"time >= {begin}ms and time <= {end}ms")
    text = text.replace("$__interval", step).replace("$__from", str(begin)).replace("$__to", str(end))
    text = text.replace("${__to}", str(end)).replace("$rp", policy).replace("$host", board.host)
    return re.sub(r"\$[a-z_]+", ".*", text)  # a collector's own variable: all


def ask(line: Line, board: Board, *, policy: str, since: int, until: int, limit: float = math.inf) -> Opening:
    """Everything, what is shown first, one after the other; no further query begins after `limit` seconds."""
    asked: list[Asked] = []
    begun = time.monotonic()
    queries = sorted(board.queries, key=lambda query: query.folded)
    for query in queries:
        if time.monotonic() - begun > limit:
            break
        text = statement(query, board, policy=policy, since=since, until=until)
        answer = line.ask(text)
        is_empty = b'"series"' not in answer.body
        asked.append(Asked(query, text, answer.seconds, answer.size, answer.error, is_empty))
    return Opening(tuple(asked), len(asked) == len(queries))


def ask_as_grafana(lines: Sequence[Line], board: Board, *, policy: str, since: int, until: int) -> float:
    """Seconds until all that is shown at first has been answered, a panel a connection."""
    panels = [list(of) for _, of in groupby(board.shown(), key=lambda query: query.panel)]
    free = list(lines)

    def one(queries: Sequence[Query]) -> None:
        line = free.pop()
        for query in queries:
            line.ask(statement(query, board, policy=policy, since=since, until=until))
        free.append(line)

    begun = time.perf_counter()
    with ThreadPoolExecutor(len(lines)) as pool:
        list(pool.map(one, panels))
    return time.perf_counter() - begun


def middle(openings: Sequence[Opening]) -> Opening:
    """Each query with the median of its times."""
    first = openings[0]
    times = zip_longest(*([asked.seconds for asked in one.asked] for one in openings if one.whole), fillvalue=0.0)
    asked = tuple(
        replace(one, seconds=statistics.median(several)) for one, several in zip(first.asked, times, strict=False)
    )
    return Opening(asked, first.whole) if first.whole else first


def _queries(data: Any) -> Iterator[Query]:
    """Of a dashboard's JSON, in the order in which Grafana asks: variables and annotations before the panels."""
    for one in data["templating"]["list"]:
        if one["type"] == "query":
            yield Query(f"variable {one['name']}", False, one["query"], _WIDE)
    for one in data["annotations"]["list"]:
        yield Query(f"annotation {one['name']}", False, grafana_queries.statement(one["target"]), _WIDE)
    for panel in data["panels"]:
        inside = panel["panels"] if panel["type"] == "row" else [panel]
        for one in inside:
            for target in one.get("targets", []):
                if target["datasource"] != grafana_queries.EXPRESSION:
                    points, least = one.get("maxDataPoints", _WIDE), 1000 * parse_span(one.get("interval", "10s"))
                    yield Query(one["title"], panel["type"] == "row", grafana_queries.statement(target), points, least)

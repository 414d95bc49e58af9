"""An InfluxDB at the level of its queries: it holds points, and fails on a statement that it does not know."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aresmon.config.names import MARKER
from aresmon.influxdb.client import InfluxDB, Series
from aresmon.push import host as push_host
from aresmon.push import verification
from aresmon.system import poll
from aresmon.system.errors import AresmonError

START = 1_700_000_000.0
_HOSTS = r'"host" =~ /\^\(\?:(?P<hosts>.+)\)\$/ GROUP BY "host"'
_MARKS = re.compile(rf'SELECT "gen" FROM "{MARKER}" WHERE time >= (?P<since>-?\d+)s AND {_HOSTS}')
_ELSEWHERE = re.compile(
    rf'SELECT "gen" FROM "{MARKER}" WHERE time >= (?P<since>-?\d+)s AND "gen" =~ /\^\(\?:(?P<marks>.+)\)/ '
    'GROUP BY "host"'
)
_NEWEST = re.compile(
    rf"SELECT \* FROM /\.\*/ WHERE time >= (?P<since>-?\d+)s(?: AND time <= (?P<until>-?\d+)s)? AND {_HOSTS} "
    "ORDER BY time DESC LIMIT 1"
)
_READINGS = re.compile(
    r'SELECT last\("metrics_gathered"\) AS "metrics", last\("errors"\) AS "errors" FROM "internal_gather" '
    + rf'WHERE time >= (?P<since>-?\d+)s AND {_HOSTS}, "input", "alias"'
)


@dataclass(frozen=True)
class Point:
    """A point: when it was taken, by its host's clock, and from when on it can be seen."""

    measurement: str
    host: str
    time: float
    fields: tuple[tuple[str, Any], ...] = (("value", 1),)
    seen_from: float = 0.0


@dataclass(frozen=True)
class Points(InfluxDB):
    """Holds points. `clock` tells what can be seen; `troubles` what a query fails with, while there is something."""

    socket: Path = Path("/nonexistent")
    clock: Callable[[], float] = lambda: 0.0
    points: list[Point] = field(default_factory=list)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    troubles: list[Callable[[], AresmonError | None]] = field(default_factory=list)

    def fail(self, trouble: Callable[[], AresmonError | None]) -> None:
        """From now on, ask this for the trouble that there is."""
        self.troubles[:] = [trouble]

    def add(self, measurement: str, host: str, time: float, *, seen_from: float = 0.0) -> None:
        self.points.append(Point(measurement, host, time, seen_from=seen_from))

    def mark(self, mark: str, host: str, time: float, *, seen_from: float = 0.0) -> None:
        """A point that carries the mark of a configuration."""
        self.points.append(Point(MARKER, host, time, (("gen", mark),), seen_from))

    def reading(self, plugin: str, host: str, time: float, *, metrics: int, errors: int) -> None:
        """A point in which an agent counts what one of its inputs returned and logged."""
        fields = (("input", plugin), ("metrics", metrics), ("errors", errors))
        self.points.append(Point("internal_gather", host, time, fields, time))

    def visible(self) -> list[Point]:
        """The points that have arrived by now."""
        return [one for one in self.points if one.seen_from <= self.clock()]

    def query(self, *statements: str, database: str = "", within: float = 60.0) -> list[list[Series]]:
        self.asked.append(statements)
        for told in self.troubles:
            if (trouble := told()) is not None:
                raise trouble
        if statements == ("SHOW DATABASES",):
            return [[]]
        assert database == "telegraf"
        return [list(self._answer(statement)) for statement in statements]

    def _answer(self, statement: str) -> Iterator[Series]:
        if readings := _READINGS.fullmatch(statement):
            yield from self._readings(int(readings["since"]), re.compile(readings["hosts"].replace(r"\/", "/")))
            return
        if elsewhere := _ELSEWHERE.fullmatch(statement):
            wanted = re.compile(elsewhere["marks"])
            for one in self.visible():
                gen = dict(one.fields).get("gen", "")
                if one.measurement == MARKER and int(elsewhere["since"]) <= one.time and wanted.match(gen):
                    yield Series(MARKER, {"host": one.host}, ({"time": int(one.time), "gen": gen},))
            return
        marks, newest = _MARKS.fullmatch(statement), _NEWEST.fullmatch(statement)
        found = marks or newest
        assert found, f"nobody expected: {statement}"
        until = float(found["until"]) if newest and newest["until"] else float("inf")
        hosts = re.compile(found["hosts"].replace(r"\/", "/"))
        groups: dict[tuple[str, str], list[Point]] = {}
        for one in sorted(self.visible(), key=lambda one: int(one.time)):
            is_asked = newest is not None or one.measurement == MARKER
            if is_asked and int(found["since"]) <= int(one.time) <= until and hosts.fullmatch(one.host):
                groups.setdefault((one.measurement, one.host), []).append(one)
        for (measurement, host), points in groups.items():
            kept = points if marks else points[-1:]
            yield Series(measurement, {"host": host}, tuple({"time": int(p.time), **dict(p.fields)} for p in kept))

    def _readings(self, since: int, hosts: re.Pattern[str]) -> Iterator[Series]:
        for one in self.visible():
            fields = dict(one.fields)
            if "input" in fields and one.time >= since and hosts.fullmatch(one.host):
                tags = {"host": one.host, "input": fields["input"], "alias": ""}
                yield Series(one.measurement, tags, ({"time": 0, **fields},))


class Clock:
    """A clock that only waiting moves."""

    def __init__(self, now: float) -> None:
        self.now = now

    def read(self) -> float:
        return self.now


def fake_clock(monkeypatch: pytest.MonkeyPatch, now: float = START) -> Clock:
    """Let pushes and what they wait for go by such a clock, from `now` on."""
    made, pause = Clock(now), asyncio.sleep

    async def sleep(seconds: float) -> None:
        made.now += seconds
        await pause(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    for module in (verification, push_host, poll):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=made.read))
    return made

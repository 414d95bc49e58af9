"""A day of a host, made of six collected intervals, in a real InfluxDB: how much disk it takes.

How values move, decided for each field by its six collected values: one that never changed stays; a whole number
that only grew goes on growing, by increments that were seen; any other number is drawn evenly between the smallest
and the largest seen, with as many decimals; a text or a truth stays what it was in its interval. Even draws compress
worse than a real gauge, which moves slowly; what is still for a minute and not for a day compresses better here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.measure import tell
from bench.points import Point
from bench.scratch import Line, influxdb

_DAY = 86400
_INTERVAL = 10
_MIDNIGHT = int(time.time()) // _DAY * _DAY - _DAY
"""Yesterday's, in UTC: one shard, within its retention."""
_BATCH = 40  # intervals a request

Intervals = Sequence[Sequence[Point]]
Next = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Size:
    """A day of a host: values written, and the bytes of its points and of its index; those of the series file
    are the database's, once."""

    values: float
    points: float
    index: float
    series: float

    @property
    def both(self) -> float:
        return self.points + self.index


def days_size(hosts: Mapping[str, Intervals], hours: int = 24) -> dict[str, Size]:
    """Replay each into a database of its own and measure its files after a full compaction."""
    with influxdb("influxdb") as scratch:
        written = {}
        for name, intervals in hosts.items():
            with closing(scratch.line(name)) as line:
                line.tell(f'CREATE DATABASE "{name}" WITH DURATION 7d REPLICATION 1 SHARD DURATION 1d NAME "raw"')
                written[name] = _replay(line, intervals, hours * 3600 // _INTERVAL)
            tell(f"{name}: {written[name]:,} values are written")
        scratch.rest()
        return {name: _size(scratch.folder / "data" / name, written[name], 24 / hours) for name in hosts}


def _replay(line: Line, intervals: Intervals, times: int) -> int:
    """Write so many intervals; how many values that were."""
    templates = list(_templates(intervals))
    written = 0
    for first in range(0, times, _BATCH):
        texts = []
        for number in range(first, min(first + _BATCH, times)):
            template, nexts, offsets, fields = templates[number % len(templates)]
            begin = _MIDNIGHT + number * _INTERVAL
            values: list[object] = [each() for each in nexts]
            values.extend(begin + offset for offset in offsets)
            texts.append(template.format(*values))
            written += fields
        line.write("\n".join(texts).encode(), "raw")
    return written


def _templates(intervals: Intervals) -> Iterator[tuple[str, list[Next], list[int], int]]:
    """Each interval as a text with places to fill: first the moving values, then each line's time."""
    movers = _movers(intervals)
    for interval in intervals:
        begin = min(point.time for point in interval) // 10**9
        lines: list[str] = []
        nexts: list[Next] = []
        stamps: list[int] = []
        moving = sum(movers[point.series, name] is not None for point in interval for name, _ in point.fields)
        for point in interval:
            fields = []
            for name, value in point.fields:
                mover = movers[point.series, name]
                if mover is None:
                    fields.append(f"{name}={_literal(value)}")
                else:
                    fields.append(f"{name}={{{len(nexts)}}}")
                    nexts.append(mover)
            lines.append(f"{_literal(point.series)} {','.join(fields)} {{{moving + len(stamps)}}}")
            stamps.append(min(point.time // 10**9 - begin, _INTERVAL - 1))
        yield "\n".join(lines), nexts, stamps, sum(len(point.fields) for point in interval)


def _movers(intervals: Intervals) -> dict[tuple[str, str], Next | None]:
    seen: dict[tuple[str, str], list[str]] = {}
    for interval in intervals:
        for point in interval:
            for name, value in point.fields:
                seen.setdefault((point.series, name), []).append(value)
    return {key: _mover(values) for key, values in seen.items()}


def _mover(values: Sequence[str]) -> Next | None:
    """How a field goes on after these values; None if each interval repeats its own."""
    if len(set(values)) == 1 or values[0].startswith('"') or values[0][0] in "tTfF":
        return None
    draw = random.Random(1)  # the same day at every run
    if values[0].endswith(("i", "u")):
        numbers, unit = [int(value[:-1]) for value in values], values[0][-1]
        steps = [after - before for before, after in zip(numbers, numbers[1:], strict=False)]
        if min(steps) >= 0:
            return _Counter(numbers[-1], steps, unit, draw)
        least, most = min(numbers), max(numbers)
        return lambda: f"{draw.randint(least, most)}{unit}"
    decimals = max(len(value.partition(".")[2]) for value in values)
    low, high = min(map(float, values)), max(map(float, values))
    if decimals > 6:
        return lambda: repr(draw.uniform(low, high))
    return lambda: f"{draw.uniform(low, high):.{decimals}f}"


class _Counter:
    """A number that only grows."""

    def __init__(self, start: int, steps: Sequence[int], unit: str, draw: random.Random) -> None:
        self.value, self.steps, self.unit, self.draw = start, steps, unit, draw

    def __call__(self) -> str:
        self.value += self.draw.choice(self.steps)
        return f"{self.value}{self.unit}"


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _size(database: Path, values: int, scale: float) -> Size:
    index = sum(_bytes(path, "*") for path in database.rglob("index"))
    return Size(values * scale, _bytes(database, "*.tsm") * scale, index, _bytes(database / "_series", "*"))


def _bytes(folder: Path, pattern: str) -> int:
    """What the files take on disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob(pattern) if path.is_file())

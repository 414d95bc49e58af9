"""A day of a host, made of six collected intervals, in a real InfluxDB: how much disk it takes.

How values move, decided for each field by its six collected values: one that never changed stays; a whole number
that only grew goes on growing, by increments that were seen; any other number is drawn evenly between the smallest
and the largest seen, with as many decimals; a text or a truth stays what it was in its interval. Even draws compress
worse than a real gauge, which moves slowly; what is still for a minute and not for a day compresses better here.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import docker
import requests
from docker.models.containers import Container

from bench.measure import ROOT, tell
from bench.points import Point

_INFLUXDB = "aresmon/influxdb:1.13.1"
_ADDRESS = ("127.0.2.21", 18086)
_DAY = 86400
_INTERVAL = 10
_MIDNIGHT = int(time.time()) // _DAY * _DAY - _DAY
"""Yesterday's, in UTC: one shard, within its retention."""
_BATCH = 40  # intervals a request
_STILL_FOR, _COMPACTED_WITHIN = 6, 120

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
    folder = Path(tempfile.mkdtemp(prefix="aresmon-bench-"))
    container = _start(folder)
    try:
        written = {}
        for name, intervals in hosts.items():
            _query(f'CREATE DATABASE "{name}" WITH DURATION 7d REPLICATION 1 SHARD DURATION 1d NAME "raw"')
            written[name] = _replay(name, intervals, hours * 3600 // _INTERVAL)
            tell(f"{name}: {written[name]:,} values are written")
        _wait_until_compacted(folder)
        return {name: _size(folder / "data" / name, written[name], 24 / hours) for name in hosts}
    finally:
        container.remove(force=True)
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path) -> Container:
    shutil.copy(ROOT / "compose" / "influxdb.conf", folder / "influxdb.conf")
    settings = {
        "HTTP_AUTH_ENABLED": "false",
        "HTTP_UNIX_SOCKET_ENABLED": "false",
        # What would be done after ten minutes and after four hours without a write, at once.
        "DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION": "2s",
        "DATA_COMPACT_FULL_WRITE_COLD_DURATION": "4s",
    }
    container = docker.from_env().containers.run(
        _INFLUXDB,
        ["-config", "/var/lib/influxdb/influxdb.conf"],
        name="aresmon-bench-influxdb",
        detach=True,
        user=f"{os.getuid()}:{os.getgid()}",
        ports={"8086/tcp": _ADDRESS},
        environment={f"INFLUXDB_{name}": value for name, value in settings.items()},
        volumes=[f"{folder}:/var/lib/influxdb"],
    )
    for _ in range(100):
        try:
            requests.get(_url("ping"), timeout=2)
            return container
        except requests.RequestException:
            time.sleep(0.2)
    container.remove(force=True)
    raise RuntimeError("InfluxDB does not answer")


def _replay(database: str, intervals: Intervals, times: int) -> int:
    """Write so many intervals; how many values that were."""
    templates = list(_templates(intervals))
    written = 0
    with requests.Session() as session:
        session.trust_env = False
        for first in range(0, times, _BATCH):
            lines = []
            for number in range(first, min(first + _BATCH, times)):
                template, nexts, offsets, fields = templates[number % len(templates)]
                begin = _MIDNIGHT + number * _INTERVAL
                values: list[object] = [each() for each in nexts]
                values.extend(begin + offset for offset in offsets)
                lines.append(template.format(*values))
                written += fields
            _write(session, database, "\n".join(lines).encode())
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


def _write(session: requests.Session, database: str, body: bytes) -> None:
    for _ in range(60):
        answer = session.post(_url("write"), params={"db": database, "precision": "s"}, data=body, timeout=60)
        if answer.status_code == 204:
            return
        if answer.status_code < 500:
            break
        time.sleep(1)  # its cache is full until a snapshot is on disk
    raise RuntimeError(f"InfluxDB refuses the points: {answer.status_code} {answer.text[:300]}")


def _wait_until_compacted(folder: Path) -> None:
    """Until the write-ahead log is empty and the files have been the same for a while."""
    before: list[tuple[str, int]] = []
    still = 0
    for _ in range(_COMPACTED_WITHIN):
        now = sorted((str(path), path.stat().st_size) for path in folder.rglob("*") if path.is_file())
        is_logged = any(size > 1000 for path, size in now if path.endswith(".wal"))
        is_busy = any(path.endswith((".tmp", ".compacting")) for path, _ in now)
        still = still + 1 if now == before and not is_logged and not is_busy else 0
        if still >= _STILL_FOR:
            return
        before = now
        time.sleep(1)
    raise RuntimeError("InfluxDB did not come to rest")


def _size(database: Path, values: int, scale: float) -> Size:
    index = sum(_bytes(path, "*") for path in database.rglob("index"))
    return Size(values * scale, _bytes(database, "*.tsm") * scale, index, _bytes(database / "_series", "*"))


def _bytes(folder: Path, pattern: str) -> int:
    """What the files take on disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob(pattern) if path.is_file())


def _query(statement: str) -> None:
    requests.post(_url("query"), params={"q": statement}, timeout=10).raise_for_status()


def _url(path: str) -> str:
    return f"http://{_ADDRESS[0]}:{_ADDRESS[1]}/{path}"

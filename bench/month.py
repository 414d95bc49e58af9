"""A month of a fleet's points, written into an InfluxDB as fast as it takes them.

Each host has `system, disk, diskio, net, docker` with five containers, and `internal`: the measurements, fields and
kinds of the shipped views, with tags as Telegraf gives them. One day of one host is made as text, an interval a
piece, with places for its host and its time; every host has these values and every day repeats them, which the
database cannot know. Counters grow through the day and start again at midnight, as after a reboot.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from aresmon.config import view_files
from aresmon.config.views import FieldKind, Measurement, View, Views
from bench.scratch import Line

DAY = 86400
INTERVAL = 10
COLLECT = ("system", "disk", "diskio", "net", "docker")
CONTAINERS = 5
HOUR = 3600
_STEPS = {"raw": INTERVAL, "1m": 60, "1h": HOUR}  # seconds between two points
_A_REQUEST = 360  # intervals: about 4 MB
HOST, TIME = "\x01", "\x02"
"""Places for a host and for a moment in the text of an interval."""
_INPUTS = (
    "cpu",
    "mem",
    "swap",
    "system",
    "processes",
    "kernel_vmstat",
    "kernel",
    "disk",
    "diskio",
    "net",
    "docker",
    "internal",
    "mock",
)
_FRACTIONS = ("percent", "usage_", "load", "avg")


class Place(Protocol):
    """What is written into: it opens connections."""

    def line(self, database: str, /) -> Line:
        """A new connection."""


Tags = Mapping[str, str]
Field = tuple[str, str]
"""A measurement's name and its field's."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day of one host, an interval of `step` seconds a text, for a retention policy; `points` and `values` are
    those of one interval."""

    policy: str
    step: int
    intervals: tuple[str, ...]
    points: int
    values: int

    def requests(self, host: str, number: int) -> Iterator[bytes]:
        """What a host wrote on a day, counted since 1970; request by request."""
        for text in self.texts(range(number * DAY, (number + 1) * DAY, self.step)):
            yield text.replace(HOST, host).encode()

    def texts(self, moments: range) -> Iterator[str]:
        """What any host wrote at these moments, in seconds since 1970, as a text for each request."""
        for first in range(0, len(moments), _A_REQUEST):
            some = moments[first : first + _A_REQUEST]
            parts = (self.intervals[at // self.step % len(self.intervals)].replace(TIME, str(at)) for at in some)
            yield "".join(parts)


def views() -> dict[str, View]:
    """The shipped views of what these hosts collect, and of the agent itself."""
    return {name: view for name, view in view_files.load().items() if name in (*COLLECT, "internal")}


def make_day(known: Views, policy: str = "raw") -> Day:
    """A day of every field that the views know, as agents write it, or as the downsampling into a policy leaves it."""
    step = _STEPS[policy]
    draw = random.Random(1)  # the same at every run
    templates: list[str] = []
    rows: list[Iterator[str]] = []
    points = values = 0
    for measurement in (one for view in known.values() for one in view.measurements.values()):
        for tags, fields in _points(measurement):
            head = ",".join([measurement.name, f"host={HOST}", *(f"{key}={value}" for key, value in tags.items())])
            templates.append(f"{head} {','.join(f'{name}=%s' for name in fields)} {TIME}\n")
            rows.extend(_values((measurement.name, name), kind, step, draw) for name, kind in fields.items())
            points, values = points + 1, values + len(fields)
    whole = "".join(templates)
    intervals = tuple(whole % row for row in zip(*rows, strict=True))
    return Day(policy, step, intervals, points, values)


def write(place: Place, day: Day, *, database: str, hosts: Sequence[str], days: Iterable[int]) -> None:
    """Write these days (since 1970) of these hosts, oldest first, two hosts at a time."""
    for number in sorted(days):
        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(_write_day, place.line(database), day, host, number) for host in hosts]
            for job in jobs:
                job.result()


def write_moments(line: Line, day: Day, *, hosts: Sequence[str], moments: range) -> None:
    """Write these moments, in seconds since 1970, of these hosts."""
    for text in day.texts(moments):
        for host in hosts:
            line.write(text.replace(HOST, host).encode(), day.policy)


def _write_day(line: Line, day: Day, host: str, number: int) -> None:
    for body in day.requests(host, number):
        line.write(body, day.policy)
    line.close()


# What a host has -------------------------------------------------------------------------------------


def _points(measurement: Measurement) -> Iterator[tuple[Tags, dict[str, FieldKind]]]:
    """The series of a measurement: their tags and their fields."""
    fields = dict(measurement.fields)
    if measurement.name == "docker":
        # What the engine has is told apart from how many containers there are.
        memory = {name: kind for name, kind in fields.items() if name.startswith("memory")}
        yield {}, {name: kind for name, kind in fields.items() if name not in memory}
        yield {"unit": "bytes"}, memory
    else:
        yield from ((tags, fields) for tags in _tags(measurement.name))


def _tags(measurement: str) -> Iterable[Tags]:
    if measurement.startswith("docker_container_"):
        return list(_container_tags(measurement.removeprefix("docker_container_")))
    version = {"version": "1.39.3"}
    several: dict[str, list[dict[str, str]]] = {
        "cpu": [{"cpu": "cpu-total"}],
        "disk": [
            {"device": device, "fstype": "ext4", "mode": "rw", "path": path}
            for device, path in (("sda1", "/"), ("sdb1", "/srv"))
        ],
        "diskio": [{"name": "sda"}, {"name": "sdb"}],
        "net": [{"interface": "eth0"}, {"interface": "docker0"}],
        "pressure": [
            {"resource": resource, "type": kind} for resource in ("cpu", "io", "memory") for kind in ("full", "some")
        ],
        "internal_agent": [version],
        "internal_gather": [{"input": name, **version} for name in _INPUTS],
        "internal_write": [{"output": name, **version} for name in ("influxdb", "file")],
    }
    return several.get(measurement, [{}])


def _container_tags(kind: str) -> Iterator[Tags]:
    extra = {"cpu": {"cpu": "cpu-total"}, "net": {"network": "total"}, "blkio": {"device": "total"}}.get(kind, {})
    # Not every container has a health check.
    for number in range(2 if kind == "health" else CONTAINERS):
        name = f"service-{number}"
        image = f"team/{name}"
        yield {"container_image": image, "container_name": name, "container_status": "running"} | extra


# How values move -------------------------------------------------------------------------------------


def _values(field: Field, kind: FieldKind, step: int, draw: random.Random) -> Iterator[str]:
    """A day of a field, as it stands in a line; a mean of whole numbers is no whole number to InfluxDB."""
    times, name = DAY // step, field[1]
    whole = "" if step > INTERVAL and kind in ("gauge", "peak") else "i"
    if field == ("aresmon_config", "gen"):
        return iter(['"0123456789abcdef"'] * times)
    if name == "oomkilled":
        return iter(["false"] * times)
    if name == "uptime":
        return (f"{step * number}i" for number in range(1, times + 1))
    if kind == "counter":
        return _growing(draw, times)
    if kind == "state" or "total" in name or name == "buffer_limit":
        return iter([f"{draw.randrange(1, 1 << 30)}{whole}"] * times)
    if any(word in name for word in _FRACTIONS):
        return map(repr, _walking(draw, times))
    return (f"{value * 1e7:.0f}{whole}" for value in _walking(draw, times))


def _growing(draw: random.Random, times: int) -> Iterator[str]:
    step = draw.choice((0, 0, 3, 3000, 300_000))
    value = draw.randrange(1 << 30)
    for _ in range(times):
        value += int(step * draw.random())
        yield f"{value}i"


def _walking(draw: random.Random, times: int) -> Iterator[float]:
    value = draw.uniform(10, 70)
    for _ in range(times):
        value = min(max(value + draw.gauss(0, 1), 0), 100)
        yield value

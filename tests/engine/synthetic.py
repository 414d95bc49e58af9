"""Two months of a fleet whose values are known functions of time, as lines of InfluxDB's protocol.

`slow` hosts have a point each half hour for all of the time; the `dense` one has points each ten seconds, for a few
hours. Counters grow and start again, now and then, in the middle of an hour; gauges are still, climb, or swing;
states step; a texts and a truth are among them. Nothing at all is there in the gap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aresmon.config.views import FieldKind, Views

HOUR, DAY = 3600, 86400
SLOW, DENSE = 1800, 10
VERSION = {"version": "1.39.3"}
IMAGE = {"container_image": "team/shop", "container_name": "shop", "container_status": "running"}
TEXTS = {"gen": ("0123", "4567"), "status": ("UP", "DOWN"), "oomkilled": None}
"""Fields that are no numbers, and the texts they take; None is a truth."""
TAGS: Mapping[str, tuple[Mapping[str, str], ...]] = {
    "cpu": ({"cpu": "cpu-total"},),
    "disk": tuple({"device": "sda1", "fstype": "ext4", "mode": "rw", "path": path} for path in ("/", "/srv")),
    "diskio": ({"name": "sda"},),
    "net": tuple({"interface": name} for name in ("eth0", "eth1")),
    "pressure": tuple({"resource": one, "type": "some"} for one in ("cpu", "io")),
    "docker_container_cpu": (IMAGE | {"cpu": "cpu-total"},),
    "docker_container_mem": (IMAGE,),
    "docker_container_net": (IMAGE | {"network": "total"},),
    "docker_container_blkio": (IMAGE | {"device": "total"},),
    "docker_container_health": (IMAGE,),
    "docker_container_status": (IMAGE,),
    "haproxy": tuple({"proxy": "web", "sv": kind, "type": kind} for kind in ("frontend", "backend", "server")),
    "internal_agent": (VERSION,),
    "internal_gather": tuple({"input": name, **VERSION} for name in ("cpu", "mem")),
    "internal_write": ({"output": "influxdb", **VERSION},),
}


@dataclass(frozen=True)
class Span:
    """One host's points: from when to when, in seconds since 1970, and one each so many seconds."""

    host: str
    since: int
    until: int
    step: int
    gap: tuple[int, int] = (0, 0)

    def times(self) -> Iterator[int]:
        return (at for at in range(self.since, self.until, self.step) if not self.gap[0] <= at < self.gap[1])


def lines(views: Views, span: Span) -> Iterator[str]:
    """Every field of every measurement, at each of the span's times."""
    for measurement in (one for view in views.values() for one in view.measurements.values()):
        for number, tags in enumerate(TAGS.get(measurement.name, ({},))):
            head = ",".join([measurement.name, f"host={span.host}", *(f"{key}={tags[key]}" for key in sorted(tags))])
            kinds = list(enumerate(measurement.fields.items(), start=7 * number))
            for at in span.times():
                told = ",".join(f"{name}={value(name, kind, seed, at)}" for seed, (name, kind) in kinds)
                yield f"{head} {told} {at}"


def value(name: str, kind: FieldKind, seed: int, at: int) -> str:
    """A field at a time. Which of the functions it is, its seed says; gauges are whole numbers or fractions."""
    if name in TEXTS:
        texts = TEXTS[name]
        turn = at // 5400 % 2
        return str(bool(turn)).lower() if texts is None else f'"{texts[turn]}"'
    if kind == "counter":
        # Each life of the counter is 5 days and 20 minutes long, so that it ends within an hour.
        return f"{(at % (5 * DAY + 1200)) * (seed + 1)}i"
    if kind == "state":
        return f"{100 + at // 5400 % (seed + 2)}i"
    if name == "inodes_total":
        return "50.0"  # a panel's condition is about it, and a filesystem counts its inodes always, or never
    still, ramp, swing = 50.0, (at % (20 * DAY)) / DAY, 50 + 40 * math.sin(at / (seed + 3) / 400)
    chosen = (still, ramp, swing)[seed % 3] if kind == "gauge" else swing
    return f"{int(chosen)}i" if name in ("active_servers", "scur", "total", "running") else repr(chosen)

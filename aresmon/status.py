"""What is there and what is wrong with it: containers from the engine, hosts from their points in InfluxDB."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from aresmon import images, store
from aresmon.catalogue import Catalogue
from aresmon.engine import Container, Engine
from aresmon.errors import ExitCode
from aresmon.fleet import Fleet, Host
from aresmon.influxdb import InfluxDB, InfluxDBError, Series, UnreachableError
from aresmon.intent import used_pins
from aresmon.pins import Pin
from aresmon.proof import FRESH
from aresmon.render.telegraf import DATABASE
from aresmon.site import Site

_INTERVAL = 10  # seconds, as in telegraf/agent.conf
_WINDOW = 60
# A point is in the database after its interval's flush and jitter, and the slowest input's reading.
_ARRIVED_AFTER = 24
_LOOK_BACK = 300  # a host whose first point in this time is later than the window has just begun
_CROWDED = 0.9
_MOSTLY = 0.9


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service. `memory` and `memory_limit` are in bytes, `since` in seconds since 1970; 0 if not running."""

    name: str
    state: str
    health: str
    image: str
    restarts: int
    memory: int
    memory_limit: int
    since: float


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One host. `age` is that of its newest point, in seconds, None if there is none. `points` arrived in the
    last whole minute, in which its inputs were read `reads` times of `expected` (0: it has only just begun). `silent` are inputs that
    gave nothing in it."""

    name: str
    agent: str
    age: float | None
    points: int
    reads: int
    expected: int
    silent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong, and the next step."""

    what: str
    next: str


@dataclass(frozen=True, slots=True)
class Status:
    """A site at one moment (seconds since 1970)."""

    site: str
    server: str
    at: float
    services: tuple[ServiceStatus, ...]
    hosts: tuple[HostStatus, ...]
    troubles: tuple[Trouble, ...]

    @property
    def code(self) -> ExitCode:
        return ExitCode.DEGRADED if self.troubles else ExitCode.DONE

    def as_json(self) -> dict[str, Any]:
        """Plain data, for scripts."""
        return {"ok": not self.troubles, **asdict(self)}


def look(site: Site, engine: Engine, *, now: float | None = None) -> Status:
    """Look at a site. Raises AresmonError only where nothing can be known: no file, no engine."""
    fleet, catalogue = site.fleet(), site.catalogue()
    at = time.time() if now is None else now
    containers = engine.containers(fleet.site)
    pins = used_pins(fleet)
    services = tuple(_service(engine, pin, containers.get(name)) for name, pin in pins.items())
    found = images.local(engine, {name: pin for name, pin in pins.items() if name not in containers})
    troubles = [trouble for one in services for trouble in _service_troubles(one, found.missing, containers)]
    hosts: tuple[HostStatus, ...] = ()
    if "influxdb" in containers:
        try:
            known = _ask(store.influxdb(site), at)
            hosts = tuple(_host(host, catalogue, at, known.get(host.name, _Known())) for host in fleet.hosts)
            troubles.extend(trouble for host in hosts for trouble in _host_troubles(host, fleet))
        except (UnreachableError, InfluxDBError) as error:
            troubles.append(
                Trouble(f"nothing is known of the hosts: {error.message}", error.hint or "`aresmon up` mends it")
            )
    return Status(fleet.site, fleet.server, at, services, hosts, tuple(troubles))


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database knows of one host: when its newest point was taken and when it began to send (seconds
    since 1970, looking back five minutes), how many points came in the window, and how its inputs were read."""

    newest: float | None = None
    began: float = 0.0
    points: int = 0
    reads: Mapping[str, _Read] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Read:
    """How often an input was read in the window, and whether it gave anything."""

    times: int
    gave: bool


def _window(now: float) -> tuple[int, int]:
    """The last whole minute whose points must have arrived: after its start, up to its end."""
    end = int(now - _ARRIVED_AFTER) // _INTERVAL * _INTERVAL
    return end - _WINDOW, end


def _ask(influxdb: InfluxDB, now: float) -> dict[str, _Known]:
    """One request for all hosts."""
    start, end = _window(now)
    inside = f"time > {start}s AND time <= {end}s"
    newest, began, points, reads = influxdb.query(
        'SELECT last("metrics_gathered") FROM "internal_agent" GROUP BY "host"',
        f'SELECT first("metrics_gathered") FROM "internal_agent" WHERE time > {end - _LOOK_BACK}s GROUP BY "host"',
        f'SELECT count(*) FROM /.*/ WHERE {inside} GROUP BY "host"',
        'SELECT count("metrics_gathered"), spread("metrics_gathered"), first("metrics_gathered") '
        f'FROM "internal_gather" WHERE {inside} GROUP BY "host", "input"',
        database=DATABASE,
    )
    began_at = {one.tags["host"]: float(one.rows[0]["time"]) for one in began}
    points_of, reads_of = _points(points), _reads(reads)
    return {
        host: _Known(
            float(one.rows[0]["time"]), began_at.get(host, 0.0), points_of.get(host, 0), reads_of.get(host, {})
        )
        for one in newest
        for host in [one.tags["host"]]
    }


def _points(series: Sequence[Series]) -> dict[str, int]:
    """Points by host. A point has many fields: the fullest field of a measurement counts its points."""
    points: dict[str, int] = {}
    for one in series:
        fullest = max((int(value or 0) for row in one.rows for name, value in row.items() if name != "time"), default=0)
        points[one.tags["host"]] = points.get(one.tags["host"], 0) + fullest
    return points


def _reads(series: Sequence[Series]) -> dict[str, dict[str, _Read]]:
    reads: dict[str, dict[str, _Read]] = {}
    for one in series:
        row = one.rows[0]
        # `metrics_gathered` counts since the agent's start: one read alone shows it by not being zero.
        gave = bool(row["spread"]) or (row["count"] == 1 and bool(row["first"]))
        reads.setdefault(one.tags["host"], {})[one.tags["input"]] = _Read(int(row["count"]), gave)
    return reads


def _host(host: Host, catalogue: Catalogue, at: float, known: _Known) -> HostStatus:
    inputs = sorted({plugin for name in host.collect for plugin in catalogue[name].inputs})
    start, end = _window(at)
    # A host that has just begun to send owes only what came due since.
    due = max(0, end - max(start, int(known.began) - _INTERVAL)) // _INTERVAL
    silent = tuple(name for name in inputs if name not in known.reads or not known.reads[name].gave)
    return HostStatus(
        name=host.name,
        agent=host.agent,
        age=None if known.newest is None else max(0.0, at - known.newest),
        points=known.points,
        reads=sum(read.times for name, read in known.reads.items() if name in inputs),
        expected=len(inputs) * due,
        silent=silent if due > 1 else (),
    )


def _service(engine: Engine, pin: Pin, container: Container | None) -> ServiceStatus:
    if container is None:
        return ServiceStatus(pin.service, "absent", "", pin.pull, 0, 0, 0, 0.0)
    return ServiceStatus(
        name=pin.service,
        state=container.state,
        health=container.health,
        image=container.image,
        restarts=container.restarts,
        memory=engine.memory(container),
        memory_limit=container.memory_limit,
        since=container.started if container.state == "running" else 0.0,
    )


def _service_troubles(
    service: ServiceStatus, missing: Mapping[str, str], containers: Mapping[str, Container]
) -> Iterator[Trouble]:
    name = service.name
    if service.state == "absent":
        if name in missing:
            next_step = f"where a registry answers: `aresmon images pull {name} && aresmon up`"
            yield Trouble(f"{name} does not run: its image {service.image} is not on this machine", next_step)
        else:
            yield Trouble(f"{name} does not run: it has no container", "`aresmon up` makes it")
    elif service.state != "running":
        container = containers[name]
        why = container.error or f"exit code {container.exit_code}" + (
            ", out of memory" if container.out_of_memory else ""
        )
        yield Trouble(f"{name} is {service.state} ({why})", f"`aresmon logs {name}` says why, `aresmon up` starts it")
    elif service.health == "unhealthy":
        yield Trouble(
            f"{name} is unhealthy: {containers[name].last_check[:120] or 'its check fails'}",
            f"`aresmon logs {name}` says why",
        )
    elif service.memory_limit and service.memory > _CROWDED * service.memory_limit:
        used = f"{service.memory >> 20} of {service.memory_limit >> 20} MiB"
        yield Trouble(
            f"{name} uses {used}", f"raise memory.{name} in aresmon.yml before the kernel ends it, then `aresmon up`"
        )


def _host_troubles(host: HostStatus, fleet: Fleet) -> Iterator[Trouble]:
    is_sidecar = fleet.sidecar is not None and host.name == fleet.sidecar.name
    look_there = "`aresmon logs telegraf` says why" if is_sidecar else f"on {host.name}: `journalctl -u telegraf -n 50`"
    if host.age is None:
        install = (
            look_there
            if is_sidecar
            else f"start an agent there, as docs/agents.md says; its files are in .aresmon/bundle/agents/{host.name}/"
        )
        yield Trouble(f"{host.name} has never sent anything", install)
    elif host.age > FRESH:
        yield Trouble(f"{host.name} is silent: its newest point is {age(host.age)} old", look_there)
    elif host.silent:
        yield Trouble(f"{host.name}: nothing from {', '.join(host.silent)} in the last minute", look_there)
    elif host.reads < _MOSTLY * host.expected:
        yield Trouble(
            f"{host.name}: inputs were read {host.reads} times of {host.expected} in the last minute", look_there
        )


def age(seconds: float) -> str:
    """`8 s`, `3 min`, `5 h`, `12 d`"""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"

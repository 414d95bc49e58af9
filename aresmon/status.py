"""What is there and what is wrong with it: containers from the engine, hosts from their points in InfluxDB."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from aresmon import arrivals, certificates, images, store
from aresmon.arrivals import HostStatus
from aresmon.container import Container
from aresmon.engine import Engine
from aresmon.errors import AresmonError, ExitCode
from aresmon.fleet import Fleet
from aresmon.influxdb import InfluxDB
from aresmon.intent import check_name, used_pins
from aresmon.pins import Pin
from aresmon.proof import FRESH
from aresmon.site import Site

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
class Trouble:
    """Something that is wrong with a service or host, and the next step."""

    about: str
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


def look(
    site: Site, engine: Engine, *, influxdb: Callable[[], InfluxDB] | None = None, now: float | None = None
) -> Status:
    """Look at a site, whose InfluxDB is the one here unless it is given.

    Raises AresmonError only where nothing can be known: no file, no engine.
    """
    fleet = site.fleet()
    at = time.time() if now is None else now
    containers = engine.containers(fleet.site)
    if influxdb is None:
        check_name(site, fleet, containers)
    pins = used_pins(fleet)
    services = tuple(_service(engine, pin, containers.get(name)) for name, pin in pins.items())
    services += tuple(
        _service(engine, Pin(name, one.image, ""), one) for name, one in containers.items() if name not in pins
    )
    found = images.local(engine, {name: pin for name, pin in pins.items() if name not in containers})
    troubles = [trouble for one in services for trouble in _service_troubles(one, found.missing, containers)]
    if influxdb is None:
        troubles.extend(_certificate_troubles(site, fleet, at))
    hosts: tuple[HostStatus, ...] = ()
    if "influxdb" in containers and containers["influxdb"].state == "running":
        try:
            begun = {fleet.server: containers["telegraf"].started} if "telegraf" in containers else {}
            asked = store.influxdb(site) if influxdb is None else influxdb()
            hosts = arrivals.look(asked, fleet, site.catalogue(), at, begun)
            troubles.extend(trouble for host in hosts for trouble in _host_troubles(host, fleet))
        except AresmonError as error:
            what = f"nothing is known of the hosts: {error.message}"
            troubles.append(Trouble("influxdb", what, error.hint or "`aresmon up` mends it"))
    return Status(fleet.site, fleet.server, at, services, hosts, tuple(troubles))


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
            yield Trouble(name, f"{name} does not run: its image {service.image} is not on this machine", next_step)
        else:
            yield Trouble(name, f"{name} does not run: it has no container", "`aresmon up` makes it")
    elif service.state != "running":
        yield Trouble(
            name, f"{name} is {_ending(containers[name])}", f"`aresmon logs {name}` says why, `aresmon up` starts it"
        )
    elif service.health == "unhealthy":
        yield Trouble(
            name,
            f"{name} is unhealthy: {containers[name].last_check[:120] or 'its check fails'}",
            f"`aresmon logs {name}` says why",
        )
    elif service.memory_limit and service.memory > _CROWDED * service.memory_limit:
        used = f"{service.memory >> 20} of {service.memory_limit >> 20} MiB"
        yield Trouble(
            name,
            f"{name} uses {used}",
            f"raise memory.{name} in aresmon.yml before the kernel ends it, then `aresmon up`",
        )


def _certificate_troubles(site: Site, fleet: Fleet, at: float) -> Iterator[Trouble]:
    door, now = fleet.grafana.door, datetime.fromtimestamp(at, UTC)
    for doubt in certificates.troubles(site.root, door.tls, fleet.grafana.url, site.tls, now=now):
        yield Trouble("edge", doubt.what, doubt.next)


def _ending(container: Container) -> str:
    """`exited (exit code 1, out of memory)`, `paused`"""
    if container.state == "paused":
        return container.state
    why = container.error or f"exit code {container.exit_code}"
    return f"{container.state} ({why}{', out of memory' if container.out_of_memory else ''})"


def _host_troubles(host: HostStatus, fleet: Fleet) -> Iterator[Trouble]:
    is_sidecar = fleet.sidecar is not None and host.name == fleet.sidecar.name
    look_there = "`aresmon logs telegraf` says why" if is_sidecar else f"on {host.name}: `journalctl -u telegraf -n 50`"
    if host.age is None:
        install = look_there if is_sidecar else f"`aresmon push-config {host.name}` brings its configuration there"
        yield Trouble(host.name, f"{host.name} has never sent anything", install)
    elif host.age > FRESH:
        yield Trouble(host.name, f"{host.name} is silent: its newest point is {age(host.age)} old", look_there)
    elif host.refused:
        what = f"{host.name}: {host.refused} of its writes failed in the last minute"
        yield Trouble(
            host.name, what, f"{look_there}; after a full disk InfluxDB wants a new start: `aresmon down && aresmon up`"
        )
    elif host.silent:
        yield Trouble(host.name, f"{host.name}: nothing from {', '.join(host.silent)} in the last minute", look_there)
    elif host.reads < _MOSTLY * host.expected:
        yield Trouble(
            host.name,
            f"{host.name}: inputs were read {host.reads} times of {host.expected} in the last minute",
            look_there,
        )


def age(seconds: float) -> str:
    """`8 s`, `3 min`, `5 h`, `12 d`"""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"

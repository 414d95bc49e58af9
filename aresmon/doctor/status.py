"""The state of a site: services from the engine, hosts from their points in InfluxDB, and the problems found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from aresmon.agents.deployed import DeployedConfigs
from aresmon.backup import record as backup_record
from aresmon.backup.record import BackupRecord
from aresmon.config.model import Config
from aresmon.doctor import activity
from aresmon.doctor import problems as doctor_problems
from aresmon.doctor.activity import HostStatus
from aresmon.doctor.problems import Problem, ServiceStatus
from aresmon.doctor.restarts import Starts
from aresmon.engine import images
from aresmon.engine.containers import Container
from aresmon.engine.docker import Engine
from aresmon.engine.images import Pin, used_pins
from aresmon.influxdb import capacity as influxdb_capacity
from aresmon.influxdb import service, users
from aresmon.influxdb.capacity import Capacity
from aresmon.influxdb.client import InfluxDB
from aresmon.push.result import PushOutcome
from aresmon.site.project import Project
from aresmon.stack.plan import check_name
from aresmon.system.errors import AresmonError, ExitCode

_RESTARTING = frozenset(
    {PushOutcome.VERIFIED, PushOutcome.UNVERIFIED, PushOutcome.ROLLED_BACK, PushOutcome.BROKEN, PushOutcome.UNKNOWN}
)


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a site at one time (seconds since 1970). `capacity` is None if the database does not respond,
    `backups` if the site's folder is on another machine."""

    site: str
    server: str
    at: float
    services: tuple[ServiceStatus, ...]
    hosts: tuple[HostStatus, ...]
    problems: tuple[Problem, ...]
    capacity: Capacity | None = None
    backups: BackupRecord | None = None

    @property
    def code(self) -> ExitCode:
        return ExitCode.DEGRADED if self.problems else ExitCode.DONE

    def as_json(self) -> dict[str, Any]:
        """Return the state as plain data, for `status --json`."""
        return {"ok": not self.problems, **asdict(self)}


@dataclass(frozen=True, slots=True)
class _Data:
    """What could be read from the database."""

    hosts: tuple[HostStatus, ...] = ()
    problems: tuple[Problem, ...] = ()
    capacity: Capacity | None = None


def read_status(
    project: Project, engine: Engine, *, influxdb: Callable[[], InfluxDB] | None = None, now: float | None = None
) -> Status:
    """Read the state of a site. Without `influxdb` its InfluxDB is on this machine.

    Raises AresmonError only if nothing can be read, such as without an engine.
    """
    config = project.config
    at = time.time() if now is None else now
    containers = engine.containers(config.site)
    if influxdb is None:
        check_name(project, containers)
    services, found = _services(engine, config, containers)
    record = replace(backup_record.read(project.site), kept_passphrase="") if influxdb is None else None
    data = _Data()
    if "influxdb" in containers and containers["influxdb"].state == "running":
        data = _read_database(project, influxdb, starts=_starts(project, containers), at=at)
    wrong = (*found, *_of_site(project, at, influxdb), *data.problems)
    return Status(config.site, config.server, at, services, data.hosts, wrong, data.capacity, record)


def _starts(project: Project, containers: Mapping[str, Container]) -> Starts:
    """When the agents started and their data could arrive. Of the server's own agent, `up` makes the container, and the
    engine may start it again."""
    restarted = {host.name: 0.0 for host in project.config.hosts}
    if "telegraf" in containers:
        restarted[project.config.server] = containers["telegraf"].created
    for event in project.site.recent_history("push-config"):
        host = str(event.get("host", ""))
        if host in restarted and event.get("outcome") in _RESTARTING:
            with suppress(ValueError, TypeError, KeyError):
                restarted[host] = max(restarted[host], datetime.fromisoformat(event["at"]).timestamp())
    opened = max(containers[name].started for name in ("influxdb", "edge") if name in containers)
    begun = {host: max(opened, at) for host, at in restarted.items()}
    if "telegraf" in containers:
        begun[project.config.server] = max(begun[project.config.server], containers["telegraf"].started)
    return Starts(begun, restarted)


def _services(
    engine: Engine, config: Config, containers: dict[str, Container]
) -> tuple[tuple[ServiceStatus, ...], list[Problem]]:
    """Return each service, including those of `overrides/`, and their problems."""
    pins = used_pins(config)
    services = tuple(_service(engine, pin, containers.get(name)) for name, pin in pins.items())
    services += tuple(
        _service(engine, Pin(name, one.image, ""), one) for name, one in containers.items() if name not in pins
    )
    found = images.local(engine, {name: pin for name, pin in pins.items() if name not in containers})
    buildable = [name for name, pin in pins.items() if pin.build]
    return services, [
        wrong
        for one in services
        for wrong in doctor_problems.of_service(one, found.missing, containers, buildable=buildable)
    ]


def _of_site(project: Project, at: float, influxdb: Callable[[], InfluxDB] | None) -> Iterator[Problem]:
    """Return the problems of the site's folder, if it is on this machine."""
    if influxdb is None:
        yield from doctor_problems.of_certificates(project, at)
        yield from doctor_problems.of_release(project.site)
        yield from doctor_problems.of_backups(project, at)


def _read_database(project: Project, influxdb: Callable[[], InfluxDB] | None, *, starts: Starts, at: float) -> _Data:
    """Read the database; on an error, return what was read so far with the error as a problem."""
    folder = project.site.root / project.config.data if influxdb is None else None
    data = _Data()
    try:
        asked = service.admin_client(project.site) if influxdb is None else influxdb()
        # First, since it is cheap: with too many series, the other queries may be rejected.
        taken = _capacity(asked, folder, at)
        full = tuple(doctor_problems.of_capacity(taken, project.config.most_series)) if taken else ()
        data = _Data(problems=full, capacity=taken)
        hosts = activity.look(asked, project.config, project.catalogue, at, starts, DeployedConfigs(project).body)
        wrong = [*_of_hosts(project, hosts), *doctor_problems.of_shards(asked, folder, at)]
        return replace(data, hosts=hosts, problems=(*data.problems, *wrong))
    except AresmonError as error:
        what = f"the hosts' state is unknown: {error.message}"
        unknown = Problem("influxdb", what, error.hint or "`aresmon doctor` shows the reason", "database")
        return replace(data, problems=(*data.problems, unknown))


def _of_hosts(project: Project, hosts: tuple[HostStatus, ...]) -> Iterator[Problem]:
    """Return the problems of each host; for a blocked host, only that it is blocked."""
    out = users.blocked_hosts(project.site)
    for host in hosts:
        if host.name not in out:
            yield from doctor_problems.of_host(host, project.config, project.catalogue)
    yield from (doctor_problems.of_blocked(host.name, out[host.name]) for host in hosts if host.name in out)


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


def _capacity(influxdb: InfluxDB, folder: Path | None, at: float) -> Capacity | None:
    """Return the size and growth of the data, None on an error. `folder` is the data's, None if on another machine."""
    try:
        return influxdb_capacity.measure(
            influxdb, now=at, free=influxdb_capacity.free_bytes(folder) if folder else None
        )
    except (AresmonError, OSError):
        return None

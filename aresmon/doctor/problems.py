"""Problems of a site that `status` reports, decided from what it read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from aresmon.agents import remedies
from aresmon.agents.remedies import CollectorNeeds
from aresmon.backup import record
from aresmon.config.collectors import Catalogue
from aresmon.config.model import Config
from aresmon.config.units import format_age
from aresmon.doctor.activity import HostStatus
from aresmon.engine.containers import Container
from aresmon.influxdb import capacity, shards
from aresmon.influxdb.capacity import Capacity
from aresmon.influxdb.client import InfluxDB
from aresmon.site import ca, certificates, tls_migration
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.stack import image_versions, upgrade_journal

Kind = Literal[
    "service", "certificate", "channel", "release", "backup", "capacity", "database", "shard", "host", "input", "clock"
]

_CROWDED = 0.9
_MOSTLY = 0.9
_LOOP = 3  # restarts of an agent in ten minutes; a push that is rolled back makes two, and may still be under way
_SOON_FULL = 7  # days


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service. `memory` and `memory_limit` are in bytes, `since` in seconds since 1970 (0 if not running)."""

    name: str
    state: str
    health: str
    image: str
    restarts: int
    memory: int
    memory_limit: int
    since: float


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem with a service or host, and the next step; `kind` is the check that found it."""

    about: str
    what: str
    next: str
    kind: Kind = "host"


def of_service(
    service: ServiceStatus,
    missing: Mapping[str, str],
    containers: Mapping[str, Container],
    *,
    buildable: Collection[str] = (),
) -> Iterator[Problem]:
    """Report what is wrong with a service. `missing` are those without an image, of which `up` can build `buildable`
    where no registry can be reached."""
    name = service.name
    if service.state == "absent":
        if name in missing:
            next_step = (
                "`aresmon up` pulls the image, or builds it from packages, and starts the service"
                if name in buildable
                else f"when a registry can be reached: `aresmon images pull {name} && aresmon up`"
            )
            yield Problem(
                name, f"{name} is not running: image {service.image} is not on this machine", next_step, "service"
            )
        else:
            yield Problem(name, f"{name} is not running: it has no container", "`aresmon up` creates it", "service")
    elif service.state != "running":
        yield Problem(
            name,
            f"{name} is {_ending(containers[name])}",
            f"`aresmon logs {name}` shows the reason, `aresmon up` starts it",
            "service",
        )
    elif service.health == "unhealthy":
        yield Problem(
            name,
            f"{name} is unhealthy: {containers[name].last_check[:120] or 'its health check fails'}",
            f"`aresmon logs {name}` shows the reason",
            "service",
        )
    elif service.memory_limit and service.memory > _CROWDED * service.memory_limit:
        used = f"{service.memory >> 20} of {service.memory_limit >> 20} MiB"
        yield Problem(
            name,
            f"{name} uses {used} of memory",
            f"raise memory.{name} in aresmon.yml before the kernel kills it, then `aresmon up`",
            "service",
        )


def of_certificates(project: Project, at: float) -> Iterator[Problem]:
    access, now = project.config.grafana.access, datetime.fromtimestamp(at, UTC)
    for warning in certificates.find_problems(
        project.site.root, access.tls, project.config.grafana.url, project.site.tls, now=now
    ):
        yield Problem("edge", warning.what, warning.next, "certificate")
    edge = project.config.edge
    for warning in certificates.find_problems(
        project.site.root, edge.channel.pair, edge.url, project.site.tls, now=now
    ):
        yield Problem("edge", warning.what, warning.next, "certificate")
    if edge.channel.by_site:
        agents = project.site.tls / certificates.FILES["edge"]
        for warning in ca.find_problems(project.site.authority, ca.server_names(project.config), agents, now):
            yield Problem("edge", warning.what, warning.next, "channel")
    yield from (
        Problem(about, warning.what, warning.next, "channel") for about, warning in tls_migration.find_problems(project)
    )


def of_backups(project: Project, at: float) -> Iterator[Problem]:
    due = project.config.backup.every.missed_after
    yield from (
        Problem("backup", *warning, "backup")
        for warning in record.find_problems(record.read(project.site), due=due, now=at)
    )


def of_capacity(taken: Capacity, most_series: int) -> Iterator[Problem]:
    if taken.series > most_series:
        yield Problem(
            "influxdb",
            f"the database has {taken.series} series; InfluxDB rejects queries that read more than {most_series}",
            "`aresmon doctor` names the host that creates them; `aresmon hosts block HOST` stops its writes",
            "capacity",
        )
    if taken.days_left is not None and taken.days_left < _SOON_FULL and taken.free is not None:
        daily, free = capacity.format_size(taken.bytes_a_day or 0), capacity.format_size(taken.free)
        yield Problem(
            "influxdb",
            f"the data grows by {daily} a day and {free} is free: the disk is full in {taken.days_left:.0f} days",
            "free some space there, or shorten storage.keep in aresmon.yml, then `aresmon up`",
            "capacity",
        )


def of_blocked(host: str, since: str) -> Problem:
    what = f"{host} has been blocked from writing since {since.partition('+')[0]} (UTC)"
    return Problem(host, what, f"once it is fixed: `aresmon hosts unblock {host}`")


def of_shards(influxdb: InfluxDB, folder: Path | None, at: float) -> Iterator[Problem]:
    """Report days that are missing from every query result without an error.

    `folder` is the database's, None if it is on another machine.
    """
    for one in shards.list_unopened(influxdb, folder, now=at):
        yield Problem(
            "influxdb",
            f"points of {one.place.days} in {one.place.policy} can be neither read nor written: {one.place.path} is "
            "closed",
            "`aresmon logs influxdb` shows the reason (Failed to open shard); see docs/faults.md, A damaged shard",
            "shard",
        )
    try:
        aside = shards.list_quarantined(folder, shards.list_locations(influxdb)) if folder else []
    except OSError:
        return  # only the site's owner may read this folder
    for one in aside:
        yield Problem(
            "influxdb",
            f"points of {one.place.days} in {one.place.policy} are missing: InfluxDB set {one.file} aside because it "
            "could not read it",
            "restore that day from a backup, then delete the file; see docs/faults.md, A damaged shard",
            "shard",
        )


def of_release(site: Site) -> Iterator[Problem]:
    """Report an interrupted upgrade, or that another release of aresmon started the stack."""
    left = upgrade_journal.interrupted(site)
    if left:
        yield Problem("aresmon", left, "`aresmon upgrade` or `aresmon up` completes or reverts it", "release")
    warning = image_versions.version_warning(site)
    if warning:
        yield Problem("aresmon", *warning, "release")


def _ending(container: Container) -> str:
    """`exited (exit code 1, out of memory)`, `paused`"""
    if container.state == "paused":
        return container.state
    why = container.error or f"exit code {container.exit_code}"
    return f"{container.state} ({why}{', out of memory' if container.out_of_memory else ''})"


def of_host(host: HostStatus, config: Config, catalogue: Catalogue) -> Iterator[Problem]:
    is_sidecar = config.sidecar is not None and host.name == config.sidecar.name
    read_log = (
        "`aresmon logs telegraf` shows the reason" if is_sidecar else f"on {host.name}: `journalctl -u telegraf -n 50`"
    )
    if host.ahead:
        what = f"the clock of {host.name} is wrong: its points are dated {format_age(host.ahead)} in the future"
        yield Problem(host.name, what, f"on {host.name}: `timedatectl` shows whether it is synchronised", "clock")
    elif host.age is None:
        install = read_log if is_sidecar else f"`aresmon push-config {host.name}` deploys its configuration"
        yield Problem(host.name, f"{host.name} has never sent data", install)
    elif host.age > host.late_after:
        what = f"{host.name} is silent: its newest point is {format_age(host.age)} old"
        yield Problem(host.name, what, f"{read_log}; `timedatectl` shows whether its clock is behind")
    elif host.restarts >= _LOOP:
        what = f"{host.name}: its agent restarts again and again: {host.restarts} times in the last 10 min"
        yield Problem(host.name, what, f"{read_log}; or a second agent sends under this name")
    elif host.refused:
        what = f"{host.name}: {host.refused} of its writes failed in the last minute"
        yield Problem(host.name, what, f"{read_log}; `aresmon logs influxdb` shows the database's errors")
    elif host.silent or host.partly:
        yield from _of_inputs(host, remedies.collectors(config.host(host.name), catalogue), read_log)
    elif host.reads < _MOSTLY * host.expected:
        what = f"{host.name}: inputs were collected {host.reads} of {host.expected} times in the last minute"
        yield Problem(host.name, what, read_log)


def _of_inputs(host: HostStatus, known: Sequence[CollectorNeeds], read_log: str) -> Iterator[Problem]:
    """Report the inputs that fail, each with what its collector needs, and those from which nothing arrives."""
    for plugin in (*host.failing, *host.partly):
        several = remedies.owners(plugin, known)
        remedy = remedies.remedy(several)
        part = "one of several inputs of " if plugin in host.partly else ""
        what = f"{host.name}: {part}{remedies.name(plugin, several)} fails at each reading"
        yield Problem(host.name, what, read_log + (remedy and f"; {remedy}"), "input")
    silent = [plugin for plugin in host.silent if plugin not in host.failing]
    if silent:
        yield Problem(host.name, f"{host.name}: no data from {', '.join(silent)} in the last minute", read_log, "input")

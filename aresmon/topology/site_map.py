"""What the picture of a site shows: hosts, services, backups and contact points, each with its state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aresmon.config.backup import Destination
from aresmon.config.model import Config
from aresmon.config.names import DATABASE
from aresmon.config.units import format_age_in_words
from aresmon.config.views import SEVERITIES, Severity
from aresmon.doctor.activity import HostStatus
from aresmon.doctor.problems import ServiceStatus
from aresmon.doctor.status import Status
from aresmon.influxdb.client import InfluxDB, Series
from aresmon.system.errors import AresmonError

_WITHIN = 120  # seconds; a container or a server of HAProxy without a point since is not shown
_UP = ("UP", "OPEN", "no check")
_RUNNING = "running"


class State(StrEnum):
    """How a part is; `OFF` is what is meant to be off, `UNKNOWN` what could not be found out."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    OFF = "off"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Part:
    """One thing in the picture: its name, its state, and what to say of it in a few words."""

    name: str
    state: State
    words: str = ""


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend of HAProxy and its servers."""

    name: str
    servers: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class MapHost:
    """One host. `age` is that of its newest point in seconds, None without points; `points` arrived in the last
    minute."""

    part: Part
    agent: str
    age: float | None
    points: int
    containers: tuple[Part, ...] = ()
    backends: tuple[Backend, ...] = ()

    @property
    def name(self) -> str:
        return self.part.name


@dataclass(frozen=True, slots=True)
class SiteMap:
    """A site at one time (`at`, in seconds since 1970)."""

    site: str
    server: str
    at: float
    services: tuple[Part, ...]
    hosts: tuple[MapHost, ...]
    destinations: tuple[Part, ...]
    contact_points: tuple[Part, ...]


def read(
    config: Config,
    status: Status,
    *,
    influxdb: Callable[[], InfluxDB],
    rules: Sequence[Mapping[str, Any]] | None,
) -> SiteMap:
    """The picture's content. `influxdb` is how to get the database; `rules` are Grafana's groups of rules with their
    alerts, None if Grafana could not be asked.

    A database that does not answer leaves containers and HAProxy's servers out: `status` has the reason.
    """
    by_host = None if rules is None else _firing(rules)
    try:
        inner = _inside(influxdb(), status.at)
    except AresmonError:
        inner = _Inside()
    agents = {host.name: host.agent for host in config.hosts}
    troubled = {problem.about for problem in status.problems}
    known = {host.name: host for host in status.hosts}
    hosts = tuple(_host(name, agents[name], known.get(name), name in troubled, by_host, inner) for name in agents)
    return SiteMap(
        site=status.site,
        server=status.server,
        at=status.at,
        services=tuple(_service(one, one.name in troubled) for one in status.services if one.name != "telegraf"),
        hosts=hosts,
        destinations=tuple(_destinations(config, status)),
        contact_points=tuple(_contact_points(config, by_host)),
    )


@dataclass(frozen=True, slots=True)
class _Inside:
    """What runs on the hosts, by host."""

    containers: Mapping[str, tuple[Part, ...]] = field(default_factory=dict)
    backends: Mapping[str, tuple[Backend, ...]] = field(default_factory=dict)


def _host(
    name: str,
    agent: str,
    seen: HostStatus | None,
    is_troubled: bool,
    firing: Mapping[str, Counter[str]] | None,
    inside: _Inside,
) -> MapHost:
    mine = None if firing is None else firing.get(name, Counter())
    return MapHost(
        part=_condition(name, seen, is_troubled, mine),
        agent=agent,
        age=seen.age if seen else None,
        points=seen.points if seen else 0,
        containers=inside.containers.get(name, ()),
        backends=inside.backends.get(name, ()),
    )


def _condition(name: str, seen: HostStatus | None, is_troubled: bool, firing: Mapping[str, int] | None) -> Part:
    """A host's state: what is worst of its data, its alerts and its problems."""
    if seen is None:
        return Part(name, State.UNKNOWN, "state unknown")
    if seen.age is None:
        return Part(name, State.CRITICAL, "no data")
    if seen.age > seen.late_after:
        return Part(name, State.CRITICAL, f"silent for {format_age_in_words(seen.age)}")
    alerts = {severity: count for severity, count in (firing or {}).items() if count}
    words = ", ".join(f"{count} {severity}" for severity, count in sorted(alerts.items()))
    if "critical" in alerts:
        return Part(name, State.CRITICAL, words)
    if alerts:
        return Part(name, State.WARNING, words)
    return Part(name, State.WARNING, "has problems") if is_troubled else Part(name, State.OK, "ok")


def _service(one: ServiceStatus, is_troubled: bool) -> Part:
    if one.state != _RUNNING:
        return Part(one.name, State.CRITICAL, "not running" if one.state == "absent" else one.state)
    if one.health not in ("", "healthy", "starting"):  # `up` waits for more than Docker's first health check
        return Part(one.name, State.CRITICAL, one.health)
    return Part(one.name, State.WARNING if is_troubled else State.OK, "has problems" if is_troubled else _RUNNING)


def _destinations(config: Config, status: Status) -> Iterator[Part]:
    """Where backups go, if the file says so or one was made."""
    record = status.backups
    if record is None:
        state, words = State.UNKNOWN, "backups are recorded on the server"
    elif record.last_failed is not None:
        state, words = State.CRITICAL, "the last backup failed"
    elif record.last_made is None:
        state, words = State.OFF, "no backup yet"
    else:
        late = config.backup.every.missed_after
        age = status.at - record.last_made.at
        state = State.WARNING if late and age > late else State.OK
        words = f"last backup {format_age_in_words(age)} ago"
    if config.backup.is_wanted or (record is not None and record.last_made is not None):
        yield from (Part(_place(one), state, words) for one in config.backup.to)


def _place(one: Destination) -> str:
    if one.bucket is not None:
        return f"s3:{one.bucket.name}"
    return f"{one.ssh}:{one.folder}" if one.ssh else one.folder


def _contact_points(config: Config, firing: Mapping[str, Counter[str]] | None) -> Iterator[Part]:
    """Each contact point, with the number of firing alerts that it is notified of."""
    for receiver in config.alerts.receivers:
        if firing is None:
            yield Part(receiver.name, State.UNKNOWN, "alerts unknown")
            continue
        notified = sum(
            count for one in firing.values() for severity, count in one.items() if receiver.hears(_severity(severity))
        )
        yield Part(
            receiver.name,
            State.WARNING if notified else State.OK,
            f"{notified} firing" if notified else "nothing firing",
        )


def _severity(label: str) -> Severity:
    """The severity of a label; rules of somebody's own may have another one, or none."""
    return next((one for one in SEVERITIES if one == label), "warning")


def _firing(groups: Sequence[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """How many alerts fire, by host and severity; those of no host under an empty name."""
    found: dict[str, Counter[str]] = {}
    for group in groups:
        for rule in group.get("rules") or ():
            for alert in rule.get("alerts") or ():
                labels = alert.get("labels") or {}
                if str(alert.get("state", "")).partition(" ")[0].lower() in ("alerting", "firing"):
                    mine = found.setdefault(str(labels.get("host", "")), Counter())
                    mine[str(labels.get("severity", "warning"))] += 1
    return found


def _inside(influxdb: InfluxDB, at: float) -> _Inside:
    """The containers of each host and the servers of its HAProxy, by what was reported last."""
    since = f"time > {int(at) - _WITHIN}s"
    containers, failing, servers = influxdb.query(
        f'SELECT last("exitcode") FROM "docker_container_status" WHERE {since} '
        'GROUP BY "host", "container_name", "container_status"',
        f'SELECT last("failing_streak") AS "last" FROM "docker_container_health" WHERE {since} '
        'GROUP BY "host", "container_name"',
        f"""SELECT last("status") FROM "haproxy" WHERE "type" = 'server' AND {since} GROUP BY "host", "proxy", "sv\"""",
        database=DATABASE,
    )
    ill = {_tags(one, "host", "container_name") for one in failing if one.rows[0]["last"]}
    return _Inside(_containers(containers, ill), _backends(servers))


def _tags(series: Series, *names: str) -> tuple[str, ...]:
    return tuple(series.tags.get(name, "") for name in names)


def _containers(found: Sequence[Series], ill: set[tuple[str, ...]]) -> dict[str, tuple[Part, ...]]:
    """A container that has changed its state within the time has a series for each: the newest counts."""
    newest: dict[tuple[str, ...], tuple[float, str]] = {}
    for one in found:
        key, at = _tags(one, "host", "container_name"), float(one.rows[0]["time"])
        newest[key] = max(newest.get(key, (0.0, "")), (at, one.tags.get("container_status", "")))
    by_host: dict[str, list[Part]] = {}
    for (host, name), (_, status) in sorted(newest.items()):
        words = f"{status}, unhealthy" if (host, name) in ill and status == _RUNNING else status
        state = State.OK if words == _RUNNING else State.OFF if status in ("exited", "created") else State.WARNING
        by_host.setdefault(host, []).append(Part(name, state, words))
    return {host: tuple(parts) for host, parts in by_host.items()}


def _backends(found: Sequence[Series]) -> dict[str, tuple[Backend, ...]]:
    by_backend: dict[tuple[str, str], list[Part]] = {}
    for one in sorted(found, key=lambda series: _tags(series, "host", "proxy", "sv")):
        host, proxy, server = _tags(one, "host", "proxy", "sv")
        status = str(one.rows[0]["last"])
        by_backend.setdefault((host, proxy), []).append(Part(server, _server_state(status), status.lower()))
    by_host: dict[str, list[Backend]] = {}
    for (host, proxy), servers in by_backend.items():
        by_host.setdefault(host, []).append(Backend(proxy, tuple(servers)))
    return {host: tuple(several) for host, several in by_host.items()}


def _server_state(status: str) -> State:
    """HAProxy's words: https://docs.haproxy.org/2.8/management.html#9.1, field 17."""
    if status.startswith(_UP):
        return State.OK
    return (
        State.OFF
        if status.startswith("MAINT")
        else State.WARNING
        if status.startswith(("DRAIN", "NOLB"))
        else State.CRITICAL
    )

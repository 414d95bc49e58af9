"""The fleet: what aresmon.yml says, as types. Nothing reads the file but this."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from aresmon.config import access, checks, package_data, tls, view_files
from aresmon.config import alerts as config_alerts
from aresmon.config import backup as config_backup
from aresmon.config.access import EdgeAccess, GrafanaUser
from aresmon.config.alerts import Alerts
from aresmon.config.backup import Backup
from aresmon.config.collector_options import SecretName
from aresmon.config.collectors import ALWAYS, Catalogue, CollectorUse
from aresmon.config.defaults import default, default_agents, default_collect, server_name
from aresmon.config.listen import ListenAddress, parse_listen
from aresmon.config.tls import AgentTls
from aresmon.config.units import mebibytes, parse_hours
from aresmon.config.views import View, Views
from aresmon.system import json_schema
from aresmon.system.errors import AresmonError, SiteError
from aresmon.system.yaml_document import Document, Keys, YamlProblem, parse

AgentKind = Literal["systemd", "docker"]


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long points stay, in hours; 0 is for ever."""

    raw: int
    minute: int
    hour: int


@dataclass(frozen=True, slots=True)
class GrafanaSettings:
    """Grafana as people see it."""

    url: str
    admin: str
    data: str
    guests: tuple[GrafanaUser, ...] = ()
    users: tuple[GrafanaUser, ...] = ()
    access: EdgeAccess = field(default_factory=EdgeAccess)


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """Where the stack listens; `url` is where the other hosts reach `agents`."""

    grafana: ListenAddress
    agents: ListenAddress
    url: str
    channel: AgentTls = field(default_factory=AgentTls)


@dataclass(frozen=True, slots=True)
class ConfigsSettings:
    """The git repository with a `<host>.conf` for each host whose configuration is not left to aresmon."""

    git: str
    branch: str


@dataclass(frozen=True, slots=True)
class Host:
    """One monitored server. `ssh` is how it is reached: an alias, or user@address; its name where not said. `uses` are
    the collectors that run there, in the order of aresmon.yml; one may be there more than once, with other options."""

    name: str
    agent: AgentKind
    ssh: str
    uses: tuple[CollectorUse, ...]
    env: tuple[tuple[str, str], ...]

    @property
    def collect(self) -> tuple[str, ...]:
        """The names of its collectors, each once."""
        return tuple(dict.fromkeys(use.name for use in self.uses))

    @property
    def secrets(self) -> tuple[SecretName, ...]:
        """The secrets among the options of its collectors, each once."""
        return tuple(dict.fromkeys(secret for use in self.uses for secret in use.secrets))


@dataclass(frozen=True, slots=True)
class Config:
    """A site. `images` and `memory` are by service; `is_remote` says that the server is reached by ssh if it is not
    this machine; `notices` are settings that have no effect yet."""

    site: str
    server: str
    data: str
    keep: RetentionSettings
    grafana: GrafanaSettings
    edge: EdgeSettings
    memory: tuple[tuple[str, str], ...]
    images: tuple[tuple[str, str], ...]
    mirror: str
    hosts: tuple[Host, ...]
    configs: ConfigsSettings | None = None
    alerts: Alerts = field(default_factory=Alerts)
    backup: Backup = field(default_factory=lambda: config_backup.read({}))
    is_remote: bool = False
    notices: tuple[str, ...] = ()

    def host(self, name: str) -> Host:
        """The host of this name; KeyError if there is none."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)

    def check_names(self, names: Iterable[str]) -> None:
        """Raise AresmonError for the first of these that is no host's name, with the host that may be meant."""
        known = [host.name for host in self.hosts]
        for name in names:
            if name not in known:
                meant = json_schema.did_you_mean(name, known) or f"; its hosts are {', '.join(known[:10])}"
                raise AresmonError(f"no host '{name}' in aresmon.yml{meant}")

    def known_views(self, views: Views) -> list[View]:
        """The views of all that its hosts collect, in the order of aresmon.yml."""
        collected = dict.fromkeys(name for host in self.hosts for name in host.collect)
        return [views[name] for name in collected if name in views]

    @property
    def most_series(self) -> int:
        """How many series a query may read: each takes 4 KiB of InfluxDB's memory before the query can be ended."""
        return mebibytes(dict(self.memory)["influxdb"]) * 25

    @property
    def sidecar(self) -> Host | None:
        """The server itself, if its agent runs beside the stack."""
        server = self.host(self.server)
        return server if server.agent == "docker" else None


def load(
    text: str,
    catalogue: Catalogue,
    *,
    file: str = "aresmon.yml",
    checked: bool = False,
    views: Callable[[], Views] = view_files.load,
) -> Config:
    """Read a site's file. `checked`: this text has been validated against the schema already. `views` are asked
    for only where the file names alerts.

    Raises SiteError with everything that is wrong with it, one line each.
    """
    document, views = parse(text), cache(views)
    if document.data is not None and not checked:
        document.problems.extend(json_schema.problems(document, package_data.site_schema()))
    elif document.data is None and not document.problems:
        document.problems.append(YamlProblem(0, "", "is empty; it must at least name a host"))
    sound, dropped = document.data, set[Keys]()
    if document.problems:
        sound, dropped = json_schema.without_errors(document.data, package_data.site_schema())
    if isinstance(sound, dict) and sound.get("hosts"):
        document.problems.extend(checks.find_problems(document, sound, dropped, catalogue))
        document.problems.extend(
            config_alerts.find_problems(document, sound.get("alerts") or {}, sound["hosts"], views)
        )
    if document.problems:
        details = [problem.describe(file) for problem in sorted(set(document.problems))]
        raise SiteError(
            details, hint="nothing was changed; every setting is described in docs/reference/aresmon-yml.md"
        )
    return _fleet(document, file, catalogue, views)


# From data to types ----------------------------------------------------------------------------------


def _fleet(document: Document, file: str, catalogue: Catalogue, views: Callable[[], Views]) -> Config:
    data = document.data
    hosts = tuple(
        _host(name, settings or {}, catalogue, is_server=name == server_name(data))
        for name, settings in data["hosts"].items()
    )
    storage, grafana, images = (data.get(key, {}) for key in ("storage", "grafana", "images"))
    edge = _edge(document, file)
    opened = access.read_access(document, grafana, file)
    services = ("influxdb", "grafana", "edge", "telegraf")
    return Config(
        site=data.get("site", default("site")),
        server=server_name(data),
        data=storage.get("data", default("storage", "data")),
        keep=RetentionSettings(
            *(parse_hours(storage.get("keep", {}).get(t, default("storage", "keep", t))) for t in ("raw", "1m", "1h"))
        ),
        grafana=GrafanaSettings(
            url=grafana.get("url", f"{opened.scheme}://{edge.grafana.here}"),
            admin=grafana.get("admin", default("grafana", "admin")),
            data=grafana.get("data", default("grafana", "data")),
            guests=access.read_guests(grafana),
            users=access.read_users(grafana),
            access=opened,
        ),
        edge=edge,
        memory=tuple((name, data.get("memory", {}).get(name, default("memory", name))) for name in services),
        images=tuple((name, images[name]) for name in services if name in images),
        mirror=images.get("mirror", ""),
        hosts=hosts,
        configs=_configs(data.get("configs")),
        alerts=config_alerts.read(data.get("alerts", {})),
        backup=config_backup.read(data.get("backup", {})),
        is_remote="ssh" in (data["hosts"][server_name(data)] or {}),
        notices=tuple(_notices(document, file, edge, views)),
    )


def _host(name: str, settings: Mapping[str, Any], catalogue: Catalogue, *, is_server: bool) -> Host:
    uses = [_use(item, catalogue) for item in settings.get("collect", default_collect())]
    return Host(
        name=name,
        agent=settings.get("agent", "docker" if is_server else "systemd"),
        ssh=settings.get("ssh", name),
        uses=(*(use for use in uses if use.name != ALWAYS), CollectorUse(ALWAYS)),
        env=tuple(sorted(settings.get("env", {}).items())),
    )


def _use(item: str | Mapping[str, Mapping[str, Any] | None], catalogue: Catalogue) -> CollectorUse:
    if isinstance(item, str):
        return CollectorUse(item)
    ((name, given),) = item.items()
    options = catalogue[name].options
    return CollectorUse(name, tuple(sorted((one, options[one].value(value)) for one, value in (given or {}).items())))


def _configs(settings: Mapping[str, Any] | None) -> ConfigsSettings | None:
    if settings is None:
        return None
    return ConfigsSettings(settings["git"], settings.get("branch", default("configs", "branch")))


def _edge(document: Document, file: str) -> EdgeSettings:
    settings = document.data.get("edge", {})
    agents = parse_listen(settings.get("agents", default_agents(document.data["hosts"])))
    way = tls.read_agent_tls(document, settings, file)
    return EdgeSettings(
        grafana=parse_listen(settings.get("grafana", default("edge", "grafana"))),
        agents=agents,
        url=settings.get("url", f"{way.scheme}://{server_name(document.data)}:{agents.port}"),
        channel=way,
    )


def _notices(document: Document, file: str, edge: EdgeSettings, views: Callable[[], Views]) -> Iterator[str]:
    is_alone = len(document.data["hosts"]) == 1
    if not edge.agents.is_loopback and not edge.channel.is_tls:
        message = f"agents write to {edge.agents} without TLS: say `tls: site`, or keep that port private"
        yield document.problem(("edge", "agents"), message).describe(file)
    elif edge.agents.is_loopback and not is_alone and "url" not in document.data.get("edge", {}):
        message = f"the other hosts cannot reach {edge.agents}; leave it out, or say in edge.url how they do"
        yield document.problem(("edge", "agents"), message).describe(file)
    yield from (notice.describe(file) for notice in access.find_warnings(document, edge.grafana.is_loopback))
    yield from (
        notice.describe(file)
        for notice in config_alerts.find_warnings(document, document.data.get("alerts", {}), views)
    )
    details: set[tuple[str, ...]] = set()
    for keys, reason in json_schema.unused(document.data, package_data.site_schema()):
        general = tuple("*" if len(keys) > 1 and keys[0] == "hosts" and i == 1 else str(k) for i, k in enumerate(keys))
        if general not in details:
            details.add(general)
            yield document.problem(keys, f"no effect: {reason}").describe(file)

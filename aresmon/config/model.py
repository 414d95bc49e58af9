"""The fleet: what aresmon.yml says, as types. Nothing reads the file but this."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from os.path import normpath
from pathlib import PurePath
from typing import Any, Literal

from aresmon.config import access, package_data, tls, view_files
from aresmon.config import alerts as config_alerts
from aresmon.config import backup as config_backup
from aresmon.config.access import EdgeAccess, GrafanaUser
from aresmon.config.alerts import Alerts
from aresmon.config.backup import Backup
from aresmon.config.collectors import ALWAYS, Catalogue
from aresmon.config.tls import AgentTls
from aresmon.config.views import Views
from aresmon.system import json_schema
from aresmon.system.errors import SiteError
from aresmon.system.yaml_document import Document, Keys, YamlProblem, dotted, parse

AgentKind = Literal["systemd", "docker"]
HOURS = {"h": 1, "d": 24, "w": 24 * 7, "y": 24 * 365}
FOREVER = 0
_LEAST_MEMORY = {"influxdb": 128, "grafana": 128, "edge": 32, "telegraf": 64}  # MiB; with less they do not start
_LONGEST = 2**63 // (3600 * 10**9)  # hours that fit into InfluxDB's nanoseconds


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An address and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        return ipaddress.ip_address(self.address).is_loopback

    def overlaps(self, other: ListenAddress) -> bool:
        """Whether not both can be listened on."""
        mine, theirs = ipaddress.ip_address(self.address), ipaddress.ip_address(other.address)
        return self.port == other.port and (mine == theirs or mine.is_unspecified or theirs.is_unspecified)

    @property
    def here(self) -> str:
        """An address and port by which this very machine reaches it."""
        anywhere = ipaddress.ip_address(self.address).is_unspecified
        loopback = "[::1]" if ":" in self.address else "127.0.0.1"
        return f"{loopback}:{self.port}" if anywhere else str(self)


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
    door: EdgeAccess = field(default_factory=EdgeAccess)


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
    """One monitored server. `ssh` is how it is reached: an alias, or user@address; its name where not said."""

    name: str
    agent: AgentKind
    ssh: str
    collect: tuple[str, ...]
    env: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Config:
    """A site. `images` and `memory` are by service; `afar` says that the server is reached by ssh where it is not
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
    """Read a site's file. `checked`: this very text has been held against the schema already. `views` are asked
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
        document.problems.extend(_contradictions(document, sound, dropped, catalogue))
        document.problems.extend(
            config_alerts.find_problems(document, sound.get("alerts") or {}, sound["hosts"], views)
        )
    if document.problems:
        details = [problem.describe(file) for problem in sorted(set(document.problems))]
        raise SiteError(
            details, hint="nothing was changed; every setting is described in docs/reference/aresmon-yml.md"
        )
    return _fleet(document, file, views)


def parse_hours(duration: str) -> int:
    """`7d` → 168; `forever` → 0."""
    return FOREVER if duration == "forever" else int(duration[:-1]) * HOURS[duration[-1]]


def format_hours(hours: int) -> str:
    """So many hours as one would write them: 168 → `7d`, 17520 → `2y`, 0 → `forever`."""
    if hours == FOREVER:
        return "forever"
    unit = next(unit for unit in "ydh" if hours % HOURS[unit] == 0)
    return f"{hours // HOURS[unit]}{unit}"


# What the schema cannot say --------------------------------------------------------------------------


def _contradictions(
    document: Document, data: dict[str, Any], dropped: set[Keys], catalogue: Catalogue
) -> Iterator[YamlProblem]:
    """What is wrong between settings. `data` is what the schema allows of the file, `dropped` the keys of the
    rest: what only follows from an error is not told besides it."""
    hosts: dict[str, Any] = data["hosts"]
    server = _server(data)
    if server not in hosts and ("hosts", server) not in dropped:
        meant = json_schema.did_you_mean(server, hosts) or f"; the hosts are {', '.join(list(hosts)[:10])}"
        yield document.problem(("server",), f"no host of that name in `hosts`{meant}")
    for name, settings in hosts.items():
        knows_env = not any(keys[:3] == ("hosts", name, "env") for keys in dropped)
        yield from _collectors(document, name, settings or {}, catalogue, knows_env=knows_env)
    yield from _listening(document, data)
    if not any(keys[:2] == ("storage", "keep") for keys in dropped):
        yield from _keeping(document, data)
    yield from _folders(document, data)
    yield from _memory(document, data)
    grafana = data.get("grafana", {})
    listen = data.get("edge", {}).get("grafana", _default("edge", "grafana"))
    yield from access.find_edge_problems(document, grafana, listen)
    yield from tls.find_problems(document, data.get("edge", {}))
    yield from access.find_user_problems(document, grafana, grafana.get("admin", _default("grafana", "admin")))


def _collectors(
    document: Document, name: str, settings: Mapping[str, Any], catalogue: Catalogue, *, knows_env: bool
) -> Iterator[YamlProblem]:
    keys: Keys = ("hosts", name, "collect")
    env = settings.get("env", {})
    for index, word in enumerate(settings.get("collect", _default_collect())):
        if word not in catalogue:
            meant = json_schema.did_you_mean(word, catalogue) or f"; known: {', '.join(catalogue)}"
            yield YamlProblem(document.line((*keys, index)), dotted(keys), f"unknown collector {word!r}{meant}")
            continue
        for variable in catalogue[word].required if knows_env else ():
            if variable.name not in env:
                what = f": {variable.hint}" if variable.hint else ""
                yield document.problem(keys, f"'{word}' needs env.{variable.name}{what}")


def _listening(document: Document, data: Mapping[str, Any]) -> Iterator[YamlProblem]:
    edge = data.get("edge", {})
    yield from access.url_problems(document, ("edge", "url"), edge.get("url", ""))
    good: dict[str, ListenAddress] = {}
    for name in ("grafana", "agents"):
        try:
            default = _default_agents(data["hosts"]) if name == "agents" else _default("edge", "grafana")
            good[name] = _listen(edge.get(name, default))
        except ValueError as error:
            yield document.problem(("edge", name), str(error))
    if len(good) == 2 and good["grafana"].overlaps(good["agents"]):
        name, other = ("agents", "grafana") if "agents" in edge else ("grafana", "agents")
        yield document.problem(("edge", name), f"{good[other]} is edge.{other}'s already")


def _keeping(document: Document, data: Mapping[str, Any]) -> Iterator[YamlProblem]:
    keep = data.get("storage", {}).get("keep", {})
    tiers = [(tier, parse_hours(keep.get(tier, _default("storage", "keep", tier)))) for tier in ("raw", "1m", "1h")]
    for tier, kept in tiers:
        if kept > _LONGEST:
            yield document.problem(("storage", "keep", tier), "InfluxDB counts 292 years at the most; say `forever`")
    for (finer, shorter), (coarser, longer) in zip(tiers, tiers[1:], strict=False):
        if longer != FOREVER and (shorter == FOREVER or shorter > longer):
            keys = ("storage", "keep", coarser if coarser in keep else finer)
            yield document.problem(keys, f"{coarser} must be kept at least as long as {finer}")


def _folders(document: Document, data: Mapping[str, Any]) -> Iterator[YamlProblem]:
    storage = data.get("storage", {}).get("data", _default("storage", "data"))
    grafana = data.get("grafana", {}).get("data", _default("grafana", "data"))
    named = {("storage", "data"): PurePath(normpath(storage)), ("grafana", "data"): PurePath(normpath(grafana))}
    details = {".".join(keys): folder for keys, folder in named.items()}
    yield from config_backup.find_problems(document, data.get("backup") or {}, details)
    for keys, folder in named.items():
        if len(folder.parts) < 2 and (folder.is_absolute() or not folder.name or folder.name == ".."):
            yield document.problem(keys, f"'{folder}' is no folder to give away; name one below it")
        elif folder.parts[0] in (".aresmon", "overrides"):
            yield document.problem(keys, f"'{folder}' is not for data; {folder.parts[0]} has a use of its own")
    mine, theirs = named.values()
    if mine.is_relative_to(theirs) or theirs.is_relative_to(mine):
        yield document.problem(("grafana", "data"), f"{theirs} and InfluxDB's {mine} must be apart")


def mebibytes(size: str) -> int:
    """How much `512m` or `2g` is, in MiB."""
    return int(size[:-1]) * (1024 if size.endswith("g") else 1)


def _memory(document: Document, data: Mapping[str, Any]) -> Iterator[YamlProblem]:
    for service, least in _LEAST_MEMORY.items():
        size = data.get("memory", {}).get(service, _default("memory", service))
        if mebibytes(size) < least:
            yield document.problem(("memory", service), f"{size} is too little for {service}; {least}m at the least")


# From data to types ----------------------------------------------------------------------------------


def _fleet(document: Document, file: str, views: Callable[[], Views]) -> Config:
    data = document.data
    hosts = tuple(_host(name, settings or {}, name == _server(data)) for name, settings in data["hosts"].items())
    storage, grafana, images = (data.get(key, {}) for key in ("storage", "grafana", "images"))
    edge = _edge(document, file)
    opened = access.read_access(document, grafana, file)
    services = ("influxdb", "grafana", "edge", "telegraf")
    return Config(
        site=data.get("site", _default("site")),
        server=_server(data),
        data=storage.get("data", _default("storage", "data")),
        keep=RetentionSettings(
            *(parse_hours(storage.get("keep", {}).get(t, _default("storage", "keep", t))) for t in ("raw", "1m", "1h"))
        ),
        grafana=GrafanaSettings(
            url=grafana.get("url", f"{opened.scheme}://{edge.grafana.here}"),
            admin=grafana.get("admin", _default("grafana", "admin")),
            data=grafana.get("data", _default("grafana", "data")),
            guests=access.read_guests(grafana),
            users=access.read_users(grafana),
            door=opened,
        ),
        edge=edge,
        memory=tuple((name, data.get("memory", {}).get(name, _default("memory", name))) for name in services),
        images=tuple((name, images[name]) for name in services if name in images),
        mirror=images.get("mirror", ""),
        hosts=hosts,
        configs=_configs(data.get("configs")),
        alerts=config_alerts.read(data.get("alerts", {})),
        backup=config_backup.read(data.get("backup", {})),
        is_remote="ssh" in (data["hosts"][_server(data)] or {}),
        notices=tuple(_notices(document, file, edge, views)),
    )


def _server(data: Mapping[str, Any]) -> str:
    return str(data.get("server", next(iter(data["hosts"]))))


def _host(name: str, settings: Mapping[str, Any], is_server: bool) -> Host:
    collect = [word for word in settings.get("collect", _default_collect()) if word != ALWAYS]
    return Host(
        name=name,
        agent=settings.get("agent", "docker" if is_server else "systemd"),
        ssh=settings.get("ssh", name),
        collect=(*collect, ALWAYS),
        env=tuple(sorted(settings.get("env", {}).items())),
    )


def _configs(settings: Mapping[str, Any] | None) -> ConfigsSettings | None:
    if settings is None:
        return None
    return ConfigsSettings(settings["git"], settings.get("branch", _default("configs", "branch")))


def _edge(document: Document, file: str) -> EdgeSettings:
    settings = document.data.get("edge", {})
    agents = _listen(settings.get("agents", _default_agents(document.data["hosts"])))
    way = tls.read_agent_tls(document, settings, file)
    return EdgeSettings(
        grafana=_listen(settings.get("grafana", _default("edge", "grafana"))),
        agents=agents,
        url=settings.get("url", f"{way.scheme}://{_server(document.data)}:{agents.port}"),
        channel=way,
    )


def _default_agents(hosts: Mapping[str, Any]) -> str:
    return "0.0.0.0:8086" if len(hosts) > 1 else "127.0.0.1:8086"


def _listen(text: str) -> ListenAddress:
    address, _, port = text.rpartition(":")
    try:
        ip = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        raise ValueError(f"'{address}' is no IP address") from None
    if not 0 < int(port) < 65536:
        raise ValueError(f"{port} is no port; ports go from 1 to 65535")
    return ListenAddress(str(ip), int(port))


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


def _default(*keys: str) -> str:
    below: Any = package_data.site_schema()
    for key in keys:
        below = below["properties"][key]
    return str(below["default"])


def _default_collect() -> list[str]:
    host = package_data.site_schema()["properties"]["hosts"]["additionalProperties"]
    default: list[str] = host["properties"]["collect"]["default"]
    return default

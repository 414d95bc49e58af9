"""Checks of aresmon.yml that its schema cannot express."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os.path import normpath
from pathlib import PurePath
from typing import Any

from aresmon.config import access, collector_options, host_files, tls
from aresmon.config import backup as config_backup
from aresmon.config.collectors import Catalogue
from aresmon.config.defaults import default, default_agents, default_collect, server_name
from aresmon.config.listen import ListenAddress, parse_listen
from aresmon.config.units import FOREVER, mebibytes, parse_hours
from aresmon.system import json_schema
from aresmon.system.yaml_document import Document, Keys, YamlProblem, dotted

_LEAST_MEMORY = {"influxdb": 128, "grafana": 128, "edge": 32, "telegraf": 64}  # MiB; with less they do not start
_LONGEST = 2**63 // (3600 * 10**9)  # hours that fit into InfluxDB's nanoseconds


def find_problems(
    document: Document, data: dict[str, Any], dropped: set[Keys], catalogue: Catalogue
) -> Iterator[YamlProblem]:
    """What is wrong between settings. `data` is what the schema allows of the file, `dropped` the keys of the
    rest: a problem that only follows from another one is not reported."""
    hosts: dict[str, Any] = data["hosts"]
    server = server_name(data)
    if server not in hosts and ("hosts", server) not in dropped:
        meant = json_schema.did_you_mean(server, hosts) or f"; the hosts are {', '.join(list(hosts)[:10])}"
        yield document.problem(("server",), f"no host '{server}' in `hosts`{meant}")
    for name, settings in hosts.items():
        knows_env = not any(keys[:3] == ("hosts", name, "env") for keys in dropped)
        yield from _collectors(document, name, settings or {}, catalogue, knows_env=knows_env, is_server=name == server)
    yield from _listening(document, data)
    if not any(keys[:2] == ("storage", "keep") for keys in dropped):
        yield from _keeping(document, data)
    yield from _folders(document, data)
    yield from _memory(document, data)
    grafana = data.get("grafana", {})
    listen = data.get("edge", {}).get("grafana", default("edge", "grafana"))
    yield from access.find_edge_problems(document, grafana, listen)
    yield from tls.find_problems(document, data.get("edge", {}))
    yield from access.find_user_problems(document, grafana, grafana.get("admin", default("grafana", "admin")))


def _collectors(
    document: Document,
    name: str,
    settings: Mapping[str, Any],
    catalogue: Catalogue,
    *,
    knows_env: bool,
    is_server: bool,
) -> Iterator[YamlProblem]:
    keys: Keys = ("hosts", name, "collect")
    env = settings.get("env", {})
    agent = settings.get("agent", "docker" if is_server else "systemd")
    seen: list[tuple[str, Any]] = []
    for index, item in enumerate(settings.get("collect", default_collect())):
        at: Keys = (*keys, index)
        word, given = (item, {}) if isinstance(item, str) else next(iter(item.items()))
        if word not in catalogue:
            meant = json_schema.did_you_mean(word, catalogue) or "; `aresmon collectors` lists those that there are"
            yield YamlProblem(document.line(at), dotted(keys), f"unknown collector {word!r}{meant}")
            continue
        if (word, given or {}) in seen:
            alike = " with the same options" if given else ""
            yield document.problem(at, f"'{word}' is there twice{alike}; remove one")
        seen.append((word, given or {}))
        for place, what in collector_options.find_problems(catalogue[word].options, given or {}):
            inside: Keys = at if isinstance(item, str) else (*at, word, *place)
            yield document.problem(inside, f"'{word}' {what}" if isinstance(item, str) else what)
        for option, value in (given or {}).items() if agent == "systemd" else ():
            known = catalogue[word].options.get(option)
            if known is not None and known.has_files and host_files.is_mounted(value):
                what = "names a path below /hostfs, which only an agent in a container has; give the path on the host"
                yield document.problem((*at, word, option), what)
        if catalogue[word].agent not in ("", agent):
            yield document.problem(at, f"'{word}' needs a {catalogue[word].agent} agent; this host's is {agent}")
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
            fallback = default_agents(data["hosts"]) if name == "agents" else default("edge", "grafana")
            good[name] = parse_listen(edge.get(name, fallback))
        except ValueError as error:
            yield document.problem(("edge", name), str(error))
    if len(good) == 2 and good["grafana"].overlaps(good["agents"]):
        name, other = ("agents", "grafana") if "agents" in edge else ("grafana", "agents")
        yield document.problem(("edge", name), f"{good[other]} is edge.{other}'s already")


def _keeping(document: Document, data: Mapping[str, Any]) -> Iterator[YamlProblem]:
    keep = data.get("storage", {}).get("keep", {})
    tiers = [(tier, parse_hours(keep.get(tier, default("storage", "keep", tier)))) for tier in ("raw", "1m", "1h")]
    for tier, kept in tiers:
        if kept > _LONGEST:
            message = f"InfluxDB counts 292 years at the most, not {keep[tier]}; say `forever`"
            yield document.problem(("storage", "keep", tier), message)
    for (finer, shorter), (coarser, longer) in zip(tiers, tiers[1:], strict=False):
        if longer != FOREVER and (shorter == FOREVER or shorter > longer):
            keys = ("storage", "keep", coarser if coarser in keep else finer)
            least, kept = (keep.get(tier, default("storage", "keep", tier)) for tier in (finer, coarser))
            message = f"{coarser} must be kept at least as long as {finer}: {kept} is shorter than {least}"
            yield document.problem(keys, message)


def _folders(document: Document, data: Mapping[str, Any]) -> Iterator[YamlProblem]:
    storage = data.get("storage", {}).get("data", default("storage", "data"))
    grafana = data.get("grafana", {}).get("data", default("grafana", "data"))
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


def _memory(document: Document, data: Mapping[str, Any]) -> Iterator[YamlProblem]:
    for service, least in _LEAST_MEMORY.items():
        size = data.get("memory", {}).get(service, default("memory", service))
        if mebibytes(size) < least:
            yield document.problem(("memory", service), f"{size} is too little for {service}; {least}m at the least")

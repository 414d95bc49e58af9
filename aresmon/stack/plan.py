"""Compare the desired state with what is there, and plan the steps of `up`. Changes nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from aresmon.agents import sources
from aresmon.config.collectors import Catalogue
from aresmon.config.collectors import plugins as plugins_of
from aresmon.config.layout import FILE, SOCKET
from aresmon.config.listen import ListenAddress
from aresmon.config.model import Config, Host
from aresmon.config.package_data import package_files
from aresmon.engine.compose import Compose
from aresmon.engine.containers import Container
from aresmon.engine.docker import Engine
from aresmon.engine.images import SERVICES, Images, pins, services
from aresmon.render import telegraf
from aresmon.render.bundle import Files, agent, render
from aresmon.render.compose import AgentContext, RenderContext
from aresmon.render.telegraf import TelegrafTemplates
from aresmon.site import bundle as site_bundle
from aresmon.site import ca, certificates, external_secrets, preflight, secrets, tls_migration
from aresmon.site.bundle import Bundle, BundleDifference
from aresmon.site.folder import HostFiles, Site, service_user_ids
from aresmon.site.project import Project
from aresmon.system import files as system_files
from aresmon.system.dotenv import variables
from aresmon.system.errors import AresmonError
from aresmon.system.json_file import JsonFile


@dataclass(frozen=True, slots=True)
class DesiredState:
    """Everything that `up` decides before it changes anything. `previous_name` is the Compose project of the bundle on
    disk, if the site had another name then."""

    config: Config
    images: Images
    files: Files
    bundle: Bundle
    difference: BundleDifference
    steps: list[Step]
    previous_name: str
    hashes: Mapping[str, str]


def render_site(project: Project, engine: Engine, references: Mapping[str, str]) -> Files:
    """Render the bundle of a site on this machine. `references` are the images in use; the others are as pinned.

    A host whose own file cannot be used has its last release there. Raises AresmonError if that host is the server,
    whose agent is part of the stack.
    """
    place = RenderContext(
        root=project.site.root,
        users=service_user_ids(),
        images={service: pin.pull for service, pin in pins(project.config).items()} | dict(references),
        agents=agent_context(project, project.config.hosts),
        docker_socket=engine.socket,
        docker_group=engine.socket_group,
        fingerprints=secrets.fingerprints(project.site.secrets, secrets.owners(project.config, service_user_ids()))
        | external_secrets.fingerprints(project.site.secrets, _external_secrets(project.config)),
        has_compose_override=(project.site.overrides / "compose.yml").exists(),
        certificate=certificates.change_hash(project.site.root, project.config.grafana.access.tls),
        provisioned=project.site.provisioned_uids(),
        edge=_edge_fingerprint(project),
        in_clear=tls_migration.unencrypted_hosts(project),
    )
    ours = package_files()
    place = replace(place, in_clear=place.in_clear - _updated_by_up(project.config, project.catalogue, place, ours))
    return render(project.config, project.catalogue, project.views, place, shipped_files=ours)


def agent_context(project: Project, hosts: Sequence[Host]) -> AgentContext:
    """What the site's folder says of these hosts' agents.

    Raises AresmonError if the server's own file in overrides/ cannot be used.
    """
    own, fragments = project.site.own_agents(), project.site.host_fragments()
    templates = TelegrafTemplates.of(package_files())
    unusable = _unusable(project, hosts, own, fragments, templates)
    sidecar = project.config.sidecar
    live = project.site.bundle / "agents" / sidecar.name / "telegraf.conf" if sidecar in hosts and sidecar else None
    text = live.read_text("utf-8", "replace") if live is not None and live.is_file() else ""
    pushed = sources.read_verified(project, hosts, unusable=unusable)
    names = [secrets.INFLUXDB_GRAFANA, *(secrets.agent_secret(host.name) for host in hosts)]
    return AgentContext(
        host_fragments=fragments.texts,
        own_agents={host: text for host, text in own.texts.items() if host not in unusable},
        proven=pushed.bodies,
        config_ids=pushed.config_ids,
        accounts=secrets.database_users(project.site.secrets, names),
        trusted=ca.trusted_certificates(project.site.authority),
        sidecar_config_id=telegraf.config_id_in(text, templates),
    )


def _unusable(
    project: Project, hosts: Sequence[Host], own: HostFiles, fragments: HostFiles, templates: TelegrafTemplates
) -> frozenset[str]:
    """Those of the hosts whose own files in overrides/ make no configuration.

    Raises AresmonError if the server is one.
    """
    found = set[str]()
    for host in hosts:
        try:
            text, _ = own.text(host.name), fragments.text(host.name)
            if text is not None:
                telegraf.configuration(host, project.catalogue, templates, own=text)
        except AresmonError:
            if host == project.config.sidecar:
                raise
            found.add(host.name)
    return frozenset(found)


def _edge_fingerprint(project: Project) -> str:
    """What changes with the edge's certificate for agents; `due` if `up` is about to issue one."""
    if not project.config.edge.channel.by_site:
        return certificates.change_hash(project.site.root, project.config.edge.channel.pair)
    names = ca.server_names(project.config)
    return (
        "due"
        if ca.renewal_reason(project.site.authority, names, datetime.now(UTC))
        else ca.change_hash(project.site.authority)
    )


def _updated_by_up(
    config: Config, catalogue: Catalogue, place: RenderContext, shipped_files: Mapping[str, bytes]
) -> frozenset[str]:
    """The server's own agent, which `up` changes to TLS, unless the configuration pushed to it has no CA yet."""
    if config.sidecar is None:
        return frozenset()
    text = agent(config.sidecar, catalogue, place.agents, TelegrafTemplates.of(shipped_files))
    return frozenset({config.sidecar.name}) if "ARESMON_CA" in text else frozenset()


def _external_secrets(config: Config) -> list[str]:
    """The secrets that services of the stack read, and that others gave."""
    collectors = config.sidecar.secrets if config.sidecar else ()
    return [
        *(f"{external_secrets.ALERTS}/{name}" for name in config.alerts.secrets),
        *(one.path for one in collectors),
    ]


def plugins(project: Project) -> list[str]:
    """The Telegraf plug-ins of the server's own agent."""
    if project.config.sidecar is None:
        return []
    fragments = [project.catalogue[name].template for name in project.config.sidecar.collect]
    fragments.append(project.site.host_fragments().text(project.config.sidecar.name) or "")
    return sorted({plugin for fragment in fragments for plugin in plugins_of(fragment)})


def check_preconditions(project: Project, engine: Engine) -> None:
    """Raise AresmonError for everything that would make `up` fail and can be known before it changes anything."""
    running = engine.containers(project.config.site)
    check_name(project, running)
    external_secrets.check(project.site.secrets, project.config.alerts.secrets)
    if project.config.sidecar is not None:
        external_secrets.check_collector_secrets(
            project.site.secrets, (one.name for one in project.config.sidecar.secrets)
        )
    certificates.find_warnings(project.site.root, project.config.grafana.access.tls, project.config.grafana.url)
    certificates.find_warnings(project.site.root, project.config.edge.channel.pair, project.config.edge.url)
    for service, folder in project.data_folders().items():
        preflight.check_folder(folder, service_user_ids()[service], service)
    if "influxdb" not in running or not running["influxdb"].is_up:
        preflight.check_room(project.site.root / project.config.data)
    if project_of(site_bundle.read_site(project.site)) in ("", project.config.site):
        edge = running.get("edge")
        ours = edge.published if edge and edge.state == "running" else frozenset()
        wanted = {"edge.agents": project.config.edge.agents, "edge.grafana": project.config.edge.grafana}
        preflight.check_ports((name, listen) for name, listen in wanted.items() if not _is_own_port(ours, listen))


def _is_own_port(ours: frozenset[str], listen: ListenAddress) -> bool:
    """Whether it is our own edge that listens there: it is stopped before the new one starts."""
    split = (address.rpartition(":") for address in ours)
    return any(ListenAddress(host.strip("[]") or "::", int(port)).overlaps(listen) for host, _, port in split)


def check_name(project: Project, running: Mapping[str, Container]) -> None:
    """Raise AresmonError if a site of this name runs on this engine from another folder that still has a site."""
    for container in running.values():
        other = container.folder.parents[1] if len(container.folder.parents) > 1 else container.folder
        if container.folder != project.site.bundle and (other / FILE).exists():
            raise AresmonError(
                f"another site named {project.config.site} already runs on this engine, from {other}",
                hint="use that folder, or set another name for this site: `site:` in aresmon.yml",
            )


def decide(project: Project, engine: Engine, found: Images) -> DesiredState:
    """Compute the bundle, its difference from the one on disk, and the steps to take."""
    rendered = render_site(project, engine, found.references)
    on_disk = site_bundle.read_site(project.site)
    difference = site_bundle.compare(on_disk, rendered)
    hashes = compose_hashes(project.site, rendered)
    wanted = {
        service: ServiceSpec(hashes[service], found.ids[service])
        for service in services(project.config)
        if service in found.ids
    }
    wanted |= {
        service: ServiceSpec(hashes[service], "") for service in hashes if service not in SERVICES
    }  # from overrides/
    running = {name: one for name, one in engine.containers(project.config.site).items() if name not in found.missing}
    steps = plan(wanted, running, bundle_made=on_disk.created or time.time(), cut_off=_cut_off(project.site, running))
    former = project_of(on_disk) if project_of(on_disk) != project.config.site else ""
    if former:
        steps = [
            Step(service, "remove", f"the site was named {former}") for service in engine.containers(former)
        ] + steps
    return DesiredState(project.config, found, rendered, on_disk, difference, steps, former, hashes)


def _cut_off(site: Site, running: Mapping[str, Container]) -> tuple[str, ...]:
    """The services that share InfluxDB's socket, if its folder was deleted: they still mount the deleted one."""
    influxdb = running.get("influxdb")
    is_gone = not site.socket_folder.is_dir()
    is_healthy = influxdb is not None and influxdb.state == "running" and influxdb.health == "healthy"
    is_elsewhere = is_healthy and not (site.socket_folder / SOCKET).exists()
    return ("influxdb", "edge") if is_gone or is_elsewhere else ()


def project_of(on_disk: Bundle) -> str:
    """The Compose project of this bundle; empty if there is no bundle."""
    return variable_of(on_disk.files, "ARESMON_PROJECT")


def variable_of(rendered: Mapping[str, bytes], name: str) -> str:
    """A variable of the `.env` among these files; empty if it is not there."""
    return variables(rendered.get(".env", b"").decode(errors="replace")).get(name, "")


def compose_hashes(site: Site, rendered: Files) -> Mapping[str, str]:
    """Compose's configuration hash of each service in these files: from the cache, or computed by Compose."""

    cached = _cached(site).get(_hash_files(site, rendered))
    return cached if isinstance(cached, dict) else _ask_compose(site, rendered)


def remember_hashes(site: Site, intent: DesiredState) -> None:
    """Cache Compose's hashes for these files: computing them takes most of a second.

    Nothing is cached if the site has an `overrides/compose.yml`, which may include files unknown to aresmon.
    """
    digest = _hash_files(site, intent.files)
    if digest and digest not in _cached(site):
        _hashes_file(site).write({digest: intent.hashes})


def _cached(site: Site) -> Mapping[str, Any]:
    return _hashes_file(site).read_or({})


def _hashes_file(site: Site) -> JsonFile[Mapping[str, Any]]:
    return JsonFile(site.state / "compose-hashes.json", lambda data: dict(data.items()), dict, mode=0o644)


def _hash_files(site: Site, rendered: Files) -> str:
    """A hash of Compose's files; empty if it would not cover all of them."""
    if (site.overrides / "compose.yml").exists():
        return ""
    return site_bundle.sha256(b"\0".join(name.encode() + b"\0" + rendered[name] for name in _compose_files(rendered)))


def _compose_files(rendered: Files) -> list[str]:
    return sorted(name for name in rendered if name == ".env" or (name.endswith(".yml") and "/" not in name))


def _ask_compose(site: Site, rendered: Files) -> Mapping[str, str]:
    """Run Compose on a copy, before anything is written; relative paths are relative to the bundle's folder."""
    with tempfile.TemporaryDirectory(prefix="aresmon-") as name:
        for path in _compose_files(rendered):
            system_files.write(Path(name) / path, rendered[path], sync=False)
        return Compose(Path(name), site.bundle).hashes()


Action = Literal["create", "recreate", "start", "remove"]


@dataclass(frozen=True, slots=True)
class Step:
    """One change that `up` makes to a service, and why."""

    service: str
    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service as it should run: Compose's hash of its configuration, and the id of its image (empty if aresmon does
    not choose the image)."""

    config_hash: str
    image_id: str


def plan(
    wanted: Mapping[str, ServiceSpec],
    running: Mapping[str, Container],
    *,
    bundle_made: float,
    cut_off: Collection[str] = (),
) -> list[Step]:
    """The steps from `running` to `wanted`, in the order of `wanted`; empty if there is nothing to do.

    `bundle_made` is when the bundle's folder was created, in seconds since 1970: a container older than it
    mounts a folder that was deleted, as do the services that are `cut_off`.
    """
    stale = {service for service, one in running.items() if one.created < bundle_made or service in cut_off}
    steps = [
        step
        for service, spec in wanted.items()
        for step in _step(service, spec, running.get(service), is_stale=service in stale)
    ]
    unwanted = (Step(service, "remove", "no longer part of the site") for service in running if service not in wanted)
    return [*steps, *unwanted]


def _step(service: str, spec: ServiceSpec, container: Container | None, *, is_stale: bool) -> Iterator[Step]:
    if container is None:
        yield Step(service, "create", "there is no container")
    elif container.config_hash != spec.config_hash:
        yield Step(service, "recreate", "its configuration changed")
    elif spec.image_id and container.image_id != spec.image_id:
        yield Step(service, "recreate", "its image changed")
    elif is_stale:
        yield Step(service, "recreate", "a folder that it mounts was deleted")
    elif container.state != "running":
        yield Step(service, "start", f"it is {container.state}")
    elif container.health == "unhealthy":
        yield Step(service, "recreate", "it is unhealthy")

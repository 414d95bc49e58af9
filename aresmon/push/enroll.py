"""`hosts add` and `hosts remove`: inspect a machine, install Telegraf, create credentials; and the reverse."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aresmon.config import edit_collectors, edit_hosts, model
from aresmon.config.collectors import CollectorUse
from aresmon.config.layout import FILE
from aresmon.config.model import AgentKind, Config
from aresmon.engine import build
from aresmon.engine.docker import Engine
from aresmon.influxdb import users
from aresmon.push.protocol import AgentPaths, login_error
from aresmon.push.session import Session, agent_image
from aresmon.site import init, secrets
from aresmon.site.folder import Site
from aresmon.site.project import Project, parse
from aresmon.ssh.transport import Transport
from aresmon.system import files
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.json_schema import did_you_mean
from aresmon.system.progress import Progress

_REMOTE = Path(__file__).with_name("remote")
_PROGRAM = "/usr/bin/telegraf"
_BY_HAND = "install the package telegraf on the host, from InfluxData's repository, and run the same command again"


@dataclass(frozen=True, slots=True)
class EnrollOptions:
    """The command line of `hosts add`. Empty values are detected on the host."""

    name: str
    ssh: str = ""
    agent: AgentKind | None = None
    collect: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


def check_request(project: Project, asked: EnrollOptions) -> None:
    """Raise SiteError or AresmonError, before any connection, for a name or a collector that cannot be."""
    for one in asked.collect:
        if one not in project.catalogue:
            meant = did_you_mean(one, project.catalogue)
            raise AresmonError(
                f"--collect: unknown collector '{one}'{meant}",
                hint="`aresmon collectors` lists them",
                code=ExitCode.USAGE,
            )
    if asked.name not in [host.name for host in project.config.hosts]:
        with_host(project.site, asked, HostSettings("systemd", asked.ssh or asked.name, (CollectorUse("system"),), {}))


def with_host(site: Site, asked: EnrollOptions, settings: HostSettings) -> str:
    """Return the text of aresmon.yml with this host added. Raises SiteError or AresmonError if it is not valid."""
    edited = edit_hosts.add_host(text_of(site), asked.name, settings.entry(asked.name))
    parse(site, edited)
    return edited


def without_host(site: Site, name: str) -> str:
    """Return the text of aresmon.yml without this host. Raises AresmonError for the server, which must stay."""
    edited = edit_hosts.remove_host(text_of(site), name)
    parse(site, edited)
    return edited


def with_collectors(site: Site, added: Mapping[str, Sequence[CollectorUse]]) -> str:
    """Return the text of aresmon.yml with these collectors added, by host. Raises SiteError or AresmonError if it is
    not valid."""
    entries = {host: [use.entry() for use in uses] for host, uses in added.items()}
    edited = edit_collectors.add_collectors(text_of(site), entries)
    parse(site, edited)
    return edited


def write(site: Site, text: str, *, command: str) -> None:
    """Replace the text of aresmon.yml; the file keeps its mode."""
    with site.lock(command):
        mode = site.file.stat().st_mode & 0o777
        files.write(site.file.resolve(), text.encode(), mode=mode)


async def install(
    name: str,
    settings: HostSettings,
    found: FoundAgent,
    transport: Transport,
    *,
    supply: AgentPackage,
    progress: Progress,
) -> None:
    """Install Telegraf on a host that has none, or one that is too old."""
    docker = "docker" in settings.collect
    if settings.agent == "docker":
        if not found.image:
            with progress.stage(f"copying the image {supply.reference} to {name}"):
                await load_image(name, transport, await asyncio.to_thread(supply.image, found))
    elif found.is_supported:
        if docker:
            await grant_docker_access(name, transport)
    elif found.package and version(found.package) >= OLDEST:
        with progress.stage(f"installing the package telegraf {found.package} on {name}"):
            await install_package(name, transport, docker=docker)
    else:
        with progress.stage(f"copying Telegraf to {name}"):
            program = await asyncio.to_thread(supply.program, found)
            await install_binary(name, transport, program, docker=docker)


async def make_credentials(session: Session, name: str) -> None:
    """Create a host's password and its database user, without an `up`. Existing ones are kept.

    Raises AresmonError, before anything is created, if the host is blocked.
    """
    if since := (await session.stack.blocked_hosts()).get(name):
        raise AresmonError(f"{name} has been blocked since {since}", hint=session.unblock_hint(name))
    secret = secrets.agent_secret(name)
    try:
        password = session.stack.secret(secret)
    except AresmonError:
        password = secrets.generate()
        await session.stack.write_secret(secret, password)
    changes = await asyncio.to_thread(users.plan_user, session.influxdb, secret, password)
    await asyncio.to_thread(users.apply, session.influxdb, changes)


async def revoke(session: Session, name: str) -> None:
    """Delete a host's database users and its password."""
    secret = secrets.agent_secret(name)
    await asyncio.to_thread(users.remove_users, session.influxdb, secret, secrets.other_user(secret))
    await session.stack.delete_secret(secrets.next_name(secret))
    await session.stack.delete_secret(secret)
    await session.stack.remove_block(name)  # another machine may get this name


async def stop_agent(session: Session, host: model.Host) -> str:
    """Stop a host's agent and delete the files with its password. Returns why that failed, or an empty string."""
    try:
        await remove_agent(session.agent(host), session.transport(host))
    except AresmonError as error:
        return error.message
    return ""


@dataclass(frozen=True, slots=True)
class AgentPackage:
    """The Telegraf that this machine can copy to hosts: its image, and the program in the image."""

    reference: str
    engine: Engine

    @classmethod
    def of(cls, config: Config, engine: Engine) -> AgentPackage:
        return cls(agent_image(config, engine), engine)

    def image(self, found: FoundAgent) -> bytes:
        """Return the image as an archive for `docker load`."""
        self._check(found)
        return self.engine.archive(self.reference)

    def program(self, found: FoundAgent) -> bytes:
        """Return the program, from the local image, or compiled if there is none."""
        if self.engine.image_id(self.reference):
            self._check(found)
            return self.engine.file_of(self.reference, _PROGRAM)
        if found.architecture != "amd64":
            raise AresmonError(f"this machine has no Telegraf for {found.machine}", hint=_BY_HAND)
        return build.compile_telegraf().read_bytes()

    def _check(self, found: FoundAgent) -> None:
        ours = self.engine.architecture(self.reference)
        if ours != found.architecture:
            raise AresmonError(
                f"the host is {found.architecture}, and the Telegraf on this machine is built for {ours}", hint=_BY_HAND
            )


def text_of(site: Site) -> str:
    """Return the text of aresmon.yml, with its line ends as they are. Raises AresmonError if it cannot be read."""
    try:
        return site.file.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        raise AresmonError(f"{site.file} cannot be read", hint="run `aresmon check` for the reason") from None


def next_step(name: str) -> str:
    """The next step after `hosts add` failed for a host that is in aresmon.yml already."""
    return f"{name} is in {FILE}; run `aresmon hosts add {name}` again to continue"


OLDEST = (1, 38, 3)
"""The oldest Telegraf that supports the collectors' configuration."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
_CLOCK_TOLERANCE = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class FoundAgent:
    """What is installed on a host. `telegraf`, `package`, `docker` and `compose` are versions, empty if there is none;
    `haproxy` is the address of HAProxy's statistics; `clock_lag` is how many seconds the host's clock is behind."""

    machine: str
    distribution: str
    systemd: bool
    telegraf: str
    package: str
    docker: str
    compose: str
    image: bool
    haproxy: str
    clock_lag: float

    @property
    def architecture(self) -> str:
        """The architecture, as Docker names it."""
        return _ARCHITECTURES.get(self.machine, self.machine)

    @property
    def is_supported(self) -> bool:
        """Whether the installed Telegraf is new enough."""
        return bool(self.telegraf) and version(self.telegraf) >= OLDEST

    def notes(self) -> list[str]:
        """Warnings about this host."""
        notes = []
        if abs(self.clock_lag) > _CLOCK_TOLERANCE:
            direction = "behind" if self.clock_lag > 0 else "ahead of"
            notes.append(f"its clock is {abs(self.clock_lag):.0f} s {direction} this machine's")
        if self.docker and not self.compose:
            notes.append("its Docker has no Compose v2, which an agent in a container needs")
        return notes


@dataclass(frozen=True, slots=True)
class HostSettings:
    """A host's entry in aresmon.yml."""

    agent: AgentKind
    ssh: str
    uses: tuple[CollectorUse, ...]
    env: Mapping[str, str]

    @property
    def collect(self) -> tuple[str, ...]:
        """The names of its collectors."""
        return tuple(use.name for use in self.uses)

    def entry(self, name: str) -> dict[str, Any]:
        """Return the entry as YAML values; what is the default for this name is left out."""
        entry: dict[str, Any] = {"agent": self.agent}
        if self.ssh != name:
            entry["ssh"] = self.ssh
        entry["collect"] = [use.entry() for use in self.uses]
        return entry | ({"env": dict(self.env)} if self.env else {})


def version(text: str) -> tuple[int, ...]:
    """Parse a version: `1.39.3-1` becomes (1, 39, 3)."""
    return tuple(int(number) for number in re.findall(r"\d+", text.partition("-")[0])[:3])


def choose_settings(
    name: str, found: FoundAgent, *, ssh: str, agent: AgentKind | None, collect: tuple[str, ...], env: Mapping[str, str]
) -> HostSettings:
    """Choose the settings that were not given. Raises AresmonError if the host cannot run such an agent."""
    kind: AgentKind = agent or ("systemd" if found.systemd else "docker")
    if kind == "systemd" and not found.systemd:
        raise AresmonError(f"{name} has no systemd to run Telegraf", hint="use --agent docker if the host has Docker")
    if kind == "docker" and not (found.docker and found.compose):
        raise AresmonError(
            f"{name} has no Docker with Compose v2", hint="install it on the host, or use --agent systemd"
        )
    wanted = collect or (
        *("system", "disk", "diskio", "net"),
        *(["docker"] if found.docker else []),
        *(["haproxy"] if found.haproxy else []),
    )
    environment = dict(env)
    if "haproxy" in wanted and found.haproxy:
        environment.setdefault("HAPROXY_STATS", found.haproxy)
    return HostSettings(kind, ssh, tuple(map(CollectorUse, wanted)), environment)


async def inspect(name: str, transport: Transport, image: str) -> FoundAgent:
    """Inspect a host. Raises UnreachableHostError, or AresmonError if sudo is not permitted."""
    report = await _run(name, transport, {"mode": "inspect", "image": image})
    machine, _, distribution = report.get("system", "unknown unknown").partition(" ")
    return FoundAgent(
        machine=machine,
        distribution=distribution.strip(),
        systemd="systemd" in report,
        telegraf=report.get("telegraf", ""),
        package=report.get("package", ""),
        docker=report.get("docker", ""),
        compose=report.get("compose", ""),
        image="image" in report,
        haproxy=init.parse_haproxy(base64.b64decode(report.get("haproxy", "")).decode(errors="replace")),
        clock_lag=time.time() - float(report["clock"]),
    )


async def install_package(name: str, transport: Transport, *, docker: bool) -> None:
    """Install the package telegraf from the host's package sources."""
    await _run(name, transport, {"mode": "package", "docker": _flag(docker)})


async def install_binary(name: str, transport: Transport, program: bytes, *, docker: bool) -> None:
    """Copy a Telegraf program to the host, and create its user and its systemd unit."""
    packed = gzip.compress(program, compresslevel=1)
    header = {
        "mode": "binary",
        "docker": _flag(docker),
        "size": str(len(packed)),
        "sha": hashlib.sha256(program).hexdigest(),
        "unit": base64.b64encode((_REMOTE / "telegraf.service").read_bytes()).decode(),
    }
    await _run(name, transport, header, packed)


async def grant_docker_access(name: str, transport: Transport) -> None:
    """Add the agent's user to the group docker."""
    await _run(name, transport, {"mode": "grant", "docker": "1"})


async def load_image(name: str, transport: Transport, archive: bytes) -> None:
    """Copy an image to the host."""
    packed = gzip.compress(archive, compresslevel=1)
    await _run(name, transport, {"mode": "image", "size": str(len(packed))}, packed)


async def remove_agent(agent: AgentPaths, transport: Transport) -> None:
    """Stop and disable a host's agent, and delete the files with its password."""
    header = {
        "mode": "remove",
        "kind": agent.kind,
        "site": agent.site,
        "state": agent.state,
        "folder": agent.folder,
        "project": agent.project,
    }
    await _run(agent.host, transport, header)


async def _run(name: str, transport: Transport, header: Mapping[str, str], content: bytes = b"") -> dict[str, str]:
    """Run the script and return its report, by the first word of each line. Raises AresmonError if it fails."""
    script = (_REMOTE / "enroll.bash").read_text(encoding="utf-8")
    stdin = "".join(f"{key}={value}\n" for key, value in header.items()).encode() + b"\n" + content
    report: dict[str, str] = {}
    async with transport.start(script, stdin, as_root=True) as conversation:
        async for line in conversation.lines():
            if line.startswith("@"):
                word, _, rest = line[1:].partition(" ")
                report[word] = rest
        if "refused" in report:
            raise AresmonError(
                f"{name}: {report['refused']}", hint="fix this on the host and run the same command again"
            )
        if not report:
            raise login_error(name, await conversation.stderr())
    return report


def _flag(value: bool) -> str:
    return "1" if value else "0"

"""`hosts add` and `hosts remove`: everything that makes a machine one of the site's hosts, and undoes it."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aresmon.config import edit_hosts, model
from aresmon.config.layout import FILE
from aresmon.config.model import AgentKind, Config
from aresmon.engine import build
from aresmon.engine.docker import Engine
from aresmon.influxdb import users
from aresmon.push.protocol import AgentPaths, not_let_in
from aresmon.push.session import Session, agent_image
from aresmon.site import init, secrets
from aresmon.site.folder import Site
from aresmon.ssh.transport import Transport
from aresmon.system import files
from aresmon.system.errors import AresmonError
from aresmon.system.progress import Progress

_PROGRAM = "/usr/bin/telegraf"
_BY_HAND = "install the package telegraf there, from InfluxData's repository; then the same command again"


@dataclass(frozen=True, slots=True)
class EnrollOptions:
    """What a person says of a host to be; what is empty is found out."""

    name: str
    ssh: str = ""
    agent: AgentKind | None = None
    collect: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


def with_host(site: Site, asked: EnrollOptions, choice: Choice) -> str:
    """The text of aresmon.yml with this host. Raises SiteError or AresmonError where it would not be sound."""
    edited = edit_hosts.add_host(_text(site), asked.name, choice.settings(asked.name))
    model.load(edited, site.catalogue())
    return edited


def without_host(site: Site, name: str) -> str:
    """The text of aresmon.yml without this host. Raises AresmonError where it cannot go, as the server."""
    edited = edit_hosts.remove_host(_text(site), name)
    model.load(edited, site.catalogue())
    return edited


def write(site: Site, text: str, *, command: str) -> None:
    """Put another text into aresmon.yml, which keeps its mode."""
    with site.lock(command):
        mode = site.file.stat().st_mode & 0o777
        files.write(site.file, text.encode(), mode=mode)


def find_host(site: Site, name: str) -> model.Host | None:
    """The host of this name that aresmon.yml has already."""
    return next((host for host in site.config().hosts if host.name == name), None)


async def install(
    name: str, choice: Choice, found: FoundAgent, transport: Transport, *, supply: AgentPackage, progress: Progress
) -> None:
    """Bring a Telegraf to a host that has none, or one that is too old."""
    docker = "docker" in choice.collect
    if choice.agent == "docker":
        if not found.image:
            with progress.stage(f"carrying the image {supply.reference} to {name}"):
                await load_image(name, transport, await asyncio.to_thread(supply.image, found))
    elif found.serves:
        if docker:
            await grant_docker_access(name, transport)
    elif found.package and version(found.package) >= OLDEST:
        with progress.stage(f"installing the package telegraf {found.package} on {name}"):
            await install_package(name, transport, docker=docker)
    else:
        with progress.stage(f"carrying Telegraf to {name}"):
            program = await asyncio.to_thread(supply.program, found)
            await install_binary(name, transport, program, docker=docker)


async def make_credentials(session: Session, name: str) -> None:
    """Give a host its secret and its database user, without an `up`. Nothing is done twice.

    Raises AresmonError, with nothing made, for a host that is blocked.
    """
    if since := session.blocked().get(name):
        raise AresmonError(f"{name} is blocked since {since}", hint=session.to_unblock(name))
    secret = secrets.agent(name)
    try:
        password = session.stack.secret(secret)
    except AresmonError:
        password = secrets.generated()
        await session.keep_secret(secret, password)
    changes = await asyncio.to_thread(users.changes_of, session.influxdb, secret, password)
    await asyncio.to_thread(users.apply, session.influxdb, changes)


async def revoke(session: Session, name: str) -> None:
    """Take a host's database users and its secret away."""
    secret = secrets.agent(name)
    await asyncio.to_thread(users.remove_users, session.influxdb, secret, secrets.other(secret))
    await session.drop_secret(secrets.upcoming(secret))
    await session.drop_secret(secret)
    await session.forget_block(name)  # another machine may get this name


async def stop_agent(session: Session, host: model.Host) -> str:
    """Stop a host's agent and take away what knows a password; why it could not be done, or nothing."""
    try:
        await remove_agent(session.agent(host), session.transport(host))
    except AresmonError as error:
        return error.message
    return ""


@dataclass(frozen=True, slots=True)
class AgentPackage:
    """The Telegraf that this machine can give to others: its image, and the program in it."""

    reference: str
    engine: Engine

    @classmethod
    def of(cls, config: Config, engine: Engine) -> AgentPackage:
        return cls(agent_image(config, engine), engine)

    def image(self, found: FoundAgent) -> bytes:
        """The image, as `docker load` takes it."""
        self._check(found)
        return self.engine.archive(self.reference)

    def program(self, found: FoundAgent) -> bytes:
        """The program: out of the image that is here, else compiled."""
        if self.engine.image_id(self.reference):
            self._check(found)
            return self.engine.file_of(self.reference, _PROGRAM)
        if found.architecture != "amd64":
            raise AresmonError(f"no Telegraf for {found.machine} is here", hint=_BY_HAND)
        return build.telegraf().read_bytes()

    def _check(self, found: FoundAgent) -> None:
        ours = self.engine.architecture(self.reference)
        if ours != found.architecture:
            raise AresmonError(
                f"it is a machine of {found.architecture}, and the Telegraf that is here is of {ours}", hint=_BY_HAND
            )


def _text(site: Site) -> str:
    try:
        return site.file.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        raise AresmonError(f"{site.file} cannot be read", hint="`aresmon check` says why") from None


def next_step(name: str) -> str:
    """What stands when something went wrong on the way."""
    return f"{name} stands in {FILE}; `aresmon hosts add {name}` goes on from there"


OLDEST = (1, 38, 3)
"""The oldest Telegraf that reads what the collectors say."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
_CLOCKS_APART = 2.0


@dataclass(frozen=True, slots=True)
class FoundAgent:
    """What a host is. `telegraf`, `package`, `docker` and `compose` are versions, empty where there is none;
    `haproxy` is where its HAProxy shows its statistics; `apart` is how many seconds its clock is behind ours."""

    machine: str
    distribution: str
    systemd: bool
    telegraf: str
    package: str
    docker: str
    compose: str
    image: bool
    haproxy: str
    apart: float

    @property
    def architecture(self) -> str:
        """As Docker names it."""
        return _ARCHITECTURES.get(self.machine, self.machine)

    @property
    def serves(self) -> bool:
        """Whether the Telegraf that is there is new enough."""
        return bool(self.telegraf) and version(self.telegraf) >= OLDEST

    def notes(self) -> list[str]:
        """What a person should know of it."""
        notes = []
        if abs(self.apart) > _CLOCKS_APART:
            notes.append(
                f"its clock is {abs(self.apart):.0f} s {'behind' if self.apart > 0 else 'ahead of'} this machine's"
            )
        if self.docker and not self.compose:
            notes.append("its Docker has no Compose v2: an agent in a container needs it")
        return notes


@dataclass(frozen=True, slots=True)
class Choice:
    """How a host is to be watched, as its entry in aresmon.yml says it."""

    agent: AgentKind
    ssh: str
    collect: tuple[str, ...]
    env: Mapping[str, str]

    def settings(self, name: str) -> dict[str, Any]:
        """The entry."""
        entry: dict[str, Any] = {"agent": self.agent}
        if self.ssh != name:
            entry["ssh"] = self.ssh
        entry["collect"] = list(self.collect)
        return entry | ({"env": dict(self.env)} if self.env else {})


def version(text: str) -> tuple[int, ...]:
    """`1.39.3-1` → (1, 39, 3)"""
    return tuple(int(number) for number in re.findall(r"\d+", text.partition("-")[0])[:3])


def choose(
    name: str, found: FoundAgent, *, ssh: str, agent: AgentKind | None, collect: tuple[str, ...], env: Mapping[str, str]
) -> Choice:
    """How to watch a host of this kind, where it is not said. Raises AresmonError where it cannot be."""
    kind: AgentKind = agent or ("systemd" if found.systemd else "docker")
    if kind == "systemd" and not found.systemd:
        raise AresmonError(f"{name} has no systemd to run Telegraf", hint="--agent docker, if there is a Docker")
    if kind == "docker" and not (found.docker and found.compose):
        raise AresmonError(f"{name} has no Docker with Compose v2", hint="install it there, or --agent systemd")
    wanted = collect or (
        *("system", "disk", "diskio", "net"),
        *(["docker"] if found.docker else []),
        *(["haproxy"] if found.haproxy else []),
    )
    given = dict(env)
    if "haproxy" in wanted and found.haproxy:
        given.setdefault("HAPROXY_STATS", found.haproxy)
    return Choice(kind, ssh, wanted, given)


async def inspect(name: str, transport: Transport, image: str) -> FoundAgent:
    """Look at a host. Raises UnreachableHostError, or AresmonError where sudo does not let us in."""
    told = await _ask(name, transport, {"mode": "look", "image": image})
    machine, _, distribution = told.get("system", "unknown unknown").partition(" ")
    return FoundAgent(
        machine=machine,
        distribution=distribution.strip(),
        systemd="systemd" in told,
        telegraf=told.get("telegraf", ""),
        package=told.get("package", ""),
        docker=told.get("docker", ""),
        compose=told.get("compose", ""),
        image="image" in told,
        haproxy=init.haproxy_in(base64.b64decode(told.get("haproxy", "")).decode(errors="replace")),
        apart=time.time() - float(told["clock"]),
    )


async def install_package(name: str, transport: Transport, *, docker: bool) -> None:
    """Install the package telegraf from the host's own sources."""
    await _ask(name, transport, {"mode": "package", "docker": _flag(docker)})


async def install_binary(name: str, transport: Transport, program: bytes, *, docker: bool) -> None:
    """Carry a Telegraf over, and give it a user and a unit."""
    packed = gzip.compress(program, compresslevel=1)
    header = {
        "mode": "binary",
        "docker": _flag(docker),
        "size": str(len(packed)),
        "sha": hashlib.sha256(program).hexdigest(),
    }
    await _ask(name, transport, header, packed)


async def grant_docker_access(name: str, transport: Transport) -> None:
    """Let the agent's user ask Docker."""
    await _ask(name, transport, {"mode": "allow", "docker": "1"})


async def load_image(name: str, transport: Transport, archive: bytes) -> None:
    """Carry an image over."""
    packed = gzip.compress(archive, compresslevel=1)
    await _ask(name, transport, {"mode": "image", "size": str(len(packed))}, packed)


async def remove_agent(agent: AgentPaths, transport: Transport) -> None:
    """Stop a host's agent for good, and take away what knows a password."""
    header = {
        "mode": "leave",
        "kind": agent.kind,
        "site": agent.site,
        "state": agent.state,
        "folder": agent.folder,
        "project": agent.project,
    }
    await _ask(agent.host, transport, header)


async def _ask(name: str, transport: Transport, header: Mapping[str, str], content: bytes = b"") -> dict[str, str]:
    """What the host tells, by its first word. Raises AresmonError if it refuses."""
    script = Path(__file__).with_name("enroll.bash").read_text(encoding="utf-8")
    given = "".join(f"{key}={value}\n" for key, value in header.items()).encode() + b"\n" + content
    told: dict[str, str] = {}
    async with transport.start(script, given, as_root=True) as conversation:
        async for line in conversation.lines():
            if line.startswith("@"):
                word, _, rest = line[1:].partition(" ")
                told[word] = rest
        if "refused" in told:
            raise AresmonError(f"{name}: {told['refused']}", hint="mend it there, then the same command again")
        if not told:
            raise not_let_in(name, await conversation.complaint())
    return told


def _flag(value: bool) -> str:
    return "1" if value else "0"

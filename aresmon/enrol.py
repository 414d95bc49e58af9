"""A host enrolled, and taken leave of: looked at, given an agent and credentials, written into aresmon.yml."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aresmon import starter
from aresmon.errors import AresmonError
from aresmon.fleet import AgentKind
from aresmon.hosts.transport import Transport
from aresmon.survey import not_let_in
from aresmon.transaction import Agent

OLDEST = (1, 38, 3)
"""The oldest Telegraf that reads what the collectors say."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
_CLOCKS_APART = 2.0


@dataclass(frozen=True, slots=True)
class Found:
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
    name: str, found: Found, *, ssh: str, agent: AgentKind | None, collect: tuple[str, ...], env: Mapping[str, str]
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


async def look(name: str, transport: Transport, image: str) -> Found:
    """Look at a host. Raises UnreachableHostError, or AresmonError where sudo does not let us in."""
    told = await _ask(name, transport, {"mode": "look", "image": image})
    machine, _, distribution = told.get("system", "unknown unknown").partition(" ")
    return Found(
        machine=machine,
        distribution=distribution.strip(),
        systemd="systemd" in told,
        telegraf=told.get("telegraf", ""),
        package=told.get("package", ""),
        docker=told.get("docker", ""),
        compose=told.get("compose", ""),
        image="image" in told,
        haproxy=starter.haproxy_in(base64.b64decode(told.get("haproxy", "")).decode(errors="replace")),
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


async def allow(name: str, transport: Transport) -> None:
    """Let the agent's user ask Docker."""
    await _ask(name, transport, {"mode": "allow", "docker": "1"})


async def load_image(name: str, transport: Transport, archive: bytes) -> None:
    """Carry an image over."""
    packed = gzip.compress(archive, compresslevel=1)
    await _ask(name, transport, {"mode": "image", "size": str(len(packed))}, packed)


async def leave(agent: Agent, transport: Transport) -> None:
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
    script = Path(__file__).with_name("hosts").joinpath("enrol.bash").read_text(encoding="utf-8")
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

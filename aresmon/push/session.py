"""What every command that reaches hosts works from: the site, its stack, and a transport to each host."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aresmon.agents.sources import Releases
from aresmon.config import package_data
from aresmon.config.collectors import Catalogue
from aresmon.config.model import Config, Host
from aresmon.engine import images
from aresmon.engine.docker import Engine
from aresmon.engine.images import pins
from aresmon.influxdb.client import InfluxDB
from aresmon.push.agent_files import agent_paths
from aresmon.push.protocol import AgentPaths
from aresmon.render.telegraf import TelegrafTemplates
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.ssh.transport import Local, Transport
from aresmon.stack.access import Stack
from aresmon.stack.local import LocalStack
from aresmon.stack.location import is_local
from aresmon.stack.remote import open_remote
from aresmon.system.errors import AresmonError

if TYPE_CHECKING:
    from aresmon.ssh.client import Connections


@dataclass(frozen=True, slots=True)
class Session:
    """The site, its stack, and the transports to its hosts, while a command runs."""

    project: Project
    templates: TelegrafTemplates
    stack: Stack
    transport: Callable[[Host], Transport] = field(repr=False)

    @property
    def site(self) -> Site:
        return self.project.site

    @property
    def config(self) -> Config:
        return self.project.config

    @property
    def catalogue(self) -> Catalogue:
        return self.project.catalogue

    @property
    def influxdb(self) -> InfluxDB:
        return self.stack.influxdb

    def agent(self, host: Host) -> AgentPaths:
        return agent_paths(self.config, host, self.stack)

    def releases(self, host: Host) -> Releases:
        return Releases(self.site.releases(host.name))

    def replaceable(self, host: Host) -> tuple[str, ...]:
        """The SHA-256 of the configurations that a first push may replace: those of aresmon, or kept as releases."""
        rendered = self.stack.bundle.get(f"agents/{host.name}/telegraf.conf")
        own = (hashlib.sha256(rendered).hexdigest(),) if rendered is not None else ()
        return (*own, *self.releases(host).replaceable(self.templates))

    def unblock_hint(self, host: str) -> str:
        """The next step after a command was refused because the host is blocked."""
        where = "" if self.stack.is_local else f"on {self.config.server}: "
        return f"{where}`aresmon hosts unblock {host}`, then run the same command again"

    def image(self) -> str:
        """The image for agents in containers: the one that this machine has, else the pinned one."""
        if not any(host.agent == "docker" for host in self.config.hosts):
            return pins(self.config)["telegraf"].pull
        return agent_image(self.config, Engine())


def agent_image(config: Config, engine: Engine) -> str:
    """The image for agents in containers: the one that this engine has, else the pinned one."""
    pin = pins(config)["telegraf"]
    try:
        return images.local(engine, {"telegraf": pin}).references.get("telegraf", pin.pull)
    except AresmonError:
        return pin.pull  # no engine here


def transport_to(project: Project, name: str, destination: str, connections: Connections) -> Transport:
    """The way to a host, which for the server may be this machine; the stack need not run."""
    from aresmon.ssh.client import Ssh

    if name == project.config.server and is_local(project):
        return Local(name)
    return Ssh(name, destination, connections)


@asynccontextmanager
async def open_session(project: Project, connections: Connections) -> AsyncIterator[Session]:
    """A session with the site's hosts; connections are open while the context lasts.

    Where the stack is not on this machine, it is reached through the server's ssh.
    """
    from aresmon.ssh.client import Ssh

    config = project.config
    templates = TelegrafTemplates.of(package_data.package_files())

    def transport(host: Host) -> Transport:
        return transport_to(project, host.name, host.ssh, connections)

    if is_local(project):
        yield Session(project, templates, LocalStack.open(project.site), transport)
        return
    server = config.host(config.server)
    async with open_remote(config, Ssh(server.name, server.ssh, connections)) as stack:
        yield Session(project, templates, stack, transport)

"""What everything that reaches hosts works from: the site, its stack here or afar, and the ways to its hosts."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aresmon.agents.sources import Releases
from aresmon.config import package_data
from aresmon.config.collectors import Catalogue
from aresmon.config.model import Config, Host
from aresmon.engine import images
from aresmon.engine.docker import Engine
from aresmon.engine.images import pins
from aresmon.influxdb import service, users
from aresmon.influxdb.client import InfluxDB
from aresmon.push import order
from aresmon.push.order import Stack
from aresmon.push.protocol import AgentPaths
from aresmon.render.telegraf import TelegrafTemplates
from aresmon.site import bundle, secrets, tls_migration
from aresmon.site.folder import Site
from aresmon.ssh.transport import Local, Transport
from aresmon.stack.remote import is_here
from aresmon.system import files
from aresmon.system.errors import AresmonError

_TELEGRAF = 1510  # the image's user, where root runs the site


@dataclass(frozen=True, slots=True)
class Session:
    """The site, what it says, its stack, and the ways to its hosts. `keep_secret` writes a secret where the stack is,
    `drop_secret` removes one; `followed` notes there that a host's data comes by TLS, from what it was given to know
    the edge by. `blocked` are the hosts that may not write, and since when (ISO 8601, UTC), as it is known there;
    `forget_block` has it forgotten of one."""

    site: Site
    config: Config
    catalogue: Catalogue
    templates: TelegrafTemplates
    stack: Stack
    influxdb: InfluxDB
    transport: Callable[[Host], Transport] = field(repr=False)
    keep_secret: Callable[[str, str], Awaitable[None]] = field(repr=False)
    drop_secret: Callable[[str], Awaitable[None]] = field(repr=False)
    followed: Callable[[str, bytes], Awaitable[None]] = field(repr=False)
    blocked: Callable[[], Mapping[str, str]] = field(repr=False)
    forget_block: Callable[[str], Awaitable[None]] = field(repr=False)

    @property
    def sidecar_reader(self) -> str:
        """Who reads the secret of the server's own agent, as `user:group`, or `-` for whoever writes it."""
        is_root = os.getuid() == 0 if self.stack.is_here else self.stack.owner.startswith("root:")
        return f"{_TELEGRAF}:{_TELEGRAF}" if is_root else self.stack.owner

    def agent(self, host: Host) -> AgentPaths:
        return order.agent(self.config, host, self.stack)

    def releases(self, host: Host) -> Releases:
        return Releases(self.site.releases(host.name))

    def to_unblock(self, host: str) -> str:
        """What lets a blocked host in again, as the next step of whoever is refused for it."""
        where = "" if self.stack.is_here else f"on {self.config.server}: "
        return f"{where}`aresmon hosts unblock {host}`, then the same command again"

    def image(self) -> str:
        """The image of an agent in a container: the one that is here, else the pinned one."""
        if not any(host.agent == "docker" for host in self.config.hosts):
            return pins(self.config)["telegraf"].pull
        return agent_image(self.config, Engine())


def agent_image(config: Config, engine: Engine) -> str:
    """The image of an agent in a container: the one that this engine has, else the pinned one."""
    pin = pins(config)["telegraf"]
    try:
        return images.local(engine, {"telegraf": pin}).references.get("telegraf", pin.pull)
    except AresmonError:
        return pin.pull  # no engine here


@asynccontextmanager
async def open_session(site: Site, *, sudo_password: str | None = None) -> AsyncIterator[Session]:
    """Everything that a push works from, with the ways to the hosts open as long as the context lasts.

    Where the stack is not on this machine, it is reached through the server's ssh.
    """
    from aresmon.ssh.client import Connections, Ssh

    config = site.config()
    connections = Connections(sudo_password)
    templates = TelegrafTemplates.of(package_data.package_files())
    here = is_here(site, config)

    def transport(host: Host) -> Transport:
        is_local = here and host.name == config.server
        return Local(host.name) if is_local else Ssh(host.name, host.ssh, connections)

    async def keep(name: str, value: str) -> None:
        files.write(site.secrets / name, value.encode(), mode=0o600, owner=os.getuid())

    async def drop(name: str) -> None:
        (site.secrets / name).unlink(missing_ok=True)

    async def followed(host: str, trusted: bytes) -> None:
        tls_migration.followed(site, host, trusted)

    async def forget(host: str) -> None:
        users.forget_blocked_host(site, host)

    if here:
        stack, influxdb = _stack_here(site), service.influxdb(site)
        ours = (keep, drop, followed, lambda: users.blocked_hosts(site), forget)
        yield Session(site, config, site.catalogue(), templates, stack, influxdb, transport, *ours)
        return
    from aresmon.stack import remote

    server = config.host(config.server)
    async with remote.stack(config, Ssh(server.name, server.ssh, connections)) as far:
        stack = Stack(far.root, is_here=False, secret=far.secret, bundle=far.bundle, owner=far.owner)
        there = (far.keep, far.drop, far.followed, far.blocked, far.forget_block)
        yield Session(site, config, site.catalogue(), templates, stack, far.influxdb, transport, *there)


def _stack_here(site: Site) -> Stack:
    return Stack(
        str(site.root),
        is_here=True,
        secret=lambda name: secrets.read(site.secrets, name),
        bundle={**bundle.read(site.bundle).files, **_manifest(site)},
    )


def _manifest(site: Site) -> Mapping[str, bytes]:
    try:
        return {bundle.MANIFEST: (site.bundle / bundle.MANIFEST).read_bytes()}
    except OSError:
        return {}

"""`hosts add` and `hosts remove`: everything that makes a machine one of the site's hosts, and undoes it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from aresmon import credentials, database, enrol, files, fleet, recipes, yamledit
from aresmon.engine import Engine
from aresmon.enrol import Choice, Found
from aresmon.errors import AresmonError
from aresmon.fleet import AgentKind, Fleet
from aresmon.ground import Ground, agent_image
from aresmon.hosts.transport import Transport
from aresmon.layout import FILE
from aresmon.progress import Progress
from aresmon.site import Site

_PROGRAM = "/usr/bin/telegraf"
_BY_HAND = "install the package telegraf there, from InfluxData's repository; then the same command again"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person says of a host to be; what is empty is found out."""

    name: str
    ssh: str = ""
    agent: AgentKind | None = None
    collect: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


def entry(site: Site, asked: Asked, choice: Choice) -> str:
    """The text of aresmon.yml with this host. Raises SiteError or AresmonError where it would not be sound."""
    edited = yamledit.add_host(_text(site), asked.name, choice.settings(asked.name))
    fleet.load(edited, site.catalogue())
    return edited


def without(site: Site, name: str) -> str:
    """The text of aresmon.yml without this host. Raises AresmonError where it cannot go, as the server."""
    edited = yamledit.remove_host(_text(site), name)
    fleet.load(edited, site.catalogue())
    return edited


def write(site: Site, text: str, *, command: str) -> None:
    """Put another text into aresmon.yml, which keeps its mode."""
    with site.lock(command):
        mode = site.file.stat().st_mode & 0o777
        files.write(site.file, text.encode(), mode=mode)


def known(site: Site, name: str) -> fleet.Host | None:
    """The host of this name that aresmon.yml has already."""
    return next((host for host in site.fleet().hosts if host.name == name), None)


async def install(
    name: str, choice: Choice, found: Found, transport: Transport, *, supply: Supply, progress: Progress
) -> None:
    """Bring a Telegraf to a host that has none, or one that is too old."""
    docker = "docker" in choice.collect
    if choice.agent == "docker":
        if not found.image:
            with progress.stage(f"carrying the image {supply.reference} to {name}"):
                await enrol.load_image(name, transport, await asyncio.to_thread(supply.image, found))
    elif found.serves:
        if docker:
            await enrol.allow(name, transport)
    elif found.package and enrol.version(found.package) >= enrol.OLDEST:
        with progress.stage(f"installing the package telegraf {found.package} on {name}"):
            await enrol.install_package(name, transport, docker=docker)
    else:
        with progress.stage(f"carrying Telegraf to {name}"):
            program = await asyncio.to_thread(supply.program, found)
            await enrol.install_binary(name, transport, program, docker=docker)


async def make_credentials(ground: Ground, name: str) -> None:
    """Give a host its secret and its database user, without an `up`. Nothing is done twice.

    Raises AresmonError, with nothing made, for a host that is blocked.
    """
    if since := ground.blocked().get(name):
        raise AresmonError(f"{name} is blocked since {since}", hint=ground.to_unblock(name))
    secret = credentials.agent(name)
    try:
        password = ground.stack.secret(secret)
    except AresmonError:
        password = credentials.generated()
        await ground.keep_secret(secret, password)
    changes = await asyncio.to_thread(database.changes_of, ground.influxdb, secret, password)
    await asyncio.to_thread(database.apply, ground.influxdb, changes)


async def revoke(ground: Ground, name: str) -> None:
    """Take a host's database users and its secret away."""
    secret = credentials.agent(name)
    await asyncio.to_thread(database.remove_users, ground.influxdb, secret, credentials.other(secret))
    await ground.drop_secret(credentials.upcoming(secret))
    await ground.drop_secret(secret)
    await ground.forget_block(name)  # another machine may get this name


async def say_goodbye(ground: Ground, host: fleet.Host) -> str:
    """Stop a host's agent and take away what knows a password; why it could not be done, or nothing."""
    try:
        await enrol.leave(ground.agent(host), ground.transport(host))
    except AresmonError as error:
        return error.message
    return ""


@dataclass(frozen=True, slots=True)
class Supply:
    """The Telegraf that this machine can give to others: its image, and the program in it."""

    reference: str
    engine: Engine

    @classmethod
    def of(cls, fleet: Fleet, engine: Engine) -> Supply:
        return cls(agent_image(fleet, engine), engine)

    def image(self, found: Found) -> bytes:
        """The image, as `docker load` takes it."""
        self._check(found)
        return self.engine.archive(self.reference)

    def program(self, found: Found) -> bytes:
        """The program: out of the image that is here, else compiled."""
        if self.engine.image_id(self.reference):
            self._check(found)
            return self.engine.file_of(self.reference, _PROGRAM)
        if found.architecture != "amd64":
            raise AresmonError(f"no Telegraf for {found.machine} is here", hint=_BY_HAND)
        return recipes.telegraf().read_bytes()

    def _check(self, found: Found) -> None:
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


def not_added(name: str) -> str:
    """What stands when something went wrong on the way."""
    return f"{name} stands in {FILE}; `aresmon hosts add {name}` goes on from there"

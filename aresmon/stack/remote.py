"""The site's stack on its server, over ssh: its files through a few commands, InfluxDB and Docker as local sockets.

Nothing is published for this: each connection to one of the sockets becomes a channel of the one connection to the
server, and a small relay there connects to the socket that only the site's owner may open. Secrets are in memory only.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from aresmon.config.layout import SOCKET
from aresmon.config.model import Config
from aresmon.config.names import AGENT_HEALTH, AUTHORITY
from aresmon.influxdb import users
from aresmon.influxdb.client import InfluxDB
from aresmon.site import bundle as site_bundle
from aresmon.site import external_secrets
from aresmon.site import secrets as site_secrets
from aresmon.ssh.transport import LostError, Transport, UnreachableHostError
from aresmon.stack.access import Stack
from aresmon.system.errors import AresmonError

if TYPE_CHECKING:
    from aresmon.ssh.client import Ssh


_PING_TIMEOUT = 20.0  # seconds: each connection starts a process on the server, through ssh and sudo
_DOCKER = "docker.sock"
_DOCKER_THERE = f"/var/run/{_DOCKER}"
_SECRETS, _BUNDLE = "secrets/", "bundle/"

Answers = Mapping[str, Sequence[str]]
"""What `remote.bash` printed, by its first word."""


@cache
def script() -> str:
    """The program that the server runs for each call."""
    return Path(__file__).with_name("remote.bash").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class RemoteStack(Stack):
    """The site's stack on its server. `transport` connects to it; `docker` is a local socket to its Docker."""

    root: str
    owner: str
    transport: Transport = field(repr=False)
    influxdb: InfluxDB
    docker: Path
    bundle: Mapping[str, bytes] = field(repr=False)
    secrets: dict[str, str] = field(repr=False)
    is_local: bool = False

    @classmethod
    async def open(cls, config: Config, transport: Transport, sockets: Path) -> RemoteStack:
        """Read what a push needs. InfluxDB and Docker are reached through sockets in the folder `sockets`.

        Raises UnreachableHostError, or AresmonError if there is no such site or we may not read it.
        """
        root, owner = await _find(config, transport)
        found = await _read(transport, root, _wanted(config))
        secrets = {
            path.removeprefix(_SECRETS): content.decode().rstrip("\n")
            for path, content in found.items()
            if path.startswith(_SECRETS)
        }
        if site_secrets.INFLUXDB_ADMIN not in secrets:
            raise AresmonError(
                f"{root} on {config.server} has no secret {site_secrets.INFLUXDB_ADMIN}",
                hint=f"on {config.server}: `aresmon up`",
            )
        bundle = {path.removeprefix(_BUNDLE): content for path, content in found.items() if path.startswith(_BUNDLE)}
        influxdb = InfluxDB(
            sockets / SOCKET, users.ADMIN, secrets[site_secrets.INFLUXDB_ADMIN], _PING_TIMEOUT, config.server
        )
        return cls(root, owner, transport, influxdb, sockets / _DOCKER, bundle, secrets)

    @property
    def runs_as_root(self) -> bool:
        return self.owner.startswith("root:")

    def describe(self, path: str) -> str:
        return f"{self.root}/.aresmon/{path} on {self.transport.name}"

    def secret(self, name: str) -> str:
        try:
            return self.secrets[name]
        except KeyError:
            hint = "`aresmon up` there creates it; or `aresmon hosts add` from here"
            if name.startswith(f"{external_secrets.COLLECTORS}/"):
                hint = f"on the server: `aresmon {name.replace('/', ' secret ')}`"
            raise AresmonError(f"the server has no secret {name}", hint=hint) from None

    async def write_secret(self, name: str, value: str) -> None:
        await Stack.write_secret(self, name, value)
        self.secrets[name] = value

    async def delete_secret(self, name: str) -> None:
        await Stack.delete_secret(self, name)
        self.secrets.pop(name, None)

    async def read_file(self, path: str) -> bytes | None:
        return (await _read(self.transport, self.root, [path])).get(path)

    async def read_certificates(self, path: str) -> bytes:
        return (await _read(self.transport, self.root, [path], verb="certificates")).get(path, b"")

    async def swap_file(self, path: str, expected: bytes | None, content: bytes, *, mode: int | None = None) -> bool:
        digest = "-" if expected is None else hashlib.sha256(expected).hexdigest()
        permissions = "-" if mode is None else f"{mode:04o}"
        command = f"swap {path} {digest} {base64.b64encode(content).decode()} {permissions}"
        return "swapped" in await _run(self.transport, [f"open {self.root}", command])

    async def delete_file(self, path: str) -> None:
        await _run(self.transport, [f"open {self.root}", f"delete {path}"])


def _wanted(config: Config) -> list[str]:
    """The files that a push may need."""
    agents = [site_secrets.agent_secret(host.name) for host in config.hosts]
    names = [site_secrets.INFLUXDB_ADMIN, site_secrets.SITE_KEY, *agents, *map(site_secrets.next_name, agents)]
    names += [one.path for host in config.hosts for one in host.secrets]
    files = [".env", site_bundle.MANIFEST, "agent-environment.yml"]
    files += [f"agents/{config.server}/{name}" for name in ("telegraf.conf", AGENT_HEALTH, AUTHORITY)]
    return [*(f"{_SECRETS}{name}" for name in names), *(f"{_BUNDLE}{name}" for name in files)]


async def _find(config: Config, transport: Transport) -> tuple[str, str]:
    """The site's folder on the server, and its owner."""
    hint = f"on {config.server}: `aresmon up`; the ssh user there must be root, or may use sudo"
    try:
        answers = await _run(transport, [f"find {config.site}"])
    except (UnreachableHostError, LostError):
        raise
    except AresmonError as error:
        raise AresmonError(error.message, hint=hint) from None
    if "site" not in answers:
        why = " ".join(answers.get("none", ())).strip()
        raise AresmonError(
            f"no site named {config.site} runs on {config.server}" + (f": {why}" if why else ""), hint=hint
        )
    if not answers["python"][0]:
        raise AresmonError(f"{config.server} has no python3", hint="install it there: InfluxDB is reached through it")
    owner, _, root = answers["site"][0].partition(" ")
    return root, owner


async def _read(transport: Transport, root: str, paths: Sequence[str], *, verb: str = "read") -> dict[str, bytes]:
    """The content of those of these files that are there."""
    answers = await _run(transport, [f"open {root}", *(f"{verb} {path}" for path in paths)])
    found = (answer.partition(" ") for answer in answers.get("file", ()))
    return {path: base64.b64decode(content) for content, _, path in found}


async def _run(transport: Transport, commands: Sequence[str]) -> Answers:
    """Run commands of `remote.bash`. Raises AresmonError with its output if one fails."""
    answers: dict[str, list[str]] = {}
    given = "".join(f"{command}\n" for command in commands).encode()
    async with transport.start(script(), given, as_root=True) as conversation:
        await conversation.end()
        async for line in conversation.lines():
            if line.startswith("@"):
                word, _, rest = line[1:].partition(" ")
                answers.setdefault(word, []).append(rest)
        if "end" not in answers:
            raise AresmonError(
                f"{transport.name}: {await conversation.stderr() or 'the script failed without a message'}"
            )
    return answers


@asynccontextmanager
async def open_remote(config: Config, server: Ssh) -> AsyncIterator[RemoteStack]:
    """The site's stack on its server, while the context lasts. Raises as `RemoteStack.open` does."""
    async with server.open() as connection, AsyncExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="aresmon-")))
        stack = await RemoteStack.open(config, connection, folder)
        sockets = {SOCKET: f"{stack.root}/.aresmon/run/influxdb/{SOCKET}", _DOCKER: _DOCKER_THERE}
        for name, there in sockets.items():
            forward = await connection.forward_socket(folder / name, there)
            closing.callback(forward.close)
        yield stack


@contextmanager
def open_in_thread(config: Config, server: Callable[[], Ssh]) -> Iterator[RemoteStack]:
    """The same for code without an event loop: another thread runs one. `server` is called there."""
    ready = threading.Event()
    outcome: list[RemoteStack | BaseException] = []
    endings: list[Callable[[], object]] = []

    async def hold() -> None:
        over, loop = asyncio.Event(), asyncio.get_running_loop()
        endings.append(lambda: loop.call_soon_threadsafe(over.set))
        try:
            async with open_remote(config, server()) as stack:
                outcome.append(stack)
                ready.set()
                await over.wait()
        except AresmonError as error:
            outcome.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=lambda: asyncio.run(hold()), daemon=True)
    thread.start()
    ready.wait()
    try:
        if not isinstance(outcome[0], RemoteStack):
            raise outcome[0]
        yield outcome[0]
    finally:
        with suppress(RuntimeError):
            endings[0]()
        thread.join(5)

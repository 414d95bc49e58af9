"""The stack at the other end of ssh: its InfluxDB and its engine as sockets here, its secrets in memory only.

Nothing is published for this: each connection to one of the sockets becomes a channel of the one connection to the
server, and a small relay there speaks to the socket that only the site's owner may open.
"""

from __future__ import annotations

import asyncio
import base64
import shlex
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from aresmon.config.layout import SOCKET
from aresmon.config.model import Config
from aresmon.config.names import AUTHORITY
from aresmon.influxdb import users
from aresmon.influxdb.client import InfluxDB
from aresmon.site import ca, init, tls_migration
from aresmon.site import secrets as site_secrets
from aresmon.site.folder import Site
from aresmon.ssh import relay as ssh_relay
from aresmon.ssh.client import Ssh
from aresmon.system.errors import AresmonError

_SCRIPT = Path(__file__).with_name("remote.bash")
_KEEP = """\
set -eu
umask 077
read -r path
read -r owner
cat >"$path.new"
chown "$owner" "$path.new"
mv -T -- "$path.new" "$path"
"""
# The certificates are compared there: the next one's file has its key in it, which goes nowhere.
_FOLLOWED = """\
set -eu
read -r host
read -r clear
read -r knowing
read -r next
trusted=$(cat)
others() { [ ! -e "$1" ] || awk -v host="$host" '$0 != host' "$1"; }
put() { chown --reference="${1%/*}" "$1.new"; mv -T -- "$1.new" "$1"; }
[ ! -e "$clear" ] || { others "$clear" >"$clear.new"; put "$clear"; }
following=
[ ! -e "$next" ] || following=$(sed -n '/BEGIN CERTIFICATE/,/END CERTIFICATE/p' "$next")
if [[ $following && $trusted == *"$following"* ]]; then
  { others "$knowing"; printf '%s\\n' "$host"; } >"$knowing.new"
  put "$knowing"
fi
"""
# Read and written there, in one go: who was blocked in the meantime must stay so.
_FORGET = """\
set -eu
umask 077
read -r path
read -r host
if [ -e "$path" ]; then
  python3 -c 'import json, sys
known = json.load(open(sys.argv[1]))
known.pop(sys.argv[2], None)
print(json.dumps(known))' "$path" "$host" >"$path.new"
  chmod --reference="$path" "$path.new"
  chown --reference="$path" "$path.new"
  mv -T -- "$path.new" "$path"
fi
"""
_BLOCKED = f".aresmon/{users.BLOCKED_FILE}"
_DOCKER = "/var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class RemoteStack:
    """A stack elsewhere. `root` is the site's folder there, `owner` whose it is, `bundle` its files as far as they
    are the agent's; `docker` is a socket here that leads to its engine; `no_writers` the list of blocked hosts, if
    there is one."""

    root: str
    owner: str
    influxdb: InfluxDB
    docker: Path
    bundle: Mapping[str, bytes] = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    no_writers: bytes | None
    run: Callable[[str, str], Awaitable[None]] = field(repr=False)

    async def keep(self, name: str, value: str) -> None:
        """Write a secret on the server, for its owner alone."""
        await self.run(_KEEP, f"{self.root}/.aresmon/secrets/{name}\n{self.owner}\n{value}")

    async def followed(self, host: str, trusted: bytes) -> None:
        """Note on the server that a host's data comes by TLS; `trusted` is what it was given to know the edge by."""
        places = (tls_migration.IN_CLEAR, tls_migration.WITH_NEXT, ca.NEXT)
        lines = [host, *(f"{self.root}/.aresmon/authority/{name}" for name in places), trusted.decode()]
        await self.run(_FOLLOWED, "\n".join(lines))

    def blocked(self) -> Mapping[str, str]:
        """The hosts that may not write, and since when. Raises AresmonError where the server's file has no sense."""
        return (
            {}
            if self.no_writers is None
            else users.parse_blocked_hosts(self.no_writers, f"{self.root}/{_BLOCKED} there")
        )

    async def forget_block(self, host: str) -> None:
        """Have the server remember no more that a host may not write."""
        await self.run(_FORGET, f"{self.root}/{_BLOCKED}\n{host}\n")

    async def drop(self, name: str) -> None:
        """Remove a secret from the server."""
        await self.run('read -r path; rm -f -- "$path"', f"{self.root}/.aresmon/secrets/{name}\n")

    def secret(self, name: str) -> str:
        """One secret. Raises AresmonError where the server has none of that name."""
        try:
            return self.secrets[name]
        except KeyError:
            raise AresmonError(
                f"the server has no secret {name}", hint="`aresmon up` there makes it; or `aresmon hosts add` from here"
            ) from None


@asynccontextmanager
async def stack(config: Config, server: Ssh) -> AsyncIterator[RemoteStack]:
    """The site's stack on its server, as long as the context lasts.

    Raises UnreachableHostError, or AresmonError where there is no such site or we may not look into it.
    """
    async with server.connect() as connection:
        root, owner, found = await _look(config, server, connection)
        secrets = {
            path.rpartition("/")[2]: content.decode().rstrip("\n")
            for path, content in found.items()
            if path.startswith(".aresmon/secrets/")
        }
        if site_secrets.INFLUXDB_ADMIN not in secrets:
            raise AresmonError(
                f"{root} on {config.server} has no secret {site_secrets.INFLUXDB_ADMIN}",
                hint=f"on {config.server}: `aresmon up`",
            )
        with tempfile.TemporaryDirectory(prefix="aresmon-") as name:
            folder = Path(name)
            far = RemoteStack(
                root,
                owner,
                InfluxDB(folder / SOCKET, users.ADMIN, secrets[site_secrets.INFLUXDB_ADMIN]),
                folder / "docker.sock",
                {
                    path.removeprefix(".aresmon/bundle/"): content
                    for path, content in found.items()
                    if path.startswith(".aresmon/bundle/")
                },
                secrets,
                found.get(_BLOCKED),
                lambda script, given: _run(server, connection, script, given),
            )
            targets = {SOCKET: f"{root}/.aresmon/run/influxdb/{SOCKET}", "docker.sock": _DOCKER}
            relays = [await _relay(server, connection, folder / here, there) for here, there in targets.items()]
            try:
                yield far
            finally:
                for relay in relays:
                    relay.close()


@contextmanager
def in_background(config: Config, server: Callable[[], Ssh]) -> Iterator[RemoteStack]:
    """The same, for code that knows nothing of an event loop; `server` is made within one."""
    ready = threading.Event()
    outcome: list[RemoteStack | BaseException] = []
    endings: list[Callable[[], object]] = []

    async def hold() -> None:
        over, loop = asyncio.Event(), asyncio.get_running_loop()
        endings.append(lambda: loop.call_soon_threadsafe(over.set))
        try:
            async with stack(config, server()) as far:
                outcome.append(far)
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


async def _look(
    config: Config, server: Ssh, connection: asyncssh.SSHClientConnection
) -> tuple[str, str, Mapping[str, bytes]]:
    agents = [site_secrets.agent(host.name) for host in config.hosts]
    names = [site_secrets.INFLUXDB_ADMIN, site_secrets.SITE_KEY, *agents, *map(site_secrets.upcoming, agents)]
    wanted = [_BLOCKED, *(f".aresmon/secrets/{name}" for name in names)]
    wanted += [f".aresmon/bundle/{name}" for name in (".env", "manifest.json", "agent-environment.yml")]
    wanted += [f".aresmon/bundle/agents/{config.server}/{name}" for name in ("telegraf.conf", AUTHORITY)]
    given = "\n".join([config.site, *wanted, "", ""]).encode()
    script = _SCRIPT.read_text(encoding="utf-8")
    conversation = await server.converse(connection, script, given, as_root=True)
    root = owner = python = ""
    found: dict[str, bytes] = {}
    async for line in conversation.lines():
        word, _, rest = line.partition(" ")
        if word == "@root":
            owner, _, root = rest.partition(" ")
        elif word == "@file":
            content, _, path = rest.partition(" ")
            found[path] = base64.b64decode(content)
        elif word == "@end":
            python = rest
    if not root:
        said = await conversation.complaint()
        raise AresmonError(
            f"{config.server} runs no site named {config.site}" + (f": {said.splitlines()[-1]}" if said else ""),
            hint=f"on {config.server}: `aresmon up`; and its user must be root, or be let by sudo",
        )
    if not python:
        raise AresmonError(f"{config.server} has no python3", hint="install it there: InfluxDB is reached through it")
    return root, owner, found


async def _run(server: Ssh, connection: asyncssh.SSHClientConnection, script: str, given: str) -> None:
    """Run a script on the server, as root. Raises AresmonError with its last words if it fails."""
    conversation = await server.converse(connection, f"{script}\necho @done", given.encode(), as_root=True)
    await conversation.end()
    said = [line async for line in conversation.lines()]
    if said[-1:] != ["@done"]:
        raise AresmonError(f"{server.name}: {await conversation.complaint() or 'it said nothing'}")


async def _relay(
    server: Ssh, connection: asyncssh.SSHClientConnection, here: Path, there: str
) -> asyncio.AbstractServer:
    """A socket here that leads to one there."""
    program = Path(ssh_relay.__file__).read_text(encoding="utf-8")
    script = f"exec python3 -c {shlex.quote(program)} {shlex.quote(there)}"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await server.pass_on(connection, script, reader, writer)
        finally:
            writer.close()

    return await asyncio.start_unix_server(serve, str(here))


def is_here(site: Site, config: Config) -> bool:
    """Whether the stack is on this machine: it is, unless the server has an `ssh` and nothing ran here yet."""
    return not config.afar or site.socket_folder.is_dir()


def check_here(site: Site, config: Config, *, meant: bool = False) -> None:
    """Raise AresmonError where this machine, by its name, is not the server that its file says is elsewhere."""
    if meant or is_here(site, config) or init.this_host() == config.server.partition(".")[0]:
        return
    raise AresmonError(
        f"the stack of this site runs on {config.server}, and this machine is {init.this_host()}",
        hint=f"run it there; if this is {config.server} under another name: `aresmon up --here`",
    )

"""Connect to hosts over SSH as OpenSSH's configuration says, all of them in one event loop.

Source: asyncssh for the protocol, `ssh -G` for the configuration (configuration.py). Without the OpenSSH client,
asyncssh reads ~/.ssh/config itself, which is less exact. An unknown or changed host key is rejected.
"""

from __future__ import annotations

import asyncio
import os
import random
import shlex
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aresmon.ssh import configuration, identities, options, proxy, relay
from aresmon.ssh.alike import Configurations
from aresmon.ssh.configuration import ConfigurationError, HostConfiguration, SshDestination
from aresmon.ssh.identities import KeyFiles
from aresmon.ssh.library import asyncssh
from aresmon.ssh.options import KnownHosts
from aresmon.ssh.transport import Conversation, LostError, UnreachableHostError, read_and_run

_CONNECT_TIMEOUT = 15.0
_TRIES = 3
_KEEPALIVE = 5  # seconds; the connection is lost after three unanswered ones
# From ten unauthenticated connections on, sshd refuses some at random (MaxStartups); a bastion host gets them all.
_HANDSHAKES_WITH_ONE = 8
_HANDSHAKES = 64
_JUMPS = 10
_PIECE = 1 << 16
_GO = "aresmon-go"
_LIMITS: dict[str, Any] = {"keepalive_interval": _KEEPALIVE, "login_timeout": _CONNECT_TIMEOUT}
_TRANSIENT = (ConnectionResetError, asyncssh.ConnectionLost, BrokenPipeError)


@dataclass(frozen=True)
class Connections:
    """What all connections of one command share: sudo's password, the limits of parallel handshakes, files of keys."""

    sudo_password: str | None = field(default=None, repr=False)
    handshakes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_HANDSHAKES), repr=False)
    handshakes_with: defaultdict[str, asyncio.Semaphore] = field(
        default_factory=lambda: defaultdict(lambda: asyncio.Semaphore(_HANDSHAKES_WITH_ONE)), repr=False
    )
    key_files: KeyFiles = field(default_factory=KeyFiles, repr=False)
    known_hosts: KnownHosts = field(default_factory=KnownHosts, repr=False)
    configurations: Configurations = field(default_factory=Configurations, repr=False)
    early: dict[str, asyncio.Task[asyncssh.SSHClientConnection]] = field(default_factory=dict, repr=False)

    def close_early(self) -> None:
        """Close the connections that were opened early and not used."""
        for opening in self.early.values():
            opening.cancel()
            if opening.done() and not opening.cancelled() and opening.exception() is None:
                opening.result().close()
        self.early.clear()


@dataclass(frozen=True)
class Ssh:
    """A host that is reached by ssh. `destination` is an alias of ~/.ssh/config, a name, or user@name."""

    name: str
    destination: str
    connections: Connections

    def connect_early(self) -> None:
        """Begin to open the connection that the next `connect` to this destination takes."""
        if self.destination not in self.connections.early:
            self.connections.early[self.destination] = asyncio.create_task(self._connect())

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[asyncssh.SSHClientConnection]:
        """Open a connection. Raises UnreachableHostError with the next step."""
        opening = self.connections.early.pop(self.destination, None)
        connection = await opening if opening is not None else None
        if connection is None or connection.is_closed():
            connection = await self._connect()
        try:
            yield connection
        finally:
            connection.close()
            with suppress(Exception):
                await asyncio.wait_for(connection.wait_closed(), 2)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[SshConnection]:
        """A connection that several programs share. Raises UnreachableHostError."""
        async with self.connect() as connection:
            yield SshConnection(self, connection)

    @asynccontextmanager
    async def start(self, script: str, stdin: bytes, *, as_root: bool) -> AsyncIterator[Conversation]:
        async with self.open() as connection, connection.start(script, stdin, as_root=as_root) as conversation:
            yield conversation

    async def _connect(self) -> asyncssh.SSHClientConnection:
        try:
            way = await self._way()
        except ConfigurationError as error:
            raise UnreachableHostError(f"{self.name} is unreachable: {error.message}", hint=error.hint) from None
        first = way[0].get("proxycommand") or way[0].get("hostname") if way else self.destination
        for tries_left in reversed(range(_TRIES)):
            try:
                async with self.connections.handshakes_with[first], self.connections.handshakes:
                    return await self._walk(way) if way else await self._connect_without_openssh()
            except _TRANSIENT as error:
                if not tries_left:
                    raise self.unreachable(str(error) or "connection dropped", "") from None
                await asyncio.sleep(random.uniform(0.3, 1.5))  # noqa: S311 (so that hosts do not retry at the same time)
        raise AssertionError("unreachable")

    async def _way(self) -> list[HostConfiguration]:
        """The configurations of the jump hosts, the nearest first, and of the host; none without the OpenSSH client."""
        if not configuration.is_available():
            return []
        way: list[HostConfiguration] = []
        destination, before = SshDestination.parse(self.destination), list[str]()
        while len(way) < _JUMPS:
            found = await self.connections.configurations.read(destination, before)
            way.insert(0, found)
            if not (hosts := options.jumps(found)):
                return way
            *before, last = hosts
            destination = SshDestination.parse(last)
        raise ConfigurationError(
            f"{configuration.locate('ProxyJump')}: more than {_JUMPS} jump hosts, or they name each other",
            hint=f"`ssh {self.destination}` must work; correct ProxyJump there",
        )

    async def _walk(self, way: Sequence[HostConfiguration]) -> asyncssh.SSHClientConnection:
        """Connect to each host through the one before it."""
        connection: asyncssh.SSHClientConnection | None = None
        try:
            for found in way:
                before, connection = connection, await self._step(found, connection, is_last=found is way[-1])
                if before is not None:
                    connection.set_tunnel(before)  # closes it at its own end
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        if connection is None:
            raise ValueError("a way has at least one host")
        return connection

    async def _step(
        self, found: HostConfiguration, tunnel: asyncssh.SSHClientConnection | None, *, is_last: bool
    ) -> asyncssh.SSHClientConnection:
        jump = "" if is_last else f"its jump host {found.destination.host}: "
        limit = found.seconds("connecttimeout")
        files = self.connections.key_files
        with self._explained(found.destination, jump, found):
            settings = options.connection_options(found)
            async with identities.open_keys(found, files, options.agent_socket(found)) as keys:

                def connect(**way: Any) -> Awaitable[asyncssh.SSHClientConnection]:
                    opened = asyncssh.connect(
                        **settings,
                        config=None,
                        known_hosts=self.connections.known_hosts.of(found),
                        client_keys=keys or None,
                        agent_path=None,
                        connect_timeout=limit or None,
                        **_LIMITS,
                        **way,
                    )
                    return asyncio.wait_for(opened, max(_CONNECT_TIMEOUT, limit))

                if command := options.proxy_command(found):
                    return await proxy.connect(command, lambda socket: connect(sock=socket))
                return await connect(tunnel=tunnel or ())

    async def _connect_without_openssh(self) -> asyncssh.SSHClientConnection:
        to = SshDestination.parse(self.destination)
        given = {**({"port": to.port} if to.port else {}), **({"username": to.user} if to.user else {})}
        files = [str(path) for path in configuration.files()]
        with self._explained(to, "", None):
            opened = asyncssh.connect(to.host, config=files, request_pty=False, **_LIMITS, **given)
            return await asyncio.wait_for(opened, _CONNECT_TIMEOUT)

    @contextmanager
    def _explained(self, to: SshDestination, jump: str, found: HostConfiguration | None) -> Iterator[None]:
        """Turn what goes wrong into an error for a person, except what is worth another attempt."""
        try:
            yield
        except _TRANSIENT:
            raise
        except asyncssh.HostKeyNotVerifiable as error:
            raise self._untrusted(to, jump, found, str(error)) from None
        except asyncssh.PermissionDenied:
            hint = f"`ssh {to}` must log in without a prompt: check ~/.ssh/config and your ssh agent"
            more = options.keys_hint(found) if found is not None else ""
            raise self.unreachable(f"{jump}it accepts none of your keys", more or hint) from None
        except ConfigurationError as error:
            raise self.unreachable(jump + error.message, error.hint) from None
        except TimeoutError:
            raise self.unreachable(f"{jump}no answer within {_CONNECT_TIMEOUT:.0f} s", "") from None
        except (asyncssh.Error, OSError) as error:
            raise self.unreachable(jump + _words(error), "") from None
        except ValueError as error:  # asyncssh rejects an option, or a line of ~/.ssh/config that it reads itself
            hint = "" if found is not None else "install the OpenSSH client (ssh): aresmon then reads that file with it"
            raise self.unreachable(
                f"{jump}~/.ssh/config: {error}", hint or f"`ssh -G {to}` shows its options"
            ) from None

    def unreachable(self, why: str, hint: str) -> UnreachableHostError:
        """The error of a host that cannot be reached; without a hint, how to find out why."""
        default = f"try `ssh {self.destination}`; the address is set by `ssh:` in aresmon.yml and by ~/.ssh/config"
        return UnreachableHostError(f"{self.name} is unreachable: {why}", hint=hint or default)

    def _untrusted(
        self, to: SshDestination, jump: str, found: HostConfiguration | None, detail: str
    ) -> UnreachableHostError:
        files = found.existing("userknownhostsfile") if found is not None else []
        file = configuration.display(files[0]) if files else "~/.ssh/known_hosts"
        if found is not None and self.connections.known_hosts.has(found):
            return UnreachableHostError(
                f"{self.name}: {jump}its host key differs from the one in {file}",
                hint="find out whether the machine was reinstalled or the connection is intercepted. If the new key is "
                f"right: `ssh-keygen -R {to.host}`, then `ssh {to}` once",
            )
        return UnreachableHostError(
            f"{self.name}: {jump}its host key is not in {file} ({detail})",
            hint=f"run `ssh {to}` once, compare the fingerprint with the host's own "
            "(`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on it), and answer yes",
        )


@dataclass(frozen=True)
class SshConnection:
    """An open connection to a host: a transport, and a way to the Unix sockets there."""

    host: Ssh
    connection: asyncssh.SSHClientConnection = field(repr=False)

    @property
    def name(self) -> str:
        return self.host.name

    @asynccontextmanager
    async def start(self, script: str, stdin: bytes, *, as_root: bool) -> AsyncIterator[Conversation]:
        try:
            process = await self._run(script, as_root=as_root)
        except (asyncssh.Error, OSError) as error:
            raise self.host.unreachable(f"it cannot start a program: {_words(error)}", "") from None
        sending = asyncio.create_task(_send(process, stdin))  # may stall while the host reads nothing
        conversation = _Remote(self.name, process, sending, asyncio.create_task(_last_lines(process.stderr)))
        try:
            yield conversation
        finally:
            sending.cancel()
            await conversation.end()

    async def forward_socket(self, local: Path, remote: str) -> asyncio.AbstractServer:
        """Listen on a Unix socket here; what connects to it reaches a Unix socket there, as root."""
        program = Path(relay.__file__).read_text(encoding="utf-8")
        script = shlex.join(["exec", "python3", "-c", program, remote])

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await self._forward(script, reader, writer)
            finally:
                writer.close()

        return await asyncio.start_unix_server(serve, str(local))

    async def _forward(self, script: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Run a script as root with this stream as its standard input and output, until the stream ends."""
        process = await self._run(script, as_root=True)

        async def send() -> None:
            while data := await reader.read(1 << 16):
                process.stdin.write(data)
            process.stdin.write_eof()

        sending = asyncio.create_task(send())
        with suppress(asyncssh.Error, OSError):
            while data := await process.stdout.read(1 << 16):
                writer.write(data)
                await writer.drain()
        sending.cancel()
        process.close()

    async def _run(self, script: str, *, as_root: bool) -> asyncssh.SSHClientProcess[bytes]:
        password, text = self.host.connections.sudo_password, script.encode()
        command, before = read_and_run(len(text)), b""
        if as_root and self.connection.get_extra_info("username") != "root":
            if password is not None:
                # If sudo needs no password it stays unread: skip the input up to our marker.
                command = f'while IFS= read -r line && [ "$line" != {_GO} ]; do :; done; {command}'
                before = f"{password}\n{_GO}\n".encode()
            sudo = "sudo -n --" if password is None else "sudo -S -p '' --"
            command = f"env LC_ALL=C {sudo} bash -c {shlex.quote(command)}"
        else:
            command = f"bash -c {shlex.quote(command)}"
        process = await self.connection.create_process(f"exec {command}", encoding=None)
        with suppress(asyncssh.Error, OSError):  # a login shell that has exited; lines() and stderr() say how
            process.stdin.write(before + text)
        return process


class _Remote:
    """A script that runs over a connection. What is sent to it follows its first input, which `sending` sends."""

    def __init__(
        self,
        name: str,
        process: asyncssh.SSHClientProcess[bytes],
        sending: asyncio.Task[None],
        reading: asyncio.Task[str],
    ) -> None:
        self._name, self._process, self._sending, self._reading = name, process, sending, reading

    async def lines(self) -> AsyncIterator[str]:
        rest = b""
        while True:
            try:
                piece = await self._process.stdout.read(1 << 16)
            except (asyncssh.Error, OSError) as error:
                raise LostError(f"the connection to {self._name} was lost: {_words(error)}") from None
            if not piece:
                break
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line.decode(errors="replace")
        with suppress(Exception):
            await asyncio.wait_for(self._process.wait_closed(), 5)
        if self._process.exit_status is None:
            raise LostError(f"the connection to {self._name} was lost")

    async def send(self, line: str) -> None:
        await asyncio.wait({self._sending})
        with suppress(asyncssh.Error, OSError):
            self._process.stdin.write(f"{line}\n".encode())
            await self._process.stdin.drain()

    async def end(self) -> None:
        await asyncio.wait({self._sending})
        with suppress(asyncssh.Error, OSError):
            self._process.stdin.write_eof()

    async def stderr(self) -> str:
        try:
            return await asyncio.wait_for(self._reading, 2)
        except TimeoutError:
            return ""


async def _send(process: asyncssh.SSHClientProcess[bytes], data: bytes) -> None:
    """Write in pieces, since asyncssh copies its whole unsent buffer for each packet."""
    with suppress(asyncssh.Error, OSError):  # lines() reports a connection that breaks meanwhile
        for start in range(0, len(data), _PIECE):
            process.stdin.write(data[start : start + _PIECE])
            if len(data) > _PIECE:
                await process.stdin.drain()


async def _last_lines(stream: asyncssh.SSHReader[bytes]) -> str:
    last: deque[str] = deque(maxlen=5)
    with suppress(Exception):
        async for line in stream:
            last.append(line.decode(errors="replace").rstrip())
    return "\n".join(last)


def _words(error: BaseException) -> str:
    """`[Errno 111] Connect call failed …` without the parts of the implementation: `connection refused`."""
    if isinstance(error, OSError) and error.errno and error.strerror:
        text = os.strerror(error.errno) if error.errno > 0 else error.strerror
        return text.lower()
    return str(error) or type(error).__name__

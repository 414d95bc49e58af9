"""Connect to hosts over SSH as ~/.ssh/config says, all of them in one event loop.

Source: asyncssh, which reads aliases, ports, users, keys, agent, ProxyJump and Include from OpenSSH's files. An
unknown or changed host key is rejected.
"""

from __future__ import annotations

import asyncio
import functools
import os
import random
import shlex
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh

from aresmon.ssh import relay
from aresmon.ssh.transport import Conversation, LostError, UnreachableHostError, read_and_run

_CONNECT_TIMEOUT = 15.0
_TRIES = 3
_KEEPALIVE = 5  # seconds; the connection is lost after three unanswered ones
# From ten unauthenticated connections on, sshd refuses some at random (MaxStartups); a bastion host gets them all.
_HANDSHAKES = 8
_PIECE = 1 << 16
_GO = "aresmon-go"
_TRANSIENT = (ConnectionResetError, asyncssh.ConnectionLost, BrokenPipeError)


@functools.cache
def _words_of(line: str) -> tuple[str, ...]:
    return tuple(shlex.split(line))


# asyncssh reads ~/.ssh/config for each connection. With a few hundred hosts in it, splitting the same lines repeatedly
# takes longer than everything else in a connection.
setattr(asyncssh.config, "shlex", SimpleNamespace(split=lambda line: list(_words_of(line))))  # noqa: B010


@dataclass(frozen=True)
class Connections:
    """What all connections of one command share: the limit of parallel handshakes, and sudo's password, if any."""

    sudo_password: str | None = field(default=None, repr=False)
    handshakes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_HANDSHAKES), repr=False)


@dataclass(frozen=True)
class Ssh:
    """A host that is reached by ssh. `destination` is an alias of ~/.ssh/config, a name, or user@name."""

    name: str
    destination: str
    connections: Connections

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[asyncssh.SSHClientConnection]:
        """Open a connection. Raises UnreachableHostError with the next step."""
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
        user, _, host = self.destination.rpartition("@")
        host, port = _split_port(host)
        options: dict[str, Any] = {"username": user} if user else {}
        if port:
            options["port"] = port
        for tries_left in reversed(range(_TRIES)):
            try:
                async with self.connections.handshakes:
                    return await asyncio.wait_for(
                        asyncssh.connect(
                            host,
                            config=_configurations(),
                            keepalive_interval=_KEEPALIVE,
                            login_timeout=_CONNECT_TIMEOUT,
                            **options,
                        ),
                        _CONNECT_TIMEOUT,
                    )
            except _TRANSIENT as error:
                if not tries_left:
                    raise self.unreachable(str(error) or "connection dropped", "") from None
                await asyncio.sleep(random.uniform(0.3, 1.5))  # noqa: S311 (so that hosts do not retry at the same time)
            except asyncssh.HostKeyNotVerifiable as error:
                raise self._untrusted(str(error)) from None
            except asyncssh.PermissionDenied:
                hint = f"`ssh {self.destination}` must log in without a prompt: check ~/.ssh/config and your ssh agent"
                raise self.unreachable("it accepts none of your keys", hint) from None
            except asyncssh.ConfigParseError as error:
                raise self.unreachable(f"~/.ssh/config: {error}", "correct that file") from None
            except TimeoutError:
                raise self.unreachable(f"no answer within {_CONNECT_TIMEOUT:.0f} s", "") from None
            except (asyncssh.Error, OSError) as error:
                raise self.unreachable(_words(error), "") from None
        raise AssertionError("unreachable")

    def unreachable(self, why: str, hint: str) -> UnreachableHostError:
        """The error of a host that cannot be reached; without a hint, how to find out why."""
        default = f"try `ssh {self.destination}`; the address is set by `ssh:` in aresmon.yml and by ~/.ssh/config"
        return UnreachableHostError(f"{self.name} is unreachable: {why}", hint=hint or default)

    def _untrusted(self, detail: str) -> UnreachableHostError:
        if _is_known(self.destination):
            return UnreachableHostError(
                f"{self.name}: its host key differs from the one in ~/.ssh/known_hosts",
                hint="find out whether the machine was reinstalled or the connection is intercepted. If the new key is "
                f"right: `ssh-keygen -R {self.destination.rpartition('@')[2]}`, then `ssh {self.destination}` once",
            )
        return UnreachableHostError(
            f"{self.name}: its host key is not in ~/.ssh/known_hosts ({detail})",
            hint=f"run `ssh {self.destination}` once, compare the fingerprint with the host's own "
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
        # In pieces, since asyncssh copies its whole unsent buffer for each packet.
        with suppress(asyncssh.Error, OSError):  # lines() reports a connection that breaks meanwhile
            for start in range(0, len(stdin), _PIECE):
                process.stdin.write(stdin[start : start + _PIECE])
                if len(stdin) > _PIECE:
                    await process.stdin.drain()
        conversation = _Remote(self.name, process, asyncio.create_task(_last_lines(process.stderr)))
        try:
            yield conversation
        finally:
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
            command = f"{sudo} bash -c {shlex.quote(command)}"
        else:
            command = f"bash -c {shlex.quote(command)}"
        process = await self.connection.create_process(f"exec {command}", encoding=None)
        process.stdin.write(before + text)
        return process


class _Remote:
    """A script that runs over a connection."""

    def __init__(self, name: str, process: asyncssh.SSHClientProcess[bytes], reading: asyncio.Task[str]) -> None:
        self._name, self._process, self._reading = name, process, reading

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
        with suppress(asyncssh.Error, OSError):
            self._process.stdin.write(f"{line}\n".encode())
            await self._process.stdin.drain()

    async def end(self) -> None:
        with suppress(asyncssh.Error, OSError):
            self._process.stdin.write_eof()

    async def stderr(self) -> str:
        try:
            return await asyncio.wait_for(self._reading, 2)
        except TimeoutError:
            return ""


async def _last_lines(stream: asyncssh.SSHReader[bytes]) -> str:
    last: deque[str] = deque(maxlen=5)
    with suppress(Exception):
        async for line in stream:
            last.append(line.decode(errors="replace").rstrip())
    return "\n".join(last)


def _configurations() -> list[str]:
    """OpenSSH reads the user's file, then the system's."""
    files = (Path.home() / ".ssh" / "config", Path("/etc/ssh/ssh_config"))
    return [str(path) for path in files if os.access(path, os.R_OK)]


def _split_port(host: str) -> tuple[str, int]:
    name, colon, port = host.rpartition(":")
    return (name, int(port)) if colon and port.isdigit() and ":" not in name else (host, 0)


def _is_known(destination: str) -> bool:
    """Whether known_hosts has a key of this host, by its name and port in ~/.ssh/config."""
    user, _, host = destination.rpartition("@")
    host, port = _split_port(host)
    try:
        stdin: dict[str, Any] = {**({"port": port} if port else {}), **({"username": user} if user else {})}
        options = asyncssh.SSHClientConnectionOptions(host=host, config=_configurations(), **stdin)
        found = asyncssh.match_known_hosts(
            str(Path.home() / ".ssh" / "known_hosts"), options.host or host, "", options.port
        )
    except (asyncssh.Error, OSError, ValueError):
        return False
    return bool(found[0] or found[1])


def _words(error: BaseException) -> str:
    """`[Errno 111] Connect call failed …` without the parts of the implementation: `connection refused`."""
    if isinstance(error, OSError) and error.errno and error.strerror:
        text = os.strerror(error.errno) if error.errno > 0 else error.strerror
        return text.lower()
    return str(error) or type(error).__name__

"""Hosts over SSH, all of them in one event loop, as ~/.ssh/config says.

Source: asyncssh. Aliases, ports, users, keys, agent, ProxyJump and Include are its reading of OpenSSH's files;
an unknown or changed host key is refused.
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

_CONNECT_WITHIN = 15.0
_TRIES = 3
_KEEPALIVE = 5  # seconds; three unanswered, and the connection is given up
# sshd refuses at random from ten unauthenticated connections on (MaxStartups), and a bastion sees them all.
_HANDSHAKES = 8
_PIECE = 1 << 16
_GO = "aresmon-go"
_TRANSIENT = (ConnectionResetError, asyncssh.ConnectionLost, BrokenPipeError)


@functools.cache
def _words_of(line: str) -> tuple[str, ...]:
    return tuple(shlex.split(line))


# asyncssh reads ~/.ssh/config anew for each connection. With a few hundred hosts in it, splitting the same lines again
# and again is more than all else that a connection costs.
setattr(asyncssh.config, "shlex", SimpleNamespace(split=lambda line: list(_words_of(line))))  # noqa: B010


@dataclass(frozen=True)
class Connections:
    """What the hosts of one command share: how many shake hands at once, and the password for sudo, if asked for."""

    sudo_password: str | None = field(default=None, repr=False)
    handshakes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_HANDSHAKES), repr=False)


@dataclass(frozen=True)
class Ssh:
    """A host as ssh reaches it: `destination` is an alias of ~/.ssh/config, a name, or user@name."""

    name: str
    destination: str
    connections: Connections

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[asyncssh.SSHClientConnection]:
        """A connection. Raises UnreachableHostError with what to do."""
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
    async def start(self, script: str, given: bytes, *, as_root: bool) -> AsyncIterator[Conversation]:
        async with self.open() as connection, connection.start(script, given, as_root=as_root) as conversation:
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
                            login_timeout=_CONNECT_WITHIN,
                            **options,
                        ),
                        _CONNECT_WITHIN,
                    )
            except _TRANSIENT as error:
                if not tries_left:
                    raise self.unreachable(str(error) or "the connection was dropped", "") from None
                await asyncio.sleep(random.uniform(0.3, 1.5))  # noqa: S311 (so that hosts do not come back together)
            except asyncssh.HostKeyNotVerifiable as error:
                raise self._untrusted(str(error)) from None
            except asyncssh.PermissionDenied:
                hint = f"`ssh {self.destination}` must log in by itself: a key, and its agent, as ~/.ssh/config says"
                raise self.unreachable("it lets nobody in with these keys", hint) from None
            except asyncssh.ConfigParseError as error:
                raise self.unreachable(f"~/.ssh/config: {error}", "mend that file") from None
            except TimeoutError:
                raise self.unreachable(f"it did not answer within {_CONNECT_WITHIN:.0f} s", "") from None
            except (asyncssh.Error, OSError) as error:
                raise self.unreachable(_words(error), "") from None
        raise AssertionError("unreachable")

    def unreachable(self, why: str, hint: str) -> UnreachableHostError:
        """The error of a host that cannot be reached; without a hint, how to find out why."""
        known = f"`ssh {self.destination}` shows what is in the way; `ssh:` in aresmon.yml or ~/.ssh/config says how"
        return UnreachableHostError(f"{self.name} is not reached: {why}", hint=hint or known)

    def _untrusted(self, said: str) -> UnreachableHostError:
        if _is_known(self.destination):
            return UnreachableHostError(
                f"{self.name} shows another host key than ~/.ssh/known_hosts has",
                hint="find out why: a machine made anew, or somebody in between. If it is right: "
                f"`ssh-keygen -R {self.destination.rpartition('@')[2]}`, then `ssh {self.destination}` once",
            )
        return UnreachableHostError(
            f"{self.name}: its host key is not in ~/.ssh/known_hosts ({said})",
            hint=f"`ssh {self.destination}` once, hold the fingerprint it shows against the host's own "
            "(`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` there), and say yes",
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
    async def start(self, script: str, given: bytes, *, as_root: bool) -> AsyncIterator[Conversation]:
        try:
            process = await self._run(script, as_root=as_root)
        except (asyncssh.Error, OSError) as error:
            raise self.host.unreachable(f"it lets nothing run: {_words(error)}", "") from None
        # In pieces: asyncssh copies all that it still has to send for each packet.
        with suppress(asyncssh.Error, OSError):  # a connection that breaks in the middle is told by the lines
            for start in range(0, len(given), _PIECE):
                process.stdin.write(given[start : start + _PIECE])
                if len(given) > _PIECE:
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
        """Run a script as root, its standard input and output those of this stream, until the stream ends."""
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
                # A sudo that does not ask leaves the password unread: what comes before our word is nobody's input.
                command = f'while IFS= read -r line && [ "$line" != {_GO} ]; do :; done; {command}'
                before = f"{password}\n{_GO}\n".encode()
            how = "sudo -n --" if password is None else "sudo -S -p '' --"
            command = f"{how} bash -c {shlex.quote(command)}"
        else:
            command = f"bash -c {shlex.quote(command)}"
        process = await self.connection.create_process(f"exec {command}", encoding=None)
        process.stdin.write(before + text)
        return process


class _Remote:
    """A program at the other end of a connection."""

    def __init__(self, name: str, process: asyncssh.SSHClientProcess[bytes], reading: asyncio.Task[str]) -> None:
        self._name, self._process, self._reading = name, process, reading

    async def lines(self) -> AsyncIterator[str]:
        rest = b""
        while True:
            try:
                piece = await self._process.stdout.read(1 << 16)
            except (asyncssh.Error, OSError) as error:
                raise LostError(f"the connection to {self._name} broke: {_words(error)}") from None
            if not piece:
                break
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line.decode(errors="replace")
        with suppress(Exception):
            await asyncio.wait_for(self._process.wait_closed(), 5)
        if self._process.exit_status is None:
            raise LostError(f"the connection to {self._name} broke")

    async def send(self, line: str) -> None:
        with suppress(asyncssh.Error, OSError):
            self._process.stdin.write(f"{line}\n".encode())
            await self._process.stdin.drain()

    async def end(self) -> None:
        with suppress(asyncssh.Error, OSError):
            self._process.stdin.write_eof()

    async def complaint(self) -> str:
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
    """Whether some key of this host is known, by the name and port that it has in ~/.ssh/config."""
    user, _, host = destination.rpartition("@")
    host, port = _split_port(host)
    try:
        given: dict[str, Any] = {**({"port": port} if port else {}), **({"username": user} if user else {})}
        options = asyncssh.SSHClientConnectionOptions(host=host, config=_configurations(), **given)
        found = asyncssh.match_known_hosts(
            str(Path.home() / ".ssh" / "known_hosts"), options.host or host, "", options.port
        )
    except (asyncssh.Error, OSError, ValueError):
        return False
    return bool(found[0] or found[1])


def _words(error: BaseException) -> str:
    """`[Errno 111] Connect call failed …` as a person would say it."""
    if isinstance(error, OSError) and error.errno and error.strerror:
        told = os.strerror(error.errno) if error.errno > 0 else error.strerror
        return told.lower()
    return str(error) or type(error).__name__

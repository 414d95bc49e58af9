"""A home folder with OpenSSH's files, and an ssh server of this process to connect to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from aresmon.ssh.client import Connections, Ssh
from aresmon.ssh.transport import UnreachableHostError


@dataclass
class Home:
    """A home folder, which HOME names."""

    path: Path

    @property
    def ssh(self) -> Path:
        return self.path / ".ssh"

    def configure(self, text: str) -> None:
        (self.ssh / "config").write_text(text)

    def key(self, name: str, passphrase: str | None = None) -> asyncssh.SSHKey:
        """Write a new key, with its public half beside it."""
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(self.ssh / name, "pkcs8-pem" if passphrase else "openssh", passphrase)
        (self.ssh / name).chmod(0o600)
        key.write_public_key(self.ssh / f"{name}.pub")
        return key


@dataclass
class Door:
    """A server that accepts these keys, and what it saw."""

    port: int
    host_key: asyncssh.SSHKey
    accepted: list[str] = field(default_factory=list)
    offered: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    terminals: list[str | None] = field(default_factory=list)

    @property
    def known(self) -> str:
        """Its line in known_hosts."""
        return f"[127.0.0.1]:{self.port} {self.host_key.export_public_key().decode()}"


class _Server(asyncssh.SSHServer):
    def __init__(self, door: Door) -> None:
        self._door = door

    def begin_auth(self, username: str) -> bool:
        self._door.users.append(username)
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        text = key.export_public_key().decode().split()[1]
        self._door.offered.append(text)
        return text in self._door.accepted

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        return True


async def repeat(process: asyncssh.SSHServerProcess[str]) -> None:
    """A program that prints its input."""
    process.stdout.write(await process.stdin.read())
    process.exit(0)


@asynccontextmanager
async def open_door(*keys: asyncssh.SSHKey, program: Any = None, **settings: Any) -> AsyncIterator[Door]:
    """A server on a free port of this machine, which accepts these keys, forwards connections and runs one program."""
    door = Door(0, asyncssh.generate_private_key("ssh-ed25519"))
    door.accepted += [key.export_public_key().decode().split()[1] for key in keys]

    def answer(process: asyncssh.SSHServerProcess[str]) -> None:
        door.terminals.append(process.term_type)
        process.stdout.write("@hello\n")
        process.exit(0)

    server = await asyncssh.create_server(
        lambda: _Server(door),
        "127.0.0.1",
        0,
        server_host_keys=[door.host_key],
        process_factory=program or answer,
        config=None,
        gss_host=None,
        **settings,
    )
    door.port = server.get_port()
    try:
        yield door
    finally:
        server.close()


async def hello(destination: str = "lewi") -> str:
    """Connect and run a program; what it prints."""
    host = Ssh("lewi", destination, Connections())
    async with host.start("true", b"", as_root=False) as conversation:
        return "".join([line async for line in conversation.lines()])


async def unreachable(destination: str = "lewi") -> tuple[str, str]:
    """The reason and the next step of a connection that fails."""
    with pytest.raises(UnreachableHostError) as caught:
        await hello(destination)
    return caught.value.message, caught.value.hint


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    (tmp_path / ".ssh").mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", "")
    return Home(tmp_path)

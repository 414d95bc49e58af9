"""The stack on a server, over a real connection: it keeps the same promises as the one here."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from aresmon.engine.docker import Engine
from aresmon.influxdb.client import InfluxDB
from aresmon.ssh.client import Connections, Ssh, SshConnection
from aresmon.stack.remote import RemoteStack
from tests.fleet.image import server_image
from tests.fleet.keys import Key
from tests.fleet.operators import new_operator
from tests.fleet.servers import servers
from tests.stack_contract import SECRETS, StackContract, write_secrets

T = TypeVar("T")


@dataclass(frozen=True)
class Office:
    """A server that has a folder of this machine, and a connection to it as a user who may use sudo."""

    folder: Path
    connection: SshConnection
    loop: asyncio.Runner


@dataclass(frozen=True)
class Case:
    stack: RemoteStack
    state: Path
    loop: asyncio.Runner

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(coroutine)

    def received(self) -> bytes:
        """Nothing: what is printed there is checked where the transport can be recorded."""
        return b""


@pytest.fixture(scope="module")
def office(engine: Engine, key: Key, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    operator = new_operator(folder / "home", key)
    sites = folder / "sites"
    sites.mkdir()
    with (
        pytest.MonkeyPatch.context() as patch,
        servers(("office",), image=server_image(engine), operators=key, mounts=(f"{sites}:{sites}",)) as made,
        asyncio.Runner() as loop,
    ):
        operator.add_host(made["office"])
        patch.setenv("HOME", str(operator.home))
        patch.setenv("SSH_AUTH_SOCK", "")
        closing = AsyncExitStack()
        connection = loop.run(closing.enter_async_context(Ssh("office", "office", Connections()).open()))
        yield Office(sites, connection, loop)
        loop.run(closing.aclose())


@pytest.fixture
def case(office: Office, tmp_path: Path) -> Case:
    root = office.folder / tmp_path.name
    state = root / ".aresmon"
    state.mkdir(parents=True)
    write_secrets(state)
    influxdb = InfluxDB(tmp_path / "influxdb.sock", "aresmon", "")
    docker = tmp_path / "docker.sock"
    stack = RemoteStack(str(root), "root:root", office.connection, influxdb, docker, {}, dict(SECRETS))
    return Case(stack, state, office.loop)


class TestStackOverSsh(StackContract):
    """The same over ssh and sudo."""

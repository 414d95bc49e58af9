"""The stack as pushes use it, here and over a transport: both keep the same promises."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from aresmon.config.model import Config
from aresmon.site.folder import Site
from aresmon.ssh.transport import Conversation, Local
from aresmon.stack import remote
from aresmon.stack.access import Stack
from aresmon.stack.local import LocalStack
from aresmon.stack.remote import RemoteStack
from aresmon.system.errors import AresmonError
from tests.stack_contract import SECRETS, StackContract, write_secrets
from tests.unit.conftest import load

T = TypeVar("T")
CONFIG = load("site: ares\nserver: biere\nhosts:\n  biere: {agent: docker, ssh: biere}\n  lewi: {agent: systemd}\n")


@dataclass(frozen=True)
class Recorded:
    """The transport to this machine, which keeps the lines that come from it."""

    name: str = "biere"
    lines: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def start(self, script: str, given: bytes, *, as_root: bool) -> AsyncIterator[Conversation]:
        assert as_root
        async with Local(self.name).start(script, given, as_root=False) as conversation:
            yield _Listening(conversation, self.lines)


@dataclass(frozen=True)
class _Listening:
    conversation: Conversation
    kept: list[str]

    async def lines(self) -> AsyncIterator[str]:
        async for line in self.conversation.lines():
            self.kept.append(line)
            yield line

    async def send(self, line: str) -> None:
        await self.conversation.send(line)

    async def end(self) -> None:
        await self.conversation.end()

    async def stderr(self) -> str:
        return await self.conversation.stderr()


@dataclass(frozen=True)
class Case:
    """A stack in a folder here."""

    stack: Stack
    state: Path
    transport: Recorded = field(default_factory=Recorded)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run(coroutine)

    def received(self) -> bytes:
        return b"".join(_decoded(line) for line in self.transport.lines)


def _decoded(line: str) -> bytes:
    """A line, and what is base64 in it."""
    found = line.encode()
    for word in line.split(" "):
        with suppress(ValueError):
            found += base64.b64decode(word, validate=True)
    return found


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The site's folder on its machine, whose path has a space, and a Docker that knows of it."""
    site = Site(tmp_path / "a site")
    site.root.mkdir()
    site.create_state_folder()
    write_secrets(site.state)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "docker").write_text(_DOCKER.format(bundle=site.bundle))
    (programs / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return site


_DOCKER = """\
#!/bin/sh
case "$*" in
  *project=ares\\ *) echo "{bundle}" ;;
  *project=broken\\ *) echo "no engine answers" >&2 && exit 1 ;;
esac
"""


def opened(config: Config, folder: Path, transport: Recorded | None = None) -> RemoteStack:
    return asyncio.run(RemoteStack.open(config, transport or Recorded(), folder))


@pytest.fixture(params=["here", "over a transport"])
def case(request: pytest.FixtureRequest, server: Site, tmp_path: Path) -> Case:
    if request.param == "here":
        return Case(LocalStack.open(server), server.state)
    transport = Recorded()
    return Case(opened(CONFIG, tmp_path, transport), server.state, transport)


class TestStack(StackContract):
    """The same for both."""


# From elsewhere ---------------------------------------------------------------------------------------------


def test_a_remote_stack_knows_its_folder_its_files_and_how_to_reach_its_services(server: Site, tmp_path: Path) -> None:
    server.bundle.mkdir()
    (server.bundle / ".env").write_bytes(b"ARESMON_PROJECT=ares\n")
    (server.bundle / "edge.cfg").write_bytes(b"nobody asks for this\n")

    stack = opened(CONFIG, tmp_path)

    assert (stack.root, stack.is_local) == (str(server.root), False)
    assert stack.owner == f"{server.root.owner()}:{server.root.group()}"
    assert stack.bundle == {".env": b"ARESMON_PROJECT=ares\n"}
    assert (stack.influxdb.socket, stack.docker) == (tmp_path / "influxdb.sock", tmp_path / "docker.sock")
    assert stack.secrets == SECRETS
    assert "secret-of" not in repr(stack)


@pytest.mark.parametrize(
    ("site", "message"),
    [
        ("other", "no site named other runs on biere"),
        ("broken", "no site named broken runs on biere: no engine answers"),
    ],
)
def test_a_server_without_this_site_is_an_error_that_says_so(
    server: Site, tmp_path: Path, site: str, message: str
) -> None:
    with pytest.raises(AresmonError) as caught:
        opened(replace(CONFIG, site=site), tmp_path)

    assert caught.value.message == message
    assert "on biere: `aresmon up`" in caught.value.hint


def test_a_stack_that_was_never_started_has_no_secrets_and_that_is_an_error(server: Site, tmp_path: Path) -> None:
    (server.secrets / "influxdb-admin").unlink()

    with pytest.raises(AresmonError, match="has no secret influxdb-admin"):
        opened(CONFIG, tmp_path)


def test_a_file_that_cannot_be_written_there_is_an_error_with_the_reason(server: Site, tmp_path: Path) -> None:
    stack = opened(CONFIG, tmp_path)

    with pytest.raises(AresmonError, match=r"biere: .*nowhere"):
        asyncio.run(stack.swap_file("nowhere/list", None, b"content"))


def test_no_command_is_run_after_one_that_failed(server: Site, tmp_path: Path) -> None:
    stack = opened(replace(CONFIG), tmp_path)
    shutil.rmtree(server.root)

    with pytest.raises(AresmonError, match="biere: "):
        asyncio.run(stack.delete_secret("agent-lewi"))


def test_the_program_for_the_server_stays_small() -> None:
    assert len(remote.script().splitlines()) < 250

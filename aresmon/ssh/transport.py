"""How a host is spoken to: one conversation, lines both ways."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from aresmon.system.errors import AresmonError


class UnreachableHostError(AresmonError):
    """A host that could not be spoken to; nothing was changed there."""


class LostError(AresmonError):
    """A host that was spoken to, and then no more."""


def read_and_run(length: int) -> str:
    """What bash is told: to read a script of so many bytes from its standard input, which goes on after it.

    On the command line the script itself would stand in every process list, and sudo would log it, line by line.
    """
    return f'aresmon_script=$(dd bs={length} count=1 iflag=fullblock status=none) && eval "$aresmon_script"'


class Conversation(Protocol):
    """A program on a host, and what goes in and comes out."""

    def lines(self) -> AsyncIterator[str]:
        """What it prints, line by line, until it ends. Raises LostError if the connection breaks."""

    async def send(self, line: str) -> None:
        """Give it a line. A program that has ended takes it and does nothing."""

    async def end(self) -> None:
        """Give it nothing more: its standard input is at its end."""

    async def complaint(self) -> str:
        """The last lines of its standard error, once it has ended."""


class Transport(Protocol):
    """The way to one host."""

    @property
    def name(self) -> str:
        """The host's name in aresmon.yml."""

    def start(self, script: str, given: bytes, *, as_root: bool) -> AbstractAsyncContextManager[Conversation]:
        """Run a bash script there, with these bytes on its standard input, which stays open.

        At the end of the context its standard input is closed. Raises UnreachableHostError.
        """


_LONGEST_LINE = 1 << 22


@dataclass(frozen=True)
class Local:
    """The machine that aresmon runs on."""

    name: str

    @asynccontextmanager
    async def start(self, script: str, given: bytes, *, as_root: bool) -> AsyncIterator[Conversation]:
        sudo = ["sudo", "-n", "--"] if as_root and os.getuid() != 0 else []
        program = await self._run([*sudo, "bash", "-c", read_and_run(len(script.encode()))])
        try:
            await program.write(script.encode() + given)
            yield program
        finally:
            await program.end()

    async def _run(self, argv: list[str]) -> _Running:
        pipe = asyncio.subprocess.PIPE
        try:
            # In a session of its own: ^C is not its end too.
            program = await asyncio.create_subprocess_exec(
                *argv, stdin=pipe, stdout=pipe, stderr=pipe, limit=_LONGEST_LINE, start_new_session=True
            )
        except OSError as error:
            raise UnreachableHostError(f"{self.name}: {argv[0]} could not be started: {error.strerror}") from None
        return _Running(program)


class _Running:
    """A program that runs here."""

    def __init__(self, program: asyncio.subprocess.Process) -> None:
        if program.stdin is None or program.stdout is None or program.stderr is None:
            raise ValueError("a program is spoken with through three pipes")
        self._program, self._input, self._output = program, program.stdin, program.stdout
        self._reading = asyncio.create_task(program.stderr.read())

    async def lines(self) -> AsyncIterator[str]:
        while line := await self._output.readline():
            yield line.decode(errors="replace").rstrip("\n")
        await self._program.wait()

    async def write(self, given: bytes) -> None:
        with suppress(ConnectionError):
            self._input.write(given)
            await self._input.drain()

    async def send(self, line: str) -> None:
        await self.write(f"{line}\n".encode())

    async def end(self) -> None:
        """Close its standard input; it is left to end by itself."""
        self._input.close()
        with suppress(ConnectionError):
            await self._input.wait_closed()

    async def complaint(self) -> str:
        said = await self._reading
        return "\n".join(said.decode(errors="replace").strip().splitlines()[-5:])

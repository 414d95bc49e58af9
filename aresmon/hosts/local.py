"""This machine, as a host."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from aresmon.hosts.transport import Conversation, UnreachableHostError, read_and_run

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

"""Run a script on a host, and exchange lines with it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from aresmon.system.errors import AresmonError


class UnreachableHostError(AresmonError):
    """No connection to a host; nothing was changed on it."""


class LostError(AresmonError):
    """The connection to a host was lost."""


def read_and_run(length: int) -> str:
    """Return the bash command that reads a script of this many bytes from standard input and runs it.

    With the script on the command line, every process list would show it, and sudo would log it.
    """
    return f'LC_ALL=C IFS=; read -r -N {length} aresmon_script && unset IFS LC_ALL && eval "$aresmon_script"'


class Conversation(Protocol):
    """A running script, its input and its output."""

    def lines(self) -> AsyncIterator[str]:
        """Its output, line by line, until it exits. Raises LostError if the connection breaks."""

    async def send(self, line: str) -> None:
        """Send a line. Does nothing if the script has exited."""

    async def end(self) -> None:
        """Close its standard input."""

    async def stderr(self) -> str:
        """The last lines of its standard error, after it has exited."""


class Transport(Protocol):
    """The connection to one host."""

    @property
    def name(self) -> str:
        """The host's name in aresmon.yml."""

    def start(self, script: str, stdin: bytes, *, as_root: bool) -> AbstractAsyncContextManager[Conversation]:
        """Run a bash script on the host, with these bytes on its standard input, which stays open.

        At the end of the context the standard input is closed. Raises UnreachableHostError.
        """


_SILENCE = 60.0
_LONGEST_LINE = 1 << 22


async def reported(conversation: Conversation, host: str) -> AsyncIterator[str]:
    """The lines of a script that begins with a report, a line with `@`. Raises LostError if it does not come.

    A connection may open and then stall: the server answers, but the login shell waits for a file server.
    """
    lines = aiter(conversation.lines())
    is_silent = True
    deadline = asyncio.get_running_loop().time() + _SILENCE
    while True:
        try:
            left = deadline - asyncio.get_running_loop().time()
            line = await (asyncio.wait_for(anext(lines), max(0, left)) if is_silent else anext(lines))
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise LostError(f"{host} accepted the connection, and ran nothing within {_SILENCE:.0f} s") from None
        is_silent = is_silent and not line.startswith("@")
        yield line


@dataclass(frozen=True)
class Local:
    """The machine that aresmon runs on."""

    name: str

    @asynccontextmanager
    async def start(self, script: str, stdin: bytes, *, as_root: bool) -> AsyncIterator[Conversation]:
        sudo = ["sudo", "-n", "--"] if as_root and os.getuid() != 0 else []
        program = await self._run([*sudo, "bash", "-c", read_and_run(len(script.encode()))])
        try:
            await program.write(script.encode() + stdin)
            yield program
        finally:
            await program.end()

    async def _run(self, argv: list[str]) -> _Running:
        pipe = asyncio.subprocess.PIPE
        try:
            # In its own session, so that ^C does not end it.
            program = await asyncio.create_subprocess_exec(
                *argv, stdin=pipe, stdout=pipe, stderr=pipe, limit=_LONGEST_LINE, start_new_session=True
            )
        except OSError as error:
            raise UnreachableHostError(f"{self.name}: {argv[0]} cannot be started: {error.strerror}") from None
        return _Running(program)


class _Running:
    """A script that runs on this machine."""

    def __init__(self, program: asyncio.subprocess.Process) -> None:
        if program.stdin is None or program.stdout is None or program.stderr is None:
            raise ValueError("the program needs pipes for its input, output and errors")
        self._program, self._input, self._output = program, program.stdin, program.stdout
        self._reading = asyncio.create_task(program.stderr.read())

    async def lines(self) -> AsyncIterator[str]:
        while line := await self._output.readline():
            yield line.decode(errors="replace").rstrip("\n")
        await self._program.wait()

    async def write(self, data: bytes) -> None:
        with suppress(ConnectionError):
            self._input.write(data)
            await self._input.drain()

    async def send(self, line: str) -> None:
        await self.write(f"{line}\n".encode())

    async def end(self) -> None:
        """Close its standard input; it exits on its own."""
        self._input.close()
        with suppress(ConnectionError):
            await self._input.wait_closed()

    async def stderr(self) -> str:
        output = await self._reading
        return "\n".join(output.decode(errors="replace").strip().splitlines()[-5:])

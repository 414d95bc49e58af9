"""ProxyCommand: a program whose standard input and output are the connection to the host.

asyncssh can start one too, but takes what it prints on standard error for data of the host, and the end of its standard
error, as after `2>/dev/null`, for the end of the connection.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aresmon.ssh.library import asyncssh


class ProxyProgram:
    """A running ProxyCommand. asyncssh closes it with the connection."""

    def __init__(self, program: asyncio.subprocess.Process, connection: socket.socket) -> None:
        self.connection = connection
        self._program = program
        self._reading = asyncio.create_task(_last_line(program.stderr))

    async def last_line(self) -> str:
        """The last line of its standard error, which says why a connection failed."""
        with suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(self._reading), 0.5)
        return ""

    def close(self) -> None:
        self.connection.close()
        with suppress(ProcessLookupError):
            self._program.terminate()

    async def wait_closed(self) -> None:
        await self._program.wait()


async def connect(
    command: str, open_connection: Callable[[socket.socket], Awaitable[asyncssh.SSHClientConnection]]
) -> asyncssh.SSHClientConnection:
    """A connection over this command, which ends with it. Raises what `open_connection` raises."""
    program = await _start(command)
    try:
        connection = await open_connection(program.connection)
    except (ConnectionError, asyncssh.ConnectionLost):
        line = await program.last_line()
        program.close()
        raise asyncssh.ConnectionLost(f"ProxyCommand ended: {line or 'without a message'}") from None
    except BaseException:
        program.close()
        raise
    connection.set_tunnel(program)
    return connection


async def _start(command: str) -> ProxyProgram:
    """Start a command with the user's shell, as OpenSSH does. Raises OSError if there is no such shell."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            program = await asyncio.create_subprocess_exec(
                os.environ.get("SHELL") or "/bin/sh",
                "-c",
                f"exec {command}",
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except OSError:
            ours.close()
            raise
    ours.setblocking(False)
    return ProxyProgram(program, ours)


async def _last_line(stream: asyncio.StreamReader | None) -> str:
    last: deque[str] = deque(maxlen=1)
    while stream is not None and (line := await stream.readline()):
        last.append(line.decode(errors="replace").strip())
    return "".join(last)

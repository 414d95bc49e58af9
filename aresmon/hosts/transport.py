"""How a host is spoken to: one conversation, lines both ways."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from aresmon.errors import AresmonError


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

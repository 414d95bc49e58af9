"""What a push reports while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from aresmon.push.result import PushResult


class PushObserver(Protocol):
    """Receives the progress of a push to one or several hosts. Its methods must return at once."""

    def started(self, host: str) -> Callable[[str], None]:
        """A host's push begins. What is returned is called with each state that it enters, as `check` or `verify`."""

    def finished(self, result: PushResult) -> None:
        """A host's push has ended."""

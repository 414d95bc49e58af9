"""What a push reports while it runs."""

from __future__ import annotations

from typing import Protocol

from aresmon.push.result import PushResult


class PushObserver(Protocol):
    """Receives the progress of a push to one or several hosts. Its methods must return at once."""

    def state_changed(self, host: str, state: str) -> None:
        """A host's push has entered another state, as `check` or `verify`."""

    def finished(self, result: PushResult) -> None:
        """A host's push has ended."""

"""What a use case tells while it works. The console shows it; a test may ignore it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Stage(Protocol):
    """One piece of work, from its start to its end."""

    def say(self, detail: str) -> None:
        """What it is at."""

    def fail(self, detail: str) -> None:
        """It did not succeed, and the work goes on without it."""


class Progress(Protocol):
    """Where a use case tells what it does."""

    def stage(self, what: str) -> AbstractContextManager[Stage]:
        """A piece of work that takes a while."""

    def note(self, text: str) -> None:
        """One line that stays."""

    def warn(self, text: str, hint: str = "") -> None:
        """Something a person should know, though the work goes on."""


class NoProgress:
    """Tells nobody."""

    @contextmanager
    def stage(self, what: str) -> Iterator[Stage]:
        yield _SilentStage()

    def note(self, text: str) -> None:
        pass

    def warn(self, text: str, hint: str = "") -> None:
        pass


class _SilentStage:
    def say(self, detail: str) -> None:
        pass

    def fail(self, detail: str) -> None:
        pass

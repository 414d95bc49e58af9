"""The thread that reads the database for the live screen, so that keys never wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from aresmon.terminal import feed as terminal_feed
from aresmon.terminal.feed import Feed, Snapshot, Wanted

_LEAST_PAUSE = 0.3
"""Seconds between two requests, however fast keys are pressed."""


class Reader(threading.Thread):
    """Reads what is wanted, again and again, with at least `interval` seconds between two requests. The newest snapshot
    is the only one that counts; `tell` is called when there is one."""

    def __init__(self, feed: Feed, wanted: Wanted, interval: float) -> None:
        super().__init__(daemon=True, name="reader")
        self.snapshot = Snapshot(wanted, 0.0)
        self.error: BaseException | None = None
        self.tell: Callable[[], None] = lambda: None
        self._feed, self._wanted, self._interval = feed, wanted, interval
        self._changed = threading.Event()

    def want(self, wanted: Wanted) -> None:
        """From now on read this; at once, if it is something else."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._changed.set()

    def run(self) -> None:
        try:
            self._read(evaluate=False)  # so that the first values do not wait for the alerts
            while True:
                self._read(evaluate=True)
                if self._changed.wait(terminal_feed.every(self._wanted, self._interval)):
                    time.sleep(_LEAST_PAUSE)
        except BaseException as error:  # the other thread raises it
            self.error = error
            self.tell()

    def _read(self, *, evaluate: bool) -> None:
        self._changed.clear()
        self.snapshot = self._feed.read(self._wanted, time.time(), evaluate=evaluate)
        self.tell()

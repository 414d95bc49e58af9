"""The live screen: one thread reads the database, the other waits for keys and draws when something is new."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from aresmon.terminal import feed as terminal_feed
from aresmon.terminal import pages
from aresmon.terminal.feed import Feed, Snapshot, Wanted
from aresmon.terminal.keys import KeyReader
from aresmon.terminal.screen import Screen
from aresmon.terminal.state import ScreenState, Shown, press

_ESCAPE_WITHIN = 0.05
"""Seconds: what follows the first byte of a key's sequence arrives within this time, over ssh too."""
_LEAST_PAUSE = 0.3
"""Seconds between two requests, however fast keys are pressed."""


def run(feed: Feed, screen: Screen, view: ScreenState, *, site: str, interval: float) -> None:
    """Show the site until the person leaves. `interval` is the least number of seconds between two requests.

    Raises what went wrong while reading, but for errors of the database: these are shown, and it is asked again.
    """
    waking, wake = os.pipe()
    os.set_blocking(wake, False)
    former = signal.signal(signal.SIGWINCH, lambda *_: _signal(wake))
    try:
        reader = Reader(feed, _wanted(view), interval, lambda: _signal(wake))
        reader.start()
        with screen.opened(lambda: _signal(wake)):
            _show(reader, screen, view, waking, site=site)
    finally:
        signal.signal(signal.SIGWINCH, former)


class Reader(threading.Thread):
    """Reads what is wanted, again and again. The newest snapshot is the only one that counts."""

    def __init__(self, feed: Feed, wanted: Wanted, interval: float, tell: Callable[[], None]) -> None:
        super().__init__(daemon=True, name="reader")
        self.snapshot = Snapshot(wanted, 0.0)
        self.error: BaseException | None = None
        self._feed, self._wanted, self._interval, self._tell = feed, wanted, interval, tell
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
            self._tell()

    def _read(self, *, evaluate: bool) -> None:
        self._changed.clear()
        self.snapshot = self._feed.read(self._wanted, time.time(), evaluate=evaluate)
        self._tell()


def _show(reader: Reader, screen: Screen, view: ScreenState, waking: int, *, site: str) -> None:
    keyboard, keys = sys.stdin.fileno(), KeyReader()
    while not view.is_over:
        if reader.error is not None:
            raise reader.error
        lines, shown = pages.frame(view, reader.snapshot, screen.size, screen.glyphs, site=site)
        screen.draw(lines)
        view = _next(view, shown, keyboard, waking, keys)
        reader.want(_wanted(view))


def _next(view: ScreenState, shown: Shown, keyboard: int, waking: int, keys: KeyReader) -> ScreenState:
    """Wait until there is a key or something else to draw. The view after it."""
    timeout = _ESCAPE_WITHIN if keys.is_waiting else None
    ready, _, _ = select.select([keyboard, waking], [], [], timeout)
    pressed: list[str] = [] if ready else keys.flush()
    if waking in ready:
        os.read(waking, 4096)
    if keyboard in ready:
        data = os.read(keyboard, 4096)
        pressed += keys.feed(data) if data else ["q"]  # the terminal is gone
    for key in pressed:
        view = press(view, key, shown)
    return view


def _wanted(view: ScreenState) -> Wanted:
    opened = next((one for one in (view, *reversed(view.under)) if one.page in ("host", "panel")), None)
    if opened is None:
        return Wanted(view.seconds)
    return Wanted(opened.seconds, opened.host, opened.details, opened.offset)


def _signal(wake: int) -> None:
    with suppress(BlockingIOError):  # it will wake up anyway
        os.write(wake, b".")

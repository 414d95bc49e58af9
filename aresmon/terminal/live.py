"""The live screen: waits for keys, and draws when something is new. Another thread reads the database."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections import deque
from contextlib import suppress

from aresmon.terminal import pages
from aresmon.terminal.feed import Wanted
from aresmon.terminal.keys import KeyReader
from aresmon.terminal.reader import Reader
from aresmon.terminal.screen import Screen
from aresmon.terminal.state import ScreenState, press

_ESCAPE_WITHIN = 0.05
"""Seconds: what follows the first byte of a key's sequence arrives within this time, over ssh too."""


def run(reader: Reader, screen: Screen, view: ScreenState, *, site: str) -> None:
    """Show what a reader reads until the person leaves.

    Raises what went wrong while reading, but for errors of the database: these are shown, and it is asked again.
    """
    waking, wake = os.pipe()
    os.set_blocking(wake, False)
    former = signal.signal(signal.SIGWINCH, lambda *_: _signal(wake))
    try:
        reader.tell = lambda: _signal(wake)
        with screen.opened(lambda: _signal(wake)):
            _show(reader, screen, view, waking, site=site)
    finally:
        signal.signal(signal.SIGWINCH, former)


def _show(reader: Reader, screen: Screen, view: ScreenState, waking: int, *, site: str) -> None:
    keys, pressed = KeyReader(), deque[str]()
    while not view.is_over:
        if reader.error is not None:
            raise reader.error
        lines, shown = pages.frame(view, reader.snapshot, screen.size, screen.glyphs, site=site)
        if pressed:
            # Several may arrive at once: each acts on what the one before it has made of the screen.
            view = press(view, pressed.popleft(), shown)
            continue
        reader.want(wanted(view))
        screen.draw(lines)
        pressed.extend(_wait(sys.stdin.fileno(), waking, keys))


def _wait(keyboard: int, waking: int, keys: KeyReader) -> list[str]:
    """Wait until there is a key or something else to draw. The keys."""
    timeout = _ESCAPE_WITHIN if keys.is_waiting else None
    ready, _, _ = select.select([keyboard, waking], [], [], timeout)
    pressed: list[str] = [] if ready else keys.flush()
    if waking in ready:
        os.read(waking, 4096)
    if keyboard in ready:
        data = os.read(keyboard, 4096)
        pressed += keys.feed(data) if data else ["q"]  # the terminal is gone
    return pressed


def wanted(view: ScreenState) -> Wanted:
    """What is to be read for this."""
    opened = next((one for one in (view, *reversed(view.under)) if one.page in ("host", "panel")), None)
    if opened is None:
        return Wanted(view.seconds)
    return Wanted(opened.seconds, opened.host, opened.details, opened.offset)


def _signal(wake: int) -> None:
    with suppress(BlockingIOError):  # it will wake up anyway
        os.write(wake, b".")

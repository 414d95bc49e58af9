"""Locks and numbers between test processes, of one run or of several on the same machine."""

from __future__ import annotations

import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_FOLDER = Path(tempfile.gettempdir()) / f"aresmon-tests-{os.getuid()}"
_kept: list[TextIO] = []


@contextmanager
def lock(name: str, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock that no other thread or test process holds; `shared`, that none holds for itself alone.

    A process that dies lets go.
    """
    with _file(name) as handle:
        fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


@contextmanager
def number(kind: str, below: int) -> Iterator[int]:
    """A number from 0 to `below` that no other test process has for this kind of thing, until the end of the block."""
    handle, found = _claimed(kind, below)
    with handle:
        yield found


@contextmanager
def network_prefix() -> Iterator[str]:
    """The first three bytes of addresses for a network that no other test process uses.

    198.18.0.0/15 is set aside for measuring networks (RFC 2544): no real one is hidden by it.
    """
    with number("network", 512) as found:
        yield f"198.{18 + found // 256}.{found % 256}"


def own_number(kind: str, below: int) -> int:
    """The same, to the end of this process."""
    handle, found = _claimed(kind, below)
    _kept.append(handle)
    return found


def _claimed(kind: str, below: int) -> tuple[TextIO, int]:
    start = secrets.randbelow(below)
    for offset in range(below):
        found = (start + offset) % below
        handle = _file(f"{kind}-{found}")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
        else:
            return handle, found
    raise AssertionError(f"every {kind} is taken by a test process")


def _file(name: str) -> TextIO:
    _FOLDER.mkdir(mode=0o700, exist_ok=True)
    return (_FOLDER / f"{name}.lock").open("w", encoding="utf-8")

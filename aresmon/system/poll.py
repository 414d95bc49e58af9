"""Wait for what another program brings about: ask, pause, ask again, until a deadline."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def poll(
    probe: Callable[[], T | None],
    *,
    within: float,
    every: float,
    keep_trying: Callable[[], bool] = lambda: True,
) -> T | None:
    """Call `probe` until it returns anything but None, and return that; None after `within` seconds.

    It is called once at least, and again after each pause of `every` seconds. `keep_trying` is called after each call
    in vain; once it returns False, waiting ends as at the deadline.
    """
    deadline = time.monotonic() + within
    while True:
        found = probe()
        if found is not None:
            return found
        if time.monotonic() > deadline or not keep_trying():
            return None
        time.sleep(every)


def retry(
    action: Callable[[], T],
    *,
    on: type[Exception],
    within: float,
    every: float,
    keep_trying: Callable[[], bool] = lambda: True,
) -> T:
    """Call `action` until it raises no `on`, and return its result; after `within` seconds raise the last error.

    Other exceptions pass at once. Pauses and `keep_trying` are as in `poll`.
    """
    errors: list[Exception] = []

    def attempt() -> tuple[T] | None:
        try:
            return (action(),)
        except on as error:
            errors[:] = [error]
            return None

    done = poll(attempt, within=within, every=every, keep_trying=keep_trying)
    if done is None:
        raise errors[0]
    return done[0]


async def poll_async(probe: Callable[[], Awaitable[T | None]], *, within: float, every: float) -> T | None:
    """Await `probe` until it returns anything but None, and return that; None after `within` seconds."""
    import asyncio  # of what most commands load it would be a tenth; they wait for nothing else meanwhile

    deadline = time.monotonic() + within
    while True:
        found = await probe()
        if found is not None or time.monotonic() > deadline:
            return found
        await asyncio.sleep(every)

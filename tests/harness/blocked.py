"""No way out of a unit test: it reaches no engine, no server and no name, whatever runs on the machine.

An audit hook sees every connection and every name that Python itself looks up. A slip raises, and its test fails also
where the code under test swallows what was raised. A program that a test starts is not seen; it finds no engine, no
agent of ssh's and no proxy by its environment.
"""

from __future__ import annotations

import os
import socket
import sys
import weakref
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import pytest

from tests.harness.names import real_folder

ENVIRONMENT = {
    "DOCKER_HOST": "unix:///nowhere/engine-of-unit-tests.sock",
    "SSH_AUTH_SOCK": "/nowhere/agent-of-unit-tests.sock",
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:1"),
    "no_proxy": "127.0.0.1,localhost",
}
_SENDS = ("socket.connect", "socket.sendto", "socket.sendmsg")
_LOOKS_UP = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_NOWHERE = "/nonexistent"  # on no machine: trying it is harmless
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class SlipError(RuntimeError):
    """A unit test reached out. Not an OSError, which could be taken for a server that is away."""


class _Watch:
    """What the running test may reach, and what it reached for besides."""

    def __init__(self, *, allows_own: bool) -> None:
        self.allows_own, self.slips = allows_own, list[str]()

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _SENDS and arguments[1] is not None:
            may = arguments[1] == _NOWHERE or (self.allows_own and _is_own(arguments[1]))
            self._hold(event, arguments[1], may=may)
        elif event in _LOOKS_UP:
            self._hold(event, arguments[0], may=self.allows_own and arguments[0] in _LOOPBACK)

    def _hold(self, event: str, where: object, *, may: bool) -> None:
        if not may:
            self.slips.append(f"{event} {where!r}")
            raise SlipError(f"a unit test reaches out: {self.slips[-1]}")


_watch: _Watch | None = None
_bound: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def pytest_configure() -> None:
    sys.addaudithook(_hook)  # for good: none can be taken away


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a unit test reach nothing; with the marker `own_sockets`, what it listens on itself."""
    allows_own = item.get_closest_marker("own_sockets") is not None
    with nullcontext() if real_folder(item.path) else blocked(allows_own=allows_own):
        return (yield)


@pytest.fixture(autouse=True)
def _no_slip() -> Iterator[None]:
    yield
    assert not slips(), f"a unit test reaches nothing but what it listens on itself: {slips()}"


@contextmanager
def blocked(*, allows_own: bool = False) -> Iterator[None]:
    """Let nothing be reached; with `allows_own`, only what this process itself listens on."""
    global _watch
    former, _watch = _watch, _Watch(allows_own=allows_own)
    try:
        with mock.patch.dict(os.environ, ENVIRONMENT):
            yield
    finally:
        _watch = former


def slips() -> list[str]:
    """What was reached for since `blocked`."""
    return [] if _watch is None else _watch.slips


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.bind":
        _bound.add(arguments[0])
    elif _watch is not None and event.startswith("socket."):
        _watch.see(event, arguments)


def _is_own(address: object) -> bool:
    return any(one.fileno() >= 0 and one.getsockname() == address for one in list(_bound))

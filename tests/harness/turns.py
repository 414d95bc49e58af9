"""Tests that are marked `serial` run while no other test of this machine does.

The others share a lock, test by test, and a serial one holds it for itself alone. Who waits for that keeps others from
beginning, so the wait is as long as the longest test that is running.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

import pytest

from tests.harness.locks import lock

_INSIDE = "ARESMON_TEST_HAS_ITS_TURN"
"""Set while a test runs: a pytest that it starts is a part of it, and waits for nobody."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    # First of all: a test's time limit does not count while it waits for its turn.
    if _INSIDE in os.environ:
        return (yield)
    with turn(alone=item.get_closest_marker("serial") is not None), mock.patch.dict(os.environ, {_INSIDE: "yes"}):
        return (yield)


@contextmanager
def turn(*, alone: bool, of: str = "tests") -> Iterator[None]:
    """The time of one test, beside others or alone."""
    with ExitStack() as running:
        with lock(f"{of}-queue"):
            running.enter_context(lock(f"{of}-running", shared=not alone))
        yield

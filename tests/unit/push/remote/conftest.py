"""Hosts in folders, for one test each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.push.remote.sandbox import Sandbox


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Sandbox]:
    """A host whose agent runs with a configuration of its own; aresmon was never there."""
    made = Sandbox(tmp_path / "box")
    made.settle()
    yield made
    made.close()


@pytest.fixture
def dock(tmp_path: Path) -> Iterator[Sandbox]:
    """A host whose agent is to run in a container; it has none yet."""
    made = Sandbox(tmp_path / "dock", kind="docker")
    yield made
    made.close()

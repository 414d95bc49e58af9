"""Names of what the tests make on this machine: each says which run and which worker made it."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

RUN_VARIABLE, WORKER_VARIABLE = "ARESMON_TEST_RUN", "PYTEST_XDIST_WORKER"

run = os.environ.setdefault(RUN_VARIABLE, secrets.token_hex(2))
"""This run; its workers, and all that they start, have it in their environment."""


def prefix(worker: str | None = None) -> str:
    """What the names of a worker's things begin with; without one, of this process's."""
    return f"aresmon-test-{run}{_this() if worker is None else worker}-"


def fresh() -> str:
    """A name that nothing has yet, short enough for a site."""
    return f"{prefix()}{secrets.token_hex(3)}"


def folder() -> Path:
    """A new folder, by the path of which somebody else on this machine may come in."""
    made = Path(tempfile.mkdtemp(prefix=prefix()))
    made.chmod(0o755)
    return made


def bridges(worker: str | None = None) -> str:
    """What the names of a worker's network interfaces begin with, which are short."""
    return f"at{run}{_this() if worker is None else worker}-"


def _this() -> str:
    return os.environ.get(WORKER_VARIABLE, "gw")

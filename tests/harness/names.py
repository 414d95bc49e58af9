"""Names of what the tests make on this machine: each says which run and which worker made it."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

RUN_VARIABLE, WORKER_VARIABLE = "ARESMON_TEST_RUN", "PYTEST_XDIST_WORKER"

REAL = ("engine", "fleet", "services")
"""The folders whose tests use a real engine; all others reach nothing."""
_TESTS = Path(__file__).parents[1]

run = os.environ.setdefault(RUN_VARIABLE, secrets.token_hex(2))
"""This run; its workers, and all that they start, have it in their environment."""


def real_folder(path: Path) -> str:
    """The folder of `REAL` that a file of tests is in; empty where it is in none."""
    return next((folder for folder in REAL if path.is_relative_to(_TESTS / folder)), "")


def prefix(worker: str) -> str:
    """What the names of a worker's things begin with; with an empty one, of the whole run's."""
    return f"aresmon-test-{run}-{worker}-" if worker else f"aresmon-test-{run}-"


def fresh() -> str:
    """A name that nothing has yet, short enough for a site."""
    return f"{prefix(this_worker())}{secrets.token_hex(3)}"


def folder() -> Path:
    """A new folder, by the path of which somebody else on this machine may come in."""
    made = Path(tempfile.mkdtemp(prefix=prefix(this_worker())))
    made.chmod(0o755)
    return made


def bridges(worker: str) -> str:
    """What the names of a worker's network interfaces begin with: short, and as Docker's own, which no agent reads."""
    return f"br-{run}{worker}-" if worker else f"br-{run}"


def this_worker() -> str:
    """The worker that this process is; `gw` where there are none."""
    return os.environ.get(WORKER_VARIABLE, "gw")

"""Which worker runs which file: one of them the unit tests, which compute, beside the others, which mostly wait.

So what the others leave of the processors is used, and no worker is left with the unit tests at the end. The one for
unit tests is kept where there are both kinds of tests and more than one worker; it runs nothing else, so that no more
tests with a real engine run at once than there are other workers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

from tests.harness.names import REAL

_REAL = tuple(f"tests/{folder}/" for folder in REAL)
_FIRST = "gw0"
_NICENESS = 5  # of the worker for unit tests: the others measure time, or have no time to lose


class Scheduling(LoadFileScheduling):
    """Files by worker, in the order in which they were collected."""

    kept: WorkerController | None = None
    """The worker for unit tests, where there is one."""

    def schedule(self) -> None:
        if self.collection is None and _is_kept(next(iter(self.registered_collections.values())), len(self.nodes)):
            self.kept = next((node for node in self.nodes if node.gateway.id == _FIRST), None)
        super().schedule()

    def _assign_work_unit(self, node: WorkerController) -> None:
        """The first file of the worker's kind; for one with an engine, any if none of its kind is left."""
        scope = self._next(node)
        if scope is not None:
            self.workqueue.move_to_end(scope, last=False)
            super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        if not node.shutting_down and self._next(node) is None:
            node.shutdown()
        else:
            super()._reschedule(node)

    def _next(self, node: WorkerController) -> str | None:
        wanted = (scope for scope in self.workqueue if self.kept is None or (node is self.kept) != _is_real(scope))
        left = None if node is self.kept else next(iter(self.workqueue), None)
        return next(wanted, left)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """In the worker itself: let the others go first, if it is the one for unit tests."""
    worker = getattr(session.config, "workerinput", {"workerid": "", "workercount": 0})
    if worker["workerid"] == _FIRST and _is_kept((item.nodeid for item in session.items), worker["workercount"]):
        os.nice(_NICENESS)


def _is_kept(tests: Iterable[str], workers: int) -> bool:
    return workers > 1 and len({_is_real(test) for test in tests}) > 1


def _is_real(test: str) -> bool:
    return test.startswith(_REAL)

"""An agent that forgets nothing: it sends each point until it is taken, and knows how many there must be."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from tests.engine.door import basic, knock
from tests.engine.sites import Site

_EVERY = 0.1


class Sender:
    """Sends a point of `internal_agent` for a host ten times a second, as an agent with a buffer does."""

    def __init__(self, site: Site, host: str) -> None:
        self.site, self.host = site, host
        self.made = 0
        self.waiting: deque[str] = deque()
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        authorization = [basic(f"agent-{self.host}", self.site.secret(f"agent-{self.host}"))]
        while not self.stopped.wait(_EVERY):
            self.made += 1
            self.waiting.append(f"internal_agent,host={self.host} metrics_gathered={self.made}i {time.time_ns()}")
            self._send(authorization)

    def _send(self, authorization: list[str]) -> None:
        """All that waits; what is not taken goes on waiting."""
        batch = list(self.waiting)
        try:
            answer = knock(
                self.site.agents,
                "POST",
                "/write?db=telegraf",
                body="\n".join(batch).encode(),
                authorization=authorization,
            )
        except OSError:
            return
        if answer.status == HTTPStatus.NO_CONTENT:
            for _ in batch:
                self.waiting.popleft()

    def stop(self) -> None:
        """Stop making points."""
        self.stopped.set()
        self.thread.join(timeout=30)

    def missing(self) -> set[int]:
        """The points that were made, are not waiting, and are not in the database."""
        rest = {int(line.partition("=")[2].partition("=")[2].partition("i ")[0]) for line in list(self.waiting)}
        made = set(range(1, self.made + 1)) - rest
        query = f'SELECT "metrics_gathered" FROM "internal_agent" WHERE "host" = \'{self.host}\''
        return made - {int(row["metrics_gathered"]) for series in self.site.query(query) for row in series.rows}


@contextmanager
def sending(site: Site, host: str) -> Iterator[Sender]:
    """Such an agent, until the end of the block."""
    sender = Sender(site, host)
    sender.thread.start()
    try:
        yield sender
    finally:
        sender.stop()

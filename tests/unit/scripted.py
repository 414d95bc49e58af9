"""A host that says what it was told to say: for what is decided on this side of a conversation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aresmon.push.protocol import AgentPaths, PushOrder
from aresmon.push.result import PushResult
from aresmon.ssh.transport import Conversation
from aresmon.system.errors import AresmonError

CLOCK = 1_700_000_000.0
PROBE = f"@probe active=active loaded=loaded version=1.39.3 clock={CLOCK} restarts=0"
STARTED = [
    *("@state lock", "@state probe", PROBE, "@state stage", "@state check", "@state prepare", "@state switch"),
    *("@state restart", f"@clock {CLOCK}", "@running", "@state verify"),
]
BACK = ["@state rollback", f"@clock {CLOCK + 40}"]


@dataclass(frozen=True)
class Await:
    """Says nothing more until it was told something that begins so."""

    word: str = ""


Step = str | Await | AresmonError
"""A line that it prints, what it waits for, or how the connection breaks."""


def agent(host: str = "lewi") -> AgentPaths:
    return AgentPaths(host, "systemd", "ares", "/var/lib/aresmon/ares", "/etc/telegraf/telegraf.conf")


def order(host: str = "lewi", **changes: object) -> PushOrder:
    """An order without any file."""
    fixed: dict[str, object] = {
        "agent": agent(host),
        "files": (),
        "content": "c0ffee",
        "config_id": "new-1",
        "output": "0123",
        "transaction": "t1",
        "by": "ada",
        "deadline": 38,
    }
    return PushOrder(**(fixed | changes))  # type: ignore[arg-type]


@dataclass
class Observed:
    """A push observer that keeps what it receives; `on_state` is called with each host and state."""

    on_state: Callable[[str, str], None] = lambda _host, _state: None
    states: list[tuple[str, str]] = field(default_factory=list)
    results: list[PushResult] = field(default_factory=list)

    def started(self, host: str) -> Callable[[str], None]:
        def enter(state: str) -> None:
            self.states.append((host, state))
            self.on_state(host, state)

        return enter

    def finished(self, result: PushResult) -> None:
        self.results.append(result)


@dataclass
class Scripted:
    """A host, and each of its conversations in turn; one more than there are fails the test."""

    conversations: list[Sequence[Step] | AresmonError]
    name: str = "lewi"
    said: str = ""
    sent: list[str] = field(default_factory=list)
    given: list[bytes] = field(default_factory=list)

    @asynccontextmanager
    async def start(self, script: str, given: bytes, *, as_root: bool) -> AsyncIterator[Conversation]:
        assert self.conversations, f"nobody expected to speak with {self.name} again"
        assert script
        assert as_root
        self.given.append(given)
        steps = self.conversations.pop(0)
        if isinstance(steps, AresmonError):
            raise steps
        yield _Talk(self, steps)


@dataclass
class _Talk:
    host: Scripted
    steps: Sequence[Step]
    told: asyncio.Event = field(default_factory=asyncio.Event)

    async def lines(self) -> AsyncIterator[str]:
        for step in self.steps:
            if isinstance(step, AresmonError):
                raise step
            if isinstance(step, str):
                yield step
                continue
            while not any(line.startswith(step.word) for line in self.host.sent):
                self.told.clear()
                await asyncio.wait_for(self.told.wait(), 10)

    async def send(self, line: str) -> None:
        self.host.sent.append(line)
        self.told.set()

    async def end(self) -> None:
        """Nobody says anything to it any more."""

    async def stderr(self) -> str:
        return self.host.said

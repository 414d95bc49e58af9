"""Sandboxes as aresmon's own code reaches them, and an InfluxDB that has what their agents send; with all that can
go wrong on the way."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from aresmon.config.names import MARKER
from aresmon.influxdb.client import InfluxDBUnreachableError
from aresmon.ssh.transport import Conversation, Local, LostError
from tests.unit.points import Point, Points
from tests.unit.push.remote.sandbox import SOON, Sandbox, with_header_line


@dataclass(frozen=True)
class Fault:
    """Something that happens to a connection once the host tells that it is in this state.

    `hang-up`: both sides notice its end; `cut`: neither does, but we give it up; `deaf`: this line is lost, `mute`:
    this and all that come; `interrupt`: somebody presses ^C.
    """

    kind: str = ""
    state: str = ""


@dataclass(frozen=True)
class _Sandboxed(Local):
    """The machine of the tests, with a sandbox's programs."""

    box: Sandbox = field(kw_only=True)

    async def _run(self, argv: list[str]):  # type: ignore[no-untyped-def]
        variables = [f"{name}={value}" for name, value in self.box.variables.items()]
        return await super()._run(["env", "-i", *variables, *argv])


@dataclass
class Reached:
    """The way to a sandbox. `fault` is that of the next push; what was cut stays open until `stack` is closed."""

    box: Sandbox
    stack: AsyncExitStack
    name: str
    fault: Fault = Fault()

    @asynccontextmanager
    async def start(self, script: str, given: bytes, *, as_root: bool) -> AsyncIterator[Conversation]:
        """A push finds the host's clock standing still; a look at what became of one lets its time go by."""
        assert not as_root
        is_push = b"\nmode=push\n" in given
        self.box.hurry(not is_push)
        way = _Sandboxed(self.name, box=self.box)
        given = with_header_line(self.box.ours(given), b"deadline=2", f"deadline={SOON + 1}".encode())
        start = way.start(self.box.script, given, as_root=False)
        fault, self.fault = (self.fault, Fault()) if is_push else (Fault(), self.fault)
        if fault.kind == "cut":
            yield _Faulty(await self.stack.enter_async_context(start), fault)
            return
        async with start as conversation:
            yield _Faulty(conversation, fault)


@dataclass
class _Faulty:
    inner: Conversation
    fault: Fault
    is_mute: bool = False

    async def lines(self) -> AsyncIterator[str]:
        async for line in self.inner.lines():
            is_there = line in (f"@state {self.fault.state}", f"@{self.fault.state}")
            if is_there and self.fault.kind == "interrupt":
                os.kill(os.getpid(), signal.SIGINT)
            if is_there and self.fault.kind in ("hang-up", "cut"):
                raise LostError("the connection broke")
            self.is_mute = self.is_mute or (is_there and self.fault.kind == "mute")
            if not self.is_mute and not (is_there and self.fault.kind == "deaf"):
                yield line

    async def send(self, line: str) -> None:
        if not self.is_mute:
            await self.inner.send(line)

    async def end(self) -> None:
        await self.inner.end()

    async def stderr(self) -> str:
        return await self.inner.stderr()


@dataclass(frozen=True)
class Sent(Points):
    """What the agents of these sandboxes have sent: `mem`, and the mark of the configuration with which they run.

    A configuration with `# data: lost` sends nothing. `away` is how many of the next questions go unanswered.
    """

    boxes: Mapping[str, Sandbox] = field(default_factory=dict)
    away: list[int] = field(default_factory=lambda: [0])

    def __post_init__(self) -> None:
        for host in self.boxes:
            self.add("mem", host, time.time() - 5)
        self.fail(self._trouble)

    def _trouble(self) -> InfluxDBUnreachableError | None:
        if self.away[0] <= 0:
            return None
        self.away[0] -= 1
        return InfluxDBUnreachableError("InfluxDB does not answer")

    def visible(self) -> list[Point]:
        for host, box in self.boxes.items():
            loaded, now = box.loaded, time.time()
            if not loaded or "# data: lost" in loaded:
                continue
            self.add("mem", host, now)
            for line in loaded.splitlines():
                if line.startswith("# gen: "):
                    self.points.append(Point(MARKER, host, now, (("gen", line.removeprefix("# gen: ")),)))
        return self.points

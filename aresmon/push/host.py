"""One host's push, from here: the order given, the host's words heard, its data waited for, the outcome told."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace

from aresmon.agents import lint
from aresmon.agents.lint import AgentTiming
from aresmon.push import protocol
from aresmon.push import result as push_result
from aresmon.push.observer import PushObserver
from aresmon.push.protocol import HostMessage, PushOrder
from aresmon.push.result import PushOutcome, PushResult
from aresmon.push.verification import Arrival, Delivery, ExpectedData
from aresmon.ssh.transport import Conversation, LostError, Transport, UnreachableHostError
from aresmon.system.errors import AresmonError
from aresmon.system.poll import poll_async

_BACK_WITHIN = 45.0  # seconds for the data of a former configuration whose pace we cannot read
_ASK_AGAIN = 3.0
_EXTENSION = 60
# How a host says that a push ended, by how its state file says it.
_EVENTS = {"committed": "committed", "undone": "rolled-back"}


@dataclass(frozen=True, slots=True)
class Terms:
    """What counts as proven: the agent's pace, and whether every measurement must be back."""

    pace: AgentTiming
    strict: bool = False


async def push(
    order: PushOrder,
    transport: Transport,
    delivery: Delivery | None,
    *,
    terms: Terms,
    stop: asyncio.Event,
    observer: PushObserver,
) -> PushResult:
    """Bring one order to one host: the new configuration proven, or the old one back.

    `stop` asks for the former configuration back, wherever the push is. What a host does is never raised but told.
    """
    begun = time.monotonic()
    pushing = _Push(order, transport, delivery, terms=terms, stop=stop, observer=observer)
    try:
        result = await pushing.run()
    finally:
        if pushing.judging is not None:
            pushing.judging.cancel()
    return replace(result, seconds=time.monotonic() - begun)


class _Push:
    """What is known of one push while it goes on."""

    def __init__(
        self,
        order: PushOrder,
        transport: Transport,
        delivery: Delivery | None,
        *,
        terms: Terms,
        stop: asyncio.Event,
        observer: PushObserver,
    ) -> None:
        self.order, self.transport, self.delivery = order, transport, delivery
        self.terms, self.stop = terms, stop
        self._enter_state = observer.started(order.agent.host)
        self.host = order.agent.host
        self.state = "connect"
        self.seen = protocol.HostSurvey()
        self.notes: list[str] = []
        self.words: list[str] = []
        self.refusal: HostMessage | None = None
        self.strangers = ""
        self.complaint = ""
        self.arrival: Arrival | None = None
        self.end: HostMessage | None = None
        self.judging: asyncio.Task[None] | None = None

    async def run(self) -> PushResult:
        self.report("connect")
        given = protocol.push_request(self.order, shown=[self.order.agent.watched])
        start = self.transport.start(protocol.script(), given, as_root=self.order.agent.as_root)
        try:
            async with start as conversation:
                async for line in conversation.lines():
                    self.heed(protocol.event(line), conversation)
                self.complaint = await conversation.complaint()
        except UnreachableHostError as error:
            return self.result(PushOutcome.UNREACHABLE, error.message, error.hint)
        except LostError as error:
            return await self.settle(error.message)
        if self.end is not None:
            return await self.ended(self.end)
        return self.refused() or await self.settle(self.complaint or "it said nothing")

    def report(self, state: str) -> None:
        self._enter_state(state)

    # What the host tells -----------------------------------------------------------------------------------

    def heed(self, told: HostMessage | None, conversation: Conversation) -> None:
        if told is None or self.seen.take(told):
            return
        match told.word:
            case "state":
                self.state = told.rest
                self.report(told.rest)
            case "running":
                if self.delivery is not None and self.order.verify:
                    self.judging = asyncio.create_task(self.judge(conversation, self.delivery))
            case "log":
                self.words.append(told.rest)
            case "unmanaged":
                self.strangers = told.rest
            case "refused" | "locked":
                self.refusal = told
            case "unchanged" | "committed" | "rolled-back" | "broken":
                self.end = told
            case _:
                self.notes.extend(push_result.note(told))

    # What is decided here ----------------------------------------------------------------------------------

    async def judge(self, conversation: Conversation, delivery: Delivery) -> None:
        """Wait for the data, and say the word. While InfluxDB does not answer the host is asked to wait as well."""
        is_paused = asyncio.Event()

        def paused(now: bool) -> None:
            if now != is_paused.is_set():
                self.report("paused: InfluxDB does not answer" if now else self.state)
            is_paused.set() if now else is_paused.clear()

        arriving = asyncio.ensure_future(delivery.arrived(self.wanted(self.order.mark, self.order.deadline), paused))
        stopping = asyncio.ensure_future(self.stop.wait())
        ends = {arriving, stopping}
        try:
            while not arriving.done() and not stopping.done():
                pausing = asyncio.ensure_future(is_paused.wait())
                await asyncio.wait({*ends, pausing}, return_when=asyncio.FIRST_COMPLETED)
                pausing.cancel()
                if is_paused.is_set() and not arriving.done():
                    await conversation.send(f"extend {self.order.deadline + _EXTENSION}")
                    await asyncio.wait(ends, timeout=_EXTENSION / 4, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                await conversation.send("rollback aresmon was interrupted")
                return
            self.arrival = arriving.result()
            await conversation.send(self.word_on(self.arrival))
        finally:
            arriving.cancel()
            stopping.cancel()

    def word_on(self, arrival: Arrival) -> str:
        if arrival.arrived:
            silent = arrival.silent if self.terms.strict else ()
            return f"rollback no data arrived from {', '.join(silent)}" if silent else "commit"
        return f"rollback {arrival.why}" + (f" within {self.order.deadline} s" if arrival.is_late else "")

    def wanted(self, mark: str, within: float, *, before: float = 0.0) -> ExpectedData:
        since = float(self.seen.facts.get("clock", "0")) - before
        return ExpectedData(self.host, mark, since, within, before, self.terms.pace.interval, self.terms.strict)

    # How it ended ------------------------------------------------------------------------------------------

    async def ended(self, end: HostMessage) -> PushResult:
        match end.word:
            case "committed":
                return self.committed()
            case "unchanged":
                return await self.unchanged(end.rest)
            case "rolled-back":
                return await self.undone(end.rest)
        why = f"{end.rest}.{self.said()} It does not start with its former configuration either"
        return self.result(PushOutcome.BROKEN, why, push_result.look_there(self.order.agent))

    def committed(self) -> PushResult:
        if not self.order.verify:
            return self.result(PushOutcome.UNVERIFIED, "the agent runs; whether its data arrives was not looked at")
        silent = self.arrival.silent if self.arrival else ()
        why = f"nothing from {', '.join(silent)} since" if silent else ""
        return replace(self.result(PushOutcome.PROVEN, why), silent=silent)

    async def unchanged(self, mark: str) -> PushResult:
        """Nothing was to be done; its data is looked for all the same."""
        if self.delivery is None:
            return replace(self.result(PushOutcome.UNCHANGED), mark=mark)
        self.report("verify")
        pace = self.terms.pace
        arrival = await self.delivery.arrived(
            self.wanted(mark, self.order.deadline, before=pace.interval + pace.flush + pace.jitter)
        )
        if arrival.arrived:
            return replace(self.result(PushOutcome.UNCHANGED), mark=mark)
        why = "there is nothing to push, and its data does not arrive"
        return self.result(PushOutcome.SILENT, why, push_result.look_there(self.order.agent))

    async def undone(self, why: str) -> PushResult:
        """The former configuration is back; it is held to the same proof, where it had one to give."""
        why += f".{self.said()}"
        if self.delivery is None or self.seen.facts.get("active") != "active":
            return self.result(PushOutcome.ROLLED_BACK, f"{why} The former configuration is back")
        self.report("verify the former")
        former = (self.seen.content(self.order.agent.watched) or b"").decode(errors="replace")
        # What came back may not be what was pushed last; then any data of this host is its own.
        mark = self.seen.remembered.mark if self.seen.remembered.mark in former else ""
        if not mark and self.arrival is not None and self.arrival.before == frozenset():
            why += " The former configuration runs again; it sent nothing here before either"
            return self.result(PushOutcome.ROLLED_BACK, why)
        arrival = await self.delivery.arrived(self.wanted(mark, _back_within(former)))
        if arrival.arrived:
            return self.result(
                PushOutcome.ROLLED_BACK, f"{why} The former configuration runs again and its data arrives"
            )
        why += " The former configuration runs again"
        if not mark and (self.arrival is None or self.arrival.before is None):
            return self.result(PushOutcome.ROLLED_BACK, f"{why}; it sends nothing here")
        why += ", but its data does not arrive either"
        return self.result(PushOutcome.BROKEN, why, push_result.look_there(self.order.agent))

    def said(self) -> str:
        return f" It said: {push_result.said(self.words)}." if self.words else ""

    def refused(self) -> PushResult | None:
        """What the host, or its state, did not let us do; None if it refused nothing."""
        if self.strangers:
            return self.result(PushOutcome.REFUSED, *push_result.strangers(self.strangers, self.order.agent))
        if self.seen.drifted and self.refusal is None:
            return self.result(PushOutcome.DRIFTED, *push_result.drift(self.seen.drifted, self.host))
        if self.refusal is None:
            return None
        return self.result(PushOutcome.REFUSED, *push_result.refusal(self.refusal, self.order))

    async def settle(self, why: str) -> PushResult:
        """The connection is gone. What became of the host is asked of the host, when it can be."""
        if self.state == "connect":
            error = protocol.not_let_in(self.host, why)
            return self.result(PushOutcome.REFUSED, error.message, error.hint)

        async def ask() -> PushResult | None:
            self.report("lost: asking again")
            return await self.ask(why)

        found = await poll_async(ask, within=self.order.deadline + 60, every=_ASK_AGAIN)
        return found or self.result(
            PushOutcome.UNKNOWN,
            f"{why}, and it has not been reached since. It takes its former configuration back by itself",
            f"`aresmon drift {self.host}`, once it is reached again, tells what stands there",
        )

    async def ask(self, why: str) -> PushResult | None:
        """How the host says our push ended; None while it does not say."""
        try:
            seen = await protocol.look(self.order.agent, self.transport)
        except AresmonError:
            return None
        if seen.is_busy or seen.pending == self.order.transaction:
            return None
        if seen.last.get("tx") != self.order.transaction:
            return self.result(PushOutcome.REFUSED, f"{why}. Nothing was changed there", "the same command again")
        self.seen.facts["clock"] = seen.facts["clock"]
        outcome = seen.last.get("outcome", "")
        return await self.ended(HostMessage(_EVENTS.get(outcome, "broken"), why))

    def result(self, outcome: PushOutcome, why: str = "", next_step: str = "") -> PushResult:
        if self.order.access is not None:
            why = why.replace(self.order.access.password, "***")
        notes = (*self.notes, *push_result.circumstances(self.seen))
        live = self.seen.content(self.order.agent.watched)
        return PushResult(self.host, outcome, why, next_step, mark=self.order.mark, notes=notes, live=live)


def _back_within(former: str) -> float:
    try:
        return lint.pace(former).deadline
    except ValueError:
        return _BACK_WITHIN

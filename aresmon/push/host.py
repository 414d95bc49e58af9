"""One host's push, as aresmon runs it: send the request, follow the host's messages, verify its data, report."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import Any

from aresmon.agents import lint, trial
from aresmon.agents.inputs import InputChange
from aresmon.agents.lint import AgentTiming
from aresmon.push import diagnosis, found, protocol
from aresmon.push import result as push_result
from aresmon.push.observer import PushObserver
from aresmon.push.protocol import HostMessage, PushOrder
from aresmon.push.result import GOOD, PushOutcome, PushResult
from aresmon.push.verification import Arrival, ExpectedData, Verifier
from aresmon.ssh import transport as ssh_transport
from aresmon.ssh.transport import Conversation, LostError, Transport, UnreachableHostError
from aresmon.system.errors import AresmonError
from aresmon.system.poll import poll_async

_ROLLBACK_DEADLINE = 45.0  # seconds for the data of a previous configuration whose intervals cannot be read
_RECONNECT_INTERVAL = 3.0
_EXTENSION = 60
_COMMIT = "commit"
_RETRY = "run the same command again"
# Until the host has reported the next state, it has changed nothing that it does not restore without a `commit`.
_BEFORE_CHANGES = frozenset({"lock", "probe", "stage", "check", "wait"})
# The message with which a host reports an outcome, by the word that its state file has for it.
_OUTCOMES = {"committed": "committed", "undone": "rolled-back"}


@dataclass(frozen=True, slots=True)
class VerificationTerms:
    """When a push counts as verified: the agent's timing, whether every measurement must arrive (`strict`), and `body`,
    the configuration that is pushed: what it no longer collects is not expected. The agent must keep running for
    `timing.proof` seconds after its start, or for `soak` seconds if they are more."""

    timing: AgentTiming
    strict: bool = False
    body: str = field(default="", repr=False)
    soak: int = 0

    @property
    def observed(self) -> float:
        return max(self.timing.proof, self.soak)


async def push(
    order: PushOrder,
    transport: Transport,
    verifier: Verifier | None,
    *,
    terms: VerificationTerms,
    stop: asyncio.Event,
    observer: PushObserver,
) -> PushResult:
    """Push one configuration to one host: the new one is verified, or the previous one restored.

    Without a `verifier` the data is not waited for. `stop` requests a rollback at any step. Failures of the host are
    not raised but returned.
    """
    begun = time.monotonic()
    pushing = _Push(order, transport, verifier, terms=terms, stop=stop, observer=observer)
    try:
        result = await pushing.run()
    finally:
        if pushing.verifying is not None:
            pushing.verifying.cancel()
    return replace(result, seconds=time.monotonic() - begun)


class _Push:
    """The state of one push."""

    def __init__(
        self,
        order: PushOrder,
        transport: Transport,
        verifier: Verifier | None,
        *,
        terms: VerificationTerms,
        stop: asyncio.Event,
        observer: PushObserver,
    ) -> None:
        self.order, self.transport, self.verifier = order, transport, verifier
        self.terms, self.stop = terms, stop
        self._enter_state = observer.started(order.agent.host)
        self.host = order.agent.host
        self.state = "connect"
        self.survey = protocol.HostSurvey()
        self.notes: list[str] = []
        self.several: dict[str, list[str]] = {"log": [], "tried": [], "unresolved": []}  # messages, by their word
        self.refused: HostMessage | None = None
        self.unmanaged = ""
        self.stderr = ""
        self.is_lost = False
        self.arrival: Arrival | None = None
        self.end: HostMessage | None = None
        self.verifying: asyncio.Task[None] | None = None

    async def run(self) -> PushResult:
        self.report("connect")
        stdin = protocol.push_request(self.order, shown=[self.order.agent.watched])
        start = self.transport.start(protocol.script(), stdin, as_root=self.order.agent.as_root)
        try:
            async with start as conversation:
                async for line in ssh_transport.reported(conversation, self.host):
                    self.handle(protocol.parse_message(line), conversation)
                self.stderr = await conversation.stderr()
        except UnreachableHostError as error:
            return self.result(PushOutcome.UNREACHABLE, error.message, error.hint)
        except LostError as error:
            self.is_lost = True
            return await self.reconnect(error.message)
        if self.end is not None:
            return await self.finish(self.end)
        return self.refusal() or await self.reconnect(self.stderr or "the connection ended")

    def report(self, state: str) -> None:
        self._enter_state(state)

    # Messages from the host --------------------------------------------------------------------------------

    def handle(self, message: HostMessage | None, conversation: Conversation) -> None:
        if message is None or self.survey.add(message):
            return
        match message.word:
            case "state":
                self.state = message.rest
                self.report(message.rest)
            case "running":
                self.verifying = self.start_verification(conversation)
            case "log" | "unresolved" | "tried":
                self.several[message.word].append(message.rest)
            case "unmanaged":
                self.unmanaged = message.rest
            case "refused" | "locked":
                self.refused = message
            case "unchanged" | "committed" | "rolled-back" | "broken":
                self.end = message
            case "deprecated":
                self.notes.extend(push_result.describe_deprecated(message.rest, self.survey.facts.get("version", "")))
            case _:
                self.notes.extend(push_result.describe_note(message))

    # Commit or rollback ------------------------------------------------------------------------------------

    async def verify(self, conversation: Conversation, verifier: Verifier) -> None:
        """Wait for the data and send the command. While InfluxDB does not answer, the host's deadline is extended."""
        is_paused, end = asyncio.Event(), time.monotonic() + self.terms.observed

        def set_paused(now: bool) -> None:
            if now != is_paused.is_set():
                self.report("paused: InfluxDB does not answer" if now else self.state)
            is_paused.set() if now else is_paused.clear()

        expected = self.expected_data(self.order.config_id, self.order.deadline)
        arriving = asyncio.ensure_future(verifier.wait_for(expected, set_paused))
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
                await conversation.send(f"rollback {push_result.INTERRUPTED}")
                return
            self.arrival = arriving.result()
            command = self.command(self.arrival)
            if command == _COMMIT and await self.observe(conversation, stopping, end):
                command = f"rollback {push_result.INTERRUPTED}"
            await conversation.send(command)
        finally:
            arriving.cancel()
            stopping.cancel()

    def start_verification(self, conversation: Conversation) -> asyncio.Task[None] | None:
        if self.order.as_found:
            return asyncio.create_task(self.watch(conversation))
        if self.verifier is not None and self.order.verify:
            return asyncio.create_task(self.verify(conversation, self.verifier))
        return None

    async def watch(self, conversation: Conversation) -> None:
        """Let the agent run for a while: the host rolls back if it exits, and its data has no config ID to wait for."""
        try:
            await asyncio.wait_for(self.stop.wait(), self.order.as_found)
            await conversation.send(f"rollback {push_result.INTERRUPTED}")
        except TimeoutError:
            await conversation.send("commit")

    async def observe(self, conversation: Conversation, stopping: asyncio.Task[Any], end: float) -> bool:
        """Leave the host armed until `end`, since an agent can die at its second reading; it rolls back by itself then.

        Returns whether ^C ended the time early.
        """
        if self.terms.soak and end > time.monotonic():
            self.report(f"soak: {end - time.monotonic():.0f} s")
        is_long = self.terms.observed > self.order.deadline
        while (left := end - time.monotonic()) > 0 and not stopping.done():
            if is_long:  # in short steps: if the connection is lost in silence, the host does not wait for all of it
                await conversation.send(f"extend {_EXTENSION}")
            ticking = asyncio.ensure_future(asyncio.sleep(min(left, _EXTENSION / 4)))
            await asyncio.wait([ticking, stopping], return_when=asyncio.FIRST_COMPLETED)
            ticking.cancel()
        return stopping.done()

    def command(self, arrival: Arrival) -> str:
        if arrival.arrived:
            silent = arrival.silent if self.terms.strict else ()
            return f"rollback no data arrived from {', '.join(silent)}" if silent else _COMMIT
        return f"rollback {arrival.why}" + (f" within {self.order.deadline} s" if arrival.is_late else "")

    def expected_data(self, config_id: str, within: float, *, before: float = 0.0) -> ExpectedData:
        since = float(self.survey.facts.get("clock", "0")) - before
        timing, strict = self.terms.timing, self.terms.strict
        former = (self.survey.content(self.order.agent.watched) or b"").decode(errors="replace")
        change = InputChange(former, self.terms.body)

        def is_excused(measurement: str) -> bool:
            return change.is_removed(measurement) or change.is_rare(measurement, timing.interval)

        return ExpectedData(self.host, config_id, since, within, before, timing.interval, strict, is_excused)

    # Results -----------------------------------------------------------------------------------------------

    async def finish(self, end: HostMessage) -> PushResult:
        match end.word:
            case "committed":
                return self.committed()
            case "unchanged":
                return await self.unchanged(end.rest)
            case "rolled-back":
                return await self.rolled_back(end.rest)
        why = f"{end.rest}.{self.log_excerpt()} The agent does not start with its previous configuration either"
        return self.result(PushOutcome.BROKEN, why, push_result.log_command(self.order.agent))

    def committed(self) -> PushResult:
        if not self.order.verify:
            return self.result(PushOutcome.UNVERIFIED, "the agent is running; its data was not verified")
        silent = self.arrival.silent if self.arrival else ()
        tried = {plugin for plugin, _ in trial.describe(self.several["tried"], ())}
        for plugin in self.arrival.failing if self.arrival else ():
            if plugin not in tried:
                self.notes.append(push_result.describe_failing(plugin, self.order))
        why = f"no data from {', '.join(silent)} since the push" if silent else ""
        return replace(self.result(PushOutcome.VERIFIED, why), silent=silent)

    async def unchanged(self, config_id: str) -> PushResult:
        """Nothing was deployed; the data of the running configuration is verified nevertheless."""
        if self.verifier is None or self.order.as_found:
            return replace(self.result(PushOutcome.UNCHANGED), config_id=config_id)
        self.report("verify")
        timing = self.terms.timing
        arrival = await self.verifier.wait_for(
            self.expected_data(config_id, self.order.deadline, before=timing.interval + timing.flush + timing.jitter)
        )
        if arrival.arrived:
            return replace(self.result(PushOutcome.UNCHANGED), config_id=config_id)
        why = "the configuration is already deployed, but no data arrives from this host"
        return self.result(PushOutcome.SILENT, why, push_result.log_command(self.order.agent))

    async def rolled_back(self, why: str) -> PushResult:
        """The previous configuration is restored; its data is verified too, if it sent any."""
        cause, next_step = diagnosis.explain(self.arrival, self.order, self.several["unresolved"])
        why += f"{f': {cause}' if cause else ''}.{self.log_excerpt()}"
        if self.verifier is None or self.survey.facts.get("active") != "active":
            return self.result(PushOutcome.ROLLED_BACK, f"{why} The previous configuration is restored", next_step)
        self.report("verify previous")
        previous = (self.survey.content(self.order.agent.watched) or b"").decode(errors="replace")
        # The restored file may not be the one that was pushed last; then any data of this host verifies it.
        config_id = self.survey.last_push.config_id if self.survey.last_push.config_id in previous else ""
        why += " The previous configuration is running"
        if not config_id and self.arrival is not None and self.arrival.before == frozenset():
            return self.result(PushOutcome.ROLLED_BACK, f"{why}; it sent no data before the push either", next_step)
        arrival = await self.verifier.wait_for(self.expected_data(config_id, _rollback_deadline(previous)))
        if arrival.arrived:
            return self.result(PushOutcome.ROLLED_BACK, f"{why} and its data arrives", next_step)
        if not config_id and (self.arrival is None or self.arrival.before is None):
            return self.result(PushOutcome.ROLLED_BACK, f"{why}; it sends no data", next_step)
        why += ", but its data does not arrive either"
        return self.result(PushOutcome.BROKEN, why, push_result.log_command(self.order.agent))

    def log_excerpt(self) -> str:
        log = self.several["log"]
        return f" Telegraf logged: {push_result.explain_log(log)}." if log else ""

    def refusal(self) -> PushResult | None:
        """The result if the host refused the push, or its files have drifted; otherwise None."""
        if self.survey.found and self.refused is None and not self.order.overwrite:
            summary = found.read(self.survey.content(self.order.agent.watched) or b"").summary
            explanation = push_result.describe_found(summary, self.order.agent, self.unmanaged)
            return replace(self.result(PushOutcome.REFUSED, *explanation), undecided=summary)
        if self.unmanaged:
            return self.result(PushOutcome.REFUSED, *push_result.describe_unmanaged(self.unmanaged, self.order.agent))
        if self.survey.drifted and self.refused is None:
            return self.result(PushOutcome.DRIFTED, *push_result.describe_drift(self.survey.drifted, self.host))
        if self.refused is None:
            return None
        version = self.survey.facts.get("version", "")
        return self.result(PushOutcome.REFUSED, *push_result.describe_refusal(self.refused, self.order, version))

    async def reconnect(self, why: str) -> PushResult:
        """The connection is lost: connect again until the host reports how the push ended."""
        if self.state == "connect" and self.is_lost:
            return self.result(PushOutcome.UNREACHABLE, f"{why}. Nothing was changed on the host", _RETRY)
        if self.state == "connect":
            error = protocol.login_error(self.host, why)
            return self.result(PushOutcome.REFUSED, error.message, error.hint)

        async def probe() -> PushResult | None:
            self.report("connection lost: reconnecting")
            return await self.read_outcome(why)

        found = await poll_async(probe, within=self.order.deadline + 60, every=_RECONNECT_INTERVAL)
        if found is None and self.state in _BEFORE_CHANGES and self.order.verify:
            hint = f"when {self.host} is reachable again, run the same command again"
            return self.result(PushOutcome.UNREACHABLE, f"{why}. It keeps its previous configuration", hint)
        return found or self.result(
            PushOutcome.UNKNOWN,
            f"{why}, and {self.host} has been unreachable since. It restores its previous configuration automatically",
            f"run `aresmon drift {self.host}` when it is reachable again, to see which configuration is running",
        )

    async def read_outcome(self, why: str) -> PushResult | None:
        """How the push ended, as the host's state file says; None while it is unknown."""
        try:
            found = await protocol.survey(self.order.agent, self.transport)
        except AresmonError:
            return None
        if found.is_busy or found.pending == self.order.transaction:
            return None
        if found.last.get("tx") != self.order.transaction:
            outcome = PushOutcome.UNREACHABLE if self.is_lost else PushOutcome.REFUSED
            return self.result(outcome, f"{why}. Nothing was changed on the host", _RETRY)
        self.survey.facts["clock"] = found.facts["clock"]
        word = _OUTCOMES.get(found.last.get("outcome", ""), "broken")
        return await self.finish(HostMessage(word, why))

    def result(self, outcome: PushOutcome, why: str = "", next_step: str = "") -> PushResult:
        if outcome not in GOOD and not why.strip(" .:"):
            why = f"no reason was given in the state '{self.state}'"
            next_step = next_step or push_result.log_command(self.order.agent)
        found = (text for _, text in trial.describe(self.several["tried"], self.order.collectors))
        version = self.survey.facts.get("version", "")
        old = push_result.describe_old(version, self.order) if outcome is not PushOutcome.REFUSED else ()
        notes = (*found, *old, *self.notes, *push_result.survey_notes(self.survey))
        live = self.survey.content(self.order.agent.watched)
        is_found = bool(self.survey.found)
        return PushResult(
            self.host,
            outcome,
            self.without_secrets(why),
            next_step,
            config_id=self.order.config_id,
            notes=tuple(self.without_secrets(one) for one in notes),
            live=live,
            is_found=is_found,
        )

    def without_secrets(self, text: str) -> str:
        """What the host or its Telegraf said, without the agent's password and the secrets of its collectors."""
        password = [self.order.access.password] if self.order.access is not None else []
        for secret in filter(None, (*password, *self.order.secrets)):
            text = text.replace(secret, "***")
        return text


def _rollback_deadline(configuration: str) -> float:
    try:
        return lint.read_timing(configuration).deadline
    except ValueError:
        return _ROLLBACK_DEADLINE

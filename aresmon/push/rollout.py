"""Push to many hosts in waves: a canary, a tenth, the rest. Stop when too many fail."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from aresmon.push.host import VerificationTerms, push
from aresmon.push.observer import PushObserver
from aresmon.push.order import Target
from aresmon.push.protocol import PushOrder
from aresmon.push.result import GOOD, INTERRUPTED, PushOutcome, PushResult
from aresmon.push.verification import Verifier
from aresmon.ssh.transport import Transport
from aresmon.system import signals
from aresmon.system.errors import ExitCode, plural


@dataclass(frozen=True, slots=True)
class RolloutPace:
    """The pace of a rollout: the hosts in the first wave (0: no waves), the hosts that are pushed to in parallel, and
    the number of failures that are accepted before the rollout stops."""

    canary: int = 1
    parallel: int = 100
    max_fail: int = 0


@dataclass(frozen=True, slots=True)
class RolloutJob:
    """One host's push: its target, the request, the connection, and when it counts as verified."""

    target: Target
    order: PushOrder
    transport: Transport
    terms: VerificationTerms

    @property
    def host(self) -> str:
        return self.order.agent.host


def waves(count: int, canary: int) -> list[int]:
    """The number of hosts in each wave: the canary, up to a tenth of all, and the rest."""
    if not 0 < canary < count:
        return [count] if count else []
    tenth = count // 10
    sizes = [canary, *([tenth - canary] if tenth > canary else [])]
    return [*sizes, count - sum(sizes)]


def is_failure(result: PushResult) -> bool:
    """Whether a result counts towards `max_fail`. Neither a host that is unreachable nor one with a
    configuration of its own does: what is pushed is not the cause."""
    return result.outcome not in {*GOOD, PushOutcome.UNREACHABLE, PushOutcome.SKIPPED} and not result.undecided


def exit_code(results: Iterable[PushResult]) -> ExitCode:
    """The exit code of a rollout: that of the worst host."""
    outcomes = {result.outcome for result in results}
    if outcomes & {PushOutcome.BROKEN, PushOutcome.UNKNOWN}:
        return ExitCode.BROKEN
    if PushOutcome.ROLLED_BACK in outcomes:
        return ExitCode.ROLLED_BACK
    if outcomes <= GOOD:
        return ExitCode.DONE
    return ExitCode.DEGRADED if outcomes & {*GOOD, PushOutcome.SILENT} else ExitCode.REFUSED


async def roll_out(
    jobs: Sequence[RolloutJob],
    verifier: Verifier | None,
    *,
    pace: RolloutPace,
    observer: PushObserver,
    record: Callable[[PushResult], Awaitable[None]] | None = None,
) -> list[PushResult]:
    """Push to every host, wave by wave. `observer` gets each result at once, in the order in which they end, after it
    was recorded by `record`.

    The first ^C rolls the running pushes back and starts no more. Raises AresmonError, before anything is changed, if
    InfluxDB does not answer, so that no data could be verified.
    """
    if verifier is not None:
        await verifier.check_connection()
    rolling = _Rollout(verifier, pace, observer, record)
    results: list[PushResult] = []
    with _interruptions(rolling.stop):
        for size in waves(len(jobs), pace.canary):
            results += await rolling.wave(jobs[len(results) : len(results) + size])
    return results


class _Rollout:
    """The state that the waves share."""

    def __init__(
        self,
        verifier: Verifier | None,
        pace: RolloutPace,
        observer: PushObserver,
        record: Callable[[PushResult], Awaitable[None]] | None,
    ) -> None:
        self.verifier, self.pace, self.observer, self.record = verifier, pace, observer, record
        self.stop = asyncio.Event()
        self.places = asyncio.Semaphore(pace.parallel)
        self.failures = 0

    async def wave(self, jobs: Sequence[RolloutJob]) -> list[PushResult]:
        return await asyncio.gather(*map(self.one, jobs))

    async def one(self, job: RolloutJob) -> PushResult:
        async with self.places:
            result = self.skip_reason(job) or await push(
                job.order, job.transport, self.verifier, terms=job.terms, stop=self.stop, observer=self.observer
            )
        result = replace(result, commit=job.target.commit, notes=(*job.target.notes, *result.notes))
        self.failures += is_failure(result)
        if self.record is not None:
            await self.record(result)
        self.observer.finished(result)
        return result

    def skip_reason(self, job: RolloutJob) -> PushResult | None:
        if self.stop.is_set():
            return PushResult(job.host, PushOutcome.SKIPPED, f"not started: {INTERRUPTED}")
        return skipped(job.host, self.failures) if self.failures > self.pace.max_fail else None


def skipped(host: str, failures: int) -> PushResult:
    """The result of a host that is not pushed to because others failed."""
    why = f"not started: {plural(failures, 'other host')} failed"
    return PushResult(
        host,
        PushOutcome.SKIPPED,
        why,
        "correct the failed hosts and push again; --max-fail N continues until more than N hosts have failed",
    )


class _interruptions:  # noqa: N801 (reads as a function)
    """The first ^C, SIGTERM or SIGHUP sets `stop`; the second one ends aresmon at once."""

    def __init__(self, stop: asyncio.Event) -> None:
        self.stop = stop
        self.previous = {kind: signal.getsignal(kind) for kind in signals.kinds()}

    def __enter__(self) -> None:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            for kind in self.previous:
                asyncio.get_running_loop().add_signal_handler(kind, self._handle, kind)

    def __exit__(self, *_: object) -> None:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            for kind, previous in self.previous.items():
                is_left = signal.getsignal(kind) is signal.SIG_IGN  # the terminal was closed
                asyncio.get_running_loop().remove_signal_handler(kind)
                if kind != signal.SIGINT:  # asyncio has restored Python's handler
                    signal.signal(kind, signal.SIG_IGN if is_left else previous or signal.SIG_DFL)

    def _handle(self, kind: signal.Signals) -> None:
        if kind == signal.SIGHUP:
            signals.leave_terminal()
        if self.stop.is_set():
            raise KeyboardInterrupt
        self.stop.set()

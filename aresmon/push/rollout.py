"""Many hosts, in waves: a canary, a tenth, the rest; and an end to it when too many fail."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from aresmon.push.host import Terms, push
from aresmon.push.observer import PushObserver
from aresmon.push.order import Target
from aresmon.push.protocol import PushOrder
from aresmon.push.result import GOOD, PushOutcome, PushResult
from aresmon.push.verification import Delivery
from aresmon.ssh.transport import Transport
from aresmon.system import signals
from aresmon.system.errors import ExitCode


@dataclass(frozen=True, slots=True)
class RolloutPace:
    """How fast a rollout goes: hosts in the first wave (0: all at once), hosts at the same time, failures after
    which no other host is begun."""

    canary: int = 1
    parallel: int = 100
    max_fail: int = 0


@dataclass(frozen=True, slots=True)
class RolloutJob:
    """What one host should run, the order for it, the way there, and what counts as proven."""

    target: Target
    order: PushOrder
    transport: Transport
    terms: Terms

    @property
    def host(self) -> str:
        return self.order.agent.host


def waves(count: int, canary: int) -> list[int]:
    """How many hosts each wave has: the canary, up to a tenth of all, and the rest."""
    if not 0 < canary < count:
        return [count] if count else []
    tenth = count // 10
    sizes = [canary, *([tenth - canary] if tenth > canary else [])]
    return [*sizes, count - sum(sizes)]


def is_failure(result: PushResult) -> bool:
    """Whether a result counts towards `max_fail`. A host that is away is no fault of the configuration."""
    return result.outcome not in {*GOOD, PushOutcome.UNREACHABLE, PushOutcome.SKIPPED}


def exit_code(results: Iterable[PushResult]) -> ExitCode:
    """The exit code of the whole: that of the worst host."""
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
    delivery: Delivery | None,
    *,
    pace: RolloutPace,
    observer: PushObserver,
) -> list[PushResult]:
    """Push to every host, in its wave. `observer` gets each result at once, in the order in which they end.

    ^C, once, takes back what is under way and begins nothing more. Raises AresmonError, with nothing changed, where
    the data could not be seen to arrive.
    """
    if delivery is not None:
        await delivery.check()
    rolling = _Rollout(delivery, pace, observer)
    results: list[PushResult] = []
    with _interruptions(rolling.stop):
        for size in waves(len(jobs), pace.canary):
            results += await rolling.wave(jobs[len(results) : len(results) + size])
    return results


class _Rollout:
    """What the waves share."""

    def __init__(
        self,
        delivery: Delivery | None,
        pace: RolloutPace,
        observer: PushObserver,
    ) -> None:
        self.delivery, self.pace, self.observer = delivery, pace, observer
        self.stop = asyncio.Event()
        self.places = asyncio.Semaphore(pace.parallel)
        self.failures = 0

    async def wave(self, jobs: Sequence[RolloutJob]) -> list[PushResult]:
        return await asyncio.gather(*map(self.one, jobs))

    async def one(self, job: RolloutJob) -> PushResult:
        async with self.places:
            result = self.left_alone(job) or await push(
                job.order, job.transport, self.delivery, terms=job.terms, stop=self.stop, observer=self.observer
            )
        result = replace(result, commit=job.target.commit, notes=(*job.target.notes, *result.notes))
        self.failures += is_failure(result)
        self.observer.finished(result)
        return result

    def left_alone(self, job: RolloutJob) -> PushResult | None:
        if self.stop.is_set():
            return PushResult(job.host, PushOutcome.SKIPPED, "not begun: it was interrupted")
        return not_begun(job.host, self.failures) if self.failures > self.pace.max_fail else None


def not_begun(host: str, failures: int) -> PushResult:
    """The result of a host that is left alone because others failed."""
    why = f"not begun: {failures} host{'s' if failures > 1 else ''} failed before it"
    return PushResult(host, PushOutcome.SKIPPED, why, "mend that, and push again; --max-fail N goes on past N")


class _interruptions:  # noqa: N801 (reads as a function)
    """^C, SIGTERM and SIGHUP ask for an orderly end, and a second one for an end at once."""

    def __init__(self, stop: asyncio.Event) -> None:
        self.stop = stop
        self.former = {kind: signal.getsignal(kind) for kind in signals.kinds()}

    def __enter__(self) -> None:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            for kind in self.former:
                asyncio.get_running_loop().add_signal_handler(kind, self._asked, kind)

    def __exit__(self, *_: object) -> None:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            for kind, former in self.former.items():
                is_left = signal.getsignal(kind) is signal.SIG_IGN  # its terminal is gone
                asyncio.get_running_loop().remove_signal_handler(kind)
                if kind != signal.SIGINT:  # which asyncio has made Python's again
                    signal.signal(kind, signal.SIG_IGN if is_left else former or signal.SIG_DFL)

    def _asked(self, kind: signal.Signals) -> None:
        if kind == signal.SIGHUP:
            signals.leave_terminal()
        if self.stop.is_set():
            raise KeyboardInterrupt
        self.stop.set()

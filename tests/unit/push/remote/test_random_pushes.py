"""Pushes to several hosts with anything going wrong: whatever is told of a host afterwards is so.

The host script, the roll-out, the push and the waiting for data are the real ones.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aresmon.agents.lint import AgentTiming as AgentPace
from aresmon.push import host, rollout
from aresmon.push.host import VerificationTerms
from aresmon.push.order import Target
from aresmon.push.protocol import PushedFile
from aresmon.push.result import PushOutcome, PushResult
from aresmon.push.rollout import RolloutJob, RolloutPace
from aresmon.push.verification import Verifier
from aresmon.system import poll
from tests.unit.conftest import load
from tests.unit.push.remote.reached import Fault, Reached, Sent
from tests.unit.push.remote.sandbox import OLD, OLD_ENVIRONMENT, Sandbox, until
from tests.unit.scripted import Observed

# On CI, and where more examples are asked for, fleets are larger and live longer too.
EXAMPLES = int(os.environ.get("ARESMON_EXAMPLES") or (10 if os.environ.get("CI") else 3))
IS_THOROUGH = EXAMPLES > 3
NAMES = ("box0", "box1", "box2", "box3")
FLEET = load("hosts: {box0: , box1: , box2: , box3: }\n")
STATES = ("lock", "probe", "stage", "check", "prepare", "switch", "restart", "running", "verify", "commit", "rollback")
NO_FAULT = Fault()
Files = tuple[bytes, bytes]


@dataclass(frozen=True)
class Attempt:
    """A push to one host, and what goes wrong with it.

    `config` is how its configuration fares, `fault` what happens to the connection, `step` and `trip` what happens
    to the script at one of its steps, `before` what somebody does there by hand beforehand, `after` a power cut.
    """

    config: str = ""
    fault: Fault = NO_FAULT
    step: int = 0
    trip: str = ""
    before: str = ""
    overwrite: bool = False
    after: bool = False


def mostly(usual: object, *others: object) -> st.SearchStrategy[object]:
    return st.one_of(st.just(usual), st.just(usual), st.sampled_from(others))


ATTEMPTS = st.builds(
    Attempt,
    config=mostly(
        "", "# agent: does not start", "# agent: dies soon", "# check: no such plugin", "# data: lost", "same"
    ),
    fault=st.one_of(
        st.just(Fault()),
        st.builds(Fault, st.sampled_from(["hang-up", "cut", "deaf", "mute", "interrupt"]), st.sampled_from(STATES)),
    ),
    step=st.integers(1, 45),
    trip=mostly("", "kill-before", "kill-after", "fail"),
    before=mostly("", "edit", "edit environment", "stop"),
    overwrite=st.booleans(),
    after=mostly(False, True),
)
ROUNDS = st.lists(ATTEMPTS, min_size=1, max_size=3 if IS_THOROUGH else 2)
HOSTS = st.lists(ROUNDS, min_size=1, max_size=4 if IS_THOROUGH else 2)


@given(HOSTS, st.lists(st.integers(0, 5), min_size=3, max_size=3))
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_whatever_goes_wrong_what_is_told_of_a_host_is_so(hosts: list[list[Attempt]], away: list[int]) -> None:
    fast = SimpleNamespace(monotonic=lambda: time.monotonic() * 20)
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(host, "_RECONNECT_INTERVAL", 0.05))
        stack.enter_context(mock.patch.object(poll, "time", fast))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tried = [_Tried(Sandbox(folder / name), name) for name, _ in zip(NAMES, hosts, strict=False)]
        for one in tried:
            stack.callback(one.box.close)
        asyncio.run(_all_rounds(tried, hosts, away))


async def _all_rounds(tried: Sequence[_Tried], hosts: Sequence[Sequence[Attempt]], away: Sequence[int]) -> None:
    sent = Sent(boxes={one.name: one.box for one in tried})
    async with AsyncExitStack() as stack:
        for number, silent in enumerate(away):
            attempts = _interrupted_once([of_host[number] if of_host[number:] else None for of_host in hosts])
            going = [(one, attempt) for one, attempt in zip(tried, attempts, strict=True) if attempt]
            sent.away[0] = 0
            await _round(going, sent, silent, stack)
        sent.away[0] = 0
        await _round([(one, Attempt(overwrite=True)) for one in tried], sent, 0, stack)
        for one in tried:
            one.check_clean()


def _interrupted_once(attempts: Sequence[Attempt | None]) -> list[Attempt | None]:
    """The same with one ^C: a second one ends us, and not in good order."""
    pressed = [one for one in attempts if one and one.fault.kind == "interrupt"]
    return [
        dataclasses.replace(one, fault=Fault()) if one and any(one is other for other in pressed[1:]) else one
        for one in attempts
    ]


async def _round(going: Sequence[tuple[_Tried, Attempt]], sent: Sent, silent: int, stack: AsyncExitStack) -> None:
    """One roll-out to all of these hosts."""
    if not going:
        return
    jobs = [one.job(attempt, stack) for one, attempt in going]

    def report(_: str, state: str) -> None:
        if state == "verify":
            sent.away[0] = max(sent.away[0], silent)

    results = await rollout.roll_out(
        jobs, Verifier(sent, every=0.02), pace=RolloutPace(0, max_fail=99), observer=Observed(report)
    )
    await asyncio.gather(
        *(asyncio.to_thread(one.check, attempt, result) for (one, attempt), result in zip(going, results, strict=True))
    )


class _Tried:
    """One host, and what is known of it before a push."""

    def __init__(self, box: Sandbox, name: str) -> None:
        self.box, self.name, self.number = box, name, 0
        box.trip(9999, "fail")
        box.settle(OLD, OLD_ENVIRONMENT)
        self.content = ""
        self.before: Files = self.files()
        self.wanted: Files = self.before
        self.pid = box.pid

    def files(self) -> Files:
        return self.box.config.read_bytes(), self.box.environment.read_bytes()

    def job(self, attempt: Attempt, stack: AsyncExitStack) -> RolloutJob:
        """What brings another configuration, or the same once more; after what somebody does there by hand."""
        self._by_hand(attempt.before)
        self.before, self.pid = self.files(), self.box.pid
        self.number += 1
        if attempt.config != "same" or not self.content:
            self.content = f"content{self.number}"
            quirk = "" if attempt.config == "same" else attempt.config
            self.quirk = quirk
        mark = f"mark{self.number}"
        config = f"# {self.content}\n{self.quirk}\n# gen: {mark}\n".encode()
        environment = f"NEW='{self.content}'\n".encode()
        self.wanted = config, environment
        order = dataclasses.replace(
            self.box.order(),
            agent=dataclasses.replace(self.box.agent, host=self.name),
            files=(
                PushedFile(str(self.box.environment), environment, "0640"),
                PushedFile(str(self.box.config), config, "0640"),
            ),
            content=self.content,
            config_id=mark,
            transaction=f"t{self.number}",
            deadline=2,
            overwrite=attempt.overwrite,
            force=True,
        )
        self.box.trip(attempt.step if attempt.trip else 9999, attempt.trip or "fail")
        way = Reached(self.box, stack, self.name, attempt.fault)
        return RolloutJob(Target(FLEET.host(self.name), ""), order, way, VerificationTerms(AgentPace(0.3, 0.3, 0.0)))

    def _by_hand(self, what: str) -> None:
        if what == "edit":
            self.box.config.write_text(f"# by hand {self.number}\n")
        elif what == "edit environment":
            self.box.environment.write_text(f"OLD='by hand {self.number}'\n")
        elif what == "stop":
            self.box.call("systemctl", "stop", "telegraf")

    def check(self, attempt: Attempt, result: PushResult) -> None:
        """Let everything on the host come to its end, and hold what was told against what is there."""
        tripped = self.box.untrip()
        was_started = self._come_to_rest(power_cut=attempt.after)
        now = self.files()
        about = f"{attempt} told {result.outcome}: {result.why}; tripped {tripped or 'nothing'}; {now}"
        if result.outcome is PushOutcome.BROKEN and tripped:
            assert set(now) <= {*self.before, *self.wanted}, about
            return
        assert now in (self.before, self.wanted), about
        is_new = now == self.wanted
        if result.outcome is PushOutcome.VERIFIED:
            assert is_new, about
        elif result.outcome is PushOutcome.UNKNOWN:
            assert tripped or attempt.fault.kind, about
        else:
            assert result.outcome in _OLD, about
            assert not is_new or self.before == self.wanted, about
        if result.outcome is not PushOutcome.VERIFIED:
            assert bool(self.box.pid) == bool(self.pid) or is_new or was_started, about
        if self.box.pid and self.box.pid != self.pid:
            assert self.box.loaded.encode() == now[0], about
        if not is_new:
            self.content = ""

    def _come_to_rest(self, *, power_cut: bool) -> bool:
        """Let what goes on there end. Whether the machine was started for it, which starts a stopped agent too."""
        if power_cut:
            self.box.boot()
            return True
        self.box.hurry()
        until(self.box.is_idle)
        self.box.hurry(False)
        if not self.box.pending.exists():
            return False
        self.box.boot()  # its watchdog was killed, or not there yet
        return True

    def check_clean(self) -> None:
        """After a push with which nothing went wrong, everything is as if nothing ever had."""
        assert self.files() == self.wanted
        assert self.box.loaded.encode() == self.wanted[0]
        assert self.box.strays() == []
        assert not self.box.pending.exists()


_OLD = frozenset(
    {
        PushOutcome.ROLLED_BACK,
        PushOutcome.REFUSED,
        PushOutcome.DRIFTED,
        PushOutcome.UNCHANGED,
        PushOutcome.SILENT,
        PushOutcome.UNREACHABLE,
    }
)

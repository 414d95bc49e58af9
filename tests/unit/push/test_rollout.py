"""Many hosts: the waves, when it stops, and the exit code of the whole."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aresmon.agents.lint import AgentTiming as AgentPace
from aresmon.influxdb.client import InfluxDBUnreachableError
from aresmon.push import rollout
from aresmon.push.host import VerificationTerms
from aresmon.push.order import Target
from aresmon.push.result import GOOD, PushOutcome, PushResult
from aresmon.push.rollout import RolloutJob, RolloutPace
from aresmon.push.verification import Verifier
from aresmon.ssh.transport import UnreachableHostError
from aresmon.system import signals
from aresmon.system.errors import AresmonError, ExitCode
from tests.unit.conftest import load
from tests.unit.points import Points
from tests.unit.scripted import PROBE, Await, Observed, Scripted, Step, order

NAMES = [f"host{number}" for number in range(30)]
FLEET = load("hosts: {" + ", ".join(f"{name}: " for name in NAMES) + "}\n")

GOES: Sequence[Step] = [PROBE, "@unchanged m"]
FAILS: Sequence[Step] = [PROBE, "@refused check no"]
AWAY = UnreachableHostError("is not reached")


def job(name: str, steps: Sequence[Step] | AresmonError = GOES, **changes: Any) -> RolloutJob:
    target = Target(FLEET.host(name), "[agent]\n", commit=f"commit-of-{name}", notes=("unwise",))
    return RolloutJob(
        target, order(name, **changes), Scripted([steps], name=name), VerificationTerms(AgentPace(10, 10, 0))
    )


class Rolled:
    """What a roll-out told, in the order in which it did."""

    def __init__(self, jobs: Sequence[RolloutJob], delivery: Verifier | None = None, **pace: Any) -> None:
        observed = Observed()
        self.results = asyncio.run(
            rollout.roll_out(jobs, delivery, pace=RolloutPace(**{"canary": 0, **pace}), observer=observed)
        )
        self.begun = [host for host, state in observed.states if state == "connect"]
        self.ended = [result.host for result in observed.results]

    @property
    def outcomes(self) -> list[PushOutcome]:
        return [result.outcome for result in self.results]


def test_a_result_is_reported_after_it_was_recorded_and_others_go_on_meanwhile() -> None:
    observed, order_of_events = Observed(), list[str]()

    async def roll_out() -> None:
        other_is_recorded = asyncio.Event()

        async def record(result: PushResult) -> None:
            if result.host == "host0":
                await other_is_recorded.wait()
                assert [one.host for one in observed.results] == ["host1"]
            else:
                asyncio.get_running_loop().call_later(0.01, other_is_recorded.set)
            order_of_events.append(result.host)

        jobs = [job("host0"), job("host1")]
        await rollout.roll_out(jobs, None, pace=RolloutPace(canary=0), observer=observed, record=record)

    asyncio.run(roll_out())
    assert order_of_events == [one.host for one in observed.results] == ["host1", "host0"]


# Waves ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "canary", "sizes"),
    [
        (0, 1, []),
        (1, 1, [1]),
        (2, 1, [1, 1]),
        (3, 1, [1, 2]),
        (19, 1, [1, 18]),
        (20, 1, [1, 1, 18]),
        (100, 1, [1, 9, 90]),
        (500, 2, [2, 48, 450]),
        (100, 10, [10, 90]),
        (100, 50, [50, 50]),
        (3, 3, [3]),
        (3, 9, [3]),
        (3, 0, [3]),
    ],
)
def test_a_canary_goes_first_then_a_tenth_then_the_rest(count: int, canary: int, sizes: list[int]) -> None:
    assert rollout.waves(count, canary) == sizes


@given(st.integers(0, 2000), st.integers(0, 50))
def test_every_host_is_in_one_wave_and_the_canary_is_the_first(count: int, canary: int) -> None:
    sizes = rollout.waves(count, canary)

    assert sum(sizes) == count
    assert all(size > 0 for size in sizes)
    assert len(sizes) <= 3
    if 0 < canary < count:
        assert sizes[0] == canary
        assert sum(sizes[:-1]) <= max(canary, count // 10)


def test_a_wave_begins_when_the_one_before_has_ended() -> None:
    names = NAMES[:20]
    rolled = Rolled([job(name) for name in names], canary=1)

    assert rolled.begun[:2] == names[:2]
    assert rolled.ended[:2] == names[:2]
    assert sorted(rolled.begun) == sorted(rolled.ended) == sorted(names)
    assert [result.host for result in rolled.results] == names


def test_only_so_many_hosts_are_under_way_at_once() -> None:
    under_way = most = 0

    class Counting(Scripted):
        @asynccontextmanager
        async def start(self, script: str, given: bytes, *, as_root: bool) -> Any:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.01)
            async with super().start(script, given, as_root=as_root) as talk:
                yield talk
            under_way -= 1

    jobs = [
        RolloutJob(
            Target(FLEET.host(name), ""),
            order(name),
            Counting([GOES], name=name),
            VerificationTerms(AgentPace(10, 10, 0)),
        )
        for name in NAMES
    ]

    rolled = Rolled(jobs, parallel=4)

    assert most == 4
    assert rolled.outcomes == [PushOutcome.UNCHANGED] * len(NAMES)


# Failures ---------------------------------------------------------------------------------------------


def test_a_canary_that_fails_leaves_the_others_alone() -> None:
    rolled = Rolled([job("host0", FAILS), *(job(name) for name in NAMES[1:5])], canary=1)

    assert rolled.begun == ["host0"]
    assert rolled.outcomes == [PushOutcome.REFUSED, *[PushOutcome.SKIPPED] * 4]
    assert {result.why for result in rolled.results[1:]} == {"not started: 1 other host failed"}
    assert all("--max-fail" in result.next for result in rolled.results[1:])


def test_as_many_may_fail_as_is_allowed() -> None:
    jobs = [job("host0", FAILS), job("host1", FAILS), *(job(name) for name in NAMES[2:5])]

    going = Rolled(jobs, canary=2, max_fail=2)
    jobs = [job("host0", FAILS), job("host1", FAILS), *(job(name) for name in NAMES[2:5])]
    stopped = Rolled(jobs, canary=2, max_fail=1)

    assert going.outcomes[2:] == [PushOutcome.UNCHANGED] * 3
    assert stopped.outcomes[2:] == [PushOutcome.SKIPPED] * 3
    assert stopped.results[-1].why == "not started: 2 other hosts failed"


def test_within_a_wave_too_nobody_is_begun_past_the_limit() -> None:
    rolled = Rolled([job("host0", FAILS), *(job(name) for name in NAMES[1:5])], parallel=1)

    assert rolled.begun == ["host0"]
    assert rolled.outcomes.count(PushOutcome.SKIPPED) == 4


def test_hosts_that_are_away_hold_nobody_up() -> None:
    rolled = Rolled([job("host0", AWAY), job("host1"), job("host2", AWAY), job("host3")], canary=1)

    assert rolled.outcomes == [PushOutcome.UNREACHABLE, PushOutcome.UNCHANGED] * 2


@pytest.mark.parametrize("outcome", PushOutcome)
def test_what_counts_as_a_failure(outcome: PushOutcome) -> None:
    counted = {
        *(
            PushOutcome.REFUSED,
            PushOutcome.DRIFTED,
            PushOutcome.SILENT,
            PushOutcome.ROLLED_BACK,
            PushOutcome.BROKEN,
            PushOutcome.UNKNOWN,
        )
    }

    assert rollout.is_failure(PushResult("lewi", outcome)) == (outcome in counted)


def test_a_result_has_the_commit_and_the_notes_of_what_was_wished() -> None:
    (result,) = Rolled([job("host0", [PROBE, "@included own.conf", "@unchanged m"])]).results

    assert result.commit == "commit-of-host0"
    assert result.notes[0] == "unwise"
    assert "own.conf" in result.notes[1]


# InfluxDB ---------------------------------------------------------------------------------------------


def test_where_no_data_could_be_seen_nothing_is_begun() -> None:
    points = Points()
    points.fail(lambda: InfluxDBUnreachableError("InfluxDB does not answer"))

    with pytest.raises(InfluxDBUnreachableError):
        Rolled([job("host0")], Verifier(points))


def test_without_any_host_there_is_nothing_to_do() -> None:
    assert Rolled([], Verifier(Points())).results == []


# Interruptions ----------------------------------------------------------------------------------------


STARTS: Sequence[Step] = [
    PROBE,
    "@state restart",
    "@running",
    Await("rollback"),
    "@rolled-back aresmon was interrupted",
]


class Interrupting(Scripted):
    """A host at whose beginning somebody presses ^C, or ends us in another way."""

    kind = signal.SIGINT

    @asynccontextmanager
    async def start(self, script: str, given: bytes, *, as_root: bool) -> Any:
        os.kill(os.getpid(), self.kind)
        async with super().start(script, given, as_root=as_root) as talk:
            yield talk


@pytest.fixture
def _terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """SIGHUP as it is in a shell, and the tests' own terminal left alone."""
    former = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    monkeypatch.setattr(signals, "leave_terminal", lambda: None)
    yield
    signal.signal(signal.SIGHUP, former)


@pytest.mark.usefixtures("_terminal")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_takes_back_what_is_under_way_and_begins_nothing_more(kind: signal.Signals) -> None:
    host = Interrupting([STARTS], name="host0")
    host.kind = kind
    began = [line.replace("active=active", "active=inactive") if isinstance(line, str) else line for line in STARTS]
    host.conversations = [began]
    first = RolloutJob(Target(FLEET.host("host0"), ""), order("host0"), host, VerificationTerms(AgentPace(10, 10, 0)))

    rolled = Rolled([first, job("host1"), job("host2")], Verifier(Points()), canary=1)

    assert host.sent == ["rollback aresmon was interrupted"]
    assert rolled.outcomes == [PushOutcome.ROLLED_BACK, PushOutcome.SKIPPED, PushOutcome.SKIPPED]
    assert rolled.results[-1].why == "not started: aresmon was interrupted"


def test_a_second_interruption_ends_it_at_once() -> None:
    class Twice(Interrupting):
        @asynccontextmanager
        async def start(self, script: str, given: bytes, *, as_root: bool) -> Any:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.01)
            async with super().start(script, given, as_root=as_root) as talk:
                yield talk

    host = Twice([[PROBE, Await("never")]], name="host0")

    with pytest.raises(KeyboardInterrupt):
        Rolled(
            [RolloutJob(Target(FLEET.host("host0"), ""), order("host0"), host, VerificationTerms(AgentPace(10, 10, 0)))]
        )


def test_afterwards_every_interruption_is_what_it_was_before() -> None:
    def ours(*_: object) -> None: ...

    former = signal.signal(signal.SIGTERM, ours)
    try:
        Rolled([job("host0")])
        after = signal.getsignal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, former)

    assert after is ours
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# The exit code ----------------------------------------------------------------------------------------


def code(*outcomes: PushOutcome) -> ExitCode:
    return rollout.exit_code(PushResult("lewi", outcome) for outcome in outcomes)


@pytest.mark.parametrize(
    ("outcome", "alone"),
    [
        (PushOutcome.VERIFIED, ExitCode.DONE),
        (PushOutcome.UNCHANGED, ExitCode.DONE),
        (PushOutcome.UNVERIFIED, ExitCode.DONE),
        (PushOutcome.REFUSED, ExitCode.REFUSED),
        (PushOutcome.DRIFTED, ExitCode.REFUSED),
        (PushOutcome.UNREACHABLE, ExitCode.REFUSED),
        (PushOutcome.SKIPPED, ExitCode.REFUSED),
        (PushOutcome.SILENT, ExitCode.DEGRADED),
        (PushOutcome.ROLLED_BACK, ExitCode.ROLLED_BACK),
        (PushOutcome.BROKEN, ExitCode.BROKEN),
        (PushOutcome.UNKNOWN, ExitCode.BROKEN),
    ],
)
def test_the_exit_code_of_one_host(outcome: PushOutcome, alone: ExitCode) -> None:
    assert code(outcome) == alone


def test_every_outcome_has_an_exit_code() -> None:
    assert len(list(PushOutcome)) == 11, "another outcome: say above what its exit code is"


@pytest.mark.parametrize("size", range(4))
def test_the_exit_code_of_any_combination_is_that_of_the_worst(size: int) -> None:
    for outcomes in itertools.combinations(PushOutcome, size):
        some = set(outcomes)
        found = code(*outcomes)

        if some & {PushOutcome.BROKEN, PushOutcome.UNKNOWN}:
            assert found == ExitCode.BROKEN, outcomes
        elif PushOutcome.ROLLED_BACK in some:
            assert found == ExitCode.ROLLED_BACK, outcomes
        elif not some - GOOD:
            assert found == ExitCode.DONE, outcomes
        elif some & {*GOOD, PushOutcome.SILENT}:
            assert found == ExitCode.DEGRADED, outcomes
        else:
            assert found == ExitCode.REFUSED, outcomes


@given(st.lists(st.sampled_from(PushOutcome), min_size=1, max_size=6))
def test_neither_the_order_nor_the_number_of_hosts_matters(outcomes: list[PushOutcome]) -> None:
    assert code(*outcomes) == code(*reversed(outcomes)) == code(*outcomes, *outcomes)

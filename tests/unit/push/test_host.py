"""One host's push as it is seen from here: from its words, and its data, to the outcome that is told."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
from typing import Any

import pytest

from aresmon.agents.lint import AgentTiming
from aresmon.agents.remedies import CollectorNeeds
from aresmon.influxdb.client import InfluxDBUnreachableError
from aresmon.push import host as push_host
from aresmon.push.host import VerificationTerms
from aresmon.push.protocol import WriteAccess
from aresmon.push.result import PushOutcome, PushResult
from aresmon.push.verification import Verifier
from aresmon.ssh import transport
from aresmon.ssh.transport import LostError, UnreachableHostError
from tests.unit.points import Clock, Points, fake_clock
from tests.unit.scripted import BACK, CLOCK, PROBE, STARTED, Await, Observed, Scripted, Step, agent, order

LOST = LostError("the connection to lewi broke")
LIVE = b'value = "old-1"\n'
SHOWN = f"@file 00 {base64.b64encode(LIVE).decode()} /etc/telegraf/telegraf.conf"
REMEMBERED = [SHOWN, "@current content=beef", "@current gen=old-1"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return fake_clock(monkeypatch, CLOCK)


@pytest.fixture
def points(clock: Clock) -> Points:
    """What has arrived of lewi before."""
    made = Points(clock=clock.read)
    for name in ("mem", "disk"):
        made.add(name, "lewi", CLOCK - 10)
    return made


class Pushed:
    """A push to a host that says this, and what came of it."""

    def __init__(self, host: Scripted, points: Points | None, *, stop: bool = False, **changes: Any) -> None:
        self.host, observed = host, Observed()
        strict, body, soak = changes.pop("strict", False), changes.pop("body", ""), changes.pop("soak", 0)

        async def push() -> PushResult:
            asked = asyncio.Event()
            if stop:
                asked.set()
            delivery = None if points is None else Verifier(points)
            terms = VerificationTerms(AgentTiming(10.0, 10.0, 2.0), strict, body, soak)
            return await push_host.push(
                order(**changes),
                host,
                delivery,
                terms=terms,
                stop=asked,
                observer=observed,
            )

        self.result = asyncio.run(push())
        self.states = [state for _, state in observed.states]

    @property
    def told(self) -> tuple[PushOutcome, str]:
        return self.result.outcome, self.result.why


def arrive(points: Points, *measurements: str, config_id: str = "new-1", at: float = CLOCK + 5) -> None:
    points.mark(config_id, "lewi", at, seen_from=at)
    for name in measurements:
        points.add(name, "lewi", at, seen_from=at)


# Proven -----------------------------------------------------------------------------------------------


def test_a_host_whose_data_arrives_is_told_to_keep_it(points: Points) -> None:
    arrive(points, "mem", "disk")
    host = Scripted([[*STARTED, Await("commit"), "@state commit", "@committed 7"]])

    pushed = Pushed(host, points)

    assert pushed.told == (PushOutcome.VERIFIED, "")
    assert (pushed.result.config_id, pushed.result.silent, host.sent) == ("new-1", (), ["commit"])
    assert pushed.states == [
        *("connect", "lock", "probe", "stage", "check", "prepare", "switch", "restart", "verify", "commit")
    ]


def test_it_is_told_to_keep_it_when_an_interval_and_its_flush_have_passed(points: Points, clock: Clock) -> None:
    arrive(points, "mem", "disk", at=CLOCK + 2)
    host = Scripted([[*STARTED, Await("commit"), "@committed 7"]])

    pushed = Pushed(host, points)

    assert pushed.result.outcome is PushOutcome.VERIFIED
    assert host.sent == ["commit"]
    assert CLOCK + 22 <= clock.now < CLOCK + 23  # 10 s, 10 s and 2 s of jitter


def test_an_agent_that_dies_after_its_data_arrived_is_rolled_back(points: Points) -> None:
    arrive(points, "mem", "disk", at=CLOCK + 2)
    points.mark("old-1", "lewi", CLOCK + 42)
    died = "@rolled-back the agent exited 12 s after its start"
    host = Scripted([[*REMEMBERED, *STARTED, *BACK, died]])

    pushed = Pushed(host, points)

    assert host.sent == []
    assert pushed.told == (
        PushOutcome.ROLLED_BACK,
        "the agent exited 12 s after its start. The previous configuration is running and its data arrives",
    )


def test_a_soak_keeps_the_host_armed_for_as_long_as_it_takes(points: Points, clock: Clock) -> None:
    arrive(points, "mem", "disk")
    host = Scripted([[*STARTED, Await("commit"), "@committed 7"]])

    pushed = Pushed(host, points, soak=100)

    assert pushed.result.outcome is PushOutcome.VERIFIED
    assert host.sent == ["extend 60"] * (len(host.sent) - 1) + ["commit"]
    assert len(host.sent) > 6
    assert CLOCK + 100 <= clock.now < CLOCK + 102
    assert any(state.startswith("soak: ") for state in pushed.states)


def test_a_measurement_that_fell_silent_is_named(points: Points) -> None:
    arrive(points, "mem")
    host = Scripted([[*STARTED, Await("commit"), "@committed 7"]])

    pushed = Pushed(host, points)

    assert pushed.told == (PushOutcome.VERIFIED, "no data from disk since the push")
    assert pushed.result.silent == ("disk",)


def test_an_input_that_failed_when_it_was_tried_is_told_without_secrets_and_once(points: Points) -> None:
    arrive(points, "mem", "disk")
    points.reading("nginx", "lewi", CLOCK + 5, metrics=0, errors=3)
    nginx = CollectorNeeds("nginx", ("nginx",), "a location with `stub_status`")
    said = "@tried [inputs.nginx] Error in plugin: http://ada:hunter2@lewi/ refused"
    host = Scripted([[*STARTED[:5], said, "@tried-late 6", *STARTED[5:], Await("commit"), "@committed 7"]])

    pushed = Pushed(host, points, collectors=(nginx,), secrets=("hunter2",))

    assert pushed.told == (PushOutcome.VERIFIED, "")
    assert pushed.result.notes[:-1] == (
        "inputs.nginx failed when it was tried: http://ada:***@lewi/ refused. "
        "nginx needs a location with `stub_status`",
        "not every new input had answered within 6 s, when they were tried",
    )


def test_a_collector_that_telegraf_is_too_old_for_is_told_with_the_version_that_it_needs(points: Points) -> None:
    arrive(points, "mem", "disk")
    new = CollectorNeeds("time", ("timex",), telegraf=(1, 99, 0))
    rejected = "@refused check E! error parsing timex, undefined but requested input: timex"

    kept = Pushed(Scripted([[*STARTED, Await("commit"), "@committed 7"]]), points, collectors=(new,))
    refused = Pushed(Scripted([[*STARTED[:5], rejected]]), points, collectors=(new,))

    told = "the collector time needs Telegraf 1.99.0 or newer, and lewi has 1.39.3"
    assert kept.result.notes[:-1] == (told,)
    assert refused.told == (PushOutcome.REFUSED, told)
    assert refused.result.next.startswith("upgrade the package telegraf on lewi")


def test_strictly_what_was_taken_out_of_the_configuration_is_not_missed(points: Points) -> None:
    arrive(points, "mem")
    former = base64.b64encode(b"[[inputs.mem]]\n[[inputs.disk]]\n").decode()
    shown = f"@file 00 {former} /etc/telegraf/telegraf.conf"
    host = Scripted([[shown, *STARTED, Await("commit"), "@committed 7"]])

    pushed = Pushed(host, points, strict=True, body="[[inputs.mem]]\n")

    assert (pushed.told, pushed.result.silent) == ((PushOutcome.VERIFIED, ""), ())


def test_an_input_that_fails_each_time_is_named(points: Points) -> None:
    arrive(points, "mem", "disk")
    points.reading("ping", "lewi", CLOCK + 5, metrics=0, errors=1)
    points.reading("mem", "lewi", CLOCK + 5, metrics=9, errors=1)
    points.reading("tail", "lewi", CLOCK + 5, metrics=0, errors=0)
    host = Scripted([[*STARTED, Await("commit"), "@committed 7"]])

    pushed = Pushed(host, points)

    assert pushed.told == (PushOutcome.VERIFIED, "")
    assert [note for note in pushed.result.notes if "inputs." in note] == [
        "inputs.ping failed each time that it was read: on lewi, run: journalctl -u telegraf -n 50"
    ]


def test_strictly_it_is_rolled_back(points: Points) -> None:
    arrive(points, "mem")
    points.mark("old-1", "lewi", CLOCK + 42, seen_from=CLOCK + 20)
    host = Scripted([[*STARTED, Await("rollback"), *BACK, "@rolled-back no data arrived from disk"]])

    pushed = Pushed(host, points, strict=True)

    assert host.sent == ["rollback no data arrived from disk"]
    assert pushed.result.outcome is PushOutcome.ROLLED_BACK


def test_without_a_proof_nothing_is_promised() -> None:
    pushed = Pushed(Scripted([[*STARTED[:-1], "@committed 7"]]), None, verify=False)

    assert pushed.told == (PushOutcome.UNVERIFIED, "the agent is running; its data was not verified")


def test_lines_that_are_not_ours_do_not_matter(points: Points) -> None:
    arrive(points, "mem", "disk")
    noise = ["Welcome to lewi!", "", "bash: warning: setlocale", "@", "@later thing=1"]
    host = Scripted([[*noise, *STARTED, *noise, Await("commit"), *noise, "@committed 7"]])

    assert Pushed(host, points).result.outcome is PushOutcome.VERIFIED


# Unchanged --------------------------------------------------------------------------------------------


def test_nothing_to_do_is_held_to_the_same_proof(points: Points, clock: Clock) -> None:
    arrive(points, "mem", "disk", config_id="old-1", at=CLOCK - 5)

    pushed = Pushed(Scripted([[PROBE, "@unchanged old-1"]]), points)

    assert (pushed.told, pushed.result.config_id) == ((PushOutcome.UNCHANGED, ""), "old-1")
    assert clock.now < CLOCK + 5


def test_nothing_to_do_where_no_data_arrives_is_told(points: Points) -> None:
    pushed = Pushed(Scripted([[PROBE, "@unchanged old-1"]]), points)

    assert pushed.told == (
        PushOutcome.SILENT,
        "the configuration is already deployed, but no data arrives from this host",
    )
    assert pushed.result.next == "on lewi, run: journalctl -u telegraf -n 50"


def test_nothing_to_do_without_a_proof_is_simply_that() -> None:
    assert Pushed(Scripted([[PROBE, "@unchanged old-1"]]), None).result.outcome is PushOutcome.UNCHANGED


# Taken back -------------------------------------------------------------------------------------------


def test_data_that_does_not_arrive_is_the_reason_that_is_given(points: Points) -> None:
    points.mark("old-1", "lewi", CLOCK + 50, seen_from=CLOCK + 50)
    why = "no data arrived within 38 s"
    host = Scripted([[*REMEMBERED, *STARTED, Await("rollback"), *BACK, f"@rolled-back {why}"]])

    pushed = Pushed(host, points)

    assert host.sent == [f"rollback {why}"]
    assert pushed.told == (
        PushOutcome.ROLLED_BACK,
        f"{why}. The previous configuration is running and its data arrives",
    )
    assert pushed.states[-1] == "verify previous"


def test_what_the_agent_said_goes_with_the_reason(points: Points) -> None:
    points.mark("old-1", "lewi", CLOCK + 42)
    line = "@log 2026-01-01T00:00:00Z E! [outputs.influxdb] When writing: 401 Unauthorized"
    host = Scripted([[*REMEMBERED, *STARTED, line, *BACK, "@rolled-back the agent died 3 s after its start"]])

    _, why = Pushed(host, points).told

    assert why.startswith(
        "the agent died 3 s after its start. Telegraf logged: [outputs.influxdb] When writing: 401 Unauthorized."
    )


def test_a_former_configuration_whose_data_does_not_arrive_either_needs_a_person(points: Points) -> None:
    host = Scripted([[*REMEMBERED, *STARTED, Await("rollback"), *BACK, "@rolled-back none"]])

    pushed = Pushed(host, points)

    assert pushed.result.outcome is PushOutcome.BROKEN
    assert pushed.result.why.endswith("The previous configuration is running, but its data does not arrive either")
    assert pushed.result.next == "on lewi, run: journalctl -u telegraf -n 50"


def test_a_former_configuration_without_a_mark_is_known_by_any_data(points: Points) -> None:
    points.add("mem", "lewi", CLOCK + 45, seen_from=CLOCK + 45)
    host = Scripted([[SHOWN.replace("00 ", "11 "), *STARTED, Await("rollback"), *BACK, "@rolled-back none"]])

    pushed = Pushed(host, points)

    assert pushed.result.outcome is PushOutcome.ROLLED_BACK
    assert pushed.result.why.endswith("is running and its data arrives")


def test_one_that_sent_nothing_before_is_not_waited_for(clock: Clock) -> None:
    host = Scripted([[*STARTED, Await("rollback"), *BACK, "@rolled-back none"]])

    pushed = Pushed(host, Points(clock=clock.read))

    assert pushed.result.outcome is PushOutcome.ROLLED_BACK
    assert pushed.result.why.endswith("it sent no data before the push either")
    assert clock.now < CLOCK + 42


def test_an_agent_that_did_not_run_before_has_nothing_to_prove(points: Points) -> None:
    began = [line.replace("active=active", "active=inactive") for line in STARTED]

    pushed = Pushed(Scripted([[*began, *BACK, "@rolled-back the agent died"]]), points)

    assert pushed.told == (PushOutcome.ROLLED_BACK, "the agent died. The previous configuration is restored")


def test_an_agent_that_starts_with_neither_is_broken(points: Points) -> None:
    pushed = Pushed(Scripted([[*STARTED, *BACK, "@broken the agent does not start: x"]]), points)

    assert pushed.result.outcome is PushOutcome.BROKEN
    assert "The agent does not start with its previous configuration either" in pushed.result.why


def test_an_interruption_asks_for_the_former_configuration(points: Points) -> None:
    points.mark("old-1", "lewi", CLOCK + 42)
    host = Scripted([[*REMEMBERED, *STARTED, Await("rollback"), *BACK, "@rolled-back aresmon was interrupted"]])

    pushed = Pushed(host, points, stop=True)

    assert host.sent == ["rollback aresmon was interrupted"]
    assert pushed.result.outcome is PushOutcome.ROLLED_BACK


# While InfluxDB is away -------------------------------------------------------------------------------


def test_while_influxdb_is_away_the_host_is_asked_to_wait(points: Points, clock: Clock) -> None:
    arrive(points, "mem", "disk", at=CLOCK + 60)
    points.fail(lambda: InfluxDBUnreachableError("away") if CLOCK + 1 <= clock.now < CLOCK + 200 else None)
    host = Scripted([[*STARTED, Await("commit"), "@committed 7"]])

    pushed = Pushed(host, points)

    assert pushed.result.outcome is PushOutcome.VERIFIED
    assert host.sent[0] == "extend 98"
    assert host.sent[-1] == "commit"
    assert "paused: InfluxDB does not answer" in pushed.states
    assert pushed.states[-1] == "verify"


def test_a_host_is_asked_to_wait_as_soon_as_the_pause_begins(points: Points, clock: Clock) -> None:
    arrive(points, "mem", "disk", at=CLOCK + 3)
    points.fail(lambda: InfluxDBUnreachableError("away") if clock.now < CLOCK + 2 else None)
    host = Scripted([[*STARTED, Await("extend"), Await("commit"), "@committed 7"]])

    assert Pushed(host, points, deadline=2).result.outcome is PushOutcome.VERIFIED
    assert host.sent[0] == "extend 62"


# Refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("@locked 12 Ada as root", "Ada as root has been pushing to this host for 12 s"),
        ("@refused check E! bad", "Telegraf rejects the configuration: bad"),
        ("@refused stage /etc/x cannot be written: full", "/etc/x cannot be written: full"),
    ],
)
def test_a_refusal_is_told(points: Points, line: str, why: str) -> None:
    assert Pushed(Scripted([[PROBE, line]]), points).told == (PushOutcome.REFUSED, why)


def test_drift_and_unmanaged_variables_are_reported(points: Points) -> None:
    drifted = Pushed(Scripted([[PROBE, "@drift /etc/a", "@drift /etc/b"]]), points)
    stranger = Pushed(Scripted([[PROBE, "@unmanaged TOKEN PROXY"]]), points)

    assert drifted.told == (PushOutcome.DRIFTED, "/etc/a, /etc/b changed on the host since the last push")
    assert stranger.result.outcome is PushOutcome.REFUSED
    assert "TOKEN, PROXY" in stranger.result.why


def test_a_refusal_wins_over_the_drift_that_was_looked_past(points: Points) -> None:
    pushed = Pushed(Scripted([[PROBE, "@drift /etc/a", "@refused check no"]]), points)

    assert pushed.result.outcome is PushOutcome.REFUSED


def test_sudo_that_asks_is_told_with_the_way_in(points: Points) -> None:
    pushed = Pushed(Scripted([[]], said="sudo: a password is required"), points)

    assert pushed.told == (PushOutcome.REFUSED, "lewi: sudo failed: sudo: a password is required")
    assert "--ask-sudo" in pushed.result.next


def test_a_shell_that_runs_nothing_for_us_is_told(points: Points) -> None:
    pushed = Pushed(Scripted([["This account is not available."]]), points)

    assert pushed.result.outcome is PushOutcome.REFUSED
    assert "login shell must be able to run bash" in pushed.result.next


# Lost -------------------------------------------------------------------------------------------------


def test_a_host_that_is_not_reached_is_told_as_such(points: Points) -> None:
    away = UnreachableHostError("lewi is not reached: it did not answer within 15 s", hint="look")

    pushed = Pushed(Scripted([away]), points)

    assert pushed.told == (PushOutcome.UNREACHABLE, away.message)
    assert (pushed.result.next, pushed.states) == ("look", ["connect"])


def look(outcome: str = "", *, pending: str = "", tx: str = "t1") -> list[Step]:
    """What a host tells that is looked at afterwards."""
    told: list[Step] = [PROBE, *([f"@pending {pending}"] if pending else [])]
    return [*told, f"@last tx={tx} outcome={outcome} why= at=1 "] if outcome else told


def test_a_connection_that_stalls_before_the_script_runs_is_unreachable(
    points: Points, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_SILENCE", 0.1)
    broken = Pushed(Scripted([[LOST]]), points)
    silent = Pushed(Scripted([["Welcome to lewi", Await("nothing that anybody sends")]]), points)

    assert broken.told == (PushOutcome.UNREACHABLE, f"{LOST.message}. Nothing was changed on the host")
    assert silent.result.outcome is PushOutcome.UNREACHABLE
    assert silent.result.why.startswith("lewi accepted the connection, and ran nothing within 0 s")
    assert silent.result.next == "run the same command again"


def test_a_script_that_ends_without_a_word_is_refused(points: Points) -> None:
    killed = Pushed(Scripted([[PROBE, "@state stage"], look("committed", tx="t0")]), points)

    assert killed.told == (PushOutcome.REFUSED, "the connection ended. Nothing was changed on the host")


@pytest.mark.parametrize("state", ["stage", "switch"])
def test_a_host_that_stays_away_is_unknown_only_if_it_may_have_changed(points: Points, state: str) -> None:
    away = UnreachableHostError("lewi is away")
    host = Scripted([[PROBE, f"@state {state}", LOST], *[away] * 60])

    pushed = Pushed(host, points)

    if state == "stage":
        assert pushed.told == (PushOutcome.UNREACHABLE, f"{LOST.message}. It keeps its previous configuration")
    else:
        assert pushed.result.outcome is PushOutcome.UNKNOWN


def test_requiretty_is_named_with_the_line_that_ends_it(points: Points) -> None:
    pushed = Pushed(Scripted([[]], said="sudo: sorry, you must have a tty to run sudo"), points)

    assert pushed.result.outcome is PushOutcome.REFUSED
    assert "requiretty" in pushed.result.why
    assert "`Defaults:USER !requiretty`" in pushed.result.next
    assert "--ask-sudo" not in pushed.result.next


@pytest.mark.parametrize("state", ["lock", "probe", "stage", "check", "wait", "prepare"])
def test_a_connection_that_breaks_before_anything_is_changed_changed_nothing(points: Points, state: str) -> None:
    host = Scripted([[PROBE, f"@state {state}", LOST], look("committed", tx="t0")])

    assert Pushed(host, points).told == (PushOutcome.UNREACHABLE, f"{LOST.message}. Nothing was changed on the host")


def test_as_long_as_the_host_is_busy_with_it_nothing_is_told_of_its_end(points: Points) -> None:
    host = Scripted([[PROBE, "@state check", LOST], [*look(), "@busy"], [*look(), "@busy"], look()])

    assert Pushed(host, points).result.outcome is PushOutcome.UNREACHABLE
    assert host.conversations == []


def test_a_broken_connection_is_followed_up_until_the_host_says_how_it_ended(points: Points, clock: Clock) -> None:
    points.mark("old-1", "lewi", CLOCK + 2)
    away = UnreachableHostError("lewi is not reached")
    steps: list[Step] = [*REMEMBERED, *STARTED[:7], LOST]
    host = Scripted([steps, look(pending="t1"), away, LOST, look("undone")])

    pushed = Pushed(host, points)

    assert pushed.result.outcome is PushOutcome.ROLLED_BACK
    assert pushed.result.why.startswith(f"{LOST.message}.")
    assert host.conversations == []
    assert "connection lost: reconnecting" in pushed.states


def test_a_push_that_was_proven_as_the_connection_broke_is_proven(points: Points) -> None:
    arrive(points, "mem", "disk")
    host = Scripted([[*STARTED, Await("commit"), LOST], look("committed")])

    assert Pushed(host, points).result.outcome is PushOutcome.VERIFIED


def test_one_that_broke_is_broken(points: Points) -> None:
    host = Scripted([[*STARTED, LOST], look("broken")])

    assert Pushed(host, points).result.outcome is PushOutcome.BROKEN


def test_a_script_that_ends_without_a_word_is_followed_up_too(points: Points) -> None:
    points.mark("old-1", "lewi", CLOCK + 42)
    host = Scripted([[*REMEMBERED, *STARTED], look("undone")], said="bash: line 1: killed")

    pushed = Pushed(host, points)

    assert pushed.result.outcome is PushOutcome.ROLLED_BACK
    assert pushed.result.why.startswith("bash: line 1: killed.")


def test_a_host_that_stays_away_is_unknown_and_a_person_is_told_what_it_does(points: Points, clock: Clock) -> None:
    away = UnreachableHostError("lewi is not reached")
    host = Scripted([[*STARTED, LOST], *[away] * 200])

    pushed = Pushed(host, points)

    assert pushed.result.outcome is PushOutcome.UNKNOWN
    assert "It restores its previous configuration automatically" in pushed.result.why
    assert "aresmon drift lewi" in pushed.result.next
    assert CLOCK + 98 <= clock.now < CLOCK + 105


# What is told besides ---------------------------------------------------------------------------------


def test_a_password_is_in_no_reason(points: Points) -> None:
    access = WriteAccess("http://biere:8086", "agent-lewi", "s3cret", "telegraf")
    host = Scripted([[PROBE, "@refused check E! bad password s3cret"]])

    pushed = Pushed(host, points, access=access)

    assert pushed.result.why == "Telegraf rejects the configuration: bad password ***"


def test_the_live_file_goes_with_the_result_and_is_in_no_printed_form_of_it(points: Points) -> None:
    pushed = Pushed(Scripted([[PROBE, SHOWN, "@refused check no"]]), points)

    assert pushed.result.live == LIVE
    assert "old-1" not in repr(pushed.result)


def test_what_is_worth_knowing_is_noted(points: Points) -> None:
    arrive(points, "mem", "disk")
    noted = ["@included own.conf", "@recovered t0", "@untested http://x (curl is not installed)", "@lock-broken eve"]
    host = Scripted([[*noted, *STARTED, Await("commit"), "@committed 7"]])

    notes = " | ".join(Pushed(host, points).result.notes)

    for part in ("own.conf", "t0", "not tested before the push", "eve"):
        assert part in notes


def test_what_the_hosts_telegraf_is_about_to_remove_is_noted(points: Points) -> None:
    arrive(points, "mem", "disk")
    notice = (
        '@deprecated Option "{}" of plugin "inputs.mem" deprecated since version 1.29.0 and will be removed in {}: x'
    )
    told = [PROBE, notice.format("near", "1.40.0"), notice.format("far", "1.45.0"), "@deprecated something"]
    host = Scripted([[*told, *STARTED, Await("commit"), "@committed 7"]])

    notes = [note for note in Pushed(host, points).result.notes if "deprecated" in note]

    assert notes == ["near of inputs.mem is deprecated since Telegraf 1.29.0, and is to be removed in 1.40.0: x"]


def test_how_long_it_took_is_told(points: Points, clock: Clock) -> None:
    arrive(points, "mem", "disk", at=CLOCK + 20)
    host = Scripted([[*STARTED, Await("commit"), "@committed 7"]])

    assert 20 <= Pushed(host, points).result.seconds < 24


def test_a_container_is_looked_at_by_docker(points: Points) -> None:
    box = dataclasses.replace(agent(), kind="docker", project="ares-lewi")

    pushed = Pushed(Scripted([[*STARTED, "@broken x"]]), points, agent=box)

    assert pushed.result.next == "on lewi, run: docker logs --tail 50 ares-lewi-telegraf-1"


def test_a_reason_is_never_empty(points: Points) -> None:
    points.mark("old-1", "lewi", CLOCK + 42)
    pushed = Pushed(Scripted([[PROBE, "@refused"]]), points)

    assert pushed.told == (PushOutcome.REFUSED, "the host refused it in the step (unknown) and gave no reason")

"""A push that is interrupted, in each of its states: one configuration goes on, whole, and so does the next push."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator, Mapping

import pytest

from aresmon.engine.docker import Engine
from tests.engine.sites import Site, site_in
from tests.fleet.desk import Desk, heard
from tests.fleet.image import server_image
from tests.fleet.keys import Key
from tests.fleet.pushes import ELSEWHERE, Push, met, renew
from tests.fleet.servers import Server, at_once, joined, servers
from tests.fleet.standing import Kept, Standing

NAMES = ("biere", "ronflex", "lewi", "tripel", "orval", "rochefort")
STATES = [
    ("lock", "probe", "stage", "check", "prepare", "switch"),
    ("restart", "verify", "commit", "rollback", "rollback, restart"),
]
FROM_THE_JOURNAL_ON = ("prepare", "switch", "restart", "verify", "commit", "rollback")
OUTCOMES = {"untouched": "refused", "restored": "rolled back", "new": "verified"}
End = tuple[Kept, str]
ALONE: End = ("untouched", "")
DONE: End = ("new", "")
LATE: End = ("restored", "no data arrived within 5 s")
NOTE = "the previous push to this host was rolled back: "


@pytest.fixture(scope="module")
def fleet(engine: Engine, key: Key) -> Iterator[dict[str, Server]]:
    """Enough servers for a push to be met in six states at once."""
    with servers(NAMES, image=server_image(engine), operators=key) as made:
        yield made


@pytest.fixture(scope="module")
def _running_site(tmp_path_factory: pytest.TempPathFactory, fleet: dict[str, Server]) -> Iterator[Site]:
    hosts = {"box": {"agent": "systemd"}, **{name: {"agent": "systemd"} for name in NAMES}}
    with site_in(tmp_path_factory.mktemp("fleet"), hosts=hosts) as made:
        made.configure(edge={"agents": made.agents, "grafana": made.grafana, "url": "http://edge:8086"})
        made.up()
        with joined(made, fleet.values()):
            yield made


@pytest.fixture
def six(fleet: dict[str, Server]) -> Iterator[list[Server]]:
    """The servers; afterwards they are in their first state again."""
    yield list(fleet.values())
    at_once(Server.reset, fleet.values())


def goes_on(desk: Desk, before: list[Standing]) -> tuple[list[Kept], list[str]]:
    """Hold every server to the promise, then push to all of them, which must go through: what each of them ran until
    then, and what that push says of the one before, which is nothing where there is nothing to say."""
    found = desk.kept(*before)
    after = desk.push(*renew(desk, *(one.server for one in before)))
    assert after.outcomes == {name: "unchanged" if how == "new" else "verified" for name, how in found.items()}, after
    return list(found.values()), ["; ".join(after.notes(name)).removeprefix(NOTE) for name in found]


def by(states: tuple[str, ...], known: Mapping[str, End], other: End) -> dict[str, End]:
    """How a push that was met in these states ended: as is known, else in the other way."""
    return {state: LATE if state.startswith("rollback") else known.get(state, other) for state in states}


def outcomes(told: str) -> list[str]:
    """How a push ended for each host, in the order of their names above."""
    found = dict(re.findall(r"^(\w+): (refused|rolled back|verified|unreachable)$", told, re.MULTILINE))
    return [found[name] for name in NAMES if name in found]


def kill_script(server: Server) -> None:
    """Kill what runs there for a push: its lock tells the process."""
    server.run("read -r pid _ < /var/lib/aresmon/*/lock && kill -KILL $pid")


@pytest.mark.parametrize("states", STATES, ids=["lock to switch", "restart to rollback"])
def test_a_controller_that_is_killed_leaves_every_host_whole(
    desk: Desk, six: list[Server], states: tuple[str, ...]
) -> None:
    before = desk.verified(*six[: len(states)])

    with met(desk, before, states) as push:
        push.send(signal.SIGKILL)
        push.ended()
    found, told = goes_on(desk, before)

    ended: End = ("restored", "the connection ended")
    assert dict(zip(states, zip(found, told, strict=True), strict=True)) == by(
        states, {"lock": ALONE, "probe": ALONE, "stage": ALONE, "check": ALONE, "commit": DONE}, ended
    )


@pytest.mark.parametrize("states", STATES, ids=["lock to switch", "restart to rollback"])
def test_a_connection_that_is_cut_leaves_every_host_whole_and_how_it_ended_is_told(
    desk: Desk, six: list[Server], states: tuple[str, ...]
) -> None:
    before = desk.verified(*six[: len(states)])

    with met(desk, before, states) as push:
        at_once(Server.cut, six)
    for one in before:
        push.wait_said(f"{one.server.name}: connection lost: reconnecting")
    at_once(Server.mend, six)
    result = push.ended()
    found, told = goes_on(desk, before)

    # Where the write test is still to come, that ends a push that has no network.
    unsaid: End = ("restored", "no commit arrived in time")
    assert dict(zip(states, zip(found, told, strict=True), strict=True)) == by(
        states, {"lock": ALONE, "probe": ALONE, "stage": ALONE, "commit": DONE}, unsaid
    )
    lost = {**OUTCOMES, "untouched": "unreachable"}
    assert outcomes(result.out) == [lost[how] for how in found]
    assert result.code == 3, result


def test_the_watchdog_rolls_back_what_nobody_else_does(desk: Desk, six: list[Server]) -> None:
    before = desk.verified(*six)

    with met(desk, before, FROM_THE_JOURNAL_ON) as push:
        push.send(signal.SIGSTOP)  # so that nobody is told that the other has gone
        at_once(kill_script, six)
        push.send(signal.SIGKILL)
        push.ended()
    found, told = goes_on(desk, before)

    back = ("restored", "the push was not committed in time")
    assert list(zip(found, told, strict=True)) == [back, back, back, back, ("new", ""), back]


def test_after_a_power_cut_the_former_configuration_runs_and_that_is_told(desk: Desk, six: list[Server]) -> None:
    before = desk.verified(*six)

    with met(desk, before, FROM_THE_JOURNAL_ON) as push:
        at_once(Server.power_cut, six)
    result = push.ended()
    found, told = goes_on(desk, before)

    assert outcomes(result.out) == ["rolled back"] * 6
    assert result.code == 3, result
    assert found == ["restored"] * 6
    assert told == ["the machine restarted during the push"] * 6


def test_what_was_proven_when_its_controller_was_killed_is_a_release_like_any_other(
    desk: Desk, six: list[Server]
) -> None:
    before = desk.verified(six[0])

    with met(desk, before, ["commit"]) as push:
        push.send(signal.SIGKILL)
        push.ended()
    desk.push("biere")
    back = desk.run("rollback-config", "biere", "--json")

    assert back.code == 0, back
    assert "# new" not in six[0].read("/etc/telegraf/telegraf.conf")
    told = json.loads(desk.run("history", "biere", "--json").out)
    assert [(one["release"], one["outcome"]) for one in told[-3:]] == [
        (1, "verified"),
        (2, "unchanged"),
        (3, "verified"),
    ]


def test_an_interruption_of_the_only_host_is_told_as_one(desk: Desk, six: list[Server]) -> None:
    """Where others are not begun for it, `test_push_many.py` looks."""
    before = desk.verified(six[0])
    renew(desk, six[0], text=ELSEWHERE)

    push = Push(desk, "biere")
    push.wait_said("biere: verify")
    push.send(signal.SIGINT)
    result = push.ended()

    assert result.code == 130, result
    assert "biere: ROLLED BACK: aresmon was interrupted" in result.out
    assert desk.kept(*before) == {"biere": "restored"}


def test_a_push_whose_report_has_no_reader_is_put_in_order_as_after_an_interruption(
    desk: Desk, six: list[Server]
) -> None:
    before = desk.verified(*six[:2])
    renew(desk, *six[:2], text=ELSEWHERE)

    process = desk.start("push-config", "--canary", "0", *(one.name for one in six[:2]))
    assert process.stdout is not None
    assert process.stderr is not None
    heard(process, "biere: verify", "ronflex: verify")
    process.stdout.close()
    code, told = process.wait(timeout=120), process.stderr.read()

    assert code == -signal.SIGPIPE, told
    assert all(line.startswith("warning: ") for line in told.splitlines()), told
    assert desk.kept(*before) == {"biere": "restored", "ronflex": "restored"}

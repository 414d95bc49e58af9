"""What a person sees of a push: its results at two widths, its plan, drift, the history, and the table that moves."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aresmon.cli.console import Console, Rollout
from aresmon.push.drift import Drift, PlannedPush
from aresmon.push.result import PushOutcome, PushResult
from tests.golden.conftest import Compare

MARK = "4f1c9ab01234-20260101T120000-0123abcd"
COMMIT = "89abcdef0123456789abcdef0123456789abcdef"
LONG = "ronflex.ares-ensiie.example.org"

RESULTS = [
    PushResult("biere", PushOutcome.VERIFIED, config_id=MARK, commit=COMMIT, seconds=14.2),
    PushResult(
        "quiet",
        PushOutcome.VERIFIED,
        "no data from docker, zfs since the push",
        config_id=MARK,
        seconds=24.0,
        silent=("docker", "zfs"),
    ),
    PushResult(
        "same", PushOutcome.UNCHANGED, config_id=MARK, seconds=1.0, notes=("its clock is 7 s ahead of this machine's",)
    ),
    PushResult("unseen", PushOutcome.UNVERIFIED, "the agent is running; its data was not verified", config_id=MARK),
    PushResult(
        "silent",
        PushOutcome.SILENT,
        "the configuration is already deployed, but no data arrives from this host",
        "on silent, run: journalctl -u telegraf -n 50",
    ),
    PushResult(
        LONG,
        PushOutcome.ROLLED_BACK,
        "no data arrived within 40 s. Telegraf logged: [outputs.influxdb] 401 Unauthorized. The previous configuration "
        "is running and its data arrives",
        config_id=MARK,
        commit=COMMIT,
        seconds=61.9,
    ),
    PushResult(
        "wrong",
        PushOutcome.REFUSED,
        "Telegraf rejects the configuration: [bold] is no plugin",
        "correct the configuration and push again; the running configuration is unchanged",
    ),
    PushResult(
        "edited",
        PushOutcome.DRIFTED,
        "/etc/telegraf/telegraf.conf changed on the host since the last push",
        "`aresmon drift edited` shows the changes; keep them with --adopt, or discard them with --overwrite",
    ),
    PushResult(
        "away1",
        PushOutcome.UNREACHABLE,
        "no answer within 15 s",
        "try `ssh away1`; the address is set by `ssh:` in aresmon.yml and by ~/.ssh/config",
    ),
    PushResult(
        "away2",
        PushOutcome.UNREACHABLE,
        "no answer within 15 s",
        "try `ssh away1`; the address is set by `ssh:` in aresmon.yml and by ~/.ssh/config",
    ),
    PushResult(
        "left",
        PushOutcome.SKIPPED,
        "not started: 3 other hosts failed",
        "correct the failed hosts and push again; --max-fail N continues until more than N hosts have failed",
    ),
    PushResult(
        "dead",
        PushOutcome.BROKEN,
        "The agent does not start with its previous configuration either",
        "on dead, run: journalctl -u telegraf -n 50",
        MARK,
    ),
    PushResult(
        "gone",
        PushOutcome.UNKNOWN,
        "the connection to gone was lost, and gone has been unreachable since",
        "run `aresmon drift gone` when it is reachable again, to see which configuration is running",
    ),
]
MANY = [PushResult(f"host{number:02}", PushOutcome.VERIFIED, config_id=MARK, seconds=12.0) for number in range(25)]
PLAN = [
    PlannedPush("biere", "[agent]\n  interval = '10s'\n", "[agent]\n  interval = '30s'\n# [bold]x[/]\n", commit=COMMIT),
    PlannedPush("same", "[agent]\n", "[agent]\n"),
    PlannedPush("new", None, "[agent]\n"),
    PlannedPush("edited", "by hand\n", "[agent]\n", drifted=("/etc/telegraf/telegraf.conf", "/etc/default/telegraf")),
    PlannedPush("away", None, "", refusal=RESULTS[8]),
]
DRIFT = [
    Drift("biere"),
    Drift(
        "edited",
        "/etc/telegraf/telegraf.conf was edited since the last push",
        "--- edited: deployed\n+++ edited: live\n@@ -1 +1 @@\n-[agent]\n+[bold]by hand[/]\n",
        "to keep the edit: `aresmon push-config edited --adopt`; to discard it: --overwrite instead",
    ),
    Drift("new", "never pushed to from this site", next="`aresmon push-config new`"),
    Drift(
        "away",
        "away is unreachable: no answer within 15 s",
        next="try `ssh away`; the address is set by `ssh:` in aresmon.yml and by ~/.ssh/config",
    ),
]
HISTORY: list[dict[str, Any]] = [
    {
        "at": "2026-01-01T12:00:00+00:00",
        "host": "biere",
        "outcome": "verified",
        "release": 7,
        "commit": COMMIT,
        "by": "ada",
    },
    {
        "at": "2026-01-01T12:01:00+00:00",
        "host": LONG,
        "outcome": "rolled back",
        "release": 0,
        "commit": "",
        "by": "ada as root",
    },
    {"at": "2026-01-02T08:00:00+00:00", "host": "lewi", "outcome": "of a later version"},
    {},
]

WHY: list[dict[str, Any]] = [
    {**HISTORY[0], "reason": "less noise from the disks"},
    {**HISTORY[0], "release": 8, "restores": 6},
    {**HISTORY[0], "release": 9, "restores": 6, "reason": "the last one filled the log"},
]


def going(console: Console) -> None:
    """Hosts in every state of a roll-out, more of them than fit."""
    shown = Rollout(console, [one.host for one in RESULTS] + [f"host{n}" for n in range(9)], quiet=True)
    for one in RESULTS[:6]:
        shown.started(one.host)("verify")
        shown.finished(one)
    for number, state in enumerate(("connect", "check", "verify", "paused: InfluxDB does not answer")):
        shown.started(f"host{number}")(state)
    console.out.print(shown.table())


def crowded(console: Console) -> None:
    """More hosts under way than there are lines."""
    shown = Rollout(console, [f"host{n}" for n in range(40)], quiet=True)
    for number in range(30):
        shown.started(f"host{number}")("stage")
    shown.finished(PushResult("host0", PushOutcome.VERIFIED))
    console.out.print(shown.table())


def lines(console: Console) -> None:
    """Where there is no terminal, a line for each state."""
    with console.rollout(["biere", "lewi"]) as shown:
        enter = shown.started("biere")
        enter("connect")
        enter("paused: InfluxDB does not answer")
        shown.finished(RESULTS[0])


Show = Callable[[Console], None]
SHOWN: dict[str, tuple[int, Show]] = {
    "results-80": (80, lambda console: console.results(RESULTS)),
    "results-120": (120, lambda console: console.results(RESULTS)),
    "results-one": (80, lambda console: console.results(RESULTS[:1])),
    "results-many": (80, lambda console: console.results([*MANY, RESULTS[5]])),
    "plan": (80, lambda console: console.push_plan(PLAN)),
    "drift": (80, lambda console: console.drift(DRIFT)),
    "history-80": (80, lambda console: console.pushes(HISTORY)),
    "history-120": (120, lambda console: console.pushes(HISTORY)),
    "history-why": (120, lambda console: console.pushes([*WHY, *HISTORY[:1]])),
    "history-none": (80, lambda console: console.pushes([])),
    "going": (80, going),
    "crowded": (80, crowded),
    "lines": (80, lines),
}


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """What is printed at this width and 14 lines high, twelve seconds after it began."""

    def shown(name: str) -> str:
        width, show = SHOWN[name]
        ticks = iter(range(0, 9999, 12))
        monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("LINES", "14")
        show(Console())
        return "".join(f"{line.rstrip()}\n" for line in capsys.readouterr().out.splitlines())

    return shown


def test_a_push_shows_its_golden_texts(shown: Callable[[str], str], compare: Compare) -> None:
    compare(Path(__file__).with_name("pushes"), {f"{name}.txt": shown(name).encode() for name in SHOWN})


def test_every_outcome_is_among_them() -> None:
    assert {result.outcome for result in RESULTS} == set(PushOutcome)


@pytest.mark.parametrize("name", ["results-80", "history-80", "going", "crowded"])
def test_tables_keep_within_80_columns_and_cut_no_word(shown: Callable[[str], str], name: str) -> None:
    sentences = ("! ", "  ", f"{len(RESULTS)} hosts: ")
    tables = [line for line in shown(name).splitlines() if not line.startswith(sentences)]

    assert max(map(len, tables)) <= 80
    assert "…" not in "".join(tables)


@pytest.mark.parametrize("name", ["going", "crowded"])
def test_a_table_that_moves_keeps_within_the_terminals_height(shown: Callable[[str], str], name: str) -> None:
    assert len(shown(name).splitlines()) <= 14


def test_nothing_is_markup(shown: Callable[[str], str]) -> None:
    assert "+# [bold]x[/]\n" in shown("plan")
    assert "+[bold]by hand[/]\n" in shown("drift")
    assert "[bold] is no plugin\n" in shown("results-80")

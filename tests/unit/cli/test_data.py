"""`aresmon data` on the command line: what may be asked for, and what is told of it."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from aresmon.cli import common, data, main
from aresmon.influxdb import backfill, retention
from aresmon.influxdb.backfill import BackfillOptions, BackfillResult, BackfillTask
from aresmon.influxdb.retention import PolicyUsage

NOW = 1_700_000_000
HOUR, DAY = 3600, 86400


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command on a site whose database has this to fill, or holds this."""
    common.the_console.cache_clear()
    (tmp_path / "aresmon.yml").write_text("hosts: {biere: }\n")
    asked: list[BackfillOptions] = []

    def run(
        *arguments: str, tasks: tuple[BackfillTask, ...] = (), filled: BackfillResult | None = None, held: Any = ()
    ) -> Result:
        def plan(*given: Any, **_: Any) -> list[BackfillTask]:
            asked.append(given[3])
            return list(tasks)

        def fill(*_: Any, **__: Any) -> BackfillResult:
            assert filled is not None, "nothing was to be changed"
            return filled

        monkeypatch.setattr(time, "time", lambda: float(NOW))
        monkeypatch.setattr(data, "the_stack", lambda _: nullcontext((None, lambda: None)))
        monkeypatch.setattr(backfill, "plan", plan)
        monkeypatch.setattr(backfill, "run", fill)
        monkeypatch.setattr(retention, "list_policies", lambda *_, **__: list(held))
        result = CliRunner().invoke(main.app, ["-C", str(tmp_path), "data", *arguments])
        result.options = asked  # type: ignore[attr-defined]
        return result

    run.state = tmp_path / ".aresmon"  # type: ignore[attr-defined]
    return run


TASKS = (
    BackfillTask("1m", "cpu", NOW - DAY, NOW),
    BackfillTask("1m", "mem", NOW - DAY, NOW),
    BackfillTask("1h", "cpu", NOW - DAY, NOW),
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--since", "soon"), "'soon' is not a valid time"),
        (("--since", "1h", "--until", "2h"), "--since is not before --until"),
        (("--policy", "raw"), "no downsampled policy 'raw'; there are 1m, 1h"),
        (("--measurement", "cpuu"), "no downsampled measurement 'cpuu' (did you mean 'cpu'?)"),
    ],
)
def test_what_cannot_be_meant_is_refused(run: Any, arguments: tuple[str, ...], message: str) -> None:
    result = run("backfill", *arguments)

    assert result.exit_code == 2
    assert message in result.stderr


def test_times_are_spans_before_now_or_dates(run: Any) -> None:
    run("backfill", "--since", "7d", "--until", "12h", "--policy", "1h", "--measurement", "cpu", "--dry-run")
    result = run("backfill", "--since", "2023-11-01T12:00+00:00", "--dry-run")

    assert result.options == [
        BackfillOptions(NOW - 7 * DAY, NOW - 12 * HOUR, ("1h",), ("cpu",)),
        BackfillOptions(1698840000, None),
    ]


def test_a_dry_run_shows_what_would_be_made_and_makes_no_folder(run: Any) -> None:
    result = run("backfill", "--dry-run", tasks=TASKS)

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "    fill 1m  2 measurements, from 2023-11-13 22:13 to 2023-11-14 22:13 UTC",
        "    fill 1h  cpu, from 2023-11-13 22:13 to 2023-11-14 22:13 UTC",
        "Nothing was changed.",
    ]
    assert not run.state.exists()


def test_what_was_made_and_what_was_not_is_told_and_remembered(run: Any) -> None:
    result = run(
        "backfill", tasks=TASKS, filled=BackfillResult({"1m": 12345, "1h": 67}, ["cpu into 1h: field type conflict"])
    )

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "1m: 12,345 points written; 1h: 67 points written."
    assert "cpu into 1h: field type conflict" in result.stderr
    assert '"command": "data backfill"' in (run.state / "history.jsonl").read_text()


def test_without_points_there_is_nothing_to_do(run: Any) -> None:
    result = run("backfill")

    assert (result.exit_code, result.stdout) == (0, "Nothing to do: there are no points to downsample.\n")


def test_a_missing_continuous_query_degrades_what_is_shown(run: Any) -> None:
    well = PolicyUsage("raw", 168, NOW - DAY, NOW - 30, 1000, 2, 5_000_000, 0, 0)
    ill = PolicyUsage("1m", 0, None, None, 0, 0, 0, 40, 2)

    assert run("show", held=[well]).exit_code == 0
    result = run("show", held=[well, ill])

    assert result.exit_code == 5
    assert "2 continuous queries into 1m are missing\n   next: `aresmon up` creates them" in result.stderr
    words = " ".join(result.stdout.split())
    assert "raw 7d 2023-11-13 22:13 30 s 1,000 2 5.0 MB 0" in words
    assert "1m forever 0 0 0 kB 40/42" in words

"""`aresmon report` on the command line: which month, which file, and what is said of what is missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from aresmon.cli import common, main, report
from aresmon.grafana.answers import GrafanaNotRunningError
from aresmon.report import figures, period
from aresmon.report.alert_history import AlertFigures
from aresmon.report.figures import BackupFigures, Figures, HostFigures
from aresmon.report.page import NoAlerts
from aresmon.report.period import Period

Run = Callable[..., Result]
NOW = time.mktime((2026, 11, 29, 12, 0, 0, 0, 0, -1))
OCTOBER, NOVEMBER = period.month("2026-10", NOW), period.month("2026-11", NOW)


@pytest.fixture
def begun() -> list[float | None]:
    """When the site's only host sent its first data."""
    return [OCTOBER.start]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: list[float | None]) -> Iterator[Run]:
    """Runs the command in an empty folder, on 29 November, with a Grafana that has no alerts."""

    def collect(_: object, __: object, when: Period, *___: object, **____: object) -> Figures:
        since = None if begun[0] is None else max(begun[0], when.start)
        expected = 0.0 if since is None else max(0.0, when.end - since)
        return Figures(when, 60, (HostFigures("a", since, expected, ()),), (), BackupFigures(0, 0, 0, 0))

    def no_alerts(*_: object) -> list[AlertFigures]:
        return []

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "time", lambda: NOW)
    monkeypatch.setattr(figures, "collect", collect)
    monkeypatch.setattr("aresmon.influxdb.service.admin_client", lambda _: None)
    monkeypatch.setattr("aresmon.stack.location.require_local", lambda _: None)
    monkeypatch.setattr(report, "_alerts", no_alerts)
    common.the_console.cache_clear()
    (tmp_path / "aresmon.yml").write_text("hosts: {a: }\n")
    yield lambda *arguments: CliRunner().invoke(main.app, ["report", *arguments])
    common.the_console.cache_clear()


def test_the_last_whole_month_is_written_and_replaces_only_a_former_report(run: Run, tmp_path: Path) -> None:
    first, again = run(), run("--output", "report-2026-10.html")
    (tmp_path / "report-2026-10.html").write_text("my own notes")
    default, named = run(), run("--output", "report-2026-10.html")

    assert [first.exit_code, again.exit_code, default.exit_code, named.exit_code] == [0, 0, 1, 1], first.stderr
    assert first.stdout == again.stdout == "wrote report-2026-10.html: October 2026, 1 host\n"
    assert "report-2026-10.html exists and was not written by `aresmon report`" in default.stderr
    assert (tmp_path / "report-2026-10.html").read_text() == "my own notes"


def test_the_first_report_of_a_new_site_is_of_the_present_month(run: Run, begun: list[float | None]) -> None:
    begun[0] = NOVEMBER.start + 11 * 86400 + 3600

    result = run()

    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "note: this is the report of November 2026 so far, not of October 2026: the first data is of 12 November 2026, "
        "01:00",
        "wrote report-2026-11.html: November 2026, 1 host",
    ]


def test_a_month_without_data_is_told_when_it_was_asked_for(
    run: Run, tmp_path: Path, begun: list[float | None]
) -> None:
    begun[0] = NOVEMBER.start

    result = run("--month", "2026-10")

    assert result.exit_code == 5
    assert "wrote report-2026-10.html" in result.stdout
    assert "warning: no data for October 2026: the first data is of 1 November 2026, 00:00" in result.stderr
    assert "next: the report of the month in which it began: `aresmon report --month 2026-11`" in result.stderr
    assert "No data for October 2026" in (tmp_path / "report-2026-10.html").read_text()


def test_a_site_without_any_data_is_told(run: Run, begun: list[float | None]) -> None:
    begun[0] = None

    result = run()

    assert result.exit_code == 5
    assert "not of October 2026: no host has sent data yet" in result.stdout
    assert "warning: no data for November 2026: no host has sent data yet" in result.stderr


def test_a_report_without_alerts_says_why_and_ends_with_another_code(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "_alerts", lambda *_: NoAlerts(GrafanaNotRunningError().message))

    result = run()

    assert result.exit_code == 5
    assert "Grafana has their history: Grafana is not running here." in (tmp_path / "report-2026-10.html").read_text()


@pytest.mark.parametrize("output", ["october.txt", "missing/october.html"])
def test_a_file_that_cannot_be_is_refused_before_anything_is_read(
    run: Run, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    def read(*_: Any, **__: Any) -> None:
        pytest.fail("the database was asked")

    monkeypatch.setattr(figures, "collect", read)

    result = run("--output", output)

    assert result.exit_code == (2 if output.endswith(".txt") else 1)
    assert output.split("/")[0] in result.stderr

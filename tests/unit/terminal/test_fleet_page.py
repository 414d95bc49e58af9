"""The fleet as a table: which hosts are drawn, and what becomes of a number without room."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aresmon.monitoring.fleet import Fleet, HostRow, Trend
from aresmon.terminal import fleet_page, graph, pages
from aresmon.terminal.pages import Size
from aresmon.terminal.state import ScreenState
from aresmon.terminal.text import UNICODE, Glyphs, plain
from tests.unit.terminal import samples


def test_only_the_hosts_that_are_shown_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    sparkline = graph.sparkline

    def counted(points: graph.Points, columns: int, scale: graph.Scale, glyphs: Glyphs) -> str:
        drawn.append(columns)
        return sparkline(points, columns, scale, glyphs)

    monkeypatch.setattr(graph, "sparkline", counted)
    lines, shown = pages.frame(ScreenState(row=500), samples.snapshot(hosts=1000), Size(80, 24), UNICODE, site="ares")

    assert shown.rows == len(shown.hosts) == 1000
    assert sum(plain(one).startswith("host-") for one in lines) == shown.fit < 24
    assert 0 < len(drawn) <= shown.fit * len(samples.COLUMNS)


@pytest.mark.parametrize(("value", "shown"), [(12345.6, "12346"), (1234567.0, "1.23M"), (0.5, "0.50")])
def test_no_number_loses_a_digit(value: float, shown: str) -> None:
    column = replace(samples.column("Events", "none"), decimals=2)
    row = HostRow("biere", "ok", 4.0, (Trend(value, ()),))
    fleet = Fleet(samples.NOW, samples.fleet().window, (column,), (row,))

    _, (line,) = fleet_page.table(fleet, [row], ScreenState(), 40, UNICODE)

    assert plain(line).split("4 s")[1].strip() == shown


def test_no_heading_is_cut() -> None:
    for columns in range(40, 130):
        heading, _ = fleet_page.table(samples.fleet(), [], ScreenState(), columns, UNICODE)
        assert "…" not in plain(heading)

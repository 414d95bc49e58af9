"""The fleet as a table: which hosts are drawn."""

from __future__ import annotations

import pytest

from aresmon.terminal import graph, pages
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

"""Where the panels of a dashboard stand: in lines without holes, and in folded rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aresmon.render.grafana.panels import Json, panel_id

COLUMNS = 24
_NARROWEST = 3


@dataclass(frozen=True, slots=True)
class Placed:
    """A panel's JSON and the room it asks for: its width in 24ths, its height in rows of 30 pixels."""

    json: dict[str, Any]
    width: int
    height: int


class Grid:
    """Panels laid from left to right and top to bottom."""

    def __init__(self) -> None:
        self.panels: list[Json] = []
        self.y = 0

    def place(self, several: Iterable[Placed], *, even: bool = False) -> None:
        """Lay panels out; `even` makes as many as possible share one line."""
        inside = list(several)
        if even and inside:
            width = COLUMNS // min(len(inside), COLUMNS // _NARROWEST)
            inside = [Placed(one.json, width, one.height) for one in inside]
        laid, self.y = _laid(inside, self.y)
        self.panels.extend(laid)

    def fold(self, title: str, several: Iterable[Placed], *, of: str) -> None:
        """A folded row: what is in it asks the database only when it is opened."""
        inside = list(several)
        if inside:
            laid, _ = _laid(inside, self.y + 1)
            self.panels.append(
                {
                    "id": panel_id("folded row", of),
                    "type": "row",
                    "title": title,
                    "collapsed": True,
                    "gridPos": {"x": 0, "y": self.y, "w": COLUMNS, "h": 1},
                    "panels": laid,
                }
            )
            self.y += 1


def _laid(several: Sequence[Placed], top: int) -> tuple[list[Json], int]:
    """The panels with their places from this line on, and the first line below them. A line is full, and as high as
    the tallest in it."""
    y, laid = top, list[Json]()
    for line in _lines(several):
        tallest = max(one.height for one in line)
        x = 0
        for one, width in zip(line, _stretched([one.width for one in line]), strict=True):
            laid.append(one.json | {"gridPos": {"x": x, "y": y, "w": width, "h": tallest}})
            x += width
        y += tallest
    return laid, y


def _lines(several: Sequence[Placed]) -> Iterator[list[Placed]]:
    line: list[Placed] = []
    for one in several:
        if line and sum(other.width for other in line) + one.width > COLUMNS:
            yield line
            line = []
        line.append(one)
    if line:
        yield line


def _stretched(widths: Sequence[int]) -> Iterator[int]:
    """The same in proportion, so that they make a full line."""
    whole, before = sum(widths), 0
    for index in range(len(widths)):
        until = round(COLUMNS * sum(widths[: index + 1]) / whole)
        yield until - before
        before = until

"""Sparklines, bars and graphs in characters: lines of dots by braille, stacked areas, letters without colours."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from aresmon.config.values import format_value
from aresmon.monitoring.curves import Window
from aresmon.terminal.text import Glyphs, Line, Span, fit

Points = Sequence[float | None]
_BRAILLE = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # of a cell's left and right half, from the top
_AXIS, _ROOMY = 10, 50  # columns for the labels of values, in a graph of so many columns
_WITH_SIDES, _WITH_MIDDLE = 4, 5  # rows from which there is room for more than the values at both ends
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Scale:
    """The values at the bottom and at the top of a graph."""

    low: float
    high: float

    def share(self, value: float) -> float:
        """Where a value is, from 0 at the bottom to 1 at the top."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A curve and its style. `is_below` turns it upside down, below zero."""

    points: Points
    style: str
    is_below: bool = False

    @property
    def shown(self) -> Points:
        return [None if one is None else -one for one in self.points] if self.is_below else self.points


def scale_of(
    curves: Sequence[Points], *, minimum: float | None, maximum: float | None, stacked: bool = False, least: float = 0.0
) -> Scale:
    """The scale on which all of these fit; it has zero, and ends with a round number of at least `least`."""
    low, high = minimum, maximum
    if low is None:
        lowest = min((value for one in curves for value in _finite(one)), default=0.0)
        low = -_round_up(-lowest) if lowest < 0 else 0.0
    if high is None:
        columns = zip(*curves, strict=True) if stacked else curves
        reached = (sum(values) if stacked else max(values) for one in columns if (values := _finite(one)))
        high = _round_up(max(least, max(reached, default=least)))
    return Scale(low, high if high > low else low + 1)


def _finite(points: Iterable[float | None]) -> list[float]:
    return [one for one in points if one is not None and math.isfinite(one)]


def sparkline(points: Points, columns: int, scale: Scale, glyphs: Glyphs) -> str:
    """The course of one curve in a line; blanks where there are no points."""
    top = len(glyphs.blocks) - 1
    shown = ""
    for value in resampled(points, columns):
        # The lowest block is drawn for zero too: a blank means that there is no point.
        shown += glyphs.blocks[0] if value is None else glyphs.blocks[max(1, round(scale.share(value) * top))]
    return shown


def bar(value: float | None, columns: int, scale: Scale, glyphs: Glyphs) -> str:
    """A value as a bar in so many columns."""
    filled = 0 if value is None else round(scale.share(value) * columns)
    return glyphs.full * filled + glyphs.empty * (columns - filled)


def mark(number: int, style: str, several: int, glyphs: Glyphs) -> Span:
    """What stands before a curve's name in a legend: its letter, or a sign in its colour."""
    if several > 1 and (glyphs.lettered or not glyphs.braille):
        return Span(_letter(number), style)
    return Span("■" if glyphs.braille else "*", style)


def _letter(number: int) -> str:
    return _LETTERS[number % len(_LETTERS)]


@dataclass(frozen=True, slots=True)
class Plot:
    """A graph of several curves in the same steps of time. `sides` are what is drawn above zero and below it, where
    both are."""

    curves: Sequence[Drawn]
    scale: Scale
    window: Window
    unit: str
    stacked: bool = False
    sides: tuple[str, str] | None = None

    def draw(self, columns: int, rows: int, glyphs: Glyphs) -> list[Line]:
        """The graph with its axes, in so many columns and rows; the last row has the times."""
        high = max(rows - 1, 1)
        labels = self._labels(high)
        # Graphs that stand below each other have their axes at the same place, if the terminal has room for it.
        axis = max(max(map(len, labels)) + 1, _AXIS if columns >= _ROOMY else 0)
        wide = max(columns - axis - 1, 4)
        cells = self._areas(wide, high, glyphs) if self.stacked else self._lines(wide, high, glyphs)
        drawn: list[Line] = []
        for label, row in zip(labels, cells, strict=True):
            drawn.append((Span(f"{label:>{axis - 1}} ", "dim"), Span(glyphs.axis, "dim"), *_joined(row)))
        drawn.append((Span(" " * axis + glyphs.corner, "dim"), Span(self._times(wide), "dim")))
        return drawn

    def _labels(self, rows: int) -> list[str]:
        """The value at the top, in the middle and at the bottom of so many rows, and what is drawn below zero."""
        labels = [""] * rows
        has_sides = self.sides is not None and rows >= _WITH_SIDES
        low = format_value(abs(self.scale.low), self.unit)
        labels[-1] = f"-{low}" if self.scale.low < 0 and not has_sides else low
        labels[0] = format_value(self.scale.high, self.unit)
        if self.sides is not None and has_sides:
            labels[1], labels[-2] = self.sides
        if rows >= _WITH_MIDDLE:
            middle = (rows - 1) // 2 if has_sides else rows // 2
            share = 0.5 if has_sides else 1 - (middle + 0.5) / rows
            labels[middle] = format_value(self.scale.low + share * (self.scale.high - self.scale.low), self.unit)
        return labels

    def _times(self, columns: int) -> str:
        window = self.window
        format_ = "%H:%M" if window.until - window.since <= 36 * 3600 else "%d %b"
        marks = [time.strftime(format_, time.localtime(at)) for at in (
            window.since, (window.since + window.until) // 2, window.until)]  # fmt: skip
        begin, middle, end = marks
        if columns < len(begin) + len(end) + 2:
            return fit(begin, columns, ellipsis="")
        text = begin + " " * (columns - len(begin) - len(end)) + end
        at = (columns - len(middle)) // 2
        if at > len(begin) and at + len(middle) < columns - len(end):
            text = text[:at] + middle + text[at + len(middle) :]
        return text

    def _lines(self, columns: int, rows: int, glyphs: Glyphs) -> list[list[Span]]:
        if not glyphs.braille or (glyphs.lettered and len(self.curves) > 1):
            return self._letters(columns, rows, glyphs)
        dots = [[0] * columns for _ in range(rows)]
        styles = [[""] * columns for _ in range(rows)]
        # The first curve is drawn last, over the others.
        for number in reversed(range(len(self.curves))):
            for x, y in self._dots(self.curves[number].shown, columns * 2, rows * 4):
                column, row = x // 2, rows - 1 - y // 4
                dots[row][column] |= _DOTS[x % 2][3 - y % 4]
                styles[row][column] = self.curves[number].style
        return [
            [Span(chr(_BRAILLE + dot), style) if dot else Span(" ") for dot, style in zip(row, of, strict=True)]
            for row, of in zip(dots, styles, strict=True)
        ]

    def _dots(self, points: Points, columns: int, rows: int) -> Iterator[tuple[int, int]]:
        """The dots of a line; between two neighbours all dots, over a missing point none."""
        before: int | None = None
        for x, value in enumerate(resampled(points, columns)):
            if value is None:
                before = None
                continue
            y = round(self.scale.share(value) * (rows - 1))
            low, high = (y, y) if before is None else (min(y, before + (y > before)), max(y, before - (y < before)))
            yield from ((x, each) for each in range(low, high + 1))
            before = y

    def _letters(self, columns: int, rows: int, glyphs: Glyphs) -> list[list[Span]]:
        cells = [[Span(" ")] * columns for _ in range(rows)]
        for number in reversed(range(len(self.curves))):
            letter = _letter(number) if len(self.curves) > 1 else "*"
            for x, y in self._dots(self.curves[number].shown, columns, rows):
                cells[rows - 1 - y][x] = Span(letter, self.curves[number].style)
        return cells

    def _areas(self, columns: int, rows: int, glyphs: Glyphs) -> list[list[Span]]:
        cells = [[Span(" ")] * columns for _ in range(rows)]
        curves = [resampled(one.points, columns) for one in self.curves]
        for x in range(columns):
            heights = list(self._heights([one[x] for one in curves], rows))
            for row in range(rows):
                cells[rows - 1 - row][x] = self._area_cell(heights, row, glyphs)
        return cells

    def _area_cell(self, heights: Sequence[float], row: int, glyphs: Glyphs) -> Span:
        """The cell of a stack between two rows: the curve in its middle, or the part that the last one fills."""
        is_lettered = len(self.curves) > 1 and (glyphs.lettered or not glyphs.braille)
        number = next((index for index, height in enumerate(heights) if height >= row + 0.5), None)
        if number is not None:
            return Span(_letter(number) if is_lettered else glyphs.full, self.curves[number].style)
        filled = min(max(heights[-1] - row, 0.0), 1.0) if heights else 0.0
        block = glyphs.blocks[round(filled * (len(glyphs.blocks) - 1))]
        return Span(block, self.curves[-1].style) if block.strip() and not is_lettered else Span(" ")

    def _heights(self, values: Points, rows: int) -> Iterator[float]:
        """Up to which height, in rows, each curve reaches on top of those before it."""
        total = 0.0
        for value in values:
            total += value or 0.0
            yield self.scale.share(total) * rows


def _joined(cells: Sequence[Span]) -> Iterator[Span]:
    """Neighbours of one style as one span."""
    text, style = "", ""
    for cell in cells:
        if cell.style != style and text:
            yield Span(text, style)
            text = ""
        text, style = text + cell.text, cell.style
    if text:
        yield Span(text, style)


def resampled(points: Points, columns: int) -> list[float | None]:
    """So many points: the greatest of those that share a column; each one several times if there are fewer."""
    if not points:
        return [None] * columns
    count = len(points)
    found: list[float | None] = []
    for column in range(columns):
        begin = column * count // columns
        part = points[begin : max((column + 1) * count // columns, begin + 1)]
        found.append(max((one for one in part if one is not None and math.isfinite(one)), key=abs, default=None))
    return found


def _round_up(value: float) -> float:
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10 ** math.floor(math.log10(value))
    return float(next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value * 0.9999))

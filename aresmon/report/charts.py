"""The charts of a report as SVG, without scripts: they print, and need nothing from outside."""

from __future__ import annotations

import html
from collections.abc import Sequence

_DAY_WIDTH, _DAY_HEIGHT = 8, 26
_LINE_WIDTH, _LINE_HEIGHT = 160, 26
# As attributes of the shapes: not every program that makes PDFs knows styles in a drawing.
_WHOLE, _MOST, _PART, _NOT_YET = "#3274d9", "#e55400", "#c4162a", "#e4e4e4"


def day_strip(shares: Sequence[float | None], labels: Sequence[str]) -> str:
    """A bar for each day: full where data came all day, as high as its share else, in grey where none was expected.

    Each has a label, which a pointer shows.
    """
    bars = []
    for number, (share, label) in enumerate(zip(shares, labels, strict=True)):
        height = _DAY_HEIGHT if share is None else max(2.0, share * _DAY_HEIGHT)
        colour = _NOT_YET if share is None else _WHOLE if share >= 0.999 else _MOST if share >= 0.95 else _PART
        bars.append(
            f'<rect fill="{colour}" x="{number * (_DAY_WIDTH + 2)}" y="{_DAY_HEIGHT - height:.1f}" '
            f'width="{_DAY_WIDTH}" height="{height:.1f}"><title>{html.escape(label)}</title></rect>'
        )
    width = len(shares) * (_DAY_WIDTH + 2)
    return f'<svg role="img" width="{width}" height="{_DAY_HEIGHT}">{"".join(bars)}</svg>'


def line(values: Sequence[float], label: str) -> str:
    """A line of shares from 0 at the bottom to 1 at the top."""
    if len(values) < 2:
        return ""
    step = _LINE_WIDTH / (len(values) - 1)
    points = " ".join(
        f"{number * step:.1f},{(1 - min(max(value, 0), 1)) * (_LINE_HEIGHT - 2) + 1:.1f}"
        for number, value in enumerate(values)
    )
    return (
        f'<svg role="img" width="{_LINE_WIDTH}" height="{_LINE_HEIGHT}"><title>{html.escape(label)}</title>'
        f'<polyline fill="none" stroke="{_WHOLE}" stroke-width="1.5" points="{points}"/></svg>'
    )

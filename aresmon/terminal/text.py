"""Lines of styled text, and the characters that a terminal can show."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from aresmon.config.views import Levels


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line. `style` is one of `STYLES`' names, or empty."""

    text: str
    style: str = ""


Line = tuple[Span, ...]

STYLES: Mapping[str, str] = {
    "": "",
    "title": "bold",
    "heading": "bold",
    "dim": "bright_black",
    "key": "bold",
    "chosen": "reverse",
    "ok": "",
    "information": "cyan",
    "warning": "bold yellow",
    "critical": "bold red",
    "silent": "bold red",
    "never": "bold yellow",
    "trend": "bright_blue",
    "curve-0": "bright_blue",
    "curve-1": "cyan",
    "curve-2": "yellow",
    "curve-3": "magenta",
    "curve-4": "bright_white",
    "curve-5": "red",
    "curve-6": "bright_cyan",
    "curve-7": "bright_magenta",
    "blue": "bright_blue",
    "light blue": "cyan",
    "purple": "magenta",
    "gray": "bright_black",
    "yellow": "bright_yellow",
    "orange": "yellow",
    "red": "red",
    "text": "bright_white",
}
"""Each style as one of the sixteen colours that every terminal has. No two states differ by colour alone."""
CURVES = 8


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters for drawing. Without `braille`, curves are drawn with letters or stars; `lettered` gives each
    curve a letter, for a terminal without colours."""

    blocks: str
    full: str
    empty: str
    rule: str
    axis: str
    corner: str
    ellipsis: str
    braille: bool = False
    lettered: bool = False

    @property
    def is_ascii(self) -> bool:
        """Whether these are characters of ASCII alone."""
        return self.full.isascii()

    def with_letters(self) -> Glyphs:
        """The same for a terminal without colours."""
        return replace(self, lettered=True)


UNICODE = Glyphs(" ▁▂▃▄▅▆▇█", "█", "░", "─", "│", "└", "…", braille=True)
ASCII = Glyphs(" .:-=+*#%@", "#", ".", "-", "|", "+", "~")


def word_of(state: str) -> str:
    """A severity or a state in one short word."""
    return "notice" if state == "information" else state


def line(*parts: str | Span | tuple[str, str]) -> Line:
    """A line of texts, spans, or pairs of text and style."""
    return tuple(one if isinstance(one, Span) else Span(*one) if isinstance(one, tuple) else Span(one) for one in parts)


def clean(text: str) -> str:
    """A text from elsewhere without what would control the terminal."""
    return "".join(one if one.isprintable() else "?" for one in text)


def width(of: Iterable[Span]) -> int:
    return sum(len(span.text) for span in of)


def fit(text: str, columns: int, *, right: bool = False, ellipsis: str = "…") -> str:
    """A text in exactly so many columns: cut with an ellipsis, or padded; `right` aligns it to the right."""
    text = clean(text)
    if columns <= 0:
        return ""
    if len(text) > columns:
        return text[: columns - len(ellipsis)] + ellipsis if columns > len(ellipsis) else text[:columns]
    return text.rjust(columns) if right else text.ljust(columns)


def short(text: str, columns: int, *, ellipsis: str = "…") -> str:
    """A text in at most so many columns."""
    return fit(text, min(len(text), columns), ellipsis=ellipsis)


def wrapped(text: str, columns: int, *, indent: int = 0) -> list[str]:
    """A text in lines of at most so many columns; a word that is longer than a line goes on in the next one."""
    space = " " * indent
    return textwrap.wrap(
        clean(" ".join(text.split())),
        max(columns, indent + 1),
        initial_indent=space,
        subsequent_indent=space,
        break_on_hyphens=False,
    )


def flow(parts: Sequence[Line], columns: int, *, gap: int = 2) -> list[Line]:
    """Parts beside each other with so many blanks between them, as many in a line as fit."""
    lines: list[Line] = []
    for one in parts:
        if lines and width(lines[-1]) + gap + width(one) <= columns:
            lines[-1] = (*lines[-1], Span(" " * gap), *one)
        else:
            lines.append(one)
    return [cut(one, columns) for one in lines]


def cut(of: Line, columns: int) -> Line:
    """A line in at most so many columns."""
    kept: list[Span] = []
    left = columns
    for span in of:
        if left <= 0:
            break
        kept.append(Span(clean(span.text)[:left], span.style))
        left -= len(kept[-1].text)
    return tuple(kept)


def padded(of: Line, columns: int) -> Line:
    """A line in exactly so many columns."""
    inside = cut(of, columns)
    missing = columns - width(inside)
    return (*inside, Span(" " * missing)) if missing else inside


def spread(left: Line, right: Line, columns: int) -> Line:
    """Two parts at both ends of a line; without room for both, the left one alone."""
    gap = columns - width(left) - width(right)
    return (*left, Span(" " * gap), *right) if gap >= 1 else padded(left, columns)


def plain(of: Line) -> str:
    """The text of a line without styles and trailing blanks."""
    return "".join(span.text for span in of).rstrip()


def chosen(of: Line) -> Line:
    """The line that the cursor is on, as a whole."""
    return (Span("".join(span.text for span in of), "chosen"),)


def level_of(value: float | None, levels: Levels | None) -> str:
    """The style of a value by its thresholds."""
    if value is None or levels is None:
        return ""
    reached = [severity for severity, limit in levels.steps if (value <= limit if levels.falling else value >= limit)]
    return reached[-1] if reached else ""

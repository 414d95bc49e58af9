"""What a series can be, and what follows from it on every page: one role has one colour, in Grafana and in a terminal.

Blue is what is used and what is well, and red is kept for what is lost. Each place that draws has its own shade of a
colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from aresmon.config.views import Panel

Color = Literal["blue", "light blue", "purple", "yellow", "orange", "red", "gray", "text"]
COLORS: tuple[Color, ...] = get_args(Color)


@dataclass(frozen=True, slots=True)
class Role:
    """Its colour; whether the line is drawn below zero; whether it is a limit, dashed and outside of every stack."""

    color: Color
    is_below: bool = False
    is_limit: bool = False


MAIN: Color = "blue"
ROLES: Mapping[str, Role] = {
    "used": Role(MAIN),
    "ok": Role(MAIN),
    "in": Role(MAIN),
    "out": Role(MAIN, is_below=True),
    "read": Role(MAIN),
    "written": Role(MAIN, is_below=True),
    "system": Role("light blue"),
    "cached": Role("light blue"),
    "background": Role("purple"),
    "guest": Role("yellow"),
    "interrupts": Role("gray"),
    "wait": Role("orange"),
    "steal": Role("red"),
    "failed": Role("red"),
    "stopped": Role("gray"),
    "unknown": Role("gray"),
    "second": Role("gray"),
    "third": Role("purple"),
    "total": Role("text", is_limit=True),
    "limit": Role("text", is_limit=True),
}


def is_mirrored(panel: Panel) -> bool:
    """Whether some of its series are drawn below zero."""
    return any(ROLES[one.role].is_below for one in panel.series if one.role)

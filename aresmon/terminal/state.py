"""What is shown and what each key does: plain data and pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Page = Literal["fleet", "host", "panel", "alerts", "help"]
Sort = Literal["worst", "name", "value"]

SPANS: Sequence[tuple[int, str]] = (
    (15 * 60, "15 min"),
    (3600, "1 h"),
    (6 * 3600, "6 h"),
    (12 * 3600, "12 h"),
    (24 * 3600, "24 h"),
    (7 * 86400, "7 days"),
    (30 * 86400, "30 days"),
    (365 * 86400, "1 year"),
)
"""The ranges of time to choose from: seconds, and the name."""


@dataclass(frozen=True, slots=True)
class ScreenState:
    """What the person sees. `host` is the one that is open or chosen; `row` is the line with the cursor, `first` the
    first line that is shown; `back` is by how many halves of the range the end lies in the past; `column` is the first
    of the fleet's columns that is shown; `under` are the views to go back to."""

    page: Page = "fleet"
    host: str = ""
    panel: int = 0
    row: int = 0
    first: int = 0
    span: int = 0
    back: int = 0
    column: int = 0
    sort: Sort = "worst"
    details: bool = False
    filter: str = ""
    typing: bool = False
    is_over: bool = False
    under: tuple[ScreenState, ...] = ()

    @property
    def seconds(self) -> int:
        """The length of the range."""
        return SPANS[self.span][0]

    @property
    def offset(self) -> int:
        """By how many seconds its end lies in the past."""
        return self.back * self.seconds // 2


@dataclass(frozen=True, slots=True)
class Shown:
    """What a key needs to know of the screen: the hosts in their order, how many lines or panels there are, how many of
    them fit, how many panels stand side by side, and how many columns the fleet has."""

    hosts: Sequence[str] = ()
    rows: int = 0
    fit: int = 1
    across: int = 1
    columns: int = 0


Action = Callable[[ScreenState, Shown], ScreenState]


def press(view: ScreenState, key: str, shown: Shown) -> ScreenState:
    """The view after a key."""
    if view.typing:
        return _type(view, key)
    action = _KEYS.get(key)
    return action(view, shown) if action else view


def _type(view: ScreenState, key: str) -> ScreenState:
    """A key while the filter is typed."""
    if key in ("enter", "escape"):
        return replace(view, typing=False, filter=view.filter if key == "enter" else "", row=0, first=0)
    if key == "backspace":
        return replace(view, filter=view.filter[:-1], row=0, first=0)
    return replace(view, filter=view.filter + key, row=0, first=0) if len(key) == 1 else view


def _moved(by: Callable[[Shown], int]) -> Action:
    def move(view: ScreenState, shown: Shown) -> ScreenState:
        row = min(max(view.row + by(shown), 0), max(shown.rows - 1, 0))
        first = min(max(view.first, row - shown.fit + 1), row)
        if view.page == "panel":
            return replace(view, panel=min(max(view.panel + by(shown), 0), max(shown.rows - 1, 0)))
        if view.page == "host":  # panels are shown by whole lines
            first -= first % shown.across
        return replace(view, row=row, first=first)

    return move


def _enter(view: ScreenState, shown: Shown) -> ScreenState:
    if view.page in ("fleet", "alerts") and view.row < len(shown.hosts) and shown.hosts[view.row]:
        return _open(view, replace(_BLANK, page="host", host=shown.hosts[view.row], span=max(view.span, 1)))
    if view.page == "host" and shown.rows:
        return _open(view, replace(view, page="panel", panel=min(view.row, shown.rows - 1)))
    return view


def _open(view: ScreenState, opened: ScreenState) -> ScreenState:
    return replace(opened, under=(*view.under, replace(view, under=())))


def _leave(view: ScreenState, shown: Shown) -> ScreenState:
    if not view.under:
        return replace(view, filter="", row=0, first=0)
    below = replace(view.under[-1], under=view.under[:-1])
    # What was chosen stays chosen.
    kept = replace(below, span=view.span, back=view.back) if below.page == "host" else below
    return replace(kept, row=view.panel) if view.page == "panel" else kept


def _sideways(step: int) -> Action:
    """Left and right: the fleet's columns, the panels beside each other, or back and forth in time in a panel."""

    def move(view: ScreenState, shown: Shown) -> ScreenState:
        if view.page == "fleet":
            return replace(view, column=min(max(view.column + step, 0), max(shown.columns - 1, 0)))
        if view.page == "host" and shown.across > 1:
            return _moved(lambda _: step)(view, shown)
        return _back(-step)(view, shown)

    return move


def _back(step: int) -> Action:
    return lambda view, shown: replace(view, back=max(view.back + step, 0)) if view.page in ("host", "panel") else view


def _span(step: int) -> Action:
    def change(view: ScreenState, shown: Shown) -> ScreenState:
        return replace(view, span=min(max(view.span + step, 0), len(SPANS) - 1), back=0)

    return change


def _chosen_span(number: int) -> Action:
    return lambda view, shown: replace(view, span=number, back=0)


def _page(name: Page) -> Action:
    def show(view: ScreenState, shown: Shown) -> ScreenState:
        return view if view.page == name else _open(view, replace(_BLANK, page=name, span=view.span))

    return show


_BLANK = ScreenState()
_ORDERS: Sequence[Sort] = ("worst", "name", "value")


def _sorted(view: ScreenState, shown: Shown) -> ScreenState:
    order = _ORDERS[(_ORDERS.index(view.sort) + 1) % len(_ORDERS)]
    return replace(view, sort=order, row=0, first=0) if view.page == "fleet" else view


def _filtering(view: ScreenState, shown: Shown) -> ScreenState:
    return replace(view, typing=True) if view.page == "fleet" else view


def _details(view: ScreenState, shown: Shown) -> ScreenState:
    return replace(view, details=not view.details, row=0, first=0) if view.page == "host" else view


_KEYS: Mapping[str, Action] = {
    "up": _moved(lambda shown: -shown.across),
    "k": _moved(lambda shown: -shown.across),
    "down": _moved(lambda shown: shown.across),
    "j": _moved(lambda shown: shown.across),
    "pageup": _moved(lambda shown: -shown.fit),
    "pagedown": _moved(lambda shown: shown.fit),
    " ": _moved(lambda shown: shown.fit),
    "home": _moved(lambda shown: -shown.rows),
    "g": _moved(lambda shown: -shown.rows),
    "end": _moved(lambda shown: shown.rows),
    "G": _moved(lambda shown: shown.rows),
    "left": _sideways(-1),
    "right": _sideways(1),
    "h": _sideways(-1),
    "l": _sideways(1),
    "enter": _enter,
    "escape": _leave,
    "backspace": _leave,
    "+": _span(-1),
    "=": _span(-1),
    "-": _span(1),
    ",": _back(1),
    ".": _back(-1),
    "<": _back(1),
    ">": _back(-1),
    "n": lambda view, shown: replace(view, back=0),
    "s": _sorted,
    "/": _filtering,
    "d": _details,
    "a": _page("alerts"),
    "?": _page("help"),
    "f1": _page("help"),
    "q": lambda view, shown: replace(view, is_over=True),
    **{str(number + 1): _chosen_span(number) for number in range(len(SPANS))},
}

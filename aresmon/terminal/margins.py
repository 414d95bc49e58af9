"""What every page has above and below: a title, a message, and the keys; shortened to what there is room for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from aresmon.monitoring.fleet import HostRow
from aresmon.system.errors import plural
from aresmon.terminal.feed import Snapshot
from aresmon.terminal.state import SPANS, ScreenState
from aresmon.terminal.text import Glyphs, Line, Span, line, short, spread, width, wrapped


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a line. Those with the greatest `rank` are left out first."""

    text: str
    rank: int
    style: str = "dim"


_KEYS: Mapping[str, Sequence[_Part]] = {
    "fleet": (_Part("Enter open", 2), _Part("+- range", 5), _Part("s sort", 6), _Part("/ filter", 4),
              _Part("a alerts", 3)),
    "host": (_Part("Enter enlarge", 3), _Part("Esc back", 2), _Part("+- range", 4), _Part(",. time", 6),
             _Part("d details", 7), _Part("a alerts", 5)),
    "panel": (_Part("Esc back", 2), _Part("up down other panel", 4), _Part("+- range", 3), _Part(",. time", 5)),
    "alerts": (_Part("Enter host", 3), _Part("Esc back", 2)),
    "help": (_Part("Esc back", 2),),
}  # fmt: skip
"""What can be pressed on each page, besides `?` and `q`."""
_MORE = _Part("up down more", 3)
_HELP, _QUIT = _Part("? help", 0), _Part("q quit", 1)
_FEWEST = 2
"""Lines that a message may take, however few there are."""


def title(view: ScreenState, data: Snapshot, columns: int, *, site: str) -> Line:
    """Site, what is shown, how many hosts and alerts, the range of time, and when it was read."""
    is_host = view.page in ("host", "panel")
    clock = time.strftime("%H:%M:%S", time.localtime(data.at)) if data.at else ""
    past = f", until {time.strftime('%d %b %H:%M', time.localtime(data.at - view.offset))}" if view.offset else ""
    span = f"last {SPANS[view.span][1]}{past}"
    # A host is seen over a range, which counts more than the other hosts, and than the name of the site.
    room = columns - (len(span) + 1 if is_host else 0)
    names = (f"{site} / {view.host}", view.host) if is_host else (site,)
    where = short(next((one for one in names if len(one) <= room), names[-1]), max(room, 1))
    counts = _fitting(list(_counts(data)), room - len(where) - 2, ", ")
    left = line((where, "title"), "  " if counts else "", *_joined(counts, ", "))
    rights = [line((text, "dim")) for text in (f"{span}  {clock}", span)]
    return spread(left, next((one for one in rights if width(left) + width(one) < columns), ()), columns)


def _counts(data: Snapshot) -> Iterator[_Part]:
    rows: Sequence[HostRow] = data.fleet.rows if data.fleet else ()
    if rows:
        yield _Part(plural(len(rows), "host"), 2, "")
    for state, rank in (("silent", 1), ("never", 4)):
        if number := sum(row.state == state for row in rows):
            yield _Part(f"{number} {state}", rank, state)
    firing = [one for one in data.alerts or () if one.state == "firing"]
    for severity, rank in (("critical", 0), ("warning", 3)):
        if number := sum(one.severity == severity for one in firing):
            name = f"{severity}s" if severity == "warning" and number > 1 else severity
            yield _Part(f"{number} {name}", rank, severity)
    if data.fleet and data.alerts is None:
        yield _Part("alerts not evaluated yet", 5)
    elif rows and not firing:
        yield _Part("no alerts", 5, "")


def message(view: ScreenState, data: Snapshot, columns: int, rows: int, glyphs: Glyphs) -> list[Line]:
    """What must be said, in as many lines as it takes, but no more than `rows`."""
    if view.typing or (view.filter and view.page == "fleet"):
        # The end of what is typed is what the person looks at.
        return [line("filter: ", (view.filter[-max(columns - 9, 1) :], "title"), "_" if view.typing else "")]
    if data.problem:
        lines = list(_problem(data, columns))
    elif data.unknown:
        said = f"cannot be evaluated here: {', '.join(data.unknown)}"
        lines = [line((one, "warning")) for one in wrapped(said, columns)]
    else:
        return []
    most = max(rows, _FEWEST)
    return lines if len(lines) <= most else [*lines[: most - 1], line((glyphs.ellipsis, "dim"))]


def _problem(data: Snapshot, columns: int) -> Iterator[Line]:
    """In one line if that is wide enough; else what to do next begins a line of its own."""
    hint = f"next: {data.hint}" if data.hint else ""
    if hint and len(data.problem) + 2 + len(hint) <= columns:
        yield line((data.problem, "warning"), f"; {hint}")
        return
    yield from (line((one, "warning")) for one in wrapped(data.problem, columns))
    yield from (line(one) for one in wrapped(hint, columns))


def keys(view: ScreenState, columns: int, *, has_more: bool) -> Line:
    """The keys of this page, as many as fit; `has_more` where a page of texts goes on."""
    parts = [*_KEYS[view.page], _QUIT] if view.page == "help" else [*_KEYS[view.page], _HELP, _QUIT]
    shown = _fitting([_MORE, *parts] if has_more else parts, columns, "  ")
    return line(("  ".join(one.text for one in shown), "dim"))


def _fitting(parts: list[_Part], columns: int, between: str) -> list[_Part]:
    """The parts that fit beside each other, in their order."""
    kept = list(parts)
    while kept and sum(len(one.text) + len(between) for one in kept) - len(between) > columns:
        kept.remove(max(kept, key=lambda one: one.rank))
    return kept


def _joined(parts: Sequence[_Part], between: str) -> Iterator[Span]:
    for number, one in enumerate(parts):
        if number:
            yield Span(between)
        yield Span(one.text, one.style)

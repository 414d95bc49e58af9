"""The whole screen: a title, one of the pages, a message, and the keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aresmon.config.values import format_seconds
from aresmon.monitoring.active_alerts import ActiveAlert
from aresmon.monitoring.fleet import HostRow
from aresmon.system.errors import plural
from aresmon.terminal import fleet_page, legend, margins, panel
from aresmon.terminal.feed import Snapshot, alerts_of
from aresmon.terminal.state import ScreenState, Shown
from aresmon.terminal.text import Glyphs, Line, Span, chosen, fit, flow, line, padded, short, word_of, wrapped

_PANEL = 9
"""Rows of a panel on a host's page."""
_NARROWEST = 56
"""Columns of a panel on a host's page; wider terminals show several beside each other."""
_LARGE = 10
"""Rows from which a panel that is enlarged has a table of its curves."""
_LEAST_PANEL = 6
"""Rows below which a panel's graph tells nothing: what stands above it is shortened first."""
_WORD = 9
"""Columns for the severity of an alert."""
_MOST_ALERTS, _MOST_HERE = 6, 3
"""Alerts that are shown below the fleet, and above the panels of a host."""
HELP = (
    ("up down, j k", "move; Page Up, Page Down, Home and End too"),
    ("left right, h l", "more columns; the next panel; in a panel, back in time"),
    ("Enter", "open the host, or the panel"),
    ("Esc, Backspace", "go back"),
    ("+ -", "a shorter or longer range of time"),
    ("1 to 8", "15 min, 1 h, 6 h, 12 h, 24 h, 7 days, 30 days, 1 year"),
    (", .", "earlier and later, by half of the range; n for now"),
    ("s", "sort: worst first, by name, by the first column"),
    ("/", "show hosts by a part of their name; Esc shows all"),
    ("d", "a host's detailed panels too"),
    ("a", "all alerts, with the next step"),
    ("? or F1", "this page"),
    ("q, Ctrl-C", "leave"),
)


@dataclass(frozen=True, slots=True)
class Size:
    """Of the terminal, in characters."""

    columns: int
    rows: int


SMALLEST = Size(40, 10)
"""In which every page is whole."""


def frame(view: ScreenState, data: Snapshot, size: Size, glyphs: Glyphs, *, site: str) -> tuple[list[Line], Shown]:
    """The screen in exactly this size, and what a key needs to know of it."""
    if size.columns < SMALLEST.columns or size.rows < SMALLEST.rows:
        return [padded(one, size.columns) for one in _too_small(size)], Shown()
    most = size.rows - 5 if data.fleet else size.rows - 3
    message = margins.message(view, data, size.columns, most, glyphs)
    rows = size.rows - 2 - len(message)
    match view.page:
        case "help":
            body, shown = _help_page(view, size.columns, rows)
        case "alerts":
            body, shown = _alerts_page(view, data, size.columns, rows)
        case "host":
            body, shown = _host_page(view, data, Size(size.columns, rows), glyphs)
        case "panel":
            body, shown = _panel_page(view, data, Size(size.columns, rows), glyphs)
        case _:
            body, shown = _fleet_page(view, data, Size(size.columns, rows), glyphs)
    body = [*body, *[()] * rows][:rows]
    has_more = view.page == "help" and shown.rows > 1
    keys = margins.keys(view, size.columns, has_more=has_more)
    lines = [margins.title(view, data, size.columns, site=site), *body, *message, keys]
    return [padded(one, size.columns) for one in lines[: size.rows]], shown


def _too_small(size: Size) -> list[Line]:
    """What stands in a terminal in which no page would be whole."""
    said = (
        f"This terminal has {size.columns} columns and {size.rows} rows; "
        f"`aresmon top` needs at least {SMALLEST.columns} and {SMALLEST.rows}. Enlarge it; q quits."
    )
    lines = [line((one, "warning")) for one in wrapped(said, size.columns)]
    return [*lines, *[()] * size.rows][: size.rows]


def _fleet_page(view: ScreenState, data: Snapshot, size: Size, glyphs: Glyphs) -> tuple[list[Line], Shown]:
    if data.fleet is None:
        return [line(("reading the database ...", "dim"))] if not data.problem else [], Shown()
    alerts = data.alerts or ()
    hosts = fleet_page.ordered(data.fleet, view)
    below = min(len(alerts), max(size.rows - 2 - len(hosts), min(_MOST_ALERTS, size.rows // 3)), size.rows - 3)
    room = size.rows - 1 - (below + 1 if below > 0 else 0)
    first = min(max(view.first, view.row - room + 1, 0), max(len(hosts) - room, 0))
    heading, lines = fleet_page.table(data.fleet, hosts[first : first + room], view, size.columns, glyphs)
    body = [heading, *(chosen(one) if first + at == view.row else one for at, one in enumerate(lines))]
    if below > 0:
        body += [()] * (room + 1 - len(body))
        body += [rule("Alerts", size.columns, glyphs), *short_alerts(alerts, below, size.columns, glyphs)]
    return body, Shown([row.name for row in hosts], len(hosts), room, columns=len(data.fleet.columns))


def rule(text: str, columns: int, glyphs: Glyphs) -> Line:
    return line((f"{glyphs.rule * 2} {text} {glyphs.rule * max(columns - len(text) - 4, 0)}", "dim"))


def short_alerts(alerts: Sequence[ActiveAlert], rows: int, columns: int, glyphs: Glyphs) -> list[Line]:
    """One line for each alert; how many more there are, if they do not fit."""
    shown = alerts if len(alerts) <= rows else alerts[: rows - 1]
    lines = [alert_line(one, columns, glyphs) for one in shown]
    if len(shown) < len(alerts):
        lines.append(line((f"and {len(alerts) - len(shown)} more; a shows all", "dim")))
    return lines


def whole_alert(alert: ActiveAlert, columns: int) -> list[Line]:
    """The same in as many lines as it takes."""
    (word, style), *texts = _word(alert), *wrapped(alert.summary, columns - _WORD)
    return [line((fit("" if number else word, _WORD), style), text) for number, text in enumerate(texts)]


def _word(alert: ActiveAlert) -> tuple[str, str]:
    """Severity or state, and its style."""
    is_firing = alert.state == "firing"
    return (word_of(alert.severity), alert.severity) if is_firing else ("pending", "dim")


def alert_line(alert: ActiveAlert, columns: int, glyphs: Glyphs) -> Line:
    """`critical  /srv on lewi is 98 % full.`"""
    word, style = _word(alert)
    return line((fit(word, _WORD), style), fit(alert.summary, columns - _WORD, ellipsis=glyphs.ellipsis))


def _alerts_page(view: ScreenState, data: Snapshot, columns: int, rows: int) -> tuple[list[Line], Shown]:
    if not data.alerts:
        said = "No alert fires." if data.alerts is not None else "The alerts are not evaluated yet."
        return [line(said)], Shown()
    blocks = [_alert_block(one, columns, now=data.at) for one in data.alerts]
    lines: list[Line] = []
    for number, block in enumerate(blocks):
        lines += [chosen(padded(block[0], columns)) if number == view.row else block[0], *block[1:]]
    begin = sum(len(block) for block in blocks[: view.row])
    first = max(0, begin + len(blocks[min(view.row, len(blocks) - 1)]) - rows)
    return lines[first : first + rows], Shown([one.host for one in data.alerts], len(blocks), max(rows // 3, 1))


def _alert_block(alert: ActiveAlert, columns: int, *, now: float) -> list[Line]:
    state = alert.state + (f" for {format_seconds(now - alert.since)}" if alert.since else "")
    style = alert.severity if alert.state == "firing" else "dim"
    where = short(" ".join([alert.host, *alert.place]).strip(), columns - _WORD)
    head = line((f"{word_of(alert.severity)} ", style), (where, "title"))
    return [
        *flow([head, line(f"{alert.alert}, {state}")], columns),
        *_indented(alert.summary, columns),
        *_indented(f"next: {alert.next}", columns),
    ]


def _indented(text: str, columns: int) -> list[Line]:
    return [line(one) for one in wrapped(text, columns, indent=2)]


def _host_page(view: ScreenState, data: Snapshot, size: Size, glyphs: Glyphs) -> tuple[list[Line], Shown]:
    if data.wanted.host != view.host:
        return [line(("reading the database ...", "dim"))], Shown()
    head = host_head(view.host, data, size.columns, glyphs, rows=size.rows - _LEAST_PANEL)
    readings = [one for one in data.readings if one.panel.place != "glance"]
    across = max(size.columns // _NARROWEST, 1)
    wide = (size.columns - 2 * (across - 1)) // across
    room = max(size.rows - len(head), 1)
    down = max(room // _PANEL, 1)
    tall = room // down
    first = min(max(view.first, (view.row // across - down + 1) * across, 0), max(len(readings) - 1, 0))
    first -= first % across
    body = list(head)
    for begin in range(first, min(first + down * across, len(readings)), across):
        drawn = [
            panel.draw(one, wide, tall, glyphs, is_chosen=begin + number == view.row)
            for number, one in enumerate(readings[begin : begin + across])
        ]
        body += [_beside(parts) for parts in zip(*drawn, strict=True)]
    return body, Shown((), len(readings), down * across, across)


def host_head(host: str, data: Snapshot, columns: int, glyphs: Glyphs, *, rows: int = 0) -> list[Line]:
    """A host at a glance: its state, the main values, and what fires on it; in so many rows, 0 for as many as it takes.
    Without room for the alerts, their number stands behind the state."""
    row = next((one for one in data.fleet.rows if one.name == host), None) if data.fleet else None
    alerts = alerts_of(data, host)
    values = panel.glance([one for one in data.readings if one.panel.place == "glance"], columns)
    if not rows:
        return [*_state(row, ""), *values, *(one for alert in alerts for one in whole_alert(alert, columns))]
    values = values[: max(rows - 1, 1)]
    room = min(rows - 1 - len(values), _MOST_HERE)
    fit_ = short_alerts(alerts, room, columns, glyphs) if room > 0 else []
    hidden = "" if fit_ or not alerts else f", {plural(len(alerts), 'alert')}"
    return [*_state(row, hidden), *values, *fit_]


def _state(row: HostRow | None, more: str) -> list[Line]:
    if row is None:
        return []
    seen = "has never sent data" if row.age is None else f"seen {format_seconds(float(round(row.age)))} ago"
    return [line((word_of(row.state), row.state), f"  {seen}{more}")]


def _beside(parts: Sequence[Line]) -> Line:
    joined: Line = parts[0]
    for one in parts[1:]:
        joined = (*joined, Span("  "), *one)
    return joined


def _panel_page(view: ScreenState, data: Snapshot, size: Size, glyphs: Glyphs) -> tuple[list[Line], Shown]:
    readings = [one for one in data.readings if one.panel.place != "glance"]
    if data.wanted.host != view.host or not readings:
        return [line(("reading the database ...", "dim"))], Shown()
    reading = readings[min(view.panel, len(readings) - 1)]
    shown = Shown((), len(readings))
    said = _indented(reading.panel.description, size.columns)
    heading = [line((short(reading.panel.title, size.columns), "title")), *said[: max(size.rows - 1 - _LARGE, 0)]]
    rows = size.rows - len(heading)
    if reading.panel.kind != "timeseries" or not reading.curves:
        return [*heading, *panel.draw(reading, size.columns, rows + 1, glyphs)[1:]], shown
    if rows < _LARGE:
        return [*heading, *panel.plot(reading, size.columns, rows, glyphs)], shown
    below = legend.table(reading, size.columns, max(size.rows // 2 - 2, 3), glyphs)
    graph = panel.plot(reading, size.columns, rows - len(below), glyphs, has_legend=False)
    return [*heading, *graph, *below], shown


def _help_page(view: ScreenState, columns: int, rows: int) -> tuple[list[Line], Shown]:
    """What each key does; where it does not fit, as much of it as fits from the line on that was scrolled to."""
    keys = max(len(keys) for keys, _ in HELP) + 2
    lines: list[Line] = [] if rows < len(HELP) + 2 else [line("Keys"), ()]
    for names, text in HELP:
        first, *others = wrapped(text, columns - keys - 2)
        lines.append(line((f"  {fit(names, keys)}", "key"), first))
        lines += [line(" " * (keys + 2) + one) for one in others]
    last = max(len(lines) - rows, 0)
    return lines[min(view.row, last) :][:rows], Shown((), last + 1, rows)

"""The whole screen: a title, one of the pages, a message, and the keys."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from aresmon.monitoring.active_alerts import ActiveAlert
from aresmon.monitoring.fleet import HostRow
from aresmon.monitoring.values import format_seconds
from aresmon.terminal import fleet_page, panel
from aresmon.terminal.feed import Snapshot, alerts_of
from aresmon.terminal.state import SPANS, ScreenState, Shown
from aresmon.terminal.text import Glyphs, Line, Span, chosen, cut, fit, line, padded, spread, word_of

_PANEL = 9
"""Rows of a panel on a host's page."""
_NARROWEST = 56
"""Columns of a panel on a host's page; wider terminals show several beside each other."""
_MOST_ALERTS = 6
_HELP = (
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


def frame(view: ScreenState, data: Snapshot, size: Size, glyphs: Glyphs, *, site: str) -> tuple[list[Line], Shown]:
    """The screen in exactly this size, and what a key needs to know of it."""
    message = _message(view, data)
    rows = max(size.rows - 2 - len(message), 1)
    match view.page:
        case "help":
            body, shown = help_page(), Shown()
        case "alerts":
            body, shown = _alerts_page(view, data, size.columns, rows)
        case "host":
            body, shown = _host_page(view, data, Size(size.columns, rows), glyphs)
        case "panel":
            body, shown = _panel_page(view, data, Size(size.columns, rows), glyphs)
        case _:
            body, shown = _fleet_page(view, data, Size(size.columns, rows), glyphs)
    body = [*body, *[()] * rows][:rows]
    lines = [title(view, data, size.columns, site=site), *body, *message, _keys(view)]
    return [padded(one, size.columns) for one in lines[: size.rows]], shown


def title(view: ScreenState, data: Snapshot, columns: int, *, site: str) -> Line:
    """Site, what is shown, how many hosts and alerts, the range of time, and when it was read."""
    where = f"{site} / {view.host}" if view.page in ("host", "panel") else site
    left = line((where, "title"), "  ", *_counts(data))
    clock = time.strftime("%H:%M:%S", time.localtime(data.at)) if data.at else ""
    past = f", until {time.strftime('%d %b %H:%M', time.localtime(data.at - view.offset))}" if view.offset else ""
    right = line((f"last {SPANS[view.span][1]}{past}  {clock}", "dim"))
    return spread(left, right, columns)


def _counts(data: Snapshot) -> list[Span]:
    rows: Sequence[HostRow] = data.fleet.rows if data.fleet else ()
    spans = [Span(_several(len(rows), "host"))] if rows else []
    for state in ("silent", "never"):
        if number := sum(row.state == state for row in rows):
            spans += [Span(", "), Span(f"{number} {state}", state)]
    firing = [one for one in data.alerts or () if one.state == "firing"]
    for severity in ("critical", "warning"):
        if number := sum(one.severity == severity for one in firing):
            name = f"{severity}s" if severity == "warning" and number > 1 else severity
            spans += [Span(", "), Span(f"{number} {name}", severity)]
    if data.fleet and data.alerts is None:
        spans.append(Span(", alerts not evaluated yet", "dim"))
    elif rows and not firing:
        spans.append(Span(", no alerts"))
    return spans


def _several(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _message(view: ScreenState, data: Snapshot) -> list[Line]:
    if view.typing or (view.filter and view.page == "fleet"):
        return [line("filter: ", (view.filter, "title"), "_" if view.typing else "")]
    if data.problem:
        return [line((data.problem, "warning"), f"; next: {data.hint}" if data.hint else "")]
    if data.unknown:
        return [line((f"cannot be evaluated here: {', '.join(data.unknown)}", "warning"))]
    return []


def _keys(view: ScreenState) -> Line:
    keys = {
        "fleet": "Enter open  +- range  s sort  / filter  a alerts  ? help  q quit",
        "host": "Enter enlarge  Esc back  +- range  ,. time  d details  a alerts  ? help  q quit",
        "panel": "Esc back  up down other panel  +- range  ,. time  ? help  q quit",
        "alerts": "Enter host  Esc back  ? help  q quit",
        "help": "Esc back  q quit",
    }
    return line((keys[view.page], "dim"))


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


def alert_line(alert: ActiveAlert, columns: int, glyphs: Glyphs) -> Line:
    """`critical  /srv on lewi is 98 % full.`"""
    word = word_of(alert.severity) if alert.state == "firing" else "pending"
    style = alert.severity if alert.state == "firing" else "dim"
    return line((fit(word, 9), style), fit(alert.summary, columns - 9, ellipsis=glyphs.ellipsis))


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
    where = " ".join([alert.host, *alert.place]).strip()
    return [
        cut(
            line((f"{word_of(alert.severity)} ", style), (where, "title"), f"  {alert.alert}, {state}"),
            columns,
        ),
        *_wrapped(alert.summary, columns),
        *_wrapped(f"next: {alert.next}", columns),
    ]


def _wrapped(text: str, columns: int) -> list[Line]:
    words, lines = text.split(), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > columns - 2:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return [line(f"  {one}") for one in lines]


def _host_page(view: ScreenState, data: Snapshot, size: Size, glyphs: Glyphs) -> tuple[list[Line], Shown]:
    if data.wanted.host != view.host:
        return [line(("reading the database ...", "dim"))], Shown()
    head = host_head(view.host, data, size.columns, glyphs, most=3)
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


def host_head(host: str, data: Snapshot, columns: int, glyphs: Glyphs, *, most: int) -> list[Line]:
    """A host at a glance: its state, the main values, and what fires on it."""
    row = next((one for one in data.fleet.rows if one.name == host), None) if data.fleet else None
    lines: list[Line] = []
    if row is not None:
        seen = "has never sent data" if row.age is None else f"seen {format_seconds(float(round(row.age)))} ago"
        lines.append(line((word_of(row.state), row.state), f"  {seen}"))
    lines += panel.glance([one for one in data.readings if one.panel.place == "glance"], columns)
    return [*lines, *short_alerts(alerts_of(data, host), most, columns, glyphs)]


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
    heading = [line((reading.panel.title, "title")), *_wrapped(reading.panel.description, size.columns)]
    if reading.panel.kind != "timeseries" or not reading.curves:
        drawn = panel.draw(reading, size.columns, size.rows - len(heading) + 1, glyphs)[1:]
        return [*heading, *drawn], shown
    legend = panel.legend(reading, size.columns, glyphs)[: max(size.rows // 2 - 2, 3)]
    room = max(size.rows - len(heading) - len(legend), 4)
    graph = panel.plot(reading, size.columns, room, glyphs, has_legend=False)
    return [*heading, *graph, *legend], shown


def help_page() -> list[Line]:
    """What each key does."""
    return [line("Keys", ""), (), *[line((f"  {fit(keys, 18)}", "key"), text) for keys, text in _HELP]]

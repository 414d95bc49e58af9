"""The report as one HTML page: no script, and nothing that is loaded from elsewhere."""

from __future__ import annotations

import html
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from aresmon.config.units import format_age_in_words, format_moment
from aresmon.influxdb.capacity import format_size
from aresmon.report import charts
from aresmon.report.alert_history import AlertFigures
from aresmon.report.figures import BY_UP, DiskFigures, Figures, HostFigures, Outage, Peak
from aresmon.report.period import Period, month_of

_MOST = 20  # rows of a list whose length nobody chooses
_SOON = 90  # days; a disk that is full earlier is marked
_NONE = "\N{EN DASH}"

MARK = "Written by aresmon report"
"""A comment in each report, by which a file is known as ours."""


@dataclass(frozen=True, slots=True)
class NoAlerts:
    """Why a report has no alerts."""

    why: str


def first_data(figures: Figures) -> str:
    """When the first data came."""
    if figures.since is None:
        return "no host has sent data yet"
    return f"the first data is of {format_moment(figures.since)}"


def no_data(figures: Figures) -> str:
    """That there is no data of the period, and since when there is; empty if there is some."""
    if figures.has_data:
        return ""
    why = "no host sent any" if figures.has_begun else first_data(figures)
    return f"no data for {figures.period.title}: {why}"


def next_report(figures: Figures) -> str:
    """Which report has the data that this one lacks; empty if it lacks none, or there is none at all."""
    since, period = figures.since, figures.period
    if since is None or figures.has_begun:
        return ""
    if since < period.until:
        return "points are downsampled within 15 minutes; make the report of this month again then"
    return f"the report of the month in which it began: `aresmon report --month {month_of(since)}`"


def html_page(site: str, figures: Figures, alerts: Sequence[AlertFigures] | NoAlerts, *, now: float) -> str:
    """The whole page; `now` is in seconds since 1970."""
    period = figures.period
    part = "" if period.is_whole else " (not the whole month)"
    template = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    return template.substitute(
        mark=MARK,
        title=html.escape(f"{site}: {period.title}"),
        subtitle=html.escape(f"{format_moment(period.start)} to {format_moment(period.end)}{part}. ")
        + f"Made by aresmon on {format_moment(now)}.",
        body="\n".join(_sections(figures, alerts)),
    )


def _sections(figures: Figures, alerts: Sequence[AlertFigures] | NoAlerts) -> Iterator[str]:
    if missing := no_data(figures):
        more = f" ({after})" if (after := next_report(figures)) else ""
        yield f'<p class="bad">{html.escape(missing[0].upper() + missing[1:] + more)}.</p>'
    if figures.has_begun:
        yield from _reachability(figures)
    if figures.has_data:
        yield from _usage(figures)
    yield from _alerts(alerts)
    yield from _work(figures)


def _reachability(figures: Figures) -> Iterator[str]:
    step = "minutes" if figures.step == 60 else "hours, since the points of a minute are no longer kept"
    yield _section(
        "Availability",
        f"The share of the time in which data arrived from each host, counted in {step}. One bar is one day.",
        _table(
            ("Host", "Availability", "Without data", "Outages", "Days"),
            (_available(host, figures.period) for host in figures.hosts),
            "nnn",
        ),
    )
    outages = sorted((one for host in figures.hosts for one in host.outages), key=lambda one: -one.seconds)
    yield _section(
        "Longest outages",
        f"Times without data{_of(outages)}.",
        _table(("Host", "From", "To", "For"), map(_outage, outages[:_MOST]), "") if outages else "",
        nothing="There were none.",
    )


def _usage(figures: Figures) -> Iterator[str]:
    yield _section(
        "Busiest hours",
        "The hour with the highest mean of each host.",
        _table(("Host", "Processor", "At", "Memory", "At"), map(_busiest, figures.hosts), "n n"),
    )
    disks = sorted(figures.disks, key=lambda one: (one.full_in is None, one.full_in or 0, -one.used[-1]))
    yield _section(
        "Disks",
        f"Use at the end, and when the free space ends if it goes on shrinking as it did{_of(disks)}.",
        _table(("Host", "Path", "Size", "Used", "Growth", "Full", "In the period"), map(_disk, disks[:_MOST]), " nnnn"),
        nothing="No filesystem is collected.",
    )


def _work(figures: Figures) -> Iterator[str]:
    pushes = sorted(figures.pushes.items())
    yield _section(
        "Deployments",
        f"Outcomes of `aresmon push-config` by host; {BY_UP} means that it started the server's own agent.",
        _table(
            ("Host", "Outcomes"),
            (
                (host, ", ".join(f"{count} {what}" for what, count in sorted(several.items())))
                for host, several in pushes
            ),
            "",
        )
        if pushes
        else "",
        nothing="No configuration was deployed.",
    )
    backups = figures.backups
    counts = [f"{backups.made} stored", f"{backups.verified} verified"]
    if backups.days:
        counts.append(f"{backups.days_without} of {backups.days} days without one")
    yield _section("Backups", "", f"<p>{', '.join(counts)}.</p>")


def _alerts(alerts: Sequence[AlertFigures] | NoAlerts) -> Iterator[str]:
    if isinstance(alerts, NoAlerts):
        yield _section("Alerts", "", "", nothing=f"Unknown, since Grafana has their history: {alerts.why}.")
        return
    rows = (
        (one.title, one.severity or _NONE, one.host or _NONE, str(one.times), format_age_in_words(one.seconds))
        for one in alerts[:_MOST]
    )
    yield _section(
        "Alerts",
        f"How often each alert fired, and for how long in all{_of(alerts)}.",
        _table(("Alert", "Severity", "Host", "Times", "For"), rows, "  nn") if alerts else "",
        nothing="None fired.",
    )


def _available(host: HostFigures, period: Period) -> tuple[str, ...]:
    share = host.availability
    days = period.days
    shares = [_share_of_day(host, start, end) for start, end in days]
    labels = [
        f"{time.strftime('%-d %B', time.localtime(start))}: {'not monitored' if each is None else _percent(each)}"
        for (start, _), each in zip(days, shares, strict=True)
    ]
    missing = format_age_in_words(host.missing) if host.missing else _NONE
    return (
        host.name,
        "no data" if share is None else _percent(share),
        missing if share is not None else _NONE,
        str(len(host.outages)),
        _Raw(charts.day_strip(shares, labels)),
    )


def _share_of_day(host: HostFigures, start: float, end: float) -> float | None:
    if host.since is None or host.since >= end:
        return None
    start = max(start, host.since)
    missing = sum(max(0.0, min(end, one.start + one.seconds) - max(start, one.start)) for one in host.outages)
    return 1 - missing / (end - start)


def _outage(one: Outage) -> tuple[str, ...]:
    return one.host, format_moment(one.start), format_moment(one.start + one.seconds), format_age_in_words(one.seconds)


def _busiest(host: HostFigures) -> tuple[str, ...]:
    return host.name, *_peak(host.processor), *_peak(host.memory)


def _peak(peak: Peak | None) -> tuple[str, str]:
    return (_NONE, "") if peak is None else (f"{peak.percent:.0f} %", format_moment(peak.at))


def _disk(one: DiskFigures) -> tuple[str, ...]:
    month = f"{'+' if one.growth > 0 else '-'}{format_size(abs(one.growth) * 30)} a month" if one.growth else _NONE
    when = _NONE if one.full_in is None else f"in {format_age_in_words(one.full_in * 86400)}"
    soon = one.full_in is not None and one.full_in < _SOON
    return (
        one.host,
        one.path,
        format_size(one.total),
        _percent(one.used[-1]),
        month,
        _Raw(f'<span class="bad">{when}</span>') if soon else when,
        _Raw(charts.line(one.used, f"{one.host} {one.path}: use by day")),
    )


class _Raw(str):
    """A cell that is markup already."""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: str) -> str:
    """A table. `numbers` has an `n` for each column after the first that is aligned as numbers are."""
    kinds = [' class="number"' if numbers[at - 1 : at] == "n" and at else "" for at in range(len(head))]
    cells = "".join(f"<th{kind}>{html.escape(text)}</th>" for kind, text in zip(kinds, head, strict=True))
    body = "\n".join(
        "<tr>" + "".join(f"<td{kind}>{_cell(text)}</td>" for kind, text in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table>\n<tr>{cells}</tr>\n{body}\n</table></div>'


def _cell(text: str) -> str:
    return text if isinstance(text, _Raw) else html.escape(text)


def _section(title: str, what: str, content: str, *, nothing: str = "") -> str:
    note = f'<p class="note">{html.escape(what if content else nothing)}</p>'
    return f"<section><h2>{html.escape(title)}</h2>\n{note}\n{content}</section>"


def _of(rows: Sequence[object]) -> str:
    return f"; the first {_MOST} of {len(rows)}" if len(rows) > _MOST else ""


def _percent(share: float) -> str:
    """Rounded down from 99 % on: a host that was away for a minute was not there for 100 %."""
    percent = share * 100
    return f"{int(percent * 100) / 100:.2f} %" if percent >= 99 else f"{percent:.1f} %"

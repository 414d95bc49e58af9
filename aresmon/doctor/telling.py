"""A report as a person reads it."""

from __future__ import annotations

from itertools import groupby

from aresmon.console import Console
from aresmon.doctor.findings import Finding, Report, Severity, kinds

_STYLES: dict[Severity, str] = {"bad": "bold red", "warning": "bold yellow", "note": ""}
_MOST = 8  # findings of one kind


def tell(console: Console, report: Report, *, verbose: bool) -> None:
    """Say what was found, group by group, and what was not looked at. `verbose` names what is well too."""
    for group, of_group in groupby(report.findings, key=lambda one: kinds()[one.kind].group):
        console.say(group, style="bold")
        for name, alike in groupby(of_group, key=lambda one: one.kind):
            _tell_kind(console, name, list(alike), verbose=verbose)
    if verbose:
        console.say("As it should be", style="bold")
        for name in report.passed:
            console.say(f"  {kinds()[name].good}", style="green")
    for why, what in _reasons(report).items():
        console.say(f"Not looked at: {', '.join(what)}: {why}")
    console.say(_summary(report), style="" if report.findings else "green")


def _tell_kind(console: Console, name: str, alike: list[Finding], *, verbose: bool) -> None:
    """The findings of one kind: the reason once, the remedy once where it is the same."""
    shown = alike if verbose else alike[:_MOST]
    for position, one in enumerate(shown):
        console.say(f"  {one.weight}: {one.what}", style=_STYLES[one.weight])
        if position + 1 == len(shown) or shown[position + 1].remedy != one.remedy:
            console.say(f"    next: {one.remedy}")
    if len(shown) < len(alike):
        console.say(f"  and {len(alike) - len(shown)} more like these; --verbose names them")
    console.say(f"    why: {kinds()[name].why}", style="dim")


def _reasons(report: Report) -> dict[str, list[str]]:
    """What was not looked at, by the reason."""
    reasons: dict[str, list[str]] = {}
    for one in report.unmade:
        reasons.setdefault(one.why, []).append(one.what)
    return reasons


def _summary(report: Report) -> str:
    words = {"bad": "bad", "warning": "warning", "note": "note"}
    counts = report.counts()
    told = [
        f"{number} {words[severity]}{'s' if number > 1 and severity != 'bad' else ''}"
        for severity, number in counts.items()
        if number
    ]
    passed = f"{len(report.passed)} checks found nothing"
    return f"{', '.join(told)}; {passed}." if told else f"{passed}: all is well."

"""`aresmon doctor`: what is wrong, why it matters, and how to fix it."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli.common import run_in_session, the_console, the_engine, the_site, the_stack
from aresmon.cli.options import Json
from aresmon.system.errors import AresmonError

if TYPE_CHECKING:
    from aresmon.cli.console import Console
    from aresmon.doctor.facts import HostFacts
    from aresmon.doctor.findings import Finding, Report, Severity
    from aresmon.doctor.run import Examination
    from aresmon.site.folder import Site


def doctor(
    hosts: Annotated[bool, typer.Option("--hosts", help="Also connect to every host over ssh.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also list the checks that passed.")] = False,
    as_json: Json = False,
    ask_sudo: Annotated[
        bool, typer.Option("--ask-sudo", "-K", help="With --hosts, ask for the sudo password on the hosts.")
    ] = False,
) -> None:
    """Diagnose problems, explain them and suggest fixes.

    Changes nothing. A check that cannot be made is listed, and does not stop the others. All findings are described
    in docs/doctor.md.

    Exit code: 5 if there is a finding that is bad or a warning.
    """
    found = _examine(the_site(), hosts=hosts, ask_sudo=ask_sudo)
    if as_json:
        the_console().data(found.as_json())
    else:
        tell(the_console(), found, verbose=verbose)
    raise typer.Exit(found.code)


def _examine(site: Site, *, hosts: bool, ask_sudo: bool) -> Report:
    from aresmon.doctor import run

    with ExitStack() as ways:
        return run.examine(_case(site, ways, hosts=hosts, ask_sudo=ask_sudo))


def _case(site: Site, ways: ExitStack, *, hosts: bool, ask_sudo: bool) -> Examination:
    """How this site can be looked at from here. What is in the way is found again by who looks."""
    from aresmon.doctor import probe_hosts
    from aresmon.doctor.run import Examination
    from aresmon.site.project import Project
    from aresmon.stack.location import is_local

    def visit() -> tuple[HostFacts, ...]:
        return run_in_session(probe_hosts.visit_hosts, project=project, ask_sudo=ask_sudo)

    wanted = visit if hosts else None
    if ask_sudo and hosts:
        from aresmon.cli.common import sudo_password

        sudo_password(wanted=True)  # asked for once, before anything else is shown
    try:
        project = Project.load(site)
        if is_local(project):
            return Examination(site, the_engine(), visit=wanted)
    except AresmonError:
        return Examination(site, the_engine())
    engine, influxdb = ways.enter_context(the_stack(project))
    return Examination(site, engine, influxdb, is_here=False, visit=wanted)


_STYLES: dict[Severity, str] = {"bad": "bold red", "warning": "bold yellow", "note": ""}
_MOST = 8  # findings of one kind


def tell(console: Console, report: Report, *, verbose: bool) -> None:
    """Say what was found, group by group, and what was not looked at. `verbose` names what is well too."""
    from aresmon.doctor.findings import kinds

    for group, of_group in groupby(report.findings, key=lambda one: kinds()[one.kind].group):
        console.say(group, style="bold")
        for name, alike in groupby(of_group, key=lambda one: one.kind):
            _tell_kind(console, name, list(alike), verbose=verbose)
    if verbose:
        console.say("No problem", style="bold")
        for name in report.passed:
            console.say(f"  {kinds()[name].good}", style="green")
    for why, what in _reasons(report).items():
        console.say(f"Not checked: {', '.join(what)}: {why}")
    console.say(_summary(report), style="" if report.findings else "green")


def _tell_kind(console: Console, name: str, alike: list[Finding], *, verbose: bool) -> None:
    """The findings of one kind: the reason once, the remedy once where it is the same."""
    from aresmon.doctor.findings import kinds

    shown = alike if verbose else alike[:_MOST]
    for position, one in enumerate(shown):
        console.say(f"  {one.weight}: {one.what}", style=_STYLES[one.weight])
        if position + 1 == len(shown) or shown[position + 1].remedy != one.remedy:
            console.say(f"    next: {one.remedy}")
    if len(shown) < len(alike):
        console.say(f"  and {len(alike) - len(shown)} more like these; --verbose lists them")
    console.say(f"    why: {kinds()[name].why}", style="dim")


def _reasons(report: Report) -> dict[str, list[str]]:
    """What was not looked at, by the reason."""
    reasons: dict[str, list[str]] = {}
    for one in report.skipped:
        reasons.setdefault(one.why, []).append(one.what)
    return reasons


def _summary(report: Report) -> str:
    words = {"bad": "bad", "warning": "warning", "note": "note"}
    counts = report.counts()
    details = [
        f"{number} {words[severity]}{'s' if number > 1 and severity != 'bad' else ''}"
        for severity, number in counts.items()
        if number
    ]
    passed = f"{len(report.passed)} checks passed"
    return f"{', '.join(details)}; {passed}." if details else f"{passed}. No problems found."

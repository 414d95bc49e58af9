"""`aresmon doctor`: what is wrong, why it matters, and what mends it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli_support import command, on_ground, the_console, the_engine, the_site, the_stack
from aresmon.errors import AresmonError

if TYPE_CHECKING:
    from aresmon.doctor.examination import Case
    from aresmon.doctor.facts import Host
    from aresmon.doctor.findings import Report
    from aresmon.site import Site


def register(app: typer.Typer) -> None:
    """Give `aresmon` the command."""

    @command(app, name="doctor", example="aresmon doctor --hosts")
    def doctor(
        hosts: Annotated[bool, typer.Option("--hosts", help="Visit every host by ssh too.")] = False,
        verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name what is as it should be, too.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
        ask_sudo: Annotated[
            bool, typer.Option("--ask-sudo", "-K", help="With --hosts: ask for sudo's password.")
        ] = False,
    ) -> None:
        """Look at everything that can go wrong, and say of each finding why it matters and what mends it.

        Nothing is changed. What cannot be looked at is named, and does not stop the rest. Exit code 5 if anything is
        bad or a warning; notes are only good to know. docs/doctor.md describes every finding.
        """
        from aresmon.doctor import telling

        found = _examine(the_site(), hosts=hosts, ask_sudo=ask_sudo)
        if as_json:
            the_console().data(found.as_json())
        else:
            telling.tell(the_console(), found, verbose=verbose)
        raise typer.Exit(found.code)


def _examine(site: Site, *, hosts: bool, ask_sudo: bool) -> Report:
    from aresmon.doctor import examination

    with ExitStack() as ways:
        return examination.examine(_case(site, ways, hosts=hosts, ask_sudo=ask_sudo))


def _case(site: Site, ways: ExitStack, *, hosts: bool, ask_sudo: bool) -> Case:
    """How this site can be looked at from here. What is in the way is found again by who looks."""
    from aresmon.doctor import reach
    from aresmon.doctor.examination import Case
    from aresmon.ground import is_here

    def visit() -> tuple[Host, ...]:
        return on_ground(reach.visit, site=site, ask_sudo=ask_sudo)

    wanted = visit if hosts else None
    if ask_sudo and hosts:
        from aresmon.cli_support import sudo_password

        sudo_password(wanted=True)  # asked for once, before anything else is shown
    try:
        if is_here(site, site.fleet()):
            return Case(site, the_engine(), visit=wanted)
    except AresmonError:
        return Case(site, the_engine())
    engine, influxdb = ways.enter_context(the_stack(site))
    return Case(site, engine, influxdb, is_here=False, visit=wanted)

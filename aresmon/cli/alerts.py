"""`aresmon alerts`: what is watched, whether messages get through, and the secrets that this takes."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli.common import command, the_console, the_engine, the_site
from aresmon.system.errors import AresmonError

if TYPE_CHECKING:
    from aresmon.grafana.client import Grafana
    from aresmon.site.folder import Site


app = typer.Typer(
    help="What is watched, who is told, and whether the messages get through.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_LONGEST = 4096  # characters of a secret on standard input, with room for a slip to be told


@command(app, name="list", example="aresmon alerts list")
def list_command(
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """List the alert rules with their thresholds and their state, the firing ones first.

    The thresholds are those of aresmon.yml, the state is Grafana's. Exit code 5 if any fires or cannot be
    evaluated, or if Grafana does not answer.
    """
    from aresmon.grafana import alerts

    site, console = the_site(), the_console()
    config = site.config()
    why = ""
    try:
        groups = _grafana(site).rules()
    except AresmonError as error:
        groups, why = None, error.message
    rules = alerts.listed(config, site.views(), groups)
    if as_json:
        console.data({"grafana": why or "ok", "rules": [asdict(rule) for rule in rules]})
    else:
        console.alerts(alerts.folded(rules))
        if groups is None:
            console.warn(f"the state of the rules is unknown: {why}")
    raise typer.Exit(alerts.code(rules, is_answered=groups is not None))


@command(app, name="test", example="aresmon alerts test discord")
def try_command(
    name: Annotated[
        list[str] | None, typer.Argument(help="A way of telling, as email or discord-2; without any, all.")
    ] = None,
) -> None:
    """Send a message for trial by each way of telling, and say of each whether it was taken.

    Taken means that the other side said yes; whether somebody reads it, only they know. Exit code 1 if one was not.
    """
    from aresmon.grafana import alerts

    site, console = the_site(), the_console()
    tried = alerts.try_all(site, site.config(), _grafana(site), name or [])
    for one in tried:
        if one.error:
            console.warn(f"{one.name}: not taken: {one.error}")
        else:
            console.say(f"{one.name}: taken", style="green")
    refused = [one.name for one in tried if one.error]
    if refused:
        raise AresmonError(
            f"nobody is told by {', '.join(refused)}",
            hint="look at alerts.send_to in aresmon.yml and at its secrets, then `aresmon up`; "
            "`aresmon logs grafana` says more",
        )


@command(app, name="secret", example="aresmon alerts secret discord")
def secret(name: Annotated[str, typer.Argument(help="The name that aresmon.yml has for it.")]) -> None:
    """Take in a secret of `alerts`: an address or a token. It is asked for, or read from standard input.

    It goes into .aresmon/secrets/alerts, readable by Grafana alone, and is never shown. It is held against its use in
    aresmon.yml first.
    """
    from aresmon.site import external_secrets, folder
    from aresmon.system.json_schema import did_you_mean

    site = the_site()
    uses = site.config().alerts.secrets
    site.make_state()
    if sys.stdin.isatty():
        value = str(typer.prompt(f"{name} (it is not shown)", hide_input=True))
    else:
        value = sys.stdin.read(_LONGEST)
    path = external_secrets.put_alert_secret(site.secrets, name, value, owner=folder.users()["grafana"], uses=uses)
    console = the_console()
    console.say(f"{path} is written; `aresmon up` brings it to Grafana.")
    if name not in uses:
        meant = did_you_mean(name, uses) or (f"; it asks for {', '.join(uses)}" if uses else "")
        console.warn(
            f"nothing in aresmon.yml asks for a secret named {name}{meant}", hint=f"{{secret: {name}}} under alerts"
        )


def _grafana(site: Site) -> Grafana:
    """The site's Grafana, or an error that says why there is none."""
    from aresmon.grafana import admin_access
    from aresmon.stack import remote

    config = site.config()
    remote.check_here(site, config)
    admin_access.check_runs(config, the_engine())
    return admin_access.administrator(site, config)

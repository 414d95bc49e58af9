"""`aresmon alerts`: what is watched, whether messages get through, and the secrets that this takes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli import completion
from aresmon.cli.common import command, group, read_secret, the_console, the_engine, the_project, warn_unused_secret
from aresmon.cli.options import Json
from aresmon.system.errors import AresmonError

if TYPE_CHECKING:
    from aresmon.grafana.client import Grafana
    from aresmon.site.project import Project


app = group("List alert rules, test notifications, set secrets.")


@command(app, name="list", example="aresmon alerts list")
def list_command(as_json: Json = False) -> None:
    """List alert rules, their thresholds and state; firing ones first.

    The thresholds are those in aresmon.yml; the state is read from Grafana.

    Exit code: 5 if a rule of severity warning or critical fires, if a rule cannot be evaluated, or if Grafana does not
    answer.
    """
    from aresmon.grafana import alerts

    project, console = the_project(), the_console()
    config = project.config
    why = ""
    try:
        groups = _grafana(project).rules()
    except AresmonError as error:
        groups, why = None, error.message
    rules = alerts.list_rules(config, project.views, groups)
    if as_json:
        console.data({"grafana": why or "ok", "rules": [asdict(rule) for rule in rules]})
    else:
        console.alerts(alerts.group_by_host(rules))
        if groups is None:
            console.warn(f"the state of the rules is unknown: {why}")
    raise typer.Exit(alerts.exit_code(rules, is_answered=groups is not None))


@command(app, name="test", example="aresmon alerts test discord")
def try_command(
    name: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            autocompletion=completion.contact_points,
            show_default=False,
            help="Contact points, such as email or discord-2; all of them by default.",
        ),
    ] = None,
) -> None:
    """Send a test notification through each contact point.

    Shows its text, and reports whether the receiving server accepted it, not whether anybody reads it.

    Exit code: 1 if one was rejected.
    """
    from aresmon.grafana import alerts

    project, console = the_project(), the_console()
    grafana = _grafana(project)
    tried = alerts.test_contact_points(project, grafana, name or [])
    try:
        text = alerts.render_test_message(project, grafana)
    except AresmonError as error:
        console.warn(f"the text of the message cannot be shown: {error.message}")
    else:
        console.say(f"{text}\n" if text else "")
    for one in tried:
        if one.error:
            console.warn(f"{one.name}: failed: {one.error}")
        else:
            console.say(f"{one.name}: taken", style="green")
    refused = [one.name for one in tried if one.error]
    if refused:
        raise AresmonError(
            f"no notifications are delivered through {', '.join(refused)}",
            hint="check alerts.send_to in aresmon.yml and its secrets, then `aresmon up`; "
            "`aresmon logs grafana` shows more",
        )


@command(app, name="secret", example="aresmon alerts secret discord")
def secret(
    name: Annotated[
        str,
        typer.Argument(
            metavar="SECRET", autocompletion=completion.alert_secrets, help="The secret's name in aresmon.yml."
        ),
    ],
) -> None:
    """Set a secret of alerts: a webhook URL, a token or a password.

    Prompts for the value, or reads it from standard input, and checks its form. It is stored in
    .aresmon/secrets/alerts, readable only by Grafana, and never shown.
    """
    from aresmon.site import external_secrets, folder

    project = the_project()
    site, uses = project.site, project.config.alerts.secrets
    site.create_state_folder()
    value = read_secret(name)
    path = external_secrets.write_alert_secret(
        site.secrets, name, value, owner=folder.service_user_ids()["grafana"], uses=uses
    )
    the_console().say(f"{path} is written; `aresmon up` passes it to Grafana.")
    if name not in uses:
        warn_unused_secret(name, uses, hint=f"{{secret: {name}}} under alerts")


def _grafana(project: Project) -> Grafana:
    """The site's Grafana, or an error that says why there is none."""
    from aresmon.grafana import admin_access
    from aresmon.stack import location

    location.require_local(project)
    return admin_access.running_client(project, the_engine())

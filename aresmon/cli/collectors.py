"""`aresmon collectors`: what can be watched, what each collector needs, and the secrets of their options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aresmon.cli import completion
from aresmon.cli.common import (
    command,
    group,
    group_command,
    read_secret,
    the_console,
    the_engine,
    the_project,
    the_site,
    warn_unused_secret,
)
from aresmon.cli.options import Json
from aresmon.system.errors import AresmonError, SiteError

if TYPE_CHECKING:
    from aresmon.config.collectors import Collector
    from aresmon.config.views import View


app = group()


@group_command(app, example="aresmon collectors show http")
def list_collectors(ctx: typer.Context, as_json: Json = False) -> None:
    """List the available collectors, show one, set its secrets.

    These are the shipped ones and those in overrides/collectors.
    """
    if ctx.invoked_subcommand is None:
        from aresmon.config.collectors import load

        known, console = load(the_site().overrides).values(), the_console()
        console.data(list(map(_described, known))) if as_json else console.collectors(known)


@command(app, name="show", example="aresmon collectors show http")
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", autocompletion=completion.collector, help="The collector's name.")
    ],
    as_json: Json = False,
) -> None:
    """Show a collector's options, fields, panels and alerts."""
    from aresmon.config import collectors, view_files
    from aresmon.system.json_schema import did_you_mean

    site = the_site()
    known = collectors.load(site.overrides)
    if name not in known:
        raise AresmonError(
            f"there is no collector {name}{did_you_mean(name, known)}", hint="`aresmon collectors` lists them"
        )
    view = view_files.load(site.overrides).get(name)
    console = the_console()
    console.data(_described(known[name]) | _shown(view)) if as_json else console.collector(known[name], view)


@command(
    app,
    name="new",
    example="aresmon collectors new web --from nginx --set urls=http://127.0.0.1/basic_status",
)
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new collector's name.")],
    plugin: Annotated[str, typer.Option("--from", metavar="PLUGIN", help="The Telegraf input that it reads.")],
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            show_default=False,
            help="A setting of the input. Several times with one name: a list.",
        ),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            metavar="FILE",
            show_default=False,
            help="A file with the lines of the input's table, for secrets and tables.",
        ),
    ] = None,
) -> None:
    """Write a collector of your own from what an input sends here.

    Telegraf reads the input for some seconds: the one that is installed here, or that of the image. Two files in
    overrides/collectors are written, with the fields and tags that were seen, the kind of each field, and panels to
    start from. Nothing else is changed.
    """
    from aresmon.agents import new_collector, sampling
    from aresmon.config import view_files
    from aresmon.push.session import agent_image
    from aresmon.system.yaml_document import read_text

    project = the_project()
    folder, console = project.site.overrides / "collectors", the_console()
    new_collector.paths(folder, name)
    text = read_text(settings) if settings is not None else ""
    engine = the_engine()
    run = sampling.on_machine() or sampling.in_image(engine, agent_image(project.config, engine), project.config.site)
    with console.stage(f"reading inputs.{plugin.removeprefix('inputs.')} for {sampling.SECONDS} s"):
        sample = sampling.take(run, plugin, given or [], text)
    for path in new_collector.write(folder, name, sample):
        console.say(f"{path} is written.")
    console.say(f"Next: read both files and shorten them; then add {name} to `collect` of a host, and `aresmon check`.")
    try:
        view_files.load(project.site.overrides)
    except SiteError as error:
        for one in error.errors:
            console.warn(one)


@command(app, name="secret", example="aresmon collectors secret mysql-lewi")
def secret(
    name: Annotated[
        str,
        typer.Argument(
            metavar="SECRET", autocompletion=completion.collector_secrets, help="The secret's name in aresmon.yml."
        ),
    ],
) -> None:
    """Set a secret of a collector's option: a password or a token.

    Prompts for the value, or reads it from standard input. It is stored in .aresmon/secrets/collectors on the server
    and never shown. A push brings it to the hosts whose collectors use it, `aresmon up` to the server's own agent.
    """
    from aresmon.site import external_secrets, folder
    from aresmon.stack import location

    project = the_project()
    location.require_local(project)
    site, config = project.site, project.config
    site.create_state_folder()
    value = read_secret(name)
    owner = folder.service_user_ids()["telegraf"]
    path = external_secrets.write_collector_secret(site.secrets, name, value, owner=owner)
    using = [host for host in config.hosts if name in {one.name for one in host.secrets}]
    pushed = [host.name for host in using if host != config.sidecar]
    commands = ["`aresmon up`"] if config.sidecar in using else []
    commands += [f"`aresmon push-config {' '.join(pushed)}`"] if pushed else []
    console = the_console()
    if commands:
        verb = "bring" if len(commands) > 1 else "brings"
        console.say(f"{path} is written; {' and '.join(commands)} {verb} it to {', '.join(one.name for one in using)}.")
        return
    console.say(f"{path} is written.")
    uses = sorted({one.name for host in config.hosts for one in host.secrets})
    warn_unused_secret(name, uses, hint=f"{{secret: {name}}} as an option of a collector")


def _described(collector: Collector) -> dict[str, Any]:
    """What a collector is and needs, as JSON."""
    return {
        "name": collector.name,
        "title": collector.title,
        "shipped": collector.is_shipped,
        "needs": collector.needs,
        "agent": collector.agent,
        "telegraf": ".".join(map(str, collector.telegraf)),
        "inputs": list(collector.inputs),
        "variables": {one.name: one.hint for one in collector.required},
        "options": {
            name: {"required": one.is_required, "unless": list(one.unless), "secret": one.is_secret} | one.schema()
            for name, one in collector.options.items()
        },
    }


def _shown(view: View | None) -> dict[str, Any]:
    """What there is to see of a collector, as JSON."""
    measurements = view.measurements if view else {}
    return {
        "fields": {name: list(one.fields) for name, one in measurements.items()},
        "panels": [panel.title for panel in view.panels] if view else [],
        "alerts": {alert.id: alert.title for alert in view.alerts} if view else {},
    }

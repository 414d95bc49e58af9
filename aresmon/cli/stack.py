"""Commands on the stack: `up`, `down`, `status`, `logs`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli import data, upgrade
from aresmon.cli.common import command, confirm_by_name, the_console, the_engine, the_site, the_stack, until_interrupted
from aresmon.cli.site import _tell_doubts
from aresmon.system.errors import AresmonError, ExitCode

if TYPE_CHECKING:
    from aresmon.stack.up import UpResult


def register(app: typer.Typer) -> None:
    """Add the commands to `aresmon`."""
    command(app, name="up", example="aresmon up --dry-run")(up)
    command(app, name="down", example="aresmon down")(down)
    command(app, name="status", example="aresmon status --watch")(status)
    command(app, name="logs", example="aresmon logs telegraf --tail 20")(logs)


def up(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
    shorten: Annotated[
        bool, typer.Option("--shorten-retention", help="Let a shorter storage.keep delete the older points.")
    ] = False,
    here: Annotated[bool, typer.Option("--here", help="This machine is the server, whatever its name.")] = False,
) -> None:
    """Bring the stack to what aresmon.yml says, and wait until its data is seen to arrive.

    Without an aresmon.yml, one is written for this machine. A second run finds nothing to do. --dry-run looks into
    the database too, and not at Grafana's users: `aresmon users list` does. Exit code 5: an image could not be had,
    or no data was seen; 4: a person must look.
    """
    from aresmon.engine.images import pins
    from aresmon.site import init
    from aresmon.stack import folder_swap, remote
    from aresmon.stack import up as stack_up

    site, console, engine = the_site(), the_console(), the_engine()
    if not dry_run:
        folder_swap.recover(site, engine, console)
    if not site.file.exists():
        if dry_run:
            raise AresmonError(
                f"{site.file} does not exist", hint="`aresmon init` writes one; `aresmon up` does so by itself"
            )
        engine.client  # noqa: B018 (no file is written where nothing can run)
        init.write(site, docker=True)
        console.note(f"{site.file} is written for this machine")
    config = site.config()
    remote.check_here(site, config, meant=here)
    _tell_doubts(site, config, is_server=True)
    shorten = data.let_shorten(site, config, meant=shorten, dry_run=dry_run)
    upgrade.recover(site, engine, dry_run=dry_run)

    def announce(outcome: stack_up.UpResult) -> None:
        is_first = not site.bundle.exists()
        console.plan(outcome.steps, outcome.difference, is_first=is_first, whole=dry_run)
        upgrade.tell_kept(outcome, dry_run=dry_run)

    if dry_run:
        outcome = stack_up.dry_run(site, engine, shorten=shorten)
        announce(outcome)
        if site.bundle.exists():
            upgrade.tell_foreseen(outcome)
        for service, why in outcome.missing.items():
            ways = "pulled, else built from packages" if pins(site.config())[service].build else "pulled"
            console.say(f"    image {service}  {why}: to be {ways}")
        is_due = outcome.changed or outcome.code or outcome.unseen
        console.say("Nothing was changed." if is_due else "Nothing to do.")
        return
    outcome = stack_up.up(site, engine, console, announce=announce, shorten=shorten)
    _tell_outcome(outcome)
    raise typer.Exit(outcome.code)


def down(
    volumes: Annotated[bool, typer.Option("--volumes", help="Delete the data folders too, after asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Stop the stack and remove its containers. The data stays, and `aresmon up` goes on with it."""
    from aresmon.site import folder as site_folder
    from aresmon.stack import remote
    from aresmon.stack import up as stack_up

    site, console, engine = the_site(), the_console(), the_engine()
    config = site.config()
    remote.check_here(site, config)
    doomed = stack_up.deletable_folders(site, config) if volumes else []
    if doomed and not yes:
        confirm_by_name(config.site, f"This deletes {', '.join(map(str, doomed))}")
    gone = stack_up.down(site, engine, console, volumes=volumes)
    is_there = any(folder.exists() for folder in site_folder.data_folders(site, config).values())
    kept = "The data is kept; `aresmon up` goes on with it." if is_there else "There is no data."
    console.say("The stack is down. " + (f"Deleted: {', '.join(map(str, gone))}." if gone else kept))
    left = [folder for folder in site_folder.data_folders(site, config).values() if volumes and folder.exists()]
    for folder in left:
        console.warn(
            f"{folder} is left: it was not empty when aresmon first saw it", hint=f"look, then `rm -r {folder}`"
        )


def status(
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again every five seconds, until ^C.")] = False,
) -> None:
    """Show each service and each host, what is wrong and what to do. Exit code 5 if anything is wrong.

    POINTS/MIN: what arrived in the last whole minute. READS: how often the inputs of a host were read in it, of
    what is due. SILENT: inputs that gave nothing in it.
    """
    from aresmon.doctor.status import look

    site, console = the_site(), the_console()
    if watch and as_json:
        raise AresmonError("--watch and --json do not go together", code=ExitCode.USAGE)
    with the_stack(site) as (engine, influxdb):
        if watch:
            with until_interrupted():
                console.watch(lambda: look(site, engine, influxdb=influxdb), every=5)
        found = look(site, engine, influxdb=influxdb)
    console.data(found.as_json()) if as_json else console.status(found)
    raise typer.Exit(found.code)


def logs(
    service: Annotated[str, typer.Argument(help="influxdb, grafana, edge or telegraf.")],
    tail: Annotated[int, typer.Option("--tail", help="How many of the last lines.", min=0)] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
) -> None:
    """Show the last lines that a service wrote."""
    from aresmon.engine.images import services
    from aresmon.system import json_schema

    site = the_site()
    config = site.config()
    with the_stack(site) as (engine, _):
        known = list(dict.fromkeys([*services(config), *engine.containers(config.site)]))
        if service not in known:
            meant = json_schema.did_you_mean(service, known) or f"; there are {', '.join(known)}"
            raise AresmonError(f"no service '{service}'{meant}")
        with until_interrupted():
            for piece in engine.logs(config.site, service, tail=tail, follow=follow):
                the_console().raw(piece)


def _tell_outcome(outcome: UpResult) -> None:
    """What `up` did, how the site is now, and where to look."""
    from aresmon.doctor.status import look
    from aresmon.influxdb import users

    site, console = the_site(), the_console()
    for statement in outcome.statements:
        console.say(f"database: {statement}")
    for change in outcome.people:
        console.say(f"grafana: {change}")
    if not outcome.changed and not outcome.unproven:
        console.say(
            "Nothing to do: everything runs as aresmon.yml says, and its data arrives."
            if not outcome.code
            else "Nothing else to do: the rest runs as aresmon.yml says, and its data arrives."
        )
    else:
        console.say()
        found = look(site, the_engine())
        # Said once, below, with the reason, which only this run knows.
        told = tuple(problem for problem in found.problems if problem.about not in outcome.missing)
        console.status(replace(found, problems=told), well="All else is well." if outcome.code else "All is well.")
        console.say()
    for host in users.blocked(site) if not outcome.changed else ():  # else `status` has said so
        console.warn(f"{host} is blocked, and its data is refused", hint=f"`aresmon hosts unblock {host}`")
    if outcome.unproven:
        console.warn(outcome.unproven, hint="`aresmon logs telegraf` and `aresmon status` say more")
    for service, why in outcome.missing.items():
        hint = f"where a registry answers, `aresmon images pull {service} && aresmon up` completes the stack"
        console.warn(f"{service} does not run: {why}", hint=hint)
    if "grafana" not in outcome.missing and outcome.changed:
        config = site.config()
        secret = site.secrets / "grafana-admin"
        console.say(f"Grafana: {config.grafana.url}, login {config.grafana.admin}, password in {secret}")

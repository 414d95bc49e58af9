"""Commands on the stack: `up`, `down`, `status`, `logs`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli import data, site_map, upgrade
from aresmon.cli.check import print_warnings
from aresmon.cli.common import (
    confirm_by_name,
    the_console,
    the_engine,
    the_project,
    the_site,
    the_stack,
    until_interrupted,
)
from aresmon.cli.options import DryRun, Json, Services, ShortenRetention, Yes
from aresmon.system import output
from aresmon.system.errors import AresmonError, ExitCode

if TYPE_CHECKING:
    from aresmon.doctor.status import Status
    from aresmon.engine.docker import Engine
    from aresmon.site.project import Project
    from aresmon.stack.up import UpResult


def up(
    dry_run: DryRun = False,
    shorten: ShortenRetention = False,
    here: Annotated[
        bool, typer.Option("--here", help="Run the stack on this machine even if its name is not that of the server.")
    ] = False,
) -> None:
    """Start the stack, or update it to match aresmon.yml.

    Waits until every service is ready and fresh data arrives. Writes an aresmon.yml for this machine if there is none.
    If nothing has changed, nothing is restarted.

    --dry-run shows the changes to services, files and database; for those to Grafana's users, see `aresmon users
    apply --dry-run`.

    Exit codes: 5 if an image is missing or no data arrives; 4 if the stack needs manual intervention.
    """
    from aresmon.engine.images import pins
    from aresmon.site import init
    from aresmon.stack import folder_swap, location
    from aresmon.stack import up as stack_up

    site, console, engine = the_site(), the_console(), the_engine()
    if not dry_run:
        folder_swap.finish_interrupted(site, engine, console)
    if not site.file.exists():
        if dry_run:
            raise AresmonError(
                f"{site.file} does not exist", hint="`aresmon init` writes one, and so does `aresmon up`"
            )
        engine.client  # noqa: B018 (no file is written where nothing can run)
        init.write(site, docker=True)
        console.note(f"wrote {site.file} for this machine")
    project = the_project()
    location.require_local(project, force=here)
    print_warnings(project, is_server=True)
    shorten = data.let_shorten(project, meant=shorten, dry_run=dry_run)
    upgrade.recover(site, engine, dry_run=dry_run)

    def announce(outcome: stack_up.UpResult) -> None:
        is_first = not site.bundle.exists()
        console.plan(outcome.steps, outcome.difference, is_first=is_first, whole=dry_run)
        upgrade.tell_kept(outcome, dry_run=dry_run)

    if dry_run:
        outcome = stack_up.dry_run(project, engine, shorten=shorten)
        announce(outcome)
        if site.bundle.exists():
            upgrade.tell_foreseen(outcome)
        for service, why in outcome.missing.items():
            ways = "pulled, else built from packages" if pins(project.config)[service].build else "pulled"
            console.say(f"    image {service}  {why}: will be {ways}")
        is_due = outcome.changed or outcome.code or outcome.unseen
        console.say("Nothing was changed." if is_due else "Nothing to do.")
        return
    outcome = stack_up.up(project, engine, console, announce=announce, shorten=shorten)
    found = _print_outcome(project, outcome)
    _publish_map(project, engine, found)
    raise typer.Exit(outcome.code)


def down(
    volumes: Annotated[
        bool, typer.Option("--volumes", help="Delete the data folders too, after confirmation.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Stop the stack and remove its containers.

    The data is kept; `aresmon up` starts the stack with it again.
    """
    from aresmon.stack import down as stack_down
    from aresmon.stack import location

    project, console, engine = the_project(), the_console(), the_engine()
    config = project.config
    location.require_local(project)
    doomed = stack_down.deletable_folders(project) if volumes else []
    if doomed and not yes:
        confirm_by_name(config.site, f"This deletes {', '.join(map(str, doomed))}")
    gone = stack_down.down(project, engine, console, volumes=volumes)
    is_there = any(folder.exists() for folder in project.data_folders().values())
    kept = "The data is kept; `aresmon up` starts the stack with it." if is_there else "There is no data."
    console.say("The stack is down. " + (f"Deleted: {', '.join(map(str, gone))}." if gone else kept))
    left = [folder for folder in project.data_folders().values() if volumes and folder.exists()]
    for folder in left:
        console.warn(
            f"{folder} was not deleted: it was not empty when aresmon first used it",
            hint=f"check its contents, then `rm -r {folder}`",
        )


def status(
    as_json: Json = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh every five seconds until interrupted.")] = False,
) -> None:
    """Show the state of services and hosts, and any problems.

    POINTS/MIN: points that arrived in the last full minute. READS: how often the host's inputs were read in that
    minute, of the expected number. SILENT: inputs that sent nothing in that minute.

    Exit code: 5 if there is a problem.
    """
    from aresmon.doctor.status import read_status

    project, console = the_project(), the_console()
    if watch and as_json:
        raise AresmonError("--watch and --json cannot be combined", code=ExitCode.USAGE)
    with the_stack(project) as (engine, influxdb):
        if watch:
            with until_interrupted():
                console.watch(lambda: read_status(project, engine, influxdb=influxdb), every=5)
        found = read_status(project, engine, influxdb=influxdb)
    console.data(found.as_json()) if as_json else console.status(found)
    raise typer.Exit(found.code)


def logs(
    services: Services = None,
    tail: Annotated[
        int, typer.Option("--tail", "-n", metavar="LINES", min=0, help="Number of lines to show from the end.")
    ] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new lines until interrupted.")] = False,
) -> None:
    """Show the logs of services.

    With several services, each line begins with the service's name, and the lines are in the order of their time.
    """
    from aresmon.engine import images
    from aresmon.engine.logs import merge
    from aresmon.system import json_schema

    project = the_project()
    config = project.config
    with the_stack(project) as (engine, _):
        there = engine.containers(config.site)
        known = list(dict.fromkeys([*images.services(config), *there]))
        for service in services or ():
            if service not in known:
                meant = json_schema.did_you_mean(service, known) or f"; there are {', '.join(known)}"
                raise AresmonError(f"no service '{service}'{meant}")
        chosen = list(dict.fromkeys(services or [name for name in known if name in there]))
        if not chosen:
            raise AresmonError("no service has a container, so there are no logs", hint="`aresmon up` starts the stack")
        pieces = {name: engine.logs(config.site, name, tail=tail, follow=follow) for name in chosen}
        with until_interrupted():
            for piece in merge(pieces, follow=follow) if len(chosen) > 1 else pieces[chosen[0]]:
                the_console().raw(piece, at_once=follow)
                if output.is_lost():
                    break


def _publish_map(project: Project, engine: Engine, status: Status | None) -> None:
    """Update the page Map in Grafana. Without Graphviz there is no such page, as `aresmon map` says."""
    from aresmon.grafana.answers import GrafanaNotRunningError
    from aresmon.topology.drawing import NoGraphvizError

    try:
        site_map.publish(project, engine, status)
    except (NoGraphvizError, GrafanaNotRunningError):
        return
    except AresmonError as error:
        the_console().warn(f"the page Map in Grafana was not updated: {error.message}", hint=error.hint)


def _print_outcome(project: Project, outcome: UpResult) -> Status | None:
    """Print what `up` did, and the state of the site, which is returned if it was read."""
    from aresmon.doctor.status import read_status
    from aresmon.influxdb import users

    site, console, found = project.site, the_console(), None
    for statement in outcome.statements:
        console.say(f"database: {statement}")
    for change in outcome.grafana_changes:
        console.say(f"grafana: {change}")
    if not outcome.changed and not outcome.unverified:
        console.say(
            "Nothing to do: the stack matches aresmon.yml, and its data arrives."
            if not outcome.code
            else "Nothing else to do: the other services match aresmon.yml, and their data arrives."
        )
    else:
        console.say()
        found = read_status(project, the_engine())
        # Reported once, below, with the reason, which only this run knows.
        details = tuple(problem for problem in found.problems if problem.about not in outcome.missing)
        console.status(
            replace(found, problems=details), well="No other problems found." if outcome.code else "No problems found."
        )
        console.say()
    for host in users.blocked_hosts(site) if not outcome.changed else ():  # else `status` has said so
        console.warn(f"{host} is blocked, and its data is rejected", hint=f"`aresmon hosts unblock {host}`")
    if outcome.unverified:
        console.warn(outcome.unverified, hint="`aresmon logs telegraf` and `aresmon status` show more")
    for service, why in outcome.missing.items():
        hint = f"`aresmon images pull {service} && aresmon up`, when a registry can be reached, completes the stack"
        console.warn(f"{service} is not running: {why}", hint=hint)
    if "grafana" not in outcome.missing and outcome.changed:
        config = project.config
        secret = site.secrets / "grafana-admin"
        console.say(f"Grafana: {config.grafana.url}, login {config.grafana.admin}, password in {secret}")
    return found

"""The command line: one function a command. Each parses, calls one use case and prints."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from aresmon import (
    __version__,
    cli_alerts,
    cli_authority,
    cli_backup,
    cli_dashboards,
    cli_data,
    cli_doctor,
    cli_hosts,
    cli_images,
    cli_push,
    cli_secrets,
    cli_snippet,
    cli_upgrade,
    cli_users,
    interruptions,
)
from aresmon.cli_support import (
    Chosen,
    command,
    confirm_by_name,
    the_console,
    the_engine,
    the_site,
    the_stack,
    until_interrupted,
)
from aresmon.errors import AresmonError, ExitCode

if TYPE_CHECKING:
    from aresmon.fleet import Fleet
    from aresmon.site import Site
    from aresmon.stack import Outcome

app = typer.Typer(
    name="aresmon",
    help="Watch a few servers from one file, on data that is seen to arrive.",
    epilog="Start here: aresmon up. Every setting: docs/reference/aresmon-yml.md.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cli_alerts.app, name="alerts")
app.add_typer(cli_authority.app, name="authority")
cli_backup.register(app)
app.add_typer(cli_data.app, name="data")
app.add_typer(cli_hosts.app, name="hosts")
app.add_typer(cli_images.app, name="images")
app.add_typer(cli_users.app, name="users")
app.add_typer(cli_dashboards.app, name="dashboards")
app.add_typer(cli_secrets.app, name="secrets")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aresmon {__version__}")
        cli_upgrade.tell_release()
        raise typer.Exit


@app.callback()
def _globals(
    folder: Annotated[
        Path,
        typer.Option(
            "--site",
            "-C",
            show_default=False,
            help="The site's folder; without it, this one or the nearest above with an aresmon.yml.",
        ),
    ] = Path(),
    version: Annotated[  # eager: it wants no command
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    Chosen.folder = folder


@command(app, name="init", example="aresmon init")
def init() -> None:
    """Write a commented aresmon.yml for this machine: its name, its Docker, its HAProxy.

    A file that is there already is never overwritten.
    """
    from aresmon import starter

    site = the_site()
    starter.write(site, docker=the_engine().socket.exists())
    the_console().say(f"{site.file} is written. Look at it, then: aresmon up")


@command(app, name="check", example="aresmon check")
def check(
    configs: Annotated[
        Path | None, typer.Option("--configs", show_default=False, help="A folder of <host>.conf, looked at as well.")
    ] = None,
) -> None:
    """Hold aresmon.yml and overrides/ against their schema and tell every error at once.

    With --configs, each <host>.conf there is completed as a push would, and held against our rules and, where an
    engine and its image are here, against Telegraf's own check.
    """
    site, console = the_site(), the_console()
    fleet = site.fleet()
    site.views()  # which raises, for a view of the site's own that is wrong
    _tell_doubts(site, fleet)
    _tell_secrets(site, fleet)
    plural = "s" if len(fleet.hosts) > 1 else ""
    console.say(f"{site.file}: {len(fleet.hosts)} host{plural}, server {fleet.server}. No errors.")
    if configs is not None:
        _check_configurations(site, configs)


def _check_configurations(site: Site, folder: Path) -> None:
    from aresmon import checking, images, intent

    fleet, console, engine = site.fleet(), the_console(), the_engine()
    try:
        image = images.local(engine, intent.used_pins(fleet)).references.get("telegraf", "")
    except AresmonError:
        image = ""
    names, warnings = checking.configurations(folder, fleet, site.catalogue(), engine=engine, image=image)
    for warning in warnings:
        console.warn(warning)
    if not image:
        console.warn(
            "Telegraf's own check was left out: no engine with its image is here", hint="`aresmon up` brings it"
        )
    console.say(f"{folder}: {', '.join(f'{name}.conf' for name in names)}. No errors.")


@command(app, name="render", example="aresmon render --output /tmp/bundle")
def render(
    configs: Annotated[
        Path | None,
        typer.Option("--configs", show_default=False, help="Write a first repository of <host>.conf there instead."),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Another folder than .aresmon/bundle.")] = None,
) -> None:
    """Write the bundle: everything that aresmon generates from the site, and nothing else."""
    from aresmon import bundle, images, intent, starter
    from aresmon.render.configs import repository

    site, console = the_site(), the_console()
    engine = the_engine()
    fleet = site.fleet()
    if configs is not None:
        written = starter.write_repository(configs, repository(fleet, site.catalogue(), intent.shipped_files()))
        console.say(f"{written} files in {configs}. Commit them, and name the repository in aresmon.yml: configs.git")
        return
    try:
        references = images.local(engine, intent.used_pins(fleet)).references
    except AresmonError:
        references = {}  # no engine here: the pinned images
    files = intent.render_site(site, fleet, site.catalogue(), engine, references)
    folder = (output or site.bundle).resolve()
    if output is None:
        with site.lock("render"):
            bundle.write(bundle.read(folder), files)
    else:
        found = bundle.read(folder)
        if found.files and not found.exists:
            raise AresmonError(f"{folder} has files in it that aresmon did not write", hint="name an empty folder")
        bundle.write(found, files)
    console.say(f"{len(files)} files in {folder}")


@command(app, name="up", example="aresmon up --dry-run")
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
    from aresmon import exchange, ground, stack, starter
    from aresmon.pins import pins

    site, console, engine = the_site(), the_console(), the_engine()
    if not dry_run:
        exchange.recover(site, engine, console)
    if not site.file.exists():
        if dry_run:
            raise AresmonError(
                f"{site.file} does not exist", hint="`aresmon init` writes one; `aresmon up` does so by itself"
            )
        engine.client  # noqa: B018 (no file is written where nothing can run)
        starter.write(site, docker=True)
        console.note(f"{site.file} is written for this machine")
    fleet = site.fleet()
    ground.check_here(site, fleet, meant=here)
    _tell_doubts(site, fleet, is_server=True)
    shorten = cli_data.let_shorten(site, fleet, meant=shorten, dry_run=dry_run)
    cli_upgrade.recover(site, engine, dry_run=dry_run)

    def announce(outcome: stack.Outcome) -> None:
        is_first = not site.bundle.exists()
        console.plan(outcome.steps, outcome.difference, is_first=is_first, whole=dry_run)
        cli_upgrade.tell_kept(outcome, dry_run=dry_run)

    if dry_run:
        outcome = stack.dry_run(site, engine, shorten=shorten)
        announce(outcome)
        if site.bundle.exists():
            cli_upgrade.tell_foreseen(outcome)
        for service, why in outcome.missing.items():
            ways = "pulled, else built from packages" if pins(site.fleet())[service].build else "pulled"
            console.say(f"    image {service}  {why}: to be {ways}")
        is_due = outcome.changed or outcome.code or outcome.unseen
        console.say("Nothing was changed." if is_due else "Nothing to do.")
        return
    outcome = stack.up(site, engine, console, announce=announce, shorten=shorten)
    _tell_outcome(outcome)
    raise typer.Exit(outcome.code)


@command(app, name="down", example="aresmon down")
def down(
    volumes: Annotated[bool, typer.Option("--volumes", help="Delete the data folders too, after asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Stop the stack and remove its containers. The data stays, and `aresmon up` goes on with it."""
    from aresmon import ground, intent, stack

    site, console, engine = the_site(), the_console(), the_engine()
    fleet = site.fleet()
    ground.check_here(site, fleet)
    doomed = stack.deletable_folders(site, fleet) if volumes else []
    if doomed and not yes:
        confirm_by_name(fleet.site, f"This deletes {', '.join(map(str, doomed))}")
    gone = stack.down(site, engine, console, volumes=volumes)
    is_there = any(folder.exists() for folder in intent.data_folders(site, fleet).values())
    kept = "The data is kept; `aresmon up` goes on with it." if is_there else "There is no data."
    console.say("The stack is down. " + (f"Deleted: {', '.join(map(str, gone))}." if gone else kept))
    left = [folder for folder in intent.data_folders(site, fleet).values() if volumes and folder.exists()]
    for folder in left:
        console.warn(
            f"{folder} is left: it was not empty when aresmon first saw it", hint=f"look, then `rm -r {folder}`"
        )


@command(app, name="status", example="aresmon status --watch")
def status(
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again every five seconds, until ^C.")] = False,
) -> None:
    """Show each service and each host, what is wrong and what to do. Exit code 5 if anything is wrong.

    POINTS/MIN: what arrived in the last whole minute. READS: how often the inputs of a host were read in it, of
    what is due. SILENT: inputs that gave nothing in it.
    """
    from aresmon.status import look

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


@command(app, name="logs", example="aresmon logs telegraf --tail 20")
def logs(
    service: Annotated[str, typer.Argument(help="influxdb, grafana, edge or telegraf.")],
    tail: Annotated[int, typer.Option("--tail", help="How many of the last lines.", min=0)] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
) -> None:
    """Show the last lines that a service wrote."""
    from aresmon import schema
    from aresmon.pins import services

    site = the_site()
    fleet = site.fleet()
    with the_stack(site) as (engine, _):
        known = list(dict.fromkeys([*services(fleet), *engine.containers(fleet.site)]))
        if service not in known:
            meant = schema.did_you_mean(service, known) or f"; there are {', '.join(known)}"
            raise AresmonError(f"no service '{service}'{meant}")
        with until_interrupted():
            for piece in engine.logs(fleet.site, service, tail=tail, follow=follow):
                the_console().raw(piece)


cli_push.register(app)
cli_upgrade.register(app)
cli_snippet.register(app)
cli_doctor.register(app)


@command(app, name="collectors", example="aresmon collectors")
def collectors() -> None:
    """List what can be watched: the shipped collectors and those of overrides/collectors."""
    the_console().collectors(the_site().catalogue().values())


@command(app, name="schema", example="aresmon schema > aresmon.schema.json")
def schema_command() -> None:
    """Print the JSON Schema of aresmon.yml, for editors."""
    from aresmon.schema import site_schema

    the_console().data(site_schema())


def main() -> NoReturn:
    """Run the command line; never returns."""
    interruptions.heed()
    os.umask(os.umask(0o022) | 0o022)  # a looser one would let others write into the site's and the data folders
    app()
    sys.exit(ExitCode.DONE)


def _tell_doubts(site: Site, fleet: Fleet, *, is_server: bool = False) -> None:
    """What is no error and yet to be known, of the file and of the certificate that it names.

    A certificate is looked at on the server; elsewhere it need not be.
    """
    from aresmon import certificates, ground

    console = the_console()
    for notice in fleet.notices:
        console.warn(notice)
    if is_server or ground.is_here(site, fleet):
        found = certificates.look(site.root, fleet.grafana.door.tls, fleet.grafana.url)
        found += certificates.look(site.root, fleet.edge.channel.pair, fleet.edge.url)
        for doubt in found:
            console.warn(doubt.what, hint=doubt.next)


def _tell_secrets(site: Site, fleet: Fleet) -> None:
    """Which secrets of `alerts` `up` would ask for; they are on the server alone."""
    from aresmon import alertsecrets, ground

    if ground.is_here(site, fleet):
        wrong = dict(alertsecrets.problems(site.secrets, fleet.alerts.secrets))
        for name, what in wrong.items():
            the_console().warn(what, hint=alertsecrets.next_step(wrong) if name == list(wrong)[-1] else "")


def _tell_outcome(outcome: Outcome) -> None:
    """What `up` did, how the site is now, and where to look."""
    from aresmon import blocking
    from aresmon.status import look

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
        told = tuple(trouble for trouble in found.troubles if trouble.about not in outcome.missing)
        console.status(replace(found, troubles=told), well="All else is well." if outcome.code else "All is well.")
        console.say()
    for host in blocking.blocked(site) if not outcome.changed else ():  # else `status` has said so
        console.warn(f"{host} is blocked, and its data is refused", hint=f"`aresmon hosts unblock {host}`")
    if outcome.unproven:
        console.warn(outcome.unproven, hint="`aresmon logs telegraf` and `aresmon status` say more")
    for service, why in outcome.missing.items():
        hint = f"where a registry answers, `aresmon images pull {service} && aresmon up` completes the stack"
        console.warn(f"{service} does not run: {why}", hint=hint)
    if "grafana" not in outcome.missing and outcome.changed:
        fleet = site.fleet()
        secret = site.secrets / "grafana-admin"
        console.say(f"Grafana: {fleet.grafana.url}, login {fleet.grafana.admin}, password in {secret}")

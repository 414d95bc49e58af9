"""The command line: one function a command. Each parses, calls one use case and prints."""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, ParamSpec, TypeVar

import typer

from aresmon import __version__
from aresmon.errors import AresmonError, ExitCode

# Each command imports what it needs when it runs: `--help` and completion answer at once.
if TYPE_CHECKING:
    from aresmon.console import Console
    from aresmon.engine import Engine
    from aresmon.pins import Pin
    from aresmon.site import Site
    from aresmon.stack import Outcome

app = typer.Typer(
    name="aresmon",
    help="Watch a few servers: one file, and agents, database and dashboards stand, proven on real data.",
    epilog="Start here: aresmon up. Every setting: docs/reference/aresmon-yml.md.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
images_app = typer.Typer(
    help="The images of the stack: pull them, build them from packages, carry them to a machine without a network.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(images_app, name="images")

P = ParamSpec("P")
R = TypeVar("R")

Services = Annotated[
    list[str] | None, typer.Argument(help="Services; without any, all of the site.", show_default=False)
]


class _Globals:
    folder = Path()


def command(*, name: str, example: str, group: typer.Typer = app) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register a command whose errors are told to a person, with an example in its help."""

    def register(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def told(*arguments: P.args, **options: P.kwargs) -> R:
            try:
                return function(*arguments, **options)
            except AresmonError as error:
                _console().error(error)
                raise typer.Exit(error.code) from None
            except KeyboardInterrupt:
                _console().err.print(
                    "interrupted; whatever was done stays done, and the same command goes on from there"
                )
                raise typer.Exit(ExitCode.INTERRUPTED) from None
            except BrokenPipeError:
                _leave_quietly()
            except typer.Exit:
                raise
            except Exception:
                raise typer.Exit(_unexpected(traceback.format_exc())) from None

        group.command(name=name, epilog=f"Example: {example}")(told)
        return told

    return register


@app.callback()
def _globals(
    folder: Annotated[
        Path,
        typer.Option(
            "--site", "-C", help="The site's folder; without it, this one or the nearest above with an aresmon.yml."
        ),
    ] = Path(),
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    _Globals.folder = folder
    if version:
        typer.echo(f"aresmon {__version__}")
        raise typer.Exit


@command(name="init", example="aresmon init")
def init() -> None:
    """Write a commented aresmon.yml for this machine: its name, its Docker, its HAProxy.

    A file that is there already is never overwritten.
    """
    from aresmon import starter

    site = _site()
    starter.write(site, docker=_engine().socket.exists())
    _console().say(f"{site.file} is written. Look at it, then: aresmon up")


@command(name="check", example="aresmon check")
def check() -> None:
    """Hold aresmon.yml and overrides/ against their schema and tell every error at once."""
    site, console = _site(), _console()
    fleet = site.fleet()
    for notice in fleet.notices:
        console.warn(notice)
    plural = "s" if len(fleet.hosts) > 1 else ""
    console.say(f"{site.file}: {len(fleet.hosts)} host{plural}, server {fleet.server}. No errors.")


@command(name="render", example="aresmon render --output /tmp/bundle")
def render(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Another folder than .aresmon/bundle.")] = None,
) -> None:
    """Write the bundle: everything that aresmon generates from the site, and nothing else."""
    from aresmon import bundle, images, intent

    site, console = _site(), _console()
    engine = _engine()
    fleet = site.fleet()
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


@command(name="up", example="aresmon up --dry-run")
def up(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
    shorten: Annotated[
        bool, typer.Option("--shorten-retention", help="Let a shorter storage.keep delete the older points.")
    ] = False,
) -> None:
    """Bring the stack to what aresmon.yml says, and wait until its data is seen to arrive.

    Without an aresmon.yml, one is written for this machine. A second run finds nothing to do. Exit code 5:
    a service could not be started, or no data was seen; 4: a person must look.
    """
    from aresmon import stack, starter

    site, console, engine = _site(), _console(), _engine()
    if not site.file.exists():
        if dry_run:
            raise AresmonError(
                f"{site.file} does not exist", hint="`aresmon init` writes one; `aresmon up` does so by itself"
            )
        engine.client  # noqa: B018 (no file is written where nothing can run)
        starter.write(site, docker=True)
        console.note(f"{site.file} is written for this machine")
    for notice in site.fleet().notices:
        console.warn(notice)

    def announce(outcome: stack.Outcome) -> None:
        is_first = not outcome.difference.text or not site.bundle.exists()
        console.plan(outcome.steps, outcome.difference.text, is_first=is_first, whole=dry_run)

    if dry_run:
        outcome = stack.dry_run(site, engine)
        announce(outcome)
        for service, why in outcome.missing.items():
            console.say(f"    image {service}  {why}: pulled, or built from packages")
        console.say("Nothing was changed." if outcome.changed or outcome.missing else "Nothing to do.")
        return
    outcome = stack.up(site, engine, console, announce=announce, shorten=shorten)
    _tell_outcome(outcome)
    raise typer.Exit(outcome.code)


@command(name="down", example="aresmon down")
def down(
    volumes: Annotated[bool, typer.Option("--volumes", help="Delete the data folders too, after asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Stop the stack and remove its containers. The data stays, and `aresmon up` goes on with it."""
    from aresmon import intent, stack

    site, console, engine = _site(), _console(), _engine()
    fleet = site.fleet()
    if volumes and not yes:
        _ask_for_name(fleet.site, [folder for folder in intent.data_folders(site, fleet).values() if folder.exists()])
    gone = stack.down(site, engine, console, volumes=volumes)
    kept = "The data is kept; `aresmon up` goes on with it."
    console.say("The stack is down. " + (f"Deleted: {', '.join(map(str, gone))}." if gone else kept))


@command(name="status", example="aresmon status --watch")
def status(
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again every five seconds, until ^C.")] = False,
) -> None:
    """Show each service and each host, what is wrong and what to do. Exit code 5 if anything is wrong.

    READS: how often the inputs of a host were read in the last whole minute, of what is due. SILENT: inputs
    that gave nothing in it.
    """
    from aresmon.status import look

    site, console, engine = _site(), _console(), _engine()
    if watch and as_json:
        raise typer.BadParameter("--watch and --json do not go together")
    if watch:
        console.watch(lambda: look(site, engine), every=5)
    found = look(site, engine)
    console.data(found.as_json()) if as_json else console.status(found)
    raise typer.Exit(found.code)


@command(name="logs", example="aresmon logs telegraf --tail 20")
def logs(
    service: Annotated[str, typer.Argument(help="influxdb, grafana, edge or telegraf.")],
    tail: Annotated[int, typer.Option("--tail", help="How many of the last lines.", min=0)] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
) -> None:
    """Show the last lines that a service wrote."""
    from aresmon import schema
    from aresmon.pins import services

    site, engine = _site(), _engine()
    fleet = site.fleet()
    known = services(fleet)
    if service not in known:
        meant = schema.did_you_mean(service, known) or f"; there are {', '.join(known)}"
        raise AresmonError(f"no service '{service}'{meant}")
    for piece in engine.logs(fleet.site, service, tail=tail, follow=follow):
        _console().raw(piece)


@command(name="collectors", example="aresmon collectors")
def collectors() -> None:
    """List what can be watched: the shipped collectors and those of overrides/collectors."""
    _console().collectors(_site().catalogue().values())


@command(name="schema", example="aresmon schema > aresmon.schema.json")
def schema_command() -> None:
    """Print the JSON Schema of aresmon.yml, for editors."""
    from aresmon.schema import site_schema

    _console().data(site_schema())


@command(name="pull", example="aresmon images pull grafana", group=images_app)
def images_pull(services: Services = None) -> None:
    """Pull the pinned images. Exit code 5 if some could not be had."""
    from aresmon import images

    pins = _chosen_pins(services)
    refused = images.pull(_engine(), pins, _console())
    _tell_images(
        pins, refused, "`aresmon images build` makes those that packages can make; `images load` takes a carried one"
    )


@command(name="build", example="aresmon images build telegraf", group=images_app)
def images_build(services: Services = None) -> None:
    """Build images from packages: InfluxDB and Telegraf as Go commands, HAProxy from the distribution.

    For machines where no registry answers. Takes Go, a Rust toolchain, a C compiler and mmdebstrap, and
    about eight minutes on two cores. Exit code 5 if some could not be built.
    """
    from aresmon import images, intent

    site = _site()
    pins = _chosen_pins(services)
    inputs = intent.inputs(site.fleet(), site.catalogue()) if site.file.exists() else []
    refused = images.build_all(_engine(), pins, _console(), inputs=inputs)
    _tell_images(pins, refused, "`aresmon images pull` where a registry answers, or `images load` of a saved one")


@command(name="save", example="aresmon images save /tmp/images.tar", group=images_app)
def images_save(archive: Annotated[Path, typer.Argument(help="The tar file to write.")]) -> None:
    """Write the images of the site into one tar file, to carry them to another machine."""
    from aresmon import images

    engine = _engine()
    images.save(engine, images.local(engine, _chosen_pins(None)), archive, _console())
    _console().say(f"{archive} is written; on the other machine: aresmon images load {archive.name}")


@command(name="load", example="aresmon images load images.tar", group=images_app)
def images_load(archive: Annotated[Path, typer.Argument(help="A tar file that `images save` wrote.")]) -> None:
    """Take in the images of such a tar file."""
    from aresmon import images

    for reference in images.load(_engine(), archive, _console()):
        _console().say(reference)


def main() -> NoReturn:
    """Run the command line; never returns."""
    signal.signal(signal.SIGTERM, _interrupt)
    app()
    sys.exit(ExitCode.DONE)


# What commands share ---------------------------------------------------------------------------------


def _site() -> Site:
    from aresmon import site

    return site.find(_Globals.folder)


@functools.cache
def _console() -> Console:
    from aresmon.console import Console

    return Console()


def _engine() -> Engine:
    from aresmon.engine import Engine

    return Engine()


def _chosen_pins(services: list[str] | None) -> dict[str, Pin]:
    """The pins of these services: of the site if there is one, else as shipped."""
    from aresmon import intent, schema
    from aresmon.pins import pins

    site = _site()
    known = intent.used_pins(site.fleet()) if site.file.exists() else pins()
    for service in services or ():
        if service not in known:
            raise AresmonError(
                f"no service '{service}'{schema.did_you_mean(service, known) or '; there are ' + ', '.join(known)}"
            )
    return {service: known[service] for service in services or known}


def _tell_images(pins: dict[str, Pin], refused: dict[str, str], hint: str) -> None:
    console = _console()
    for service, why in refused.items():
        console.warn(f"{service}: {why}")
    if refused:
        raise AresmonError(
            f"not had: {', '.join(pins[service].pull for service in refused)}", hint=hint, code=ExitCode.DEGRADED
        )
    console.say("All images are here.")


def _tell_outcome(outcome: Outcome) -> None:
    """What `up` did, how the site is now, and where to look."""
    from aresmon.status import look

    site, console = _site(), _console()
    for statement in outcome.statements:
        console.say(f"database: {statement}")
    if not outcome.changed and not outcome.missing and not outcome.unproven:
        console.say("Nothing to do: everything runs as aresmon.yml says, and its data arrives.")
        return
    console.say()
    console.status(look(site, _engine()))
    if outcome.unproven:
        console.warn(outcome.unproven, hint="`aresmon logs telegraf` and `aresmon status` say more")
    fleet = site.fleet()
    console.say()
    if "grafana" in outcome.missing:
        console.warn(
            f"Grafana does not run: {outcome.missing['grafana']}",
            hint="where a registry answers: `aresmon images pull grafana && aresmon up` completes the stack",
        )
    else:
        console.say(
            f"Grafana: {fleet.grafana.url}, login {fleet.grafana.admin}, password in {site.secrets / 'grafana-admin'}"
        )


def _ask_for_name(name: str, folders: list[Path]) -> None:
    """Have the site's name typed before its data is deleted."""
    listed = ", ".join(map(str, folders)) or "no folder"
    if not sys.stdin.isatty():
        raise AresmonError(f"this deletes {listed}", hint="say so with --yes; without a terminal nobody can be asked")
    typed = typer.prompt(
        f"This deletes {listed}, for good. Type the site's name ({name}) to go on", default="", show_default=False
    )
    if typed != name:
        raise AresmonError("nothing was deleted, nothing was stopped")


def _unexpected(trace: str) -> ExitCode:
    """Put a traceback where it can be found and nobody is frightened by it."""
    last = trace.strip().splitlines()[-1]
    folder = _site().log
    path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(json.dumps({"argv": sys.argv, "version": __version__}) + "\n" + trace, encoding="utf-8")
        where = f"the traceback is in {path}"
    except OSError:
        where = "the traceback could not be written"
    _console().error(AresmonError(f"aresmon itself failed: {last}", hint=f"please report it; {where}"))
    return ExitCode.BROKEN


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _leave_quietly() -> NoReturn:
    """Whoever read our output is gone; Python would complain about it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(ExitCode.REFUSED)

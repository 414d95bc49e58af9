"""The command line: one function a command. Each parses, calls one use case and prints."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from aresmon import __version__
from aresmon.cli import (
    alerts,
    authority,
    backup,
    dashboards,
    data,
    doctor,
    hosts,
    images,
    push,
    secrets,
    site,
    snippet,
    stack,
    upgrade,
    users,
)
from aresmon.cli.common import Chosen
from aresmon.system import signals
from aresmon.system.errors import ExitCode

app = typer.Typer(
    name="aresmon",
    help="Watch a few servers from one file, on data that is seen to arrive.",
    epilog="Start here: aresmon up. Every setting: docs/reference/aresmon-yml.md.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

site.register(app)
stack.register(app)
backup.register(app)
push.register(app)
upgrade.register(app)
snippet.register(app)
doctor.register(app)
app.add_typer(alerts.app, name="alerts")
app.add_typer(authority.app, name="authority")
app.add_typer(data.app, name="data")
app.add_typer(hosts.app, name="hosts")
app.add_typer(images.app, name="images")
app.add_typer(users.app, name="users")
app.add_typer(dashboards.app, name="dashboards")
app.add_typer(secrets.app, name="secrets")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aresmon {__version__}")
        upgrade.tell_release()
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


def main() -> NoReturn:
    """Run the command line; never returns."""
    signals.heed()
    os.umask(os.umask(0o022) | 0o022)  # a looser one would let others write into the site's and the data folders
    app()
    sys.exit(ExitCode.DONE)

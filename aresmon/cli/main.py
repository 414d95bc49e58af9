"""The command line: its sections, and the commands of each in the order in which the help lists them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from aresmon import __version__
from aresmon.cli import (
    alerts,
    authority,
    backup,
    check,
    collectors,
    dashboards,
    data,
    doctor,
    hosts,
    images,
    push,
    report,
    restore,
    secrets,
    site,
    site_map,
    snippet,
    stack,
    top,
    upgrade,
    users,
)
from aresmon.cli.common import Chosen, command
from aresmon.cli.help import HelpGroup
from aresmon.system import output, signals
from aresmon.system.errors import ExitCode


@dataclass(frozen=True, slots=True)
class Command:
    """A command of `aresmon` itself, with an example for its help."""

    name: str
    run: Callable[..., Any]
    example: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """A group of commands, such as `aresmon hosts`."""

    name: str
    app: typer.Typer


SECTIONS: Mapping[str, Sequence[Command | Group]] = {
    "Stack": [
        Command("init", site.init, "aresmon init"),
        Command("check", check.check, "aresmon check"),
        Command("up", stack.up, "aresmon up --dry-run"),
        Command("status", stack.status, "aresmon status --watch"),
        Command("top", top.top, "aresmon top lewi"),
        Command("map", site_map.map_command, "aresmon map --output fleet.png"),
        Command("report", report.report, "aresmon report --month 2026-10"),
        Command("logs", stack.logs, "aresmon logs telegraf edge --tail 20"),
        Command("down", stack.down, "aresmon down"),
        Command("render", site.render, "aresmon render --output /tmp/bundle"),
        Command("snippet", snippet.snippet, "aresmon snippet haproxy"),
    ],
    "Hosts and agents": [
        Group("hosts", hosts.app),
        Command("push-config", push.push_config, "aresmon push-config lewi", aliases=("push",)),
        Command("rollback-config", push.rollback_config, "aresmon rollback-config lewi", aliases=("rollback",)),
        Command("drift", push.drift, "aresmon drift", aliases=("diff",)),
        Command("history", push.history, "aresmon history lewi"),
        Group("collectors", collectors.app),
    ],
    "Alerts and people": [
        Group("alerts", alerts.app),
        Group("dashboards", dashboards.app),
        Group("users", users.app),
    ],
    "Data and backups": [
        Group("data", data.app),
        Group("backup", backup.app),
        Command("restore", restore.restore, "aresmon restore latest --dry-run"),
    ],
    "Maintenance": [
        Command("doctor", doctor.doctor, "aresmon doctor --hosts"),
        Command("upgrade", upgrade.upgrade, "aresmon upgrade --dry-run"),
        Group("images", images.app),
        Group("secrets", secrets.app),
        Group("authority", authority.app),
        Command("schema", site.schema_command, "aresmon schema > aresmon.schema.json"),
    ],
}


class _Commands(HelpGroup):
    sections: Mapping[str, Sequence[str]] = {
        heading: [each.name for each in members] for heading, members in SECTIONS.items()
    }


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aresmon {__version__}")
        upgrade.tell_release()
        raise typer.Exit


def _globals(
    folder: Annotated[
        Path,
        typer.Option(
            "--site",
            "-C",
            metavar="FOLDER",
            show_default=False,
            help="The site's folder; by default, the nearest folder upwards with an aresmon.yml.",
        ),
    ] = Path(),
    version: Annotated[  # eager: it needs no command
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    Chosen.folder = folder


def make_app(only: str = "") -> typer.Typer:
    """The command line; with `only`, nothing but that command or group. Typer inspects each command that it is given,
    which takes a millisecond."""
    made = typer.Typer(
        name="aresmon",
        cls=_Commands,
        help="Monitor your servers with Telegraf, InfluxDB and Grafana, configured from one file.",
        epilog="Start here: aresmon up. All settings: docs/reference/aresmon-yml.md.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_globals)
    for each in (each for members in SECTIONS.values() for each in members if not only or only in _names(each)):
        if isinstance(each, Group):
            made.add_typer(each.app, name=each.name)
        else:
            command(made, name=each.name, example=each.example, aliases=each.aliases)(each.run)
    return made


def _names(each: Command | Group) -> tuple[str, ...]:
    return (each.name, *each.aliases) if isinstance(each, Command) else (each.name,)


def named_command(words: Sequence[str]) -> str:
    """The command or group that these words of a command line name; empty if only the whole program can tell."""
    rest = list(words)
    while rest and rest[0] in ("--site", "-C"):
        rest = rest[2:]
    known = {name for members in SECTIONS.values() for each in members for name in _names(each)}
    return rest[0] if rest and rest[0] in known else ""


app = make_app()


def main() -> NoReturn:
    """Run the command line; never returns."""
    signals.install_handlers()
    output.guard()
    os.umask(os.umask(0o022) | 0o022)  # a looser one would let others write into the site's and the data folders
    if "_ARESMON_COMPLETE" in os.environ:
        sys.modules["rich"] = None  # type: ignore[assignment]  # Typer would load it to remove markup that is not there
    name = named_command(sys.argv[1:])
    code: object = ExitCode.DONE
    try:
        (make_app(name) if name else app)(prog_name="aresmon")
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:
        if not output.has_no_reader():
            raise
    sys.exit(output.finish(code if isinstance(code, int) else ExitCode.DONE))

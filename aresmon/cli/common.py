"""What the commands share: their registration, the printing of errors, and access to site, engine and console."""

from __future__ import annotations

import functools
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import typer

from aresmon import __version__
from aresmon.cli.help import HelpCommand, HelpGroup
from aresmon.system import output
from aresmon.system.errors import AresmonError, ExitCode, not_yours

if TYPE_CHECKING:
    from aresmon.cli.console import Console
    from aresmon.config.model import Host
    from aresmon.engine.docker import Engine
    from aresmon.influxdb.client import InfluxDB
    from aresmon.push.session import Session
    from aresmon.site.folder import Site
    from aresmon.site.project import Project


P = ParamSpec("P")
R = TypeVar("R")


class Chosen:
    """The options before the command."""

    folder = Path()


def group(summary: str = "") -> typer.Typer:
    """A group of commands, such as `aresmon hosts`, with its one-line help.

    Without a summary it has a `group_command`, whose docstring is the help.
    """
    made = typer.Typer(cls=HelpGroup, no_args_is_help=bool(summary), rich_markup_mode=None)
    if summary:
        made.info.help = made.info.short_help = summary
    return made


def command(
    group: typer.Typer, *, name: str, example: str, aliases: Sequence[str] = ()
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register a command whose errors are printed, with an example in its help.

    `aliases` are further names of the same command. Its help shows them; no list does.
    """
    epilog = f"Example: {example}"
    if aliases:
        epilog += f"\n\nAlias: {', '.join(f'aresmon {alias}' for alias in aliases)}"

    def register(function: Callable[P, R]) -> Callable[P, R]:
        details = _with_errors_printed(function)
        summary = (function.__doc__ or "").partition("\n")[0]
        for each in (name, *aliases):
            hidden = each in aliases
            group.command(each, cls=HelpCommand, short_help=summary, epilog=epilog, hidden=hidden)(details)
        return details

    return register


def group_command(group: typer.Typer, *, example: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register what a group does without one of its commands; the function's docstring is the group's help.

    It is also called before a command of the group: see `typer.Context.invoked_subcommand`.
    """

    def register(function: Callable[P, R]) -> Callable[P, R]:
        details = _with_errors_printed(function)
        summary = (function.__doc__ or "").partition("\n")[0]
        group.callback(invoke_without_command=True, short_help=summary, epilog=f"Example: {example}")(details)
        return details

    return register


def _with_errors_printed(function: Callable[P, R]) -> Callable[P, R]:
    """The same function; its errors are printed, and become the exit code."""

    @functools.wraps(function)
    def details(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return function(*arguments, **options)
        except AresmonError as error:
            the_console().error(error)
            raise typer.Exit(error.code) from None
        except (KeyboardInterrupt, typer.Abort):
            # Not by the console: an interrupted import may have left a module half initialised.
            if not output.has_no_reader():
                typer.echo("interrupted; completed steps are kept, and the same command continues from there", err=True)
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except PermissionError as error:
            the_console().error(not_yours(error.filename))
            raise typer.Exit(ExitCode.REFUSED) from None
        except typer.Exit:
            raise
        except Exception:
            raise typer.Exit(_unexpected(traceback.format_exc())) from None

    return details


@contextmanager
def until_interrupted() -> Iterator[None]:
    """For commands that only display: ^C is their normal end, without a message."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def the_site() -> Site:
    """The site that the command works on."""
    from aresmon.site.folder import find_site

    return find_site(Chosen.folder)


def the_project() -> Project:
    """That site with everything that its files say: read once, then handed down. Raises SiteError if they are wrong."""
    from aresmon.site.project import Project

    return Project.load(the_site())


@functools.cache
def the_console() -> Console:
    """Where everything is printed."""
    from aresmon.cli.console import Console

    return Console()


def the_engine() -> Engine:
    """The engine of this machine, not connected to yet."""
    from aresmon.engine.docker import Engine

    return Engine()


@contextmanager
def the_stack(project: Project) -> Iterator[tuple[Engine, Callable[[], InfluxDB] | None]]:
    """The engine of the site's stack, and how to get its InfluxDB; None if the stack is on this machine."""
    from aresmon.stack.location import is_local

    config = project.config
    if is_local(project):
        yield the_engine(), None
        return
    from aresmon.engine.docker import Engine
    from aresmon.ssh.client import Connections, Ssh
    from aresmon.stack import remote

    server = config.host(config.server)
    with remote.open_in_thread(config, lambda: Ssh(server.name, server.ssh, Connections())) as stack:
        yield Engine.behind(stack.docker), lambda: stack.influxdb


def run_in_session(
    run: Callable[[Session], Coroutine[Any, Any, R]],
    *,
    project: Project,
    ask_sudo: bool = False,
    early: Sequence[Host] = (),
) -> R:
    """Run something with connections to the hosts; with `ask_sudo`, prompt for the sudo password first.

    Those to the hosts in `early` open while the rest of aresmon is loaded.
    """
    import asyncio

    from aresmon.ssh.client import Connections, Ssh

    password = sudo_password(wanted=ask_sudo)

    async def inside() -> R:
        connections = Connections(password)
        for host in early:
            Ssh(host.name, host.ssh, connections).connect_early()
        try:
            if early:
                await asyncio.to_thread(_load_push)
            from aresmon.push.session import open_session

            async with open_session(project, connections) as opened:
                return await run(opened)
        finally:
            connections.close_early()

    return asyncio.run(inside())


def _load_push() -> None:
    from aresmon.cli import console  # noqa: F401
    from aresmon.push import run, session  # noqa: F401


@functools.cache
def sudo_password(*, wanted: bool) -> str | None:
    """The sudo password on the hosts, prompted for once; None if it is not wanted."""
    if not wanted:
        return None
    if not sys.stdin.isatty():
        raise AresmonError("--ask-sudo needs a terminal for its prompt", hint="use a sudo rule with NOPASSWD")
    return str(typer.prompt("sudo password on the hosts", hide_input=True, default="", show_default=False))


def read_secret(name: str, *, longest: int = 4096) -> str:
    """A secret that is set: from a prompt, or at most so many characters of standard input."""
    if sys.stdin.isatty():
        return str(typer.prompt(f"{name} (it is not shown)", hide_input=True))
    return sys.stdin.read(longest)  # with room for a mistake to be reported


def warn_unused_secret(name: str, uses: Iterable[str], *, hint: str) -> None:
    """Warn that nothing in aresmon.yml names this secret; `uses` are the names that it has."""
    from aresmon.system.json_schema import did_you_mean

    known = list(uses)
    meant = did_you_mean(name, known) or (f"; it asks for {', '.join(known)}" if known else "")
    the_console().warn(f"nothing in aresmon.yml asks for a secret named {name}{meant}", hint=hint)


def confirm_by_name(name: str, what: str) -> None:
    """Ask for a name to be typed before something irreversible is done."""
    if not sys.stdin.isatty():
        raise AresmonError(
            f"{what[0].lower()}{what[1:]}", hint="rerun with --yes to confirm (no terminal is available for a prompt)"
        )
    typed = typer.prompt(
        f"{what}. This cannot be undone. Type the name ({name}) to confirm", default="", show_default=False
    )
    if typed != name:
        raise AresmonError("nothing was changed")


def _unexpected(trace: str) -> ExitCode:
    """Write a traceback to the site's log folder, and print where it is."""
    last = trace.strip().splitlines()[-1]
    try:
        site = the_site()
        site.create_state_folder()
        site.log.mkdir(exist_ok=True, mode=0o700)
        path = site.log / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
        path.write_text(json.dumps({"argv": sys.argv, "version": __version__}) + "\n" + trace, encoding="utf-8")
        where = f"the traceback is in {path}"
    except (OSError, AresmonError):
        where = "the traceback could not be written"
    the_console().error(AresmonError(f"internal error: {last}", hint=f"please report it; {where}"))
    return ExitCode.BROKEN

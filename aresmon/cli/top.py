"""`aresmon top`: the fleet, a host's panels and the alerts in the terminal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli import completion
from aresmon.cli.common import the_console, the_project, the_stack, until_interrupted
from aresmon.cli.options import Json
from aresmon.system.errors import AresmonError, ExitCode

if TYPE_CHECKING:
    from aresmon.influxdb.client import InfluxDB, Series
    from aresmon.site.project import Project
    from aresmon.terminal.feed import Feed, Snapshot, Wanted
    from aresmon.terminal.state import ScreenState


_WITHIN = 30.0  # seconds for an answer


def top(
    host: Annotated[
        str,
        typer.Argument(
            metavar="HOST",
            help="The host to open; the fleet by default.",
            autocompletion=completion.hosts,
            show_default=False,
        ),
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="Print the state once, instead of showing it live.")] = False,
    as_json: Json = False,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII characters only.")] = False,
    interval: Annotated[
        int, typer.Option("--interval", metavar="SECONDS", min=10, max=3600, help="Time between two readings.")
    ] = 10,
) -> None:
    """Show hosts, panels and alerts in the terminal, live.

    Shows the same columns, panels and alert rules as Grafana, which need not run. Keys: arrows and Enter to open a host
    or a panel, Esc to go back, + and - for the range of time, ? for all others.

    Without a terminal, and with --once, the state is printed once; with HOST, all its panels.

    Exit code of --once and --json: 5 if a host is silent or was never seen, or if an alert fires whose severity is
    warning or critical.
    """
    from aresmon.terminal.feed import Feed, Wanted
    from aresmon.terminal.state import ScreenState

    project = the_project()
    if host:
        project.config.check_names([host])
    fleet = ScreenState()
    view = ScreenState(page="host", host=host, span=1, under=(fleet,)) if host else fleet
    with DatabaseLink(lambda: _database(project)) as link:
        feed = Feed(project.config, project.views, link.ask)
        wanted = Wanted(view.seconds, host)
        if not (once or as_json) and _is_terminal():
            _show(project, feed, wanted, view, ascii_only=ascii_only, interval=interval)
            return
        data = feed.read(wanted, time.time())
    if data.problem:
        raise AresmonError(data.problem, hint=data.hint)
    raise typer.Exit(_print(project, data, view, as_json=as_json, ascii_only=ascii_only))


def _show(
    project: Project, feed: Feed, wanted: Wanted, view: ScreenState, *, ascii_only: bool, interval: float
) -> None:
    from aresmon.terminal.reader import Reader

    reader = Reader(feed, wanted, interval)
    reader.start()
    # The database works on its answer while the rest is loaded.
    from aresmon.terminal import live
    from aresmon.terminal.screen import Screen

    with until_interrupted():
        live.run(reader, Screen(ascii_only=ascii_only), view, site=project.config.site)


def _print(project: Project, data: Snapshot, view: ScreenState, *, as_json: bool, ascii_only: bool) -> ExitCode:
    from aresmon.terminal import once as terminal_once
    from aresmon.terminal.screen import Screen

    site = project.config.site
    if as_json:
        the_console().data(terminal_once.as_json(data, site=site))
    else:
        screen = Screen(ascii_only=ascii_only)
        screen.print(terminal_once.lines(view, data, screen.size.columns, screen.glyphs, site=site))
    return terminal_once.exit_code(data)


def _is_terminal() -> bool:
    """Whether somebody sits at a terminal that can show more than lines."""
    is_dumb = os.environ.get("TERM", "dumb").lower() in ("dumb", "unknown")
    return sys.stdin.isatty() and sys.stdout.isatty() and not is_dumb


class DatabaseLink:
    """The site's database. A connection to another machine is opened again after it broke."""

    def __init__(self, connect: Callable[[], AbstractContextManager[InfluxDB]]) -> None:
        self._connect, self._closing = connect, ExitStack()
        self._influxdb: InfluxDB | None = None

    def __enter__(self) -> DatabaseLink:
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def ask(self, statements: Sequence[str]) -> Sequence[Sequence[Series]]:
        """The answers to several statements, by one request. Raises AresmonError as `InfluxDB.query` does, or if the
        server cannot be reached."""
        from aresmon.config.names import DATABASE
        from aresmon.influxdb.client import InfluxDBUnreachableError

        try:
            return self._open().query(*statements, database=DATABASE, within=_WITHIN)
        except InfluxDBUnreachableError:
            self._close()
            raise

    def _open(self) -> InfluxDB:
        if self._influxdb is None:
            self._influxdb = self._closing.enter_context(self._connect())
        return self._influxdb

    def _close(self) -> None:
        self._influxdb = None
        self._closing.close()


@contextmanager
def _database(project: Project) -> Iterator[InfluxDB]:
    from aresmon.config.layout import SOCKET
    from aresmon.influxdb import users
    from aresmon.influxdb.client import InfluxDB
    from aresmon.site import secrets
    from aresmon.stack.location import is_local

    if is_local(project):
        # Not influxdb.service: it loads the engine, and the first frame should not wait for that.
        password = secrets.read(project.site.secrets, secrets.INFLUXDB_ADMIN)
        yield InfluxDB(project.site.socket_folder / SOCKET, users.ADMIN, password)
        return
    with the_stack(project) as (_, influxdb):
        if influxdb is not None:
            yield influxdb()

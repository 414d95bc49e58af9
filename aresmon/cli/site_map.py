"""`aresmon map`: the site as a picture, in a file and on a page in Grafana."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aresmon.cli import output_file
from aresmon.cli.common import the_console, the_project, the_stack
from aresmon.system.errors import AresmonError, ExitCode, plural

if TYPE_CHECKING:
    from aresmon.doctor.status import Status
    from aresmon.engine.docker import Engine
    from aresmon.influxdb.client import InfluxDB
    from aresmon.site.project import Project
    from aresmon.topology.site_map import SiteMap

_FORMATS = (".svg", ".png", ".dot")
_DEFAULT = Path("map.svg")
_STDOUT = Path("-")


def map_command(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help=f"Write to this file, which ends in .svg, .png or .dot, or to standard output as DOT: -; by default, "
            f"{_DEFAULT}.",
        ),
    ] = None,
) -> None:
    """Draw hosts, services and what flows between them.

    Shows the stack, backups, contact points and each host, with the containers and the servers of HAProxy that it
    collects. Each has the colour of its state. `aresmon up` puts the same picture on the page Map in Grafana.

    Exit code: 5 if Graphviz, which draws it, is not installed. Its description is written as DOT then.
    """
    from aresmon.config.units import format_moment
    from aresmon.topology import graph

    path = output or _DEFAULT
    if path != _STDOUT:
        _require_usable(path)
    project, console = the_project(), the_console()
    with the_stack(project) as (engine, influxdb):
        site = _read(project, engine, influxdb)
    described = graph.dot(site, _link(project))
    if path == _STDOUT:
        sys.stdout.write(described)
        return
    _draw(path, described)
    console.say(f"wrote {path}: {plural(len(site.hosts), 'host')}, as of {format_moment(site.at)}")


def publish(project: Project, engine: Engine, status: Status | None) -> None:
    """Put the picture on its page in Grafana, if the state of a part has changed; `status` is read if it is not known.

    Raises NoGraphvizError where there is no Graphviz, GrafanaNotRunningError where there is no Grafana, AresmonError
    if it cannot be drawn or saved.
    """
    from aresmon.grafana import admin_access
    from aresmon.topology import drawing, graph, page

    drawing.require_graphviz()
    grafana = admin_access.running_client(project, engine)
    site = _read(project, engine, None, status)
    page.publish(grafana, site, lambda: drawing.svg(graph.dot(site, _link(project))))


def _read(
    project: Project, engine: Engine, elsewhere: Callable[[], InfluxDB] | None, status: Status | None = None
) -> SiteMap:
    """What the picture shows; `elsewhere` is how to get the database if it is on another machine."""
    from aresmon.doctor.status import read_status
    from aresmon.influxdb import service
    from aresmon.topology import site_map

    return site_map.read(
        project.config,
        status or read_status(project, engine, influxdb=elsewhere),
        influxdb=elsewhere or (lambda: service.admin_client(project.site)),
        rules=_rules(project, engine) if elsewhere is None else None,
    )


def _rules(project: Project, engine: Engine) -> list[dict[str, Any]] | None:
    """Grafana's rules with their alerts; None if it cannot be asked, which the picture says."""
    from aresmon.grafana import admin_access

    try:
        return admin_access.running_client(project, engine).rules()
    except AresmonError:
        return None


def _link(project: Project) -> Callable[[str], str]:
    from aresmon.config.names import uid_of_host

    base = project.config.grafana.url.rstrip("/")
    return lambda host: f"{base}/d/{uid_of_host(host)}"


def _draw(path: Path, described: str) -> None:
    from aresmon.system import files
    from aresmon.topology import drawing

    try:
        if path.suffix == ".dot":
            files.write(path, described.encode())
        elif path.suffix == ".png":
            drawing.write_png(described, path)
        else:
            files.write(path, drawing.svg(described).encode())
    except drawing.NoGraphvizError as error:
        instead = path.with_suffix(".dot")
        _require_usable(instead)
        files.write(instead, described.encode())
        raise AresmonError(
            f"{error.message}; what it would draw is in {instead}",
            hint=f"{error.hint}, or draw it on another machine: dot -T{path.suffix[1:]} -o {path.name} {instead.name}",
            code=ExitCode.DEGRADED,
        ) from None


def _require_usable(path: Path) -> None:
    from aresmon.topology.graph import MARK

    output_file.require_usable(path, formats=_FORMATS, mark=MARK, command="aresmon map")

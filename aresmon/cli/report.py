"""`aresmon report`: a month of the site as one page."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli.common import plural, require_suffix, the_console, the_engine, the_project
from aresmon.system.errors import AresmonError

if TYPE_CHECKING:
    from aresmon.report.alert_history import AlertFigures
    from aresmon.report.period import Period
    from aresmon.site.project import Project

_FORMATS = (".html", ".pdf")


def report(
    month: Annotated[
        str | None,
        typer.Option("--month", metavar="MONTH", show_default="the last whole month", help="The month, as in 2026-10."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            show_default="report-MONTH.html",
            help="Where to write the report: a file that ends in .html or .pdf.",
        ),
    ] = None,
) -> None:
    """Write a month's report as one page, to read or to print.

    It has the availability of each host, outages, busiest hours, growth of disks with a forecast, alerts, deployments
    and backups. The page needs no network. A PDF needs WeasyPrint or Chromium on this machine.
    """
    from aresmon.influxdb import service
    from aresmon.report import figures, page, pdf, period
    from aresmon.stack import location
    from aresmon.system import files

    if output is not None:
        require_suffix(output, _FORMATS)
    now = time.time()
    when = period.month(month, now)
    project, console = the_project(), the_console()
    location.require_local(project)
    found = figures.collect(
        service.admin_client(project.site),
        project.config,
        when,
        project.site.history("push-config"),
        now=now,
    )
    text = page.html_page(project.config.site, found, _alerts(project, when), now=now)
    path = output or Path(f"report-{when.name}.html")
    pdf.write(text, path) if path.suffix == ".pdf" else files.write(path, text.encode())
    console.say(f"wrote {path}: {when.title}, {plural(len(found.hosts), 'host')}")


def _alerts(project: Project, when: Period) -> list[AlertFigures] | None:
    """What fired; None if Grafana cannot be asked, which the report says."""
    from aresmon.grafana import admin_access
    from aresmon.report import alert_history

    try:
        changes = list(admin_access.running_client(project, the_engine()).alert_changes(when.start, when.end))
    except AresmonError as error:
        the_console().warn(f"the report has no alerts: {error.message}", hint=error.hint)
        return None
    return alert_history.summarise(changes, when)

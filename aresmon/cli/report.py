"""`aresmon report`: a month of the site as one page."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli import output_file
from aresmon.cli.common import the_console, the_engine, the_project
from aresmon.system.errors import AresmonError, ExitCode, plural

if TYPE_CHECKING:
    from aresmon.influxdb.client import InfluxDB
    from aresmon.report.alert_history import AlertFigures
    from aresmon.report.figures import Figures
    from aresmon.report.page import NoAlerts
    from aresmon.report.period import Period
    from aresmon.site.project import Project

_FORMATS = (".html", ".pdf")


def report(
    month: Annotated[
        str | None,
        typer.Option("--month", metavar="MONTH", help="The month, such as 2026-10; by default, the last whole one."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write to this file, which ends in .html or .pdf; by default, report-MONTH.html.",
        ),
    ] = None,
) -> None:
    """Write a month's report as one page, to read or to print.

    It has the availability of each host, outages, busiest hours, growth of disks with a forecast, alerts, deployments
    and backups. The page needs no network. A PDF needs WeasyPrint or Chromium on this machine.

    Exit code: 5 if there is no data for the month, or if Grafana cannot be asked for alerts; the report says which.
    """
    from aresmon.influxdb import service
    from aresmon.report import page, pdf, period
    from aresmon.stack import location
    from aresmon.system import files

    if output is not None:
        _require_usable(output)
    now = time.time()
    wanted = period.month(month, now)
    project, console = the_project(), the_console()
    location.require_local(project)
    found = _figures(project, service.admin_client(project.site), wanted, now, or_present=month is None)
    when = found.period
    path = output or Path(f"report-{when.name}.html")
    _require_usable(path)
    alerts = _alerts(project, when)
    text = page.html_page(project.config.site, found, alerts, now=now)
    pdf.write(text, path, mark=page.MARK) if path.suffix == ".pdf" else files.write(path, text.encode())
    console.say(f"wrote {path}: {when.title}, {plural(len(found.hosts), 'host')}")
    if missing := page.no_data(found):
        console.warn(missing, hint=page.next_report(found))
    if missing or isinstance(alerts, page.NoAlerts):
        raise typer.Exit(ExitCode.DEGRADED)


def _figures(project: Project, influxdb: InfluxDB, when: Period, now: float, *, or_present: bool) -> Figures:
    """The figures of a month; with `or_present`, of the present one if no data came before the month's end."""
    from aresmon.report import figures, page, period

    history = project.site.history("push-config", "up")
    found = figures.collect(influxdb, project.config, when, history, now=now)
    present = period.present(now) if or_present and not found.has_begun else None
    if present is None:
        return found
    the_console().note(f"this is the report of {present.title} so far, not of {when.title}: {page.first_data(found)}")
    return figures.collect(influxdb, project.config, present, history, now=now)


def _require_usable(path: Path) -> None:
    from aresmon.report.page import MARK

    output_file.require_usable(path, formats=_FORMATS, mark=MARK, command="aresmon report")


def _alerts(project: Project, when: Period) -> list[AlertFigures] | NoAlerts:
    """What fired, or why Grafana cannot be asked, which the report says."""
    from aresmon.grafana import admin_access
    from aresmon.report import alert_history
    from aresmon.report.page import NoAlerts

    try:
        changes = list(admin_access.running_client(project, the_engine()).alert_changes(when.start, when.end))
    except AresmonError as error:
        the_console().warn(f"the report has no alerts: {error.message}", hint=error.hint)
        return NoAlerts(error.message)
    return alert_history.summarise(changes, when)

"""`aresmon dashboards`: people's own dashboards as files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli.common import command, group, the_console, the_engine, the_project
from aresmon.cli.options import DryRun
from aresmon.system.errors import ExitCode

if TYPE_CHECKING:
    from aresmon.grafana.client import Grafana
    from aresmon.site.folder import Site


app = group("Export and import dashboards created in Grafana.")


@command(app, name="export", example="aresmon dashboards export")
def export(
    uids: Annotated[
        list[str] | None,
        typer.Argument(metavar="UID", show_default=False, help="UIDs of dashboards; all of them by default."),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete the files of dashboards that are no longer in Grafana.")
    ] = False,
) -> None:
    """Export dashboards from Grafana to dashboards/.

    The dashboards in Grafana's folder aresmon are left out, because aresmon generates them.
    """
    from aresmon.grafana import dashboard_files

    site, grafana = _open()
    root = site.root / dashboard_files.FOLDER
    with site.lock("dashboards export"):
        done = dashboard_files.export(root, grafana, uids or (), prune=prune)
    for path in done.written:
        the_console().say(f"written {path.relative_to(site.root)}")
    for path in done.gone:
        the_console().say(f"{'deleted' if prune else 'gone in Grafana'} {path.relative_to(site.root)}")
    if done.gone and not prune:
        the_console().warn("their files are kept", hint="`aresmon dashboards export --prune` deletes them")
    if not done.written:
        nobody = f"{root} is up to date" if done.unchanged or done.gone else "there are no dashboards created by people"
        the_console().say(f"Nothing to write: {nobody}.")


@command(app, name="import", example="aresmon dashboards import --dry-run")
def import_(
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Overwrite dashboards that were changed in Grafana since the export.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Import the dashboards in dashboards/ into Grafana.

    Their folders are created as needed. Nothing is imported if a dashboard was changed in Grafana since its export.
    """
    from aresmon.grafana import dashboard_files

    site, grafana = _open()
    root = site.root / dashboard_files.FOLDER
    changes = dashboard_files.plan(root, grafana, overwrite=overwrite)
    if dry_run:
        for change in changes:
            the_console().say(f"{change.what} {change.kept.path.relative_to(site.root)}")
        the_console().say("Nothing was changed." if changes else "Nothing to do.")
        raise typer.Exit(ExitCode.DONE)
    with site.lock("dashboards import"):
        for change in dashboard_files.import_dashboards(root, grafana, changes):
            the_console().say(f"{change.what} {change.kept.path.relative_to(site.root)}")
        if changes:
            site.record(command="dashboards import", dashboards=[change.kept.uid for change in changes])
    if not changes:
        the_console().say("Nothing to do: Grafana has the dashboards of these files.")


def _open() -> tuple[Site, Grafana]:
    """The site and its Grafana, which is spoken to where it runs."""
    from aresmon.grafana import admin_access
    from aresmon.stack import location

    project = the_project()
    location.require_local(project)
    grafana = admin_access.running_client(project, the_engine())
    grafana.health()
    return project.site, grafana

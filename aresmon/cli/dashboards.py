"""`aresmon dashboards`: people's own dashboards as files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli.common import command, the_console, the_engine, the_site
from aresmon.system.errors import ExitCode

if TYPE_CHECKING:
    from aresmon.grafana.client import Grafana
    from aresmon.site.folder import Site


app = typer.Typer(help="People's own dashboards, as files for git.", no_args_is_help=True, rich_markup_mode=None)


@command(app, name="export", example="aresmon dashboards export")
def export(
    uids: Annotated[list[str] | None, typer.Argument(metavar="[UID]...", help="These alone.")] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Delete files whose dashboard Grafana has no more.")] = False,
) -> None:
    """Write the dashboards that people made into the site's dashboards/ folder.

    Those of the folder aresmon are left out: they are made from what the site collects.
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
        nobody = f"{root} has them all" if done.unchanged or done.gone else "nobody has made a dashboard of their own"
        the_console().say(f"Nothing to write: {nobody}.")


@command(app, name="import", example="aresmon dashboards import --dry-run")
def import_(
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Also where Grafana has a newer version.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
) -> None:
    """Bring the dashboards of the site's dashboards/ folder into Grafana, with their folders.

    Nothing is brought if one of them was changed in Grafana since its file was written.
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
        for change in dashboard_files.bring(root, grafana, changes):
            the_console().say(f"{change.what} {change.kept.path.relative_to(site.root)}")
        if changes:
            site.record(command="dashboards import", dashboards=[change.kept.uid for change in changes])
    if not changes:
        the_console().say("Nothing to do: Grafana has the dashboards of these files.")


def _open() -> tuple[Site, Grafana]:
    """The site and its Grafana, which is spoken to where it runs."""
    from aresmon.grafana import admin_access
    from aresmon.stack import remote

    site = the_site()
    config = site.config()
    remote.check_here(site, config)
    admin_access.check_runs(config, the_engine())
    grafana = admin_access.administrator(site, config)
    grafana.health()
    return site, grafana

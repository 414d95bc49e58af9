"""`aresmon restore`: restore an archive, here or on a new machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli import completion
from aresmon.cli.common import confirm_by_name, the_console, the_engine, the_site
from aresmon.cli.options import DryRun, Json, ShortenRetention, Yes
from aresmon.system.errors import AresmonError, ExitCode, any_of
from aresmon.system.progress import NoProgress

if TYPE_CHECKING:
    from aresmon.backup.restore import RestorePlan, RestoreResult
    from aresmon.site.folder import Site


_NAMES = {"influxdb": "the points", "grafana": "Grafana", "site": "the site's own files"}


def restore(
    archive: Annotated[
        str,
        typer.Argument(
            metavar="ARCHIVE",
            autocompletion=completion.archives,
            help="A name that `aresmon backup list` shows, a file, or `latest`.",
        ),
    ],
    only: Annotated[
        str,
        typer.Option(
            "--only",
            metavar="PART",
            show_default=False,
            autocompletion=completion.choice("influxdb", "grafana", "site"),
            help="Restore only this part: influxdb, grafana or site.",
        ),
    ] = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
    passphrase_file: Annotated[
        Path | None,
        typer.Option(
            "--passphrase-file",
            metavar="FILE",
            show_default=False,
            help="Read the passphrase of the archive's secrets from this file.",
        ),
    ] = None,
    without_secrets: Annotated[
        bool, typer.Option("--without-secrets", help="Do not restore secrets; new ones are generated.")
    ] = False,
    from_site: Annotated[
        str,
        typer.Option(
            "--from-site",
            metavar="SITE",
            show_default=False,
            help="Accept an archive of the site with this other name.",
        ),
    ] = "",
    accept: Annotated[
        bool,
        typer.Option("--accept-differences", help="Restore data even if it does not match the archive's manifest."),
    ] = False,
    shorten: ShortenRetention = False,
) -> None:
    """Restore a backup archive.

    The current data is moved aside, not deleted. The archive's data is first restored into a temporary InfluxDB and
    compared with the archive's manifest; then it replaces the current data. If no fresh data arrives, the current data
    is put back.

    In an empty folder everything is restored, with aresmon.yml and the secrets. In an existing site those are kept,
    unless you use `--only site`.

    Exit codes: 3 if the restore was rolled back; 4 if the archive is damaged, and nothing was changed.
    """
    from aresmon.backup import restore as backup_restore
    from aresmon.backup.restore_site import Key
    from aresmon.site.project import Project
    from aresmon.stack import folder_swap, location

    site, console = the_site(), the_console()
    if only and only not in backup_restore.PARTS:
        raise AresmonError(f"--only takes {any_of(backup_restore.PARTS)}, not '{only}'", code=ExitCode.USAGE)
    if dry_run:
        folder_swap.check_none(site)
    else:
        folder_swap.finish_interrupted(site, the_engine(), NoProgress() if as_json else console)
    if site.file.exists():
        location.require_local(Project.load(site))
    source = backup_restore.find_source(site, archive)
    plan = backup_restore.plan(site, source, backup_restore.RestoreOptions(only=only, of_site=from_site))
    if dry_run:
        console.data(asdict(plan)) if as_json else _tell_plan(plan, with_secrets=not without_secrets)
        return
    needs_key = "site" in plan.parts and not without_secrets
    key = Key(needs_key, _passphrase(site, passphrase_file) if needs_key else str)
    if not as_json:
        _tell_plan(plan, with_secrets=needs_key)
    if plan.replaced and not yes:
        confirm_by_name(plan.site, f"This replaces the contents of {', '.join(plan.replaced)}")
    options = backup_restore.RestoreOptions(only=only, of_site=from_site, key=key, accepted=accept, shorten=shorten)
    result = backup_restore.restore(site, the_engine(), source, options, NoProgress() if as_json else console)
    console.data({"code": result.code, **asdict(result)}) if as_json else _tell(result)
    raise typer.Exit(result.code)


def _passphrase(site: Site, file: Path | None) -> Callable[[], str]:
    """How to get the passphrase: from a file, from the site, or by a prompt before anything is changed."""
    from aresmon.site import secrets

    if file is not None:
        try:
            said = file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise AresmonError(f"{file} cannot be read: {error.strerror}") from None
        return lambda: said
    if (site.secrets / secrets.BACKUP).exists():
        return lambda: secrets.read(site.secrets, secrets.BACKUP)
    if not sys.stdin.isatty():
        raise AresmonError(
            "the archive's secrets need their passphrase, and no terminal is available for a prompt",
            hint="use --passphrase-file FILE, or --without-secrets: agents then get new secrets with a push",
        )
    asked = str(typer.prompt("passphrase of the archive's secrets (it is not shown)", hide_input=True))
    return lambda: asked


def _tell_plan(plan: RestorePlan, *, with_secrets: bool) -> None:
    console = the_console()
    made = datetime.fromtimestamp(plan.made).astimezone().strftime("%Y-%m-%d %H:%M")
    console.say(f"{plan.archive} of {plan.site}, made {made}, in {plan.where}: {plan.values} values.")
    parts = [_NAMES[part] for part in plan.parts]
    if "site" in plan.parts:
        parts.append("its secrets" if with_secrets else "no secrets: new ones are generated")
    console.say(f"To be restored: {', '.join(parts)}.")
    if plan.replaced:
        console.say(f"Moved aside and kept: the present contents of {', '.join(plan.replaced)}.")
    if "site" not in plan.parts:
        console.say("The present aresmon.yml and secrets are kept; `--only site` restores those of the archive.")


def _tell(result: RestoreResult) -> None:
    console = the_console()
    if result.unproven:
        console.note(result.unproven)
    for folder in result.former:
        console.note(f"the previous data is in {folder}; delete it when you no longer need it: `sudo rm -r {folder}`")
    if result.parts == ("site",):
        console.say(f"{result.archive} is restored: the site's files. Check them, then run: aresmon up")
    else:
        console.say(f"{result.archive} is restored: {', '.join(_NAMES[part] for part in result.parts)}.", style="green")

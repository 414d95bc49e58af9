"""`aresmon restore`: an archive brought back, here or on a new machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli.common import command, confirm_by_name, the_console, the_engine, the_site
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.progress import NoProgress

if TYPE_CHECKING:
    from aresmon.backup.restore import RestorePlan, RestoreResult
    from aresmon.site.folder import Site


_NAMES = {"influxdb": "the points", "grafana": "Grafana", "site": "the site's own files"}


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    command(app, name="restore", example="aresmon restore latest --dry-run")(restore)


def restore(
    archive: Annotated[str, typer.Argument(help="A file, a name that `aresmon backup list` shows, or `latest`.")],
    only: Annotated[
        str, typer.Option("--only", metavar="PART", show_default=False, help="influxdb, grafana or site, alone.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    passphrase_file: Annotated[
        Path | None,
        typer.Option("--passphrase-file", show_default=False, help="Where the passphrase of the secrets is."),
    ] = None,
    without_secrets: Annotated[
        bool, typer.Option("--without-secrets", help="Leave the secrets shut; others are made.")
    ] = False,
    from_site: Annotated[
        str, typer.Option("--from-site", show_default=False, help="The archive is of a site of this other name.")
    ] = "",
    accept: Annotated[
        bool, typer.Option("--accept-differences", help="Take points that are not what the archive says.")
    ] = False,
    shorten: Annotated[
        bool, typer.Option("--shorten-retention", help="Let a shorter storage.keep delete the older points.")
    ] = False,
) -> None:
    """Bring an archive back. What is there now is kept aside, and named.

    The points are restored into a second InfluxDB first, and compared; then they take the place of those that are
    there, and give it back unless data arrives: exit code 3. Exit code 4: the archive does not hold, and nothing was
    changed. In an empty folder all is restored, aresmon.yml and secrets too; elsewhere these stay as they are but for
    `--only site`.
    """
    from aresmon.backup import restore as backup_restore
    from aresmon.backup.restore_site import Key
    from aresmon.stack import folder_swap, remote

    site, console = the_site(), the_console()
    if only and only not in backup_restore.PARTS:
        raise AresmonError(f"--only takes {', '.join(backup_restore.PARTS)}, not '{only}'", code=ExitCode.USAGE)
    if dry_run:
        folder_swap.check_none(site)
    else:
        folder_swap.recover(site, the_engine(), NoProgress() if as_json else console)
    if site.file.exists():
        remote.check_here(site, site.config())
    source = backup_restore.find(site, archive)
    plan = backup_restore.plan(site, source, backup_restore.RestoreOptions(only=only, of_site=from_site))
    if dry_run:
        console.data(asdict(plan)) if as_json else _tell_plan(plan, with_secrets=not without_secrets)
        return
    needs_key = "site" in plan.parts and not without_secrets
    key = Key(needs_key, _passphrase(site, passphrase_file) if needs_key else str)
    if not as_json:
        _tell_plan(plan, with_secrets=needs_key)
    if plan.replaced and not yes:
        confirm_by_name(plan.site, f"This puts {', '.join(plan.replaced)} aside")
    wish = backup_restore.RestoreOptions(only=only, of_site=from_site, key=key, accepted=accept, shorten=shorten)
    result = backup_restore.restore(site, the_engine(), source, wish, NoProgress() if as_json else console)
    console.data({"code": result.code, **asdict(result)}) if as_json else _tell(result)
    raise typer.Exit(result.code)


def _passphrase(site: Site, file: Path | None) -> Callable[[], str]:
    """The passphrase: of a file, of the site itself, or asked for, before anything is done."""
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
            "the archive's secrets want their passphrase, and without a terminal nobody can be asked",
            hint="--passphrase-file FILE, or --without-secrets: agents then get new ones by a push",
        )
    asked = str(typer.prompt("passphrase of the archive's secrets (it is not shown)", hide_input=True))
    return lambda: asked


def _tell_plan(plan: RestorePlan, *, with_secrets: bool) -> None:
    console = the_console()
    made = datetime.fromtimestamp(plan.made).astimezone().strftime("%Y-%m-%d %H:%M")
    console.say(f"{plan.archive} of {plan.site}, made {made}, in {plan.where}: {plan.values} values.")
    parts = [_NAMES[part] for part in plan.parts]
    if "site" in plan.parts:
        parts.append("its secrets" if with_secrets else "no secrets: others are made")
    console.say(f"To be restored: {', '.join(parts)}.")
    if plan.replaced:
        console.say(f"Kept aside: what is now in {', '.join(plan.replaced)}.")
    if "site" not in plan.parts:
        console.say("aresmon.yml and the secrets stay as they are here; `--only site` restores those.")


def _tell(result: RestoreResult) -> None:
    console = the_console()
    if result.unproven:
        console.note(result.unproven)
    for folder in result.former:
        console.note(f"what was there before is in {folder}; once you miss nothing: `sudo rm -r {folder}`")
    if result.parts == ("site",):
        console.say(f"{result.archive} is restored: the site's files. Look at them, then: aresmon up")
    else:
        console.say(f"{result.archive} is restored: {', '.join(_NAMES[part] for part in result.parts)}.", style="green")

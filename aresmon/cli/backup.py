"""`aresmon backup`: create, verify, list and prune archives; print a schedule; set the passphrase and S3 keys."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli import completion
from aresmon.cli.common import (
    command,
    group,
    group_command,
    read_secret,
    the_console,
    the_engine,
    the_project,
    warn_unused_secret,
)
from aresmon.cli.options import DryRun, Json
from aresmon.system.errors import AresmonError, ExitCode, any_of, plural
from aresmon.system.progress import NoProgress

if TYPE_CHECKING:
    from aresmon.backup.create import BackupPlan, BackupResult
    from aresmon.backup.pruning import StoredArchives
    from aresmon.backup.schedule import Run
    from aresmon.backup.storage.base import Store
    from aresmon.site.project import Project


app = group()

_LONGEST = 1024  # characters of a secret on standard input


@group_command(app, example="aresmon backup --verify latest")
def backup(
    context: typer.Context,
    dry_run: DryRun = False,
    as_json: Json = False,
    verify: Annotated[
        str,
        typer.Option(
            "--verify",
            metavar="ARCHIVE",
            autocompletion=completion.archives,
            show_default=False,
            help="Verify that this archive can be restored: its name, a file, or `latest`.",
        ),
    ] = "",
    schedule: Annotated[
        str,
        typer.Option(
            "--schedule",
            metavar="KIND",
            autocompletion=completion.choice("systemd", "cron"),
            show_default=False,
            help="Print the units or the crontab for scheduled backups: `systemd` or `cron`.",
        ),
    ] = "",
) -> None:
    """Create, verify, list and prune backup archives.

    Without a command, creates an archive of the database, Grafana and the site, and stores it in each destination of
    `backup.to`.
    """
    if context.invoked_subcommand:
        if dry_run or as_json or verify or schedule:
            raise AresmonError(
                f"an option before `{context.invoked_subcommand}` has no effect there",
                hint=f"put it after `{context.invoked_subcommand}`",
                code=ExitCode.USAGE,
            )
        return
    if schedule:
        _print_schedule(schedule)
    elif verify:
        _verify(verify, as_json=as_json)
    else:
        _make(dry_run=dry_run, as_json=as_json)


def _make(*, dry_run: bool, as_json: bool) -> None:
    """`aresmon backup` itself."""
    from aresmon.backup import create

    project, console = _local_project(), the_console()
    if dry_run:
        plan = create.plan(project)
        console.data(asdict(plan)) if as_json else _tell_plan(plan)
        return
    result = create.make(project, the_engine(), NoProgress() if as_json else console)
    console.data({"code": result.code, **asdict(result)}) if as_json else _tell_made(result)
    _print_warnings(project)
    if not create.is_passphrase_kept(project.site):
        console.warn(
            "the backup passphrase has never been displayed; without it, the secrets in archives cannot be decrypted "
            "on another machine",
            hint="run `aresmon backup passphrase`, and keep it somewhere other than on this machine",
        )
    raise typer.Exit(result.code)


def _verify(archive: str, *, as_json: bool) -> None:
    """`aresmon backup --verify ARCHIVE`."""
    from aresmon.backup import verify as backup_verify

    console = the_console()
    verdict = backup_verify.verify(_local_project(), the_engine(), archive, NoProgress() if as_json else console)
    if as_json:
        console.data({"ok": verdict.ok, **asdict(verdict)})
        raise typer.Exit(verdict.code)
    for note in verdict.notes:
        console.note(note)
    for problem in (*verdict.faults, *map(str, verdict.differences)):
        console.warn(problem)
    if not verdict.ok:
        raise AresmonError(
            f"{verdict.archive} failed its verification",
            hint="create another one with `aresmon backup`, and keep older archives",
            code=verdict.code,
        )
    console.say(f"{verdict.archive} is verified: {verdict.what}.", style="green")


def _tell_plan(plan: BackupPlan) -> None:
    what = (
        "the points, Grafana, the site and its secrets" if plan.has_grafana else "the points, the site and its secrets"
    )
    the_console().say(
        f"An archive of {what} would be stored in {', '.join(plan.destinations)}.\n"
        f"The points use {plan.database >> 20} MiB now; the backup temporarily needs {plan.room >> 20} MiB in "
        f"{plan.staging}, and {plan.free >> 20} MiB are free. Nothing was changed."
    )


def _tell_made(result: BackupResult) -> None:
    console = the_console()
    for where, why in result.failed.items():
        console.warn(f"not stored in {where}: {why}")
    for days in result.damaged:
        console.warn(
            f"points of {days} are missing from the archive: InfluxDB cannot read them; older archives are kept",
            hint="docs/faults.md, section on damaged shards",
        )
    for where, gone in result.pruned.items():
        if gone:
            console.say(f"{where}: deleted {', '.join(gone)}, which no rule of backup.keep keeps")
    if not result.has_grafana:
        console.note("the archive has no Grafana database: Grafana has never run here")
    console.say(
        f"{result.archive}, {result.bytes / 2**20:.1f} MiB, is in {', '.join(result.stored)} ({result.seconds:.0f} s). "
        f"To verify that it can be restored: `aresmon backup --verify {result.archive}`"
    )


@command(app, name="passphrase", example="aresmon backup passphrase")
def passphrase() -> None:
    """Show the passphrase that decrypts the secrets in archives.

    Keep it somewhere other than on this machine. Without it, a restored site gets new secrets, which `aresmon
    push-config` deploys to the agents. `age -d` decrypts secrets.tar.age, the archive's secrets, without aresmon.
    """
    from aresmon.backup import create

    site = _local_project().site
    typer.echo(create.show_passphrase(site))
    create.record_passphrase_shown(site)
    typer.echo("Keep it somewhere other than on this machine.", err=True)


@command(app, name="list", example="aresmon backup list")
def list_archives(as_json: Json = False) -> None:
    """List archives and the retention rules that keep each of them.

    The rules are those of `backup.keep`. Exit code: 5 if a destination could not be listed.
    """
    from aresmon.backup import pruning

    project = _local_project()
    places = pruning.inventory(_stores(project), project.config.backup.keep, pruning.read_verification(project.site))
    if as_json:
        the_console().data({"places": [place.as_json() for place in places]})
    else:
        _tell_places(places)
    _end(project, places)


@command(app, name="prune", example="aresmon backup prune --dry-run")
def prune(
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Delete archives that no retention rule keeps.

    The rules are those of `backup.keep`; every backup applies them when it ends. The newest archive and the last
    verified one are always kept. After a failed verification, nothing is deleted.

    Exit code: 5 if a destination could not be listed or pruned.
    """
    from aresmon.backup import pruning

    project = _local_project()
    site, stores, keep = project.site, _stores(project), project.config.backup.keep
    if dry_run:
        places = pruning.inventory(stores, keep, pruning.read_verification(site))
    else:
        with site.lock("backup prune"):
            places = pruning.prune_all(stores, keep, pruning.read_verification(site))
            gone = {place.where: list(place.removed) for place in places if place.removed}
            if gone:
                site.record(command="backup prune", removed=gone)
    if as_json:
        the_console().data({"places": [place.as_json() for place in places]})
    else:
        _tell_pruned(places, dry_run=dry_run)
    _end(project, places)


@command(app, name="secret", example="aresmon backup secret s3")
def secret(
    name: Annotated[
        str,
        typer.Argument(
            metavar="SECRET",
            autocompletion=completion.backup_secrets,
            help="The secret's name in `backup.to`; `s3` if it names none.",
        ),
    ],
) -> None:
    """Set the S3 secret access key.

    Prompts for it, or reads it from standard input. It is stored in .aresmon/secrets/backup, readable only by the
    site's owner, and never shown.
    """
    from aresmon.site import external_secrets

    project = the_project()
    site, asked = project.site, project.config.backup.secrets
    site.create_state_folder()
    value = read_secret(name, longest=_LONGEST)
    path = external_secrets.write_backup_secret(site.secrets, name, value)
    the_console().say(f"{path} is written; `aresmon backup list` tests it.")
    if name not in asked:
        warn_unused_secret(name, asked, hint="`s3: {...}` in `backup.to`")


def _local_project() -> Project:
    """The site, whose stack must be on this machine. Raises AresmonError if it is not."""
    from aresmon.stack import location

    project = the_project()
    location.require_local(project)
    return project


def _stores(project: Project) -> list[Store]:
    from aresmon.backup.storage import destinations

    return destinations.stores(project)


def _tell_places(places: list[StoredArchives]) -> None:
    from aresmon.backup.storage.base import megabytes

    console = the_console()
    for place in (one for one in places if one.error is None):
        room = "" if place.free is None else f", {megabytes(place.free)} free"
        console.say(f"{place.where}: {plural(len(place.verdicts), 'archive')}{room}", style="bold")
        rows = [
            (one.archive.name, megabytes(one.archive.size), ", ".join(one.rules) or "none: to be deleted")
            for one in place.verdicts
        ]
        if rows:
            console.table(("ARCHIVE", ">SIZE", "KEPT BY"), rows)


def _tell_pruned(places: list[StoredArchives], *, dry_run: bool) -> None:
    console, going_anywhere = the_console(), False
    for place in places:
        going = [one.archive.name for one in place.verdicts if not one.is_kept] if dry_run else place.removed
        going_anywhere = going_anywhere or bool(going)
        for name in going:
            console.say(f"{place.where}: {name} {'would be' if dry_run else 'is'} deleted")
        if place.error is None:
            kept = len(place.verdicts) - len(going)
            console.say(f"{place.where}: {plural(kept, 'archive')} {'is' if kept == 1 else 'are'} kept")
    if not going_anywhere and all(place.error is None for place in places):
        console.say("Nothing to do: every archive is kept by a rule.")
    elif dry_run:
        console.say("Nothing was changed.")


def _print_warnings(project: Project) -> None:
    from aresmon.backup.storage import destinations

    for what, hint in destinations.find_warnings(project):
        the_console().warn(what, hint=hint)


def _end(project: Project, places: list[StoredArchives]) -> None:
    """Print warnings and errors of the destinations, and exit."""
    _print_warnings(project)
    failed = [place.error for place in places if place.error is not None]
    for error in failed:
        the_console().warn(error.message, hint=error.hint)
    raise typer.Exit(ExitCode.DEGRADED if failed else ExitCode.DONE)


def _print_schedule(kind: str) -> None:
    """Print the units or the crontab; instructions go to standard error."""
    from aresmon.backup import schedule as backup_schedule

    project = _local_project()
    site, config = project.site, project.config
    kinds = {"systemd": backup_schedule.systemd, "cron": backup_schedule.cron}
    if kind not in kinds:
        raise AresmonError(f"unknown schedule kind {kind!r}", hint=f"use {any_of(list(kinds))}", code=ExitCode.USAGE)
    jobs = backup_schedule.jobs(config.backup.every, config.backup.verify)
    if not jobs:
        raise AresmonError("`backup.every` and `backup.verify` are `never`", hint="set one of them in aresmon.yml")
    run = _run(project)
    typer.echo(kinds[kind](run, jobs), nl=False)
    where = "sudo sh" if kind == "systemd" else f"sudo tee /etc/cron.d/aresmon-{config.site}"
    typer.echo(f"to install it: aresmon --site {site.root} backup --schedule {kind} | {where}", err=True)


def _run(project: Project) -> Run:
    import pwd

    from aresmon.backup.schedule import Run
    from aresmon.backup.storage import destinations

    owner = pwd.getpwuid(
        (project.site.state if project.site.state.is_dir() else project.site.root).stat().st_uid
    ).pw_name
    return Run(
        project.config.site, _program(), str(project.site.root), owner, destinations.list_written_folders(project)
    )


def _program() -> list[str]:
    """The command of this aresmon, with full paths."""
    started = Path(sys.argv[0]).absolute()
    if started.name == "__main__.py" or not os.access(started, os.X_OK):
        return [sys.executable, "-m", "aresmon"]
    return [str(started)]

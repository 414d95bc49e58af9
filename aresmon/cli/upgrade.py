"""`aresmon upgrade`: the site brought to this release, or left as it was."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli.common import the_console, the_engine, the_site
from aresmon.cli.options import DryRun, Json
from aresmon.system.errors import AresmonError
from aresmon.system.progress import NoProgress, Progress

if TYPE_CHECKING:
    from aresmon.engine.docker import Engine
    from aresmon.site.folder import Site
    from aresmon.stack.up import UpResult
    from aresmon.upgrade.run import Backup, UpgradePlan


def upgrade(
    dry_run: DryRun = False,
    no_backup: Annotated[bool, typer.Option("--no-backup", help="Do not create a backup first.")] = False,
    within: Annotated[
        float,
        typer.Option(
            "--within", metavar="SECONDS", help="Time for each service to be verified with its new image.", min=1
        ),
    ] = 180,
    as_json: Json = False,
) -> None:
    """Upgrade the site to this release of aresmon.

    Creates a backup, migrates aresmon.yml, updates the configuration, then upgrades one service after the other to its
    new image. A snapshot of the data of InfluxDB and Grafana is taken before.

    A service that is not ready in time, or after which no fresh data arrives, is rolled back automatically with its
    data; the services after it are not upgraded. An interrupted upgrade is completed or rolled back first.

    Exit code: 3 if a service was rolled back.
    """
    from aresmon.stack import location
    from aresmon.upgrade import run

    site, console, engine = the_site(), the_console(), the_engine()
    location.require_local(run.load(site))
    if dry_run:
        recover(site, engine, dry_run=True)
        decided = run.plan(site, engine)
        if as_json:
            console.data(decided.as_json())
            return
        _tell(decided)
        console.say("Nothing was changed." if not decided.is_empty else "Nothing to do.")
        return
    backup = None if no_backup else _backup(site, engine, NoProgress() if as_json else console)
    progress = NoProgress() if as_json else console
    announce = _tell if not as_json else lambda _: None
    done = run.upgrade(site, engine, progress, announce=announce, backup=backup, within=within)
    if as_json:
        console.data(done.as_json())
        raise typer.Exit(done.code)
    for service, why in done.missing.items():
        console.warn(
            f"{service} was not upgraded: {why}",
            hint=f"`aresmon images pull {service}`, then run the same command again",
        )
    if done.unproven:
        console.warn(done.unproven, hint="`aresmon logs telegraf` and `aresmon status` show more")
    if done.turns:
        former = " ".join(dict.fromkeys(turn.former.image for turn in done.turns))
        console.say(f"Upgraded: {', '.join(turn.service for turn in done.turns)}. Each was verified by its data.")
        console.say(f"The previous images are still here; to delete them later: docker image rm {former}")
    elif done.changed:
        console.say("The site's configuration is upgraded to this release; the images are unchanged.")
    else:
        console.say("Nothing to do: the site is up to date with this release.")
    raise typer.Exit(done.code)


def recover(site: Site, engine: Engine, *, dry_run: bool) -> None:
    """What `up` does first: complete or undo what an interrupted upgrade left."""
    from aresmon.stack import upgrade_journal
    from aresmon.upgrade import run

    left = upgrade_journal.interrupted(site)
    if left and dry_run:
        the_console().warn(left, hint="`aresmon up` or `aresmon upgrade` completes it or rolls it back first")
    elif left:
        run.recover(site, engine, the_console())


def tell_kept(outcome: UpResult, *, dry_run: bool = False) -> None:
    """Which services run another image than the pinned one."""
    for kept in outcome.kept:
        if kept.is_pinned_missing and dry_run:
            the_console().say(
                f"    image {kept.service}  {kept.reason}: will be pulled or built; if that fails, it keeps "
                f"{kept.current.image}"
            )
        elif kept.is_pinned_missing:
            hint = f"when a registry can be reached: `aresmon images pull {kept.service}`, then `aresmon up`"
            the_console().warn(kept.description, hint=hint)
        else:
            the_console().note(kept.description)


def tell_foreseen(outcome: UpResult) -> None:
    """What `up` would change in the database."""
    for statement in outcome.statements:
        the_console().say(f"database: {statement}")
    if outcome.unseen:
        the_console().note(f"changes to the database cannot be shown: {outcome.unseen}")


def tell_release() -> None:
    """Say beside `--version` that another release brought the site of this folder up."""
    from aresmon.site.folder import find_site
    from aresmon.stack import image_versions

    with suppress(AresmonError):
        warning = image_versions.version_warning(find_site(Path()))
        if warning:
            typer.echo(f"{warning[0]}; next: {warning[1]}", err=True)


def _tell(decided: UpgradePlan) -> None:
    from aresmon import __version__

    console = the_console()
    if decided.was not in ("", __version__):
        console.say(f"The site was last started by aresmon {decided.was}; this is {__version__}.")
    for step in decided.migrations:
        console.say(f"aresmon.yml: {step.why}")
    if decided.difference:
        console.raw(decided.difference)
    if decided.up.changed:
        console.plan(decided.up.steps, decided.up.difference, is_first=False, whole=False)
    tell_foreseen(decided.up)
    for turn in decided.turns:
        line = f"    upgrade {turn.service}  {turn.former.image} -> {turn.wanted.image}"
        if not turn.wanted.id:
            line += ", will be pulled or built"
        if turn.weight is not None:
            line += f"; its data is kept: {turn.weight.copied >> 20} MiB copied, {turn.weight.linked >> 20} linked"
        console.say(line)


def _backup(site: Site, engine: Engine, progress: Progress) -> Backup:
    def make() -> str:
        from aresmon.backup import create
        from aresmon.site.project import Project

        return create.make(Project.load(site), engine, progress).archive

    return make

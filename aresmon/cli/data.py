"""`aresmon data`: what the database holds, and coarser points made of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli import completion
from aresmon.cli.common import command, confirm_by_name, group, the_console, the_project, the_stack
from aresmon.cli.options import DryRun, Json
from aresmon.system.errors import AresmonError, ExitCode

if TYPE_CHECKING:
    from aresmon.config.model import Config
    from aresmon.config.views import Views
    from aresmon.influxdb.backfill import BackfillOptions, BackfillResult, BackfillTask
    from aresmon.influxdb.client import InfluxDB
    from aresmon.influxdb.retention import PolicyUsage
    from aresmon.site.folder import Site
    from aresmon.site.project import Project


app = group("Show, verify and downsample the data in InfluxDB.")

_COLUMNS = ("POLICY", ">KEEP", "OLDEST", ">NEWEST", ">POINTS/DAY", ">GROUPS", ">SIZE", ">QUERIES")
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@command(app, name="show", example="aresmon data show")
def show(as_json: Json = False) -> None:
    """Show retention policies, their data and continuous queries.

    OLDEST is in UTC. POINTS/DAY is extrapolated from the last minutes or hours. GROUPS: shard groups. QUERIES:
    continuous queries into the policy, of the expected number.

    Exit code: 5 if continuous queries are missing.
    """
    from aresmon.influxdb import retention

    project, console = the_project(), the_console()
    site, config, views = project.site, project.config, project.views
    with the_stack(project) as (_, far):
        found = retention.list_policies(_influxdb(site, far), config, views, now=time.time())
    console.data([one.as_json() for one in found]) if as_json else console.table(_COLUMNS, map(_row, found))
    missing = [one for one in found if one.missing]
    for one in missing:
        console.warn(
            f"{one.missing} continuous queries into {one.policy} are missing", hint="`aresmon up` creates them"
        )
    raise typer.Exit(ExitCode.DEGRADED if missing else ExitCode.DONE)


@command(app, name="verify", example="aresmon data verify")
def verify(as_json: Json = False) -> None:
    """Verify the checksums of InfluxDB's data files.

    InfluxDB does not check them when it reads, and would return values that a failing disk has changed. Reads all
    files and changes nothing. Run it on the server, as a user who can read the data folder.

    Exit code: 5 if a file is damaged.
    """
    from aresmon.influxdb import service, shards
    from aresmon.stack import location

    project, console = the_project(), the_console()
    site, config = project.site, project.config
    if not location.is_local(project):
        raise AresmonError(
            f"the files are on {config.server}", hint=f"run this on {config.server}, in the site's folder there"
        )
    known, folder = shards.list_locations(service.admin_client(site)), site.root / config.data
    try:
        with nullcontext() if as_json else console.stage(f"reading the files of {len(known)} shards"):
            found = [*shards.list_quarantined(folder, known), *shards.find_corrupt(folder, known)]
    except OSError as error:
        raise AresmonError(
            f"{error.filename} cannot be read: {error.strerror}", hint="run it as root, or as the user of InfluxDB"
        ) from None
    rows = [
        {"policy": one.place.policy, "days": one.place.days, "file": one.file, "what": one.what or "put aside"}
        for one in found
    ]
    if as_json:
        console.data(rows)
    else:
        for row in rows:
            console.say(f"{row['days']} in {row['policy']}: {row['file']}: {row['what']}")
        console.say(
            "docs/faults.md, section on damaged shards, describes what to do"
            if rows
            else f"the checksums of all points in {len(known)} shards match"
        )
    raise typer.Exit(ExitCode.DEGRADED if rows else ExitCode.DONE)


@command(app, name="backfill", example="aresmon data backfill --since 7d --policy 1h --dry-run")
def backfill(
    since: Annotated[
        str,
        typer.Option(
            "--since",
            metavar="TIME",
            show_default=False,
            help="Start, such as 7d, 12h or 2026-03-31; by default, the oldest point.",
        ),
    ] = "",
    until: Annotated[
        str, typer.Option("--until", metavar="TIME", show_default=False, help="End, in the same form; by default, now.")
    ] = "",
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            metavar="POLICY",
            autocompletion=completion.choice("1m", "1h"),
            show_default=False,
            help="Only this retention policy, 1m or 1h; can be repeated.",
        ),
    ] = None,
    measurement: Annotated[
        list[str] | None,
        typer.Option(
            "--measurement",
            metavar="MEASUREMENT",
            autocompletion=completion.measurements,
            show_default=False,
            help="Only this measurement; can be repeated.",
        ),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Downsample existing data into the policies 1m and 1h.

    For data older than its continuous queries, or that arrived too late for them. Only minutes and hours whose raw
    points are all still stored are computed. Running it twice gives the same points. An interrupted run continues with
    the same command.
    """
    from aresmon.influxdb import backfill as influxdb_backfill

    now = time.time()
    project, console = the_project(), the_console()
    site, config, views = project.site, project.config, project.views
    options = _options(since, until, policy or (), measurement or (), views, now)
    lock = nullcontext() if dry_run else site.lock("data backfill")
    with the_stack(project) as (_, far), lock:
        influxdb, journal = _influxdb(site, far), site.state / influxdb_backfill.JOURNAL
        left = influxdb_backfill.read_journal(journal)
        if left:
            console.note(f"{len(left)} measurements remain from an interrupted run; they are included")
        tasks = influxdb_backfill.merge_tasks(left, _plan(influxdb, config, views, options, now))
        _tell_plan(tasks)
        if dry_run or not tasks:
            console.say("Nothing was changed." if tasks else "Nothing to do: there are no points to downsample.")
            return
        filled = influxdb_backfill.run(influxdb, config, views, tasks, journal=journal, progress=console)
        site.record(command="data backfill", points=filled.points, refused=filled.rejected)
    _tell_filled(filled)


def let_shorten(project: Project, *, meant: bool, dry_run: bool) -> bool:
    """Whether a shorter `storage.keep` may delete points, after telling which; asked for at a terminal.

    Raises AresmonError where somebody was asked and did not agree. Without a terminal `up` itself refuses.
    """
    from aresmon.influxdb import retention, service

    if not meant and not sys.stdin.isatty():
        return False  # and to count the points takes a while
    lost = service.find_losses(project)
    if not lost:
        return meant
    for loss in lost:
        the_console().warn(retention.describe(loss))
    if dry_run and not meant:
        the_console().note("`aresmon up` asks for confirmation first")
    elif not meant:
        confirm_by_name(project.config.site, "This deletes them")
    return True


def _row(one: PolicyUsage) -> list[str]:
    from aresmon.config.units import format_age, format_hours
    from aresmon.influxdb import capacity

    queries = f"{one.queries}/{one.queries + one.missing}" if one.missing else str(one.queries)
    return [
        one.policy,
        format_hours(one.keep),
        "" if one.oldest is None else _when(one.oldest),
        "" if one.newest is None else format_age(max(0, time.time() - one.newest)),
        f"{one.points_a_day:,}",
        str(one.shards),
        capacity.format_size(one.bytes),
        queries,
    ]


def _when(moment: int) -> str:
    """In UTC, as InfluxDB has it."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"


def _influxdb(site: Site, far: object) -> InfluxDB:
    from aresmon.influxdb import service

    return far() if callable(far) else service.admin_client(site)


def _plan(influxdb: InfluxDB, config: Config, views: Views, options: BackfillOptions, now: float) -> list[BackfillTask]:
    from aresmon.influxdb import backfill as influxdb_backfill
    from aresmon.influxdb import downsampling

    return influxdb_backfill.plan(influxdb, config, downsampling.downsamplings(views), options, now=now)


def _options(
    since: str, until: str, policies: Sequence[str], measurements: Sequence[str], views: Views, now: float
) -> BackfillOptions:
    from aresmon.influxdb.backfill import BackfillOptions
    from aresmon.influxdb.downsampling import TIERS
    from aresmon.system import json_schema

    known = sorted({name for view in views.values() for name in view.measurements})
    for what, chosen, there in (
        ("policy", policies, [tier.policy for tier in TIERS]),
        ("measurement", measurements, known),
    ):
        for name in chosen:
            if name not in there:
                meant = json_schema.did_you_mean(name, there) or f"; there are {', '.join(there)}"
                raise AresmonError(f"no downsampled {what} '{name}'{meant}", code=ExitCode.USAGE)
    options = BackfillOptions(_moment(since, now), _moment(until, now), tuple(policies), tuple(measurements))
    if options.since is not None and options.since >= (options.until or now):
        raise AresmonError("--since is not before --until", code=ExitCode.USAGE)
    return options


def _moment(said: str, now: float) -> int | None:
    """`7d` before now, or a date or time of this machine's clock; in seconds since 1970."""
    if not said:
        return None
    if said[:-1].isdigit() and said[-1] in _UNITS:
        return int(now) - int(said[:-1]) * _UNITS[said[-1]]
    try:
        return int(datetime.fromisoformat(said).timestamp())
    except (ValueError, OverflowError):
        raise AresmonError(
            f"'{said}' is not a valid time", hint="use 7d, 12h, 2026-03-31 or 2026-03-31T18:00", code=ExitCode.USAGE
        ) from None


def _tell_plan(tasks: Sequence[BackfillTask]) -> None:
    alike: dict[tuple[str, int, int], list[str]] = {}
    for one in tasks:
        alike.setdefault((one.policy, one.since, one.until), []).append(one.measurement)
    for (policy, since, until), names in alike.items():
        what = names[0] if len(names) == 1 else f"{len(names)} measurements"
        the_console().say(f"    fill {policy}  {what}, from {_when(since)} to {_when(until)} UTC")


def _tell_filled(filled: BackfillResult) -> None:
    from aresmon.influxdb import backfill as influxdb_backfill

    console = the_console()
    for rejected in filled.rejected:
        console.warn(f"{rejected}; existing points there are unchanged", hint=influxdb_backfill.OTHER_TYPE_HINT)
    console.say("; ".join(f"{policy}: {points:,} points written" for policy, points in filled.points.items()) + ".")

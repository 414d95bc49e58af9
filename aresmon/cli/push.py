"""`aresmon push-config` and what goes with it: rollback-config, history, drift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aresmon.cli.common import command, run_in_session, the_console, the_site
from aresmon.system.errors import AresmonError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aresmon.push.order import PushOptions, Target
    from aresmon.push.result import PushResult
    from aresmon.push.rollout import RolloutPace
    from aresmon.push.session import Session


Hosts = Annotated[list[str] | None, typer.Argument(help="Hosts of aresmon.yml.", show_default=False)]
Every = Annotated[bool, typer.Option("--all", "-a", help="Every host of aresmon.yml.")]
Json = Annotated[bool, typer.Option("--json", help="For scripts.")]
AskSudo = Annotated[bool, typer.Option("--ask-sudo", "-K", help="Ask for the password that sudo wants there.")]
NoVerify = Annotated[
    bool, typer.Option("--no-verify", help="Do not wait for data: it may never arrive, and nothing is taken back.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Take it back as well if one measurement falls silent.")]
Parallel = Annotated[int, typer.Option("--parallel", min=1, help="Hosts at the same time.")]
Deadline = Annotated[
    int | None,
    typer.Option("--deadline", min=5, max=3600, show_default=False, help="Seconds for the data; without it, by pace."),
]
BreakLock = Annotated[bool, typer.Option("--break-lock", help="End the push of somebody who is gone for good.")]
Force = Annotated[bool, typer.Option("--force", help="Push to an agent that is down already.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Let an edit made on the host go.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    command(app, name="push-config", example="aresmon push-config lewi")(push_config)
    command(app, name="rollback-config", example="aresmon rollback-config lewi")(rollback_config)
    command(app, name="history", example="aresmon history lewi")(history)
    command(app, name="drift", example="aresmon drift")(drift)


def push_config(
    hosts: Hosts = None,
    every: Every = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    canary: Annotated[int, typer.Option("--canary", min=0, help="Hosts of the first wave; 0: all in one.")] = 1,
    parallel: Parallel = 100,
    max_fail: Annotated[int, typer.Option("--max-fail", min=0, help="Go on past so many failures.")] = 0,
    strict: Strict = False,
    overwrite: Overwrite = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Keep an edit made on the host, as a file of the site.")
    ] = False,
    no_verify: NoVerify = False,
    force: Force = False,
    break_lock: BreakLock = False,
    deadline: Deadline = None,
    ask_sudo: AskSudo = False,
    as_json: Json = False,
) -> None:
    """Bring the agents' configurations to hosts, and prove that their data arrives; else the former one comes back.

    Checked by the host's own Telegraf, switched in one step, restarted, and seen in InfluxDB. Exit code 3: taken
    back somewhere; 4: a person must look; 5: some hosts were not reached; 1: refused, nothing changed.
    """
    from aresmon.push import drift as push_drift
    from aresmon.push import rollout
    from aresmon.push import run as push_run

    if adopt and (overwrite or dry_run):
        other = "--overwrite" if overwrite else "--dry-run"
        raise AresmonError(f"{other} and --adopt do not go together", code=ExitCode.USAGE)
    site = the_site()
    chosen = push_run.select_hosts(site.config(), hosts or [], every=every)
    options = _options(
        verify=not no_verify,
        strict=strict,
        overwrite=overwrite or adopt,
        force=force,
        break_lock=break_lock,
        deadline=deadline,
    )
    _warn_unverified(no_verify)

    async def run(session: Session) -> None:
        kept = await push_drift.adopt(session, chosen) if adopt else {}
        wanted, refused = push_run.build_targets(session, chosen)
        wanted, held = push_drift.split_shadowed(wanted, kept)
        refused += held
        for host, path in kept.items():
            the_console().warn(f"{host}: its edit is kept as {path}")
        if dry_run:
            _tell_plan(await push_drift.plan(session, wanted), refused, as_json=as_json)
        else:
            pace = rollout.RolloutPace(canary, parallel, max_fail)
            await _push(session, wanted, refused, options, pace, as_json=as_json)

    if dry_run:
        run_in_session(run, site=site, ask_sudo=ask_sudo)
        return
    with site.lock("push-config"):
        run_in_session(run, site=site, ask_sudo=ask_sudo)


def rollback_config(
    host: Annotated[str, typer.Argument(help="A host of aresmon.yml.")],
    to: Annotated[
        int | None, typer.Option("--to", min=0, show_default=False, help="The release; without it, the one before.")
    ] = None,
    no_verify: NoVerify = False,
    force: Force = False,
    break_lock: BreakLock = False,
    deadline: Deadline = None,
    ask_sudo: AskSudo = False,
    as_json: Json = False,
) -> None:
    """Bring an earlier release back to a host, with the same proof. `aresmon history` lists them.

    The next push-config brings what aresmon.yml and configs say again: mend it there too.
    """
    from aresmon.push import rollout
    from aresmon.push import run as push_run

    site = the_site()
    (chosen,) = push_run.select_hosts(site.config(), [host], every=False)
    options = _options(verify=not no_verify, overwrite=True, force=force, break_lock=break_lock, deadline=deadline)
    _warn_unverified(no_verify)

    async def run(session: Session) -> None:
        target = push_run.previous_target(session, chosen, to)
        await _push(session, [target], [], options, rollout.RolloutPace(0), as_json=as_json)

    with site.lock("rollback-config"):
        run_in_session(run, site=site, ask_sudo=ask_sudo)


def history(
    host: Annotated[str | None, typer.Argument(help="A host; without it, all.", show_default=False)] = None,
    last: Annotated[int, typer.Option("--last", min=1, help="How many of the newest lines.")] = 20,
    as_json: Json = False,
) -> None:
    """Show who pushed what to which host and rotated which secret, when, and how it ended."""
    from aresmon.push import run as push_run

    site = the_site()
    if host is not None:
        push_run.select_hosts(site.config(), [host], every=False)
    lines = site.history("push-config", "secrets rotate")
    lines = [one for one in lines if host in (None, one.get("host"))][-last:]
    the_console().data(lines) if as_json else the_console().pushes(lines)


def drift(hosts: Hosts = None, ask_sudo: AskSudo = False, as_json: Json = False) -> None:
    """Hold what stands on each host against what was last pushed there. Exit code 5 if anything differs."""
    from aresmon.push import drift as push_drift
    from aresmon.push import run as push_run

    site = the_site()
    chosen = push_run.select_hosts(site.config(), hosts or [], every=not hosts)

    async def run(session: Session) -> list[push_drift.Drift]:
        return await push_drift.drift(session, chosen)

    found = run_in_session(run, site=site, ask_sudo=ask_sudo)
    console = the_console()
    if as_json:
        console.data([{"host": one.host, "drift": one.what, "diff": one.diff, "next": one.next} for one in found])
    else:
        console.drift(found)
    raise typer.Exit(ExitCode.DEGRADED if any(one.what for one in found) else ExitCode.DONE)


async def _push(
    session: Session,
    wanted: Sequence[Target],
    refused: Sequence[PushResult],
    options: PushOptions,
    pace: RolloutPace,
    *,
    as_json: bool,
) -> None:
    from aresmon.push import rollout
    from aresmon.push import run as push_run

    console = the_console()
    names = [*(one.host for one in refused), *(target.host.name for target in wanted)]
    with console.rollout(names, quiet=as_json) as shown:
        for one in refused:
            shown.finished(one)
        if len(refused) > pace.max_fail:
            pushed = [rollout.not_begun(target.host.name, len(refused)) for target in wanted]
        else:
            pushed = await push_run.push(session, wanted, options=options, pace=pace, observer=shown)
    results = [*refused, *pushed]
    code = rollout.exit_code(results)
    if as_json:
        console.data({"ok": code == ExitCode.DONE, "hosts": [push_run.as_json(one) for one in results]})
    else:
        console.results(results)
    if code != ExitCode.BROKEN and any("it was interrupted" in one.why for one in results):
        code = ExitCode.INTERRUPTED
    raise typer.Exit(code)


def _tell_plan(planned: Sequence[Any], refused: Sequence[PushResult], *, as_json: bool) -> None:
    console = the_console()
    failed = [*refused, *(one.refusal for one in planned if one.refusal)]
    if as_json:
        console.data([{"host": one.host, "changes": bool(one.diff), "diff": one.diff} for one in planned])
    else:
        console.push_plan(planned)
        console.results(failed, quiet=not failed)
    raise typer.Exit(ExitCode.REFUSED if failed else ExitCode.DONE)


def _options(**values: Any) -> PushOptions:
    from aresmon.push.order import PushOptions
    from aresmon.site.folder import user

    return PushOptions(by=user(), **values)


def _warn_unverified(no_verify: bool) -> None:
    if no_verify:
        the_console().warn("--no-verify: whether data arrives is not looked at, and nothing is taken back for it")

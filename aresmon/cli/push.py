"""`aresmon push-config` and what goes with it: rollback-config, history, drift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aresmon.cli import completion, deployment
from aresmon.cli.common import run_in_session, the_console, the_engine, the_project
from aresmon.cli.options import (
    Adopt,
    AskSudo,
    BreakLock,
    Deadline,
    DryRun,
    Force,
    Host,
    Hosts,
    Json,
    NoVerify,
    Overwrite,
    Soak,
    Wait,
    Why,
)
from aresmon.system.errors import AresmonError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aresmon.config import model
    from aresmon.push.order import PushOptions
    from aresmon.push.result import PushResult
    from aresmon.push.session import Session
    from aresmon.site.project import Project


def push_config(
    hosts: Hosts = None,
    every: Annotated[bool, typer.Option("--all", "-a", help="Deploy to every host in aresmon.yml.")] = False,
    dry_run: DryRun = False,
    canary: Annotated[
        int,
        typer.Option("--canary", metavar="HOSTS", min=0, help="Hosts in the first wave; 0 for one wave."),
    ] = 1,
    parallel: Annotated[
        int, typer.Option("--parallel", metavar="HOSTS", min=1, help="Hosts to update at the same time.")
    ] = 100,
    max_fail: Annotated[
        int, typer.Option("--max-fail", metavar="HOSTS", min=0, help="Hosts that may fail before it stops.")
    ] = 0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Also roll back if a single measurement stops arriving.")
    ] = False,
    overwrite: Overwrite = False,
    adopt: Adopt = False,
    change_source: Annotated[
        bool,
        typer.Option(
            "--change-source",
            help="Deploy the site's own file or the collectors to hosts whose file is no longer in `configs`.",
        ),
    ] = False,
    migrate: Annotated[
        bool,
        typer.Option(
            "--migrate", help="Show what `telegraf config migrate` changes in the hosts' files; deploy nothing."
        ),
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="With --migrate: also write the changes to the files on this machine.")
    ] = False,
    no_verify: NoVerify = False,
    force: Force = False,
    break_lock: BreakLock = False,
    deadline: Deadline = None,
    soak: Soak = 0,
    why: Why = "",
    wait: Wait = False,
    ask_sudo: AskSudo = False,
    as_json: Json = False,
) -> None:
    """Deploy agent configurations; roll back if no data arrives.

    On each host, Telegraf checks the new configuration, which then replaces the running one and is verified: its data
    must arrive in InfluxDB.

    Exit codes: 3 if a host was rolled back; 4 if a host needs manual intervention; 5 if a host could
    not be reached; 1 if the deployment was refused and nothing was changed.
    """
    from aresmon.push import selection

    if adopt and (overwrite or dry_run):
        other = "--overwrite" if overwrite else "--dry-run"
        raise AresmonError(f"{other} and --adopt cannot be combined", code=ExitCode.USAGE)
    if write and not migrate:
        raise AresmonError("--write is for --migrate", code=ExitCode.USAGE)
    project = the_project()
    chosen = selection.select_hosts(project.config, hosts or [], every=every)
    if migrate:
        _migrate(project, chosen, write=write)
        return
    _check_options(no_verify=no_verify, soak=soak)
    sources = deployment.SourceOptions(adopt=adopt, change_source=change_source)

    async def run(session: Session) -> None:
        from aresmon.push import drift as push_drift
        from aresmon.push import rollout
        from aresmon.push import run as push_run

        options = _options(
            no_verify=no_verify,
            strict=strict,
            overwrite=overwrite,
            force=force,
            break_lock=break_lock,
            deadline=deadline,
            soak=soak,
            why=why,
        )
        if dry_run:
            names = [host.name for host in chosen] if change_source else []
            wanted, refused = push_run.build_targets(session, chosen, change_source=names)
            deployment.warn_elsewhere(wanted)
            _tell_plan(await push_drift.plan(session, wanted), refused, as_json=as_json)
        pace = rollout.RolloutPace(canary, parallel, max_fail)
        raise typer.Exit(await deployment.deploy(session, chosen, options, pace, sources=sources, as_json=as_json))

    if dry_run:
        run_in_session(run, project=project, ask_sudo=ask_sudo)
        return
    with project.site.lock("push-config", on_wait=_tell_waiting if wait else None) as waited:
        if waited:  # for a command that may have changed it
            project = the_project()
            chosen = selection.select_hosts(project.config, hosts or [], every=every)
        early = selection.first_wave(project, chosen, canary=canary, parallel=parallel)
        run_in_session(run, project=project, ask_sudo=ask_sudo, early=early)


def rollback_config(
    host: Host,
    to: Annotated[
        int | None,
        typer.Option(
            "--to",
            metavar="RELEASE",
            min=0,
            show_default=False,
            autocompletion=completion.releases,
            help="The release; by default, the previous one.",
        ),
    ] = None,
    no_verify: NoVerify = False,
    force: Force = False,
    break_lock: BreakLock = False,
    deadline: Deadline = None,
    soak: Soak = 0,
    why: Why = "",
    wait: Wait = False,
    ask_sudo: AskSudo = False,
    as_json: Json = False,
) -> None:
    """Deploy an earlier configuration of a host again.

    It is verified as `aresmon push-config` does. `aresmon history` lists the releases. The next `aresmon push-config`
    deploys the current configuration again: correct its source too.
    """
    from aresmon.push import rollout, selection
    from aresmon.push import run as push_run

    _check_options(no_verify=no_verify, soak=soak)
    project = the_project()
    (chosen,) = selection.select_hosts(project.config, [host], every=False)
    options = _options(
        no_verify=no_verify,
        overwrite=True,
        force=force,
        break_lock=break_lock,
        deadline=deadline,
        soak=soak,
        why=why,
    )

    async def run(session: Session) -> None:
        target = push_run.previous_target(session, chosen, to)
        results = await deployment.roll_out(session, [target], [], options, rollout.RolloutPace(0), as_json=as_json)
        raise typer.Exit(deployment.tell(results, as_json=as_json))

    with project.site.lock("rollback-config", on_wait=_tell_waiting if wait else None) as waited:
        if waited:
            project = the_project()
            (chosen,) = selection.select_hosts(project.config, [host], every=False)
        run_in_session(run, project=project, ask_sudo=ask_sudo)


def history(
    host: Annotated[
        str | None,
        typer.Argument(
            metavar="HOST",
            show_default=False,
            autocompletion=completion.hosts,
            help="A host in aresmon.yml; all of them by default.",
        ),
    ] = None,
    last: Annotated[int, typer.Option("--last", metavar="ENTRIES", min=1, help="Number of entries to show.")] = 20,
    as_json: Json = False,
) -> None:
    """Show past deployments and secret rotations.

    Shows the time, the host or secret, the outcome, and who started it.
    """
    project = the_project()
    if host is not None:
        project.config.check_names([host])
    lines = project.site.history("push-config", "secrets rotate")
    lines = [one for one in lines if host in (None, one.get("host"))][-last:]
    the_console().data(lines) if as_json else the_console().pushes(lines)


def drift(hosts: Hosts = None, ask_sudo: AskSudo = False, as_json: Json = False) -> None:
    """Compare live configurations with the last deployed ones.

    Without hosts, all hosts are compared. Exit code: 5 if anything differs.
    """
    from aresmon.push import drift as push_drift
    from aresmon.push import selection

    project = the_project()
    chosen = selection.select_hosts(project.config, hosts or [], every=not hosts)

    async def run(session: Session) -> list[push_drift.Drift]:
        return await push_drift.drift(session, chosen)

    found = run_in_session(run, project=project, ask_sudo=ask_sudo)
    console = the_console()
    if as_json:
        console.data([{"host": one.host, "drift": one.what, "diff": one.diff, "next": one.next} for one in found])
    else:
        console.drift(found)
    raise typer.Exit(ExitCode.DEGRADED if any(one.what for one in found) else ExitCode.DONE)


def _migrate(project: Project, hosts: Sequence[model.Host], *, write: bool) -> None:
    from aresmon.agents import migration, sources
    from aresmon.config.masks import mask_secrets
    from aresmon.engine import images

    console, engine = the_console(), the_engine()
    image = images.local(engine, images.pins(project.config)).references.get("telegraf", "")
    if not image:
        raise AresmonError(
            "no Telegraf image is on this machine, which knows the migrations",
            hint="`aresmon images pull` or `aresmon images build telegraf` brings it",
        )
    with project.site.lock("push-config"):
        origin = sources.fetch(project, hosts)
        planned = list(migration.plan(project, origin, hosts, engine=engine, image=image))
        for one in planned:
            outcome = "nothing to do" if not one.diff else "changed" if write else "would change"
            console.say(f"{one.host}: {outcome}")
            console.diff(mask_secrets(one.diff))
            if write and one.diff:
                one.write()
                console.say(f"{one.path} is written. Check it, commit it if it is in a repository, then push")
    for name in sorted({host.name for host in hosts} - {one.host for one in planned}):
        console.say(f"{name}: has no file of its own; its collectors need no migration")


def _tell_plan(planned: Sequence[Any], refused: Sequence[PushResult], *, as_json: bool) -> None:
    console = the_console()
    failed = [*refused, *(one.refusal for one in planned if one.refusal)]
    if as_json:
        console.data(
            [
                {
                    "host": one.host,
                    "changes": bool(one.diff),
                    "diff": one.diff,
                    "notes": list(one.notes),
                    "found": one.found,
                }
                for one in planned
            ]
        )
    else:
        console.push_plan(planned)
        console.results(failed, quiet=not failed)
    raise typer.Exit(ExitCode.REFUSED if failed else ExitCode.DONE)


def _check_options(*, no_verify: bool, soak: int) -> None:
    if no_verify and soak:
        raise AresmonError("--no-verify and --soak cannot be combined", code=ExitCode.USAGE)


def _options(*, no_verify: bool, soak: int, **values: Any) -> PushOptions:
    """The options of a push or a roll-back, with a warning if it verifies nothing."""
    from aresmon.push.order import PushOptions
    from aresmon.site.folder import current_user

    if no_verify:
        the_console().warn("--no-verify: a configuration that sends no data will not be rolled back")
    return PushOptions(by=current_user(), verify=not no_verify, soak=soak, **values)


def _tell_waiting(holder: str) -> None:
    the_console().warn(f"waiting for {holder}")

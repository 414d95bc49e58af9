"""`aresmon secrets`: which there are, and another value for each, without a gap in the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aresmon.cli import completion
from aresmon.cli.common import command, group, run_in_session, the_console, the_engine, the_project
from aresmon.cli.options import AskSudo, DryRun, Json
from aresmon.system.errors import AresmonError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aresmon.push.result import PushResult
    from aresmon.push.session import Session
    from aresmon.site.project import Project
    from aresmon.site.secret_inventory import SiteSecret
    from aresmon.stack.rotate_secrets import RotationResult


app = group("List and rotate the site's secrets.")


@command(app, name="list", example="aresmon secrets list")
def list_secrets(as_json: Json = False) -> None:
    """List the site's secrets, without their values.

    Shows what each is for, when it was created, and whether it can be rotated.
    """
    project, console = the_project(), the_console()
    _check_here(project, "its secrets are there")
    rows = [_row(one) for one in _found(project)]
    console.data(rows) if as_json else console.secrets(rows)


@command(app, name="rotate", example="aresmon secrets rotate agent-lewi")
def rotate(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SECRET",
            show_default=False,
            autocompletion=completion.secrets,
            help="Names of secrets, as `aresmon secrets list` shows them.",
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", "-a", help="Rotate every secret that can be rotated.")] = False,
    dry_run: DryRun = False,
    ask_sudo: AskSudo = False,
    as_json: Json = False,
) -> None:
    """Rotate secrets without interrupting the flow of data.

    The old and the new value are both valid until the new one is in use; then the old one is revoked. An agent's
    password is deployed and verified as by `aresmon push-config`; a host that cannot be reached keeps its old one. An
    interrupted run continues with the same command.

    Exit codes: 5 if only some secrets were rotated; 1 if none was; 3 and 4 as for `aresmon push-config`.
    """
    from aresmon.site import secret_inventory

    project = the_project()
    chosen = secret_inventory.select(_found(project), names or [], every=every)
    if any(one.kind != "agent" for one in chosen):
        _check_here(project, "from another machine, only the secrets of agents (`agent-HOST`) can be rotated")
    if dry_run:
        _tell_plan(chosen, as_json=as_json)
        return
    agents = [one for one in chosen if one.kind == "agent"]
    others = [one for one in chosen if one.kind != "agent"]
    if not as_json:
        _tell_plan(chosen, as_json=False)
    _check_stack(project, others)
    results = _rotate_agents(project, agents, ask_sudo=ask_sudo, as_json=as_json)
    done = _rotate_others(project, others, as_json=as_json) if not _is_interrupted(results) else []
    _tell(results, done, as_json=as_json)


def _found(project: Project) -> list[SiteSecret]:
    from aresmon.site import secret_inventory

    return list(secret_inventory.list_files(project.site.secrets, secret_inventory.list_secrets(project.config)))


def _check_here(project: Project, why: str) -> None:
    from aresmon.stack.location import is_local

    config = project.config
    if not is_local(project):
        raise AresmonError(f"the stack of this site runs on {config.server}: {why}", hint="run this on that machine")


def _check_stack(project: Project, others: Sequence[SiteSecret]) -> None:
    from aresmon.stack import rotate_secrets

    if others:
        rotate_secrets.check(project, the_engine(), others)


def _rotate_agents(
    project: Project, agents: Sequence[SiteSecret], *, ask_sudo: bool, as_json: bool
) -> list[PushResult]:
    from aresmon.push import rotate_passwords
    from aresmon.push.order import PushOptions
    from aresmon.push.rollout import RolloutPace
    from aresmon.site import secrets
    from aresmon.site.folder import current_user

    if not agents:
        return []
    console, names = the_console(), [one.subject for one in agents]
    pace = RolloutPace(
        max_fail=len(names)
    )  # a host that fails keeps its password, and is no reason for others to keep theirs

    async def run(session: Session) -> list[PushResult]:
        hosts = [session.config.host(name) for name in names]
        with console.rollout(names, quiet=as_json) as shown:
            return await rotate_passwords.rotate(
                session, hosts, options=PushOptions(by=current_user()), pace=pace, observer=shown
            )

    with project.site.lock(rotate_passwords.COMMAND):
        secrets.delete_temporary_files(project.site.secrets)
        return run_in_session(run, project=project, ask_sudo=ask_sudo)


def _rotate_others(project: Project, others: Sequence[SiteSecret], *, as_json: bool) -> list[RotationResult]:
    from aresmon.stack import rotate_secrets
    from aresmon.system import progress

    if not others:
        return []
    return rotate_secrets.rotate(project, the_engine(), progress.NoProgress() if as_json else the_console(), others)


def _tell(results: Sequence[PushResult], done: Sequence[RotationResult], *, as_json: bool) -> None:
    from aresmon.push import run as push_run
    from aresmon.site import secrets

    console, code = the_console(), _code(results, done)
    if as_json:
        rows: list[dict[str, Any]] = [
            {"name": secrets.agent_secret(one.host), **push_run.as_json(one), "rotated": _is_rotated(one)}
            for one in results
        ]
        rows += [{"name": one.name, "why": one.reason, "next": one.next, "rotated": not one.reason} for one in done]
        console.data({"ok": code == ExitCode.DONE, "secrets": rows})
    else:
        console.results(results, quiet=not results)
        for one in done:
            console.warn(f"{one.name}: {one.reason}", hint=one.next) if one.reason else console.say(
                f"{one.name}: rotated"
            )
    raise typer.Exit(code)


def _is_rotated(result: PushResult) -> bool:
    from aresmon.push.result import GOOD

    return result.outcome in GOOD


def _is_interrupted(results: Sequence[PushResult]) -> bool:
    return any(one.is_interrupted for one in results)


def _code(results: Sequence[PushResult], done: Sequence[RotationResult]) -> ExitCode:
    """That of the worst; where some were rotated and some were not, that the whole is degraded."""
    from aresmon.push import rollout

    code = rollout.exit_code(results) if results else ExitCode.DONE
    if code != ExitCode.BROKEN and _is_interrupted(results):
        return ExitCode.INTERRUPTED
    if code in (ExitCode.BROKEN, ExitCode.ROLLED_BACK):
        return code
    failed = code != ExitCode.DONE or any(one.reason for one in done)
    some = any(_is_rotated(one) for one in results) or any(not one.reason for one in done)
    return ExitCode.DONE if not failed else ExitCode.DEGRADED if some else ExitCode.REFUSED


def _tell_plan(chosen: Sequence[SiteSecret], *, as_json: bool) -> None:
    console = the_console()
    if as_json:
        console.data([_row(one) for one in chosen])
        return
    for one in chosen:
        console.say(f"{one.name}: {'continues: ' if one.is_under_way else ''}{one.how}")


def _row(one: SiteSecret) -> dict[str, Any]:
    return {
        "name": one.name,
        "for": one.whom,
        "made": one.made,
        "rotated": "no" if one.kind == "fixed" else "being rotated" if one.is_under_way else "yes",
        "how": one.how,
        "next": one.next,
    }

"""Deploying to hosts, for `push-config` and `hosts add`: what it prints, and what it asks about configurations that
somebody wrote on a host."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import typer

from aresmon.cli.common import the_console
from aresmon.system.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from aresmon.config.model import Host
    from aresmon.push.order import PushOptions, Target
    from aresmon.push.result import PushResult
    from aresmon.push.rollout import RolloutPace
    from aresmon.push.session import Session


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Where the configurations may come from: with `adopt`, those on the hosts are kept; with `change_source`, hosts
    whose file is no longer in `configs` get another one."""

    adopt: bool = False
    change_source: bool = False


async def deploy(
    session: Session,
    hosts: Sequence[Host],
    options: PushOptions,
    pace: RolloutPace,
    *,
    sources: SourceOptions,
    as_json: bool = False,
) -> ExitCode:
    """Deploy to these hosts and print the results; returns the exit code.

    On a terminal, each host with a configuration that somebody wrote there is asked about. Elsewhere it is refused.
    """
    adopting = [host.name for host in hosts] if sources.adopt else []
    wanted, refused = await _targets(session, hosts, adopting, change_source=sources.change_source)
    results = await roll_out(session, wanted, refused, options, pace, as_json=as_json)
    found = {one.host: one for one in results if one.undecided}
    if not as_json:
        _tell_found(found, wanted)
    if found and not as_json and sys.stdin.isatty():
        the_console().results(results)
        answers = {name: _ask(name) for name in found}
        results = await _deploy_answered(session, hosts, results, answers, wanted, options, pace)
    return tell(results, as_json=as_json)


async def roll_out(
    session: Session,
    wanted: Sequence[Target],
    refused: Sequence[PushResult],
    options: PushOptions,
    pace: RolloutPace,
    *,
    as_json: bool,
) -> list[PushResult]:
    """Push these targets and show the progress; `refused` are results that are known already."""
    from aresmon.push import run as push_run

    warn_elsewhere(wanted)
    names = [*(one.host for one in refused), *(target.host.name for target in wanted)]
    with the_console().rollout(names, quiet=as_json) as shown:
        for one in refused:
            shown.finished(one)
        pushed = await push_run.push(session, wanted, options=options, pace=pace, observer=shown) if wanted else []
    return [*refused, *pushed]


def warn_elsewhere(wanted: Sequence[Target]) -> None:
    """Say, before a push begins, which configurations do not send to this site."""
    for target in wanted:
        if target.elsewhere:
            the_console().warn(f"{target.host.name}: {target.elsewhere}")


def tell(results: Sequence[PushResult], *, as_json: bool) -> ExitCode:
    """Print the results of a rollout; returns its exit code."""
    from aresmon.push import rollout
    from aresmon.push import run as push_run

    code = rollout.exit_code(results)
    if as_json:
        the_console().data({"ok": code == ExitCode.DONE, "hosts": [push_run.as_json(one) for one in results]})
    else:
        the_console().results(results)
    if code != ExitCode.BROKEN and any(one.is_interrupted for one in results):
        return ExitCode.INTERRUPTED
    return code


async def _targets(
    session: Session, hosts: Sequence[Host], adopting: Collection[str], *, change_source: bool = False
) -> tuple[list[Target], list[PushResult]]:
    """What to push, after the configurations of the hosts in `adopting` were saved, and what is refused already."""
    from aresmon.push import adopt as push_adopt
    from aresmon.push import run as push_run

    chosen = [host for host in hosts if host.name in adopting]
    saved, refused = await push_adopt.adopt(session, chosen) if chosen else ({}, [])
    left = [host for host in hosts if host.name not in {one.host for one in refused}]
    # Whoever adopts has decided where the configuration comes from.
    names = [host.name for host in left] if change_source else [*saved]
    wanted, invalid = push_run.build_targets(session, left, change_source=names)
    wanted, shadowed = push_adopt.split_shadowed(wanted, saved)
    for host, adoption in saved.items():
        what = "configuration" if adoption.is_first else "edit"
        the_console().warn(f"{host}: its {what} was saved as {adoption.path}")
    targets = [push_adopt.with_adopted(target, saved.get(target.host.name)) for target in wanted]
    return targets, [*refused, *invalid, *shadowed]


def _tell_found(found: Mapping[str, PushResult], wanted: Sequence[Target]) -> None:
    """The difference that a push would make to each configuration that somebody wrote."""
    from aresmon.push.drift import difference

    for target in wanted:
        if target.host.name in found:
            live = found[target.host.name].live or b""
            the_console().diff(difference(target.host.name, live.decode(errors="replace"), target.body))


def _ask(host: str) -> str:
    """What to do about the configuration on a host: `adopt`, `replace` or `leave`."""
    question = f"{host}: adopt the configuration on the host, replace it, or leave it as it is? (adopt, replace, leave)"
    answer = str(typer.prompt(question, default="leave", show_default=True)).strip().lower()
    return next((one for one in ("adopt", "replace") if answer and one.startswith(answer)), "leave")


async def _deploy_answered(
    session: Session,
    hosts: Sequence[Host],
    results: Sequence[PushResult],
    answers: Mapping[str, str],
    wanted: Sequence[Target],
    options: PushOptions,
    pace: RolloutPace,
) -> list[PushResult]:
    """Deploy to the hosts whose configuration may be adopted or replaced; the results of all hosts."""
    from aresmon.push import found as push_found

    seen = {one.host: push_found.read(one.live or b"").digest for one in results if answers.get(one.host) == "replace"}
    replaced = [replace(target, replaces=(seen[target.host.name],)) for target in wanted if target.host.name in seen]
    adopting = [name for name, answer in answers.items() if answer == "adopt"]
    adopted, refused = await _targets(session, [host for host in hosts if host.name in adopting], adopting)
    again = await roll_out(session, [*replaced, *adopted], refused, options, pace, as_json=False)
    later = {one.host: one for one in again}
    return [later.get(one.host, one) for one in results]

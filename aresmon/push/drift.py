"""What a push would change on hosts, and what was changed there since the last push."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aresmon.config.model import Host
from aresmon.push import protocol, result
from aresmon.push.order import Target
from aresmon.push.protocol import HostSurvey
from aresmon.push.result import PushOutcome, PushResult
from aresmon.push.session import Session
from aresmon.render import telegraf
from aresmon.ssh.transport import LostError, UnreachableHostError
from aresmon.system import files
from aresmon.system.errors import AresmonError


@dataclass(frozen=True, slots=True)
class PlannedPush:
    """What a push would change on one host: its configuration `live` becomes `wanted`, both without the config ID.

    `live` is None where the host has no configuration, or could not be read, for which `refusal` is the reason.
    """

    host: str
    live: str | None
    wanted: str
    drifted: tuple[str, ...] = ()
    refusal: PushResult | None = None
    commit: str = ""
    notes: tuple[str, ...] = ()

    @property
    def diff(self) -> str:
        """What would change, as a unified diff."""
        return _diff(self.host, self.live or "", self.wanted)


async def plan(session: Session, wanted: Sequence[Target]) -> list[PlannedPush]:
    """What a push would change on each host. Changes nothing."""

    async def one(target: Target) -> PlannedPush:
        survey = await _survey(session, target.host)
        if isinstance(survey, PushResult):
            return PlannedPush(target.host.name, None, target.body, refusal=survey, commit=target.commit)
        live = _text(survey.content(session.agent(target.host).watched))
        body = None if live is None else telegraf.without_config_id(live, session.templates)
        return PlannedPush(
            target.host.name, body, target.body, tuple(survey.drifted), commit=target.commit, notes=target.notes
        )

    return list(await asyncio.gather(*(one(target) for target in wanted)))


@dataclass(frozen=True, slots=True)
class Drift:
    """How a host's files differ from the last push. `what` is empty where they do not; `live` is the configuration."""

    host: str
    what: str = ""
    diff: str = ""
    next: str = ""
    live: str | None = None


async def drift(session: Session, hosts: Sequence[Host]) -> list[Drift]:
    """Compare each host's files with the last push. Changes nothing."""

    async def one(host: Host) -> Drift:
        survey = await _survey(session, host)
        if isinstance(survey, PushResult):
            return Drift(host.name, survey.why, next=survey.next)
        try:
            return _drift(session, host, survey)
        except AresmonError as error:  # its last release cannot be read
            return Drift(host.name, error.message, next=error.hint)

    return list(await asyncio.gather(*(one(host) for host in hosts)))


async def adopt(session: Session, hosts: Sequence[Host]) -> dict[str, str]:
    """Save each configuration that was edited on its host as `overrides/agents/<host>.conf`.

    Returns the paths by host, only of hosts with an edit.
    """
    kept = {}
    for found in await drift(session, hosts):
        if found.live is not None and found.diff:
            path = session.site.overrides / "agents" / f"{found.host}.conf"
            files.write(path, telegraf.adopted(found.live, found.host, session.templates).encode())
            kept[found.host] = str(path)
    return kept


def split_shadowed(wanted: Sequence[Target], kept: Mapping[str, str]) -> tuple[list[Target], list[PushResult]]:
    """The targets that can be pushed after an adoption, and a refusal for each that `configs` would overwrite."""
    found, refused = list[Target](), list[PushResult]()
    for target in wanted:
        name = target.host.name
        if name not in kept or not target.commit:
            found.append(target)
            continue
        why = f"its edit was saved as {kept[name]}, but the repository has another {name}.conf"
        hint = f"commit it to the repository as {name}.conf, then push with --overwrite"
        refused.append(PushResult(name, PushOutcome.REFUSED, why, hint))
    return found, refused


def _drift(session: Session, host: Host, survey: HostSurvey) -> Drift:
    paths = session.agent(host)
    live = _text(survey.content(paths.watched))
    if survey.pending:
        return Drift(host.name, f"a push ({survey.pending}) is running, or was interrupted", next="push again")
    if survey.damaged and not survey.drifted:
        return Drift(host.name, result.describe_damaged(survey.damaged), next=f"`aresmon push-config {host.name}`")
    newest = session.releases(host).newest()
    if not survey.last_push.content or newest is None:
        return Drift(host.name, "never pushed to from this site", next=f"`aresmon push-config {host.name}`", live=live)
    body = None if live is None else telegraf.without_config_id(live, session.templates)
    pushed = session.releases(host).body(newest.number)
    edited = [path for path in survey.drifted if path == paths.watched or host != session.config.sidecar]
    if host == session.config.sidecar and body == pushed:
        edited = []
    if not edited:
        return Drift(host.name, live=live)
    what = f"{', '.join(edited)} was edited since the last push"
    if body == pushed:
        what += " (not shown, because it contains passwords)"
    remedy = f"to keep the edit: `aresmon push-config {host.name} --adopt`; to discard it: --overwrite instead"
    return Drift(host.name, what, _diff(host.name, pushed, body or ""), remedy, live)


async def _survey(session: Session, host: Host) -> HostSurvey | PushResult:
    paths = session.agent(host)
    try:
        return await protocol.survey(paths, session.transport(host), shown=[paths.watched])
    except (UnreachableHostError, LostError) as error:
        return PushResult(host.name, PushOutcome.UNREACHABLE, error.message, error.hint)
    except AresmonError as error:
        return PushResult(host.name, PushOutcome.REFUSED, error.message, error.hint)


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="replace")


def _diff(host: str, before: str, after: str) -> str:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return result.mask_secrets("".join(difflib.unified_diff(old, new, f"{host}: live", f"{host}: wanted")))

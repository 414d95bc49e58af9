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
    """What a push would do to one host: from `live` to `wanted`, both without a mark; None where there is none."""

    host: str
    live: str | None
    wanted: str
    drifted: tuple[str, ...] = ()
    refusal: PushResult | None = None
    commit: str = ""

    @property
    def diff(self) -> str:
        """What would change, as a unified diff."""
        return _diff(self.host, self.live or "", self.wanted)


async def plan(session: Session, wanted: Sequence[Target]) -> list[PlannedPush]:
    """What a push would change on each host. Nothing is touched."""

    async def one(target: Target) -> PlannedPush:
        seen = await _look(session, target.host)
        if isinstance(seen, PushResult):
            return PlannedPush(target.host.name, None, target.body, refusal=seen, commit=target.commit)
        live = _text(seen.content(session.agent(target.host).watched))
        body = None if live is None else telegraf.unmarked(live, session.templates)
        return PlannedPush(target.host.name, body, target.body, tuple(seen.drifted), commit=target.commit)

    return list(await asyncio.gather(*(one(target) for target in wanted)))


@dataclass(frozen=True, slots=True)
class Drift:
    """How a host's live files differ from what was last pushed there. `what` is empty where they do not."""

    host: str
    what: str = ""
    diff: str = ""
    next: str = ""
    live: str | None = None


async def drift(session: Session, hosts: Sequence[Host]) -> list[Drift]:
    """Hold what stands on each host against what was last pushed there. Nothing is touched."""

    async def one(host: Host) -> Drift:
        seen = await _look(session, host)
        if isinstance(seen, PushResult):
            return Drift(host.name, seen.why, next=seen.next)
        return _drift(session, host, seen)

    return list(await asyncio.gather(*(one(host) for host in hosts)))


async def adopt(session: Session, hosts: Sequence[Host]) -> dict[str, str]:
    """Keep the edits that were made on these hosts: each live configuration becomes `overrides/agents/<host>.conf`.

    Returns the files, by host; hosts without an edit have none.
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
        why = f"its edit is kept as {kept[name]}; configs has another {name}.conf"
        hint = f"copy it there as {name}.conf and commit it, then push with --overwrite"
        refused.append(PushResult(name, PushOutcome.REFUSED, why, hint))
    return found, refused


def _drift(session: Session, host: Host, seen: HostSurvey) -> Drift:
    where = session.agent(host)
    live = _text(seen.content(where.watched))
    if seen.pending:
        return Drift(host.name, f"a push ({seen.pending}) is under way, or was left in its middle", next="push again")
    newest = session.releases(host).newest()
    if not seen.remembered.content or newest is None:
        return Drift(host.name, "nothing was ever pushed to it", next=f"`aresmon push-config {host.name}`", live=live)
    body = None if live is None else telegraf.unmarked(live, session.templates)
    pushed = session.releases(host).body(newest.number)
    paths = [path for path in seen.drifted if path == where.watched or host != session.config.sidecar]
    if host == session.config.sidecar and body == pushed:
        paths = []
    if not paths:
        return Drift(host.name, live=live)
    only_secret = body == pushed
    what = f"{', '.join(paths)} was edited since the last push"
    if only_secret:
        what += " (its content is not shown: passwords are in it)"
    remedy = f"keep it: `aresmon push-config {host.name} --adopt`; let it go: --overwrite instead"
    return Drift(host.name, what, _diff(host.name, pushed, body or ""), remedy, live)


async def _look(session: Session, host: Host) -> HostSurvey | PushResult:
    where = session.agent(host)
    try:
        return await protocol.look(where, session.transport(host), shown=[where.watched])
    except (UnreachableHostError, LostError) as error:
        return PushResult(host.name, PushOutcome.UNREACHABLE, error.message, error.hint)
    except AresmonError as error:
        return PushResult(host.name, PushOutcome.REFUSED, error.message, error.hint)


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="replace")


def _diff(host: str, before: str, after: str) -> str:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return result.without_secrets("".join(difflib.unified_diff(old, new, f"{host}: live", f"{host}: wanted")))

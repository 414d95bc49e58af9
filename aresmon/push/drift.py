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


async def plan(ground: Session, wanted: Sequence[Target]) -> list[PlannedPush]:
    """What a push would change on each host. Nothing is touched."""

    async def one(wish: Target) -> PlannedPush:
        seen = await _look(ground, wish.host)
        if isinstance(seen, PushResult):
            return PlannedPush(wish.host.name, None, wish.body, refusal=seen, commit=wish.commit)
        live = _text(seen.content(ground.agent(wish.host).watched))
        body = None if live is None else telegraf.unmarked(live, ground.frame)
        return PlannedPush(wish.host.name, body, wish.body, tuple(seen.drifted), commit=wish.commit)

    return list(await asyncio.gather(*(one(wish) for wish in wanted)))


@dataclass(frozen=True, slots=True)
class Drift:
    """How a host's live files differ from what was last pushed there. `what` is empty where they do not."""

    host: str
    what: str = ""
    diff: str = ""
    next: str = ""
    live: str | None = None


async def drift(ground: Session, hosts: Sequence[Host]) -> list[Drift]:
    """Hold what stands on each host against what was last pushed there. Nothing is touched."""

    async def one(host: Host) -> Drift:
        seen = await _look(ground, host)
        if isinstance(seen, PushResult):
            return Drift(host.name, seen.why, next=seen.next)
        return _drift(ground, host, seen)

    return list(await asyncio.gather(*(one(host) for host in hosts)))


async def adopt(ground: Session, hosts: Sequence[Host]) -> dict[str, str]:
    """Keep the edits that were made on these hosts: each live configuration becomes `overrides/agents/<host>.conf`.

    Returns the files, by host; hosts without an edit have none.
    """
    kept = {}
    for found in await drift(ground, hosts):
        if found.live is not None and found.diff:
            path = ground.site.overrides / "agents" / f"{found.host}.conf"
            files.write(path, telegraf.adopted(found.live, found.host, ground.frame).encode())
            kept[found.host] = str(path)
    return kept


def shadowed(wanted: Sequence[Target], kept: Mapping[str, str]) -> tuple[list[Target], list[PushResult]]:
    """The wishes that may go on after an adoption, and for those that `configs` would overwrite, what is left to do."""
    found, refused = list[Target](), list[PushResult]()
    for wish in wanted:
        name = wish.host.name
        if name not in kept or not wish.commit:
            found.append(wish)
            continue
        why = f"its edit is kept as {kept[name]}; configs has another {name}.conf"
        hint = f"copy it there as {name}.conf and commit it, then push with --overwrite"
        refused.append(PushResult(name, PushOutcome.REFUSED, why, hint))
    return found, refused


def _drift(ground: Session, host: Host, seen: HostSurvey) -> Drift:
    where = ground.agent(host)
    live = _text(seen.content(where.watched))
    if seen.pending:
        return Drift(host.name, f"a push ({seen.pending}) is under way, or was left in its middle", next="push again")
    newest = ground.releases(host).newest()
    if not seen.remembered.content or newest is None:
        return Drift(host.name, "nothing was ever pushed to it", next=f"`aresmon push-config {host.name}`", live=live)
    body = None if live is None else telegraf.unmarked(live, ground.frame)
    pushed = ground.releases(host).body(newest.number)
    paths = [path for path in seen.drifted if path == where.watched or host != ground.config.sidecar]
    if host == ground.config.sidecar and body == pushed:
        paths = []
    if not paths:
        return Drift(host.name, live=live)
    only_secret = body == pushed
    what = f"{', '.join(paths)} was edited since the last push"
    if only_secret:
        what += " (its content is not shown: passwords are in it)"
    remedy = f"keep it: `aresmon push-config {host.name} --adopt`; let it go: --overwrite instead"
    return Drift(host.name, what, _diff(host.name, pushed, body or ""), remedy, live)


async def _look(ground: Session, host: Host) -> HostSurvey | PushResult:
    where = ground.agent(host)
    try:
        return await protocol.look(where, ground.transport(host), shown=[where.watched])
    except (UnreachableHostError, LostError) as error:
        return PushResult(host.name, PushOutcome.UNREACHABLE, error.message, error.hint)
    except AresmonError as error:
        return PushResult(host.name, PushOutcome.REFUSED, error.message, error.hint)


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="replace")


def _diff(host: str, before: str, after: str) -> str:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return result.without_secrets("".join(difflib.unified_diff(old, new, f"{host}: live", f"{host}: wanted")))

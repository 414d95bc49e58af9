"""`push-config --adopt`: keep a configuration that was written on a host as a file of the site."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aresmon.config.model import Host
from aresmon.push import found as push_found
from aresmon.push.drift import drift_of, survey_host
from aresmon.push.order import Target
from aresmon.push.result import PushOutcome, PushResult
from aresmon.push.session import Session
from aresmon.system import files
from aresmon.system.errors import AresmonError


@dataclass(frozen=True, slots=True)
class Adoption:
    """A configuration that was saved in `path`. `digest` is its SHA-256 on the host; with `is_first`, nothing was
    pushed to the host before."""

    path: str
    digest: str
    is_first: bool


async def adopt(session: Session, hosts: Sequence[Host]) -> tuple[dict[str, Adoption], list[PushResult]]:
    """Save each configuration that was edited on its host, or found there, as `overrides/agents/<host>.conf`.

    Returns what was saved, only of hosts with such a configuration, and a refusal for each that cannot be saved.
    """
    kept, refused = dict[str, Adoption](), list[PushResult]()
    for one in await asyncio.gather(*(_adopt(session, host) for host in hosts)):
        if isinstance(one, PushResult):
            refused.append(one)
        elif one is not None:
            kept[Path(one.path).stem] = one
    return kept, refused


async def _adopt(session: Session, host: Host) -> Adoption | PushResult | None:
    survey = await survey_host(session, host, every=True)
    if isinstance(survey, PushResult):
        return None  # the push reports it
    content = survey.content(session.agent(host).watched)
    try:
        if content is None or not (survey.found or drift_of(session, host, survey).is_edited):
            return None
        return _save(session, host, content, is_first=bool(survey.found))
    except AresmonError as error:
        return PushResult(host.name, PushOutcome.REFUSED, error.message, error.hint)


def _save(session: Session, host: Host, content: bytes, *, is_first: bool) -> Adoption:
    path = session.site.overrides / "agents" / f"{host.name}.conf"
    text = push_found.adopted(push_found.read(content), host, session.config, session.templates, is_first=is_first)
    adoption = Adoption(str(path), hashlib.sha256(content).hexdigest(), is_first)
    if is_first:
        if path.exists() and adoption.digest in session.replaceable(host):
            return adoption  # it was adopted before, and may have been corrected since
        if path.exists() and path.read_bytes() != text.encode():
            raise AresmonError(
                f"its configuration cannot be adopted: {path} exists already",
                hint="move that file away to adopt the one on the host, or push it to the host with --overwrite",
            )
        session.releases(host).add_found(content)
    files.write(path.resolve(), text.encode())
    return adoption


def with_adopted(target: Target, adoption: Adoption | None) -> Target:
    """The target, which may replace what was adopted on its host."""
    if adoption is None:
        return target
    if adoption.is_first:
        return replace(target, replaces=(adoption.digest,))
    return replace(target, overwrite=True)


def split_shadowed(wanted: Sequence[Target], kept: Mapping[str, Adoption]) -> tuple[list[Target], list[PushResult]]:
    """The targets that can be pushed after an adoption, and a refusal for each that `configs` would overwrite."""
    found, refused = list[Target](), list[PushResult]()
    for target in wanted:
        name = target.host.name
        if name not in kept or not target.commit:
            found.append(target)
            continue
        why = f"its edit was saved as {kept[name].path}, but the repository has another {name}.conf"
        hint = f"commit it to the repository as {name}.conf, then push with --overwrite"
        refused.append(PushResult(name, PushOutcome.REFUSED, why, hint))
    return found, refused

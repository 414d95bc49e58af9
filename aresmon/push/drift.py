"""What a push would change on hosts, and what was changed there since the last push."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from aresmon.agents.deployed import DeployedConfigs
from aresmon.config.masks import mask_secrets
from aresmon.config.model import Host
from aresmon.push import found, protocol, result
from aresmon.push.order import Target
from aresmon.push.protocol import HostSurvey
from aresmon.push.result import PushOutcome, PushResult
from aresmon.push.session import Session
from aresmon.render import telegraf
from aresmon.site import bundle
from aresmon.ssh.transport import LostError, UnreachableHostError
from aresmon.system.errors import AresmonError

_LOOP = 2  # restarts of an agent by systemd or Docker since somebody started it; one may be chance


@dataclass(frozen=True, slots=True)
class PlannedPush:
    """What a push would change on one host: its configuration `live` becomes `wanted`, both without the config ID.

    `live` is None where the host has no configuration, or could not be read, for which `refusal` is the reason. `found`
    describes a configuration that somebody wrote on a host that was never pushed to; it is not replaced unasked.
    """

    host: str
    live: str | None
    wanted: str
    drifted: tuple[str, ...] = ()
    refusal: PushResult | None = None
    commit: str = ""
    notes: tuple[str, ...] = ()
    found: str = ""

    @property
    def diff(self) -> str:
        """What would change, as a unified diff."""
        return difference(self.host, self.live or "", self.wanted)


async def plan(session: Session, wanted: Sequence[Target]) -> list[PlannedPush]:
    """What a push would change on each host. Changes nothing."""

    async def one(target: Target) -> PlannedPush:
        survey = await survey_host(session, target.host)
        if isinstance(survey, PushResult):
            return PlannedPush(target.host.name, None, target.body, refusal=survey, commit=target.commit)
        live = _text(survey.content(session.agent(target.host).watched))
        body = None if live is None else telegraf.without_config_id(live, session.templates)
        return PlannedPush(
            target.host.name,
            body,
            target.body,
            tuple(survey.drifted),
            commit=target.commit,
            notes=target.notes,
            found=_summary(survey, session.agent(target.host).watched),
        )

    return list(await asyncio.gather(*(one(target) for target in wanted)))


@dataclass(frozen=True, slots=True)
class Drift:
    """How a host's files differ from the last push. `what` is empty where they do not; `live` is the configuration,
    which `is_edited` tells from other files."""

    host: str
    what: str = ""
    diff: str = ""
    next: str = ""
    live: str | None = None
    is_edited: bool = False


async def drift(session: Session, hosts: Sequence[Host]) -> list[Drift]:
    """Compare each host's files with the last push. Changes nothing."""

    async def one(host: Host) -> Drift:
        survey = await survey_host(session, host)
        if isinstance(survey, PushResult):
            return Drift(host.name, survey.why, next=survey.next)
        try:
            return drift_of(session, host, survey)
        except AresmonError as error:  # its last release cannot be read
            return Drift(host.name, error.message, next=error.hint)

    return list(await asyncio.gather(*(one(host) for host in hosts)))


def _summary(survey: HostSurvey, watched: str) -> str:
    """The inputs and outputs of a configuration that somebody wrote on the host; empty if there is none."""
    return found.read(survey.content(watched) or b"").summary if survey.found else ""


def drift_of(session: Session, host: Host, survey: HostSurvey) -> Drift:
    """Compare a host's files with the last push. Raises AresmonError if its last release cannot be read."""
    paths = session.agent(host)
    live = _text(survey.content(paths.watched))
    if survey.pending:
        return Drift(host.name, f"a push ({survey.pending}) is running, or was interrupted", next="push again")
    if survey.damaged and not survey.drifted:
        return Drift(host.name, result.describe_damaged(survey.damaged), next=f"`aresmon push-config {host.name}`")
    if host == session.config.sidecar:
        return _sidecar_drift(session, host, survey, live)
    newest = session.releases(host).newest()
    if not survey.last_push.content or newest is None:
        summary = _summary(survey, paths.watched)
        own = f"; it has a configuration of its own ({summary})" if summary else ""
        return Drift(host.name, f"never pushed to from this site{own}", next=f"`aresmon push-config {host.name}`")
    pushed = session.releases(host).content(newest.number).decode(errors="replace")
    if not survey.drifted:
        return _running(session, host, survey, live)
    return _edited(session, host, live, pushed, survey.drifted)


def _sidecar_drift(session: Session, host: Host, survey: HostSurvey, live: str | None) -> Drift:
    """Compare the server's own agent, to which `up` deploys too, with what aresmon wrote last, by the bundle's
    manifest."""
    watched = session.agent(host).watched
    written = bundle.recorded_hash(session.stack.bundle, f"agents/{host.name}/telegraf.conf")
    if not written:
        return Drift(host.name, "never started from this site", next="`aresmon up`")
    if survey.files.get(watched, ("", None))[0] == written:
        return _running(session, host, survey, live)
    config_id = telegraf.config_id_in(live or "", session.templates)
    return _edited(session, host, live, DeployedConfigs(session.project).body(host, config_id), [watched])


def _running(session: Session, host: Host, survey: HostSurvey, live: str | None) -> Drift:
    """A host whose files are as aresmon wrote them: only its agent may have ended."""
    looping = describe_restarts(survey)
    return Drift(host.name, looping, next=result.log_command(session.agent(host)) if looping else "", live=live)


def _edited(session: Session, host: Host, live: str | None, deployed: str | None, paths: Sequence[str]) -> Drift:
    """A host with edited files; `deployed` is the configuration that was deployed, None if it is not known here."""
    body = None if live is None else telegraf.without_config_id(live, session.templates)
    what = f"{', '.join(paths)} was edited since the last push"
    if deployed is None:
        what += " (not shown, because what `up` deployed is not known here)"
    elif body == deployed:
        what += " (not shown, because it contains passwords)"
    remedy = f"to keep the edit: `aresmon push-config {host.name} --adopt`; to discard it: --overwrite instead"
    diff = "" if deployed is None else difference(host.name, deployed, body or "", sides=("deployed", "live"))
    return Drift(host.name, what, diff, remedy, live, is_edited=session.agent(host).watched in paths)


def describe_restarts(survey: HostSurvey) -> str:
    """Say that the agent ends again and again since it was last started; empty where it does not."""
    restarts, active = int(survey.facts.get("restarts") or 0), survey.facts.get("active", "")
    if restarts < 1 or (restarts < _LOOP and active == "active"):
        return ""
    is_pushed = survey.last_push.at > 0
    return f"the agent has restarted {restarts} times since {'the last push' if is_pushed else 'its start'} ({active})"


async def survey_host(session: Session, host: Host, *, every: bool = False) -> HostSurvey | PushResult:
    """The state of a host, or a refusal if it cannot be read. With `every`, a configuration that was found there is
    reported also if it is kept."""
    paths = session.agent(host)
    try:
        replaces = () if every else session.replaceable(host)
        return await protocol.survey(paths, session.transport(host), shown=[paths.watched], replaces=replaces)
    except (UnreachableHostError, LostError) as error:
        return PushResult(host.name, PushOutcome.UNREACHABLE, error.message, error.hint)
    except AresmonError as error:
        return PushResult(host.name, PushOutcome.REFUSED, error.message, error.hint)


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="replace")


def difference(host: str, before: str, after: str, *, sides: tuple[str, str] = ("live", "wanted")) -> str:
    """What differs between two configurations, as a unified diff without secrets; empty if nothing does. `sides` says
    what each of them is."""
    old, new = (mask_secrets(text).splitlines(keepends=True) for text in (before, after))
    if old == new and before != after:
        return f"{host}: only secrets differ, which are not shown\n"
    return "".join(difflib.unified_diff(old, new, f"{host}: {sides[0]}", f"{host}: {sides[1]}"))

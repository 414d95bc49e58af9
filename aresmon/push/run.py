"""`push-config`, `rollback-config` and `drift`: from the site's files to results, each remembered as it comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aresmon.agents import lint, sources
from aresmon.agents.sources import Release, Releases
from aresmon.config import names as config_names
from aresmon.config import package_data
from aresmon.config.model import Config, Host
from aresmon.influxdb import events
from aresmon.influxdb.events import HostEvent
from aresmon.push import order as push_order
from aresmon.push import rollout
from aresmon.push.agent_files import AgentFiles
from aresmon.push.host import Terms
from aresmon.push.observer import PushObserver
from aresmon.push.order import PushOptions, Target
from aresmon.push.protocol import PushOrder
from aresmon.push.result import PushOutcome, PushResult
from aresmon.push.rollout import RolloutJob, RolloutPace
from aresmon.push.session import Session
from aresmon.push.verification import Delivery
from aresmon.render import telegraf
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.json_schema import did_you_mean

# What may have changed something that the panels show.
_EVENTFUL = frozenset(
    {PushOutcome.PROVEN, PushOutcome.UNVERIFIED, PushOutcome.ROLLED_BACK, PushOutcome.BROKEN, PushOutcome.UNKNOWN}
)


def select_hosts(config: Config, names: Sequence[str], *, every: bool) -> list[Host]:
    """The hosts of these names, in the file's order. Raises AresmonError for a name that is none, and for no name."""
    if every and names:
        raise AresmonError("--all and names of hosts do not go together", hint="one or the other", code=ExitCode.USAGE)
    known = [host.name for host in config.hosts]
    for name in names:
        if name not in known:
            meant = did_you_mean(name, known) or f"; there are {', '.join(known[:10])}"
            raise AresmonError(f"no host '{name}' in aresmon.yml{meant}")
    if not every and not names:
        hint = f"name them ({', '.join(known[:10])}), or say --all"
        raise AresmonError("which hosts?", hint=hint, code=ExitCode.USAGE)
    return [host for host in config.hosts if every or host.name in names]


def build_targets(session: Session, hosts: Sequence[Host]) -> tuple[list[Target], list[PushResult]]:
    """What each host should run; and for those whose configuration must not be brought anywhere, why.

    The repository is fetched first. Raises AresmonError where it cannot be, or not without losing something.
    """
    origin = sources.newest(session.project)
    fragments = session.site.host_fragments()
    found, refused = list[Target](), list[PushResult]()
    for host in hosts:
        own, extra = origin.texts.get(host.name), fragments.get(host.name, "")
        try:
            body = telegraf.configuration(host, session.catalogue, session.templates, own=own, extra=extra)
            lint.check(host, body, session.config)
            notes = (*lint.warnings(body), *_in_clear(body, session.config), *_unused(origin.strangers, host))
            found.append(Target(host, body, origin.commits.get(host.name, ""), notes))
        except AresmonError as error:
            refused.append(_refused(host, error))
    return found, refused


async def prepare_jobs(
    session: Session, wanted: Sequence[Target], options: PushOptions
) -> tuple[list[RolloutJob], list[PushResult]]:
    """The orders that deploy these targets; and a refusal for each that is blocked or lacks something for it."""
    memory = dict(session.config.memory)["telegraf"]
    files = AgentFiles(session.config, session.stack, package_data.package_files(), session.image(), memory)
    found, refused = list[RolloutJob](), list[PushResult]()
    blocked = await session.stack.blocked_hosts()
    for target in wanted:
        if since := blocked.get(target.host.name):
            refused.append(_blocked(session, target.host, since))
            continue
        try:
            order = push_order.order(target, files, session.templates, options)
        except AresmonError as error:
            refused.append(_refused(target.host, error))
            continue
        terms = Terms(lint.pace(target.body), options.strict)
        found.append(RolloutJob(target, order, session.transport(target.host), terms))
    return found, refused


async def push(
    session: Session, wanted: Sequence[Target], *, options: PushOptions, pace: RolloutPace, observer: PushObserver
) -> list[PushResult]:
    """Bring each target to its host; what came of it is remembered at once, host by host."""
    ready, refused = await prepare_jobs(session, wanted, options)
    for one in refused:
        observer.finished(one)
    if len(refused) > pace.max_fail:
        return [*refused, *(rollout.not_begun(job.host, len(refused)) for job in ready)]

    delivery = Delivery(session.influxdb) if options.verify else None
    recorder = _Recorder(session, {job.host: job for job in ready}, observer)
    results = await rollout.roll_out(ready, delivery, pace=pace, observer=recorder)
    await asyncio.to_thread(
        events.record_events, session.influxdb, [_event(one) for one in results if one.outcome in _EVENTFUL]
    )
    await _record_tls(session, ready, results)
    return [*refused, *results]


@dataclass(frozen=True, slots=True)
class _Recorder:
    """Records each result before it is passed on."""

    session: Session
    jobs: Mapping[str, RolloutJob]
    observer: PushObserver

    def state_changed(self, host: str, state: str) -> None:
        self.observer.state_changed(host, state)

    def finished(self, result: PushResult) -> None:
        job = self.jobs[result.host]
        record(self.session, job.target, result, job.order)
        self.observer.finished(result)


async def _record_tls(session: Session, ready: Sequence[RolloutJob], results: Sequence[PushResult]) -> None:
    """Record the hosts whose data was seen to arrive by TLS: for them the agents' port need not accept plain HTTP."""
    if not session.config.edge.channel.is_tls:
        return
    proven = {one.host for one in results if one.outcome in (PushOutcome.PROVEN, PushOutcome.UNCHANGED)}
    for job in ready:
        if job.host in proven and not lint.in_clear(job.target.body):
            trusted = (file.content for file in job.order.files if file.path.endswith(f"/{config_names.AUTHORITY}"))
            await session.stack.record_tls(job.host, next(trusted, b""))


def _event(result: PushResult) -> HostEvent:
    """What the dashboards show of a push: the configuration's commit or mark, and how it ended."""
    what = result.commit[:7] or result.mark.partition("-")[0]
    return HostEvent(result.host, "push", f"push to {result.host}: {result.outcome}", f"{what} {result.why}".strip())


def _blocked(session: Session, host: Host, since: str) -> PushResult:
    return PushResult(host.name, PushOutcome.REFUSED, f"it is blocked since {since}", session.unblock_hint(host.name))


def _refused(host: Host, error: AresmonError) -> PushResult:
    return PushResult(host.name, PushOutcome.REFUSED, error.message, error.hint)


def _in_clear(body: str, config: Config) -> Iterator[str]:
    """Of a configuration's own output, that it stays behind where the site has TLS."""
    for url in lint.in_clear(body) if config.edge.channel.is_tls else ():
        yield f'it writes to {url}, in the clear: put `${{ARESMON_URL}}` there, and `tls_ca = "${{ARESMON_CA}}"`'


def _unused(strangers: Sequence[str], host: Host) -> Iterator[str]:
    """Of the files that belong to no host, the one that may have been meant for this one."""
    for name in strangers:
        if did_you_mean(name, [host.name]):
            yield f"configs has {name}.conf, and there is no host {name}: is {host.name}.conf meant?"


def record(session: Session, target: Target, result: PushResult, order: PushOrder) -> None:
    """Keep the release that was proven, and add a line to the history of what was tried."""
    if result.outcome is PushOutcome.SKIPPED:
        return
    kept = session.releases(target.host)
    newest, number = kept.newest(), 0
    # It was proven, and nobody lived to note it here, or somebody else pushed it from another folder.
    is_news = result.outcome is PushOutcome.UNCHANGED and (newest is None or newest.mark != result.mark)
    if is_news or result.outcome in (PushOutcome.PROVEN, PushOutcome.UNVERIFIED):
        if newest is None and result.live is not None and not is_news:
            found = telegraf.unmarked(result.live.decode(errors="replace"), session.templates)
            kept.add(found, Release(0, "", "as it was found", time.time()))
        number = kept.next_number()
        kept.add(target.body, Release(number, result.mark, order.by, time.time(), target.commit))
    session.site.record(
        command="push-config",
        host=result.host,
        outcome=str(result.outcome),
        release=number,
        mark=result.mark,
        commit=target.commit,
        transaction=order.transaction,
        seconds=round(result.seconds, 1),
        why=result.why,
        owner=order.by,
    )


def previous_target(session: Session, host: Host, number: int | None) -> Target:
    """An earlier release of a host, as a target; the one before the newest without a number."""
    kept = session.releases(host)
    known = kept.all()
    if number is None:
        number = _before_the_newest(kept, host)
    body = kept.body(number)
    lint.check(host, body, session.config)
    return Target(host, body, next((one.commit for one in known if one.number == number), ""))


def _before_the_newest(kept: Releases, host: Host) -> int:
    """The newest release that says something else than the present one: a rotated secret makes one that does not."""
    numbers = [one.number for one in reversed(kept.all())]
    for number in numbers[1:]:
        if kept.body(number) != kept.body(numbers[0]):
            return number
    raise AresmonError(
        f"{host.name} has no release before the present one", hint=f"`aresmon history {host.name}` lists them"
    )


def as_json(result: PushResult) -> dict[str, Any]:
    """A result, for scripts."""
    return {
        "host": result.host,
        "outcome": str(result.outcome),
        "why": result.why,
        "next": result.next,
        "mark": result.mark,
        "commit": result.commit,
        "seconds": round(result.seconds, 1),
        "silent": list(result.silent),
        "notes": list(result.notes),
    }

"""`push-config`, `rollback-config` and `drift`: from the site's files to results, each remembered as it comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
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
from aresmon.push.host import Report, Terms
from aresmon.push.order import AgentFiles, PushOptions, Target
from aresmon.push.protocol import PushOrder
from aresmon.push.result import PushOutcome, PushResult
from aresmon.push.rollout import RolloutJob, RolloutPace
from aresmon.push.session import Session
from aresmon.push.verification import Delivery
from aresmon.render import telegraf
from aresmon.site import secrets
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.json_schema import did_you_mean

Done = Callable[[PushResult], None]
# What may have changed something that the panels show.
_EVENTFUL = frozenset(
    {PushOutcome.PROVEN, PushOutcome.UNVERIFIED, PushOutcome.ROLLED_BACK, PushOutcome.BROKEN, PushOutcome.UNKNOWN}
)


def chosen(config: Config, names: Sequence[str], *, every: bool) -> list[Host]:
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


def wishes(ground: Session, hosts: Sequence[Host]) -> tuple[list[Target], list[PushResult]]:
    """What each host should run; and for those whose configuration must not be brought anywhere, why.

    The repository is fetched first. Raises AresmonError where it cannot be, or not without losing something.
    """
    origin = sources.newest(ground.site, ground.config)
    fragments = ground.site.host_fragments()
    found, refused = list[Target](), list[PushResult]()
    for host in hosts:
        own, extra = origin.texts.get(host.name), fragments.get(host.name, "")
        try:
            body = telegraf.configuration(host, ground.catalogue, ground.frame, own=own, extra=extra)
            lint.check(host, body, ground.config)
            notes = (*lint.warnings(body), *_in_clear(body, ground.config), *_unused(origin.strangers, host))
            found.append(Target(host, body, origin.commits.get(host.name, ""), notes))
        except AresmonError as error:
            refused.append(_refused(host, error))
    return found, refused


def jobs(ground: Session, wanted: Sequence[Target], manner: PushOptions) -> tuple[list[RolloutJob], list[PushResult]]:
    """The orders that bring these wishes to their hosts; and for those that lack something for it, what."""
    files_of = AgentFiles(
        ground.config,
        ground.stack,
        package_data.package_files(),
        ground.image(),
        dict(ground.config.memory)["telegraf"],
        lambda name: secrets.mark(ground.stack.value, name),
        ground.sidecar_reader,
    )
    found, refused = list[RolloutJob](), list[PushResult]()
    out = ground.blocked()
    for wish in wanted:
        name = wish.host.name
        if name in out:
            refused.append(
                PushResult(name, PushOutcome.REFUSED, f"it is blocked since {out[name]}", ground.to_unblock(name))
            )
            continue
        try:
            order = push_order.order(wish, ground.config, ground.stack, ground.frame, manner=manner, files=files_of)
        except AresmonError as error:
            refused.append(_refused(wish.host, error))
            continue
        terms = Terms(lint.pace(wish.body), manner.strict)
        found.append(RolloutJob(wish, order, ground.transport(wish.host), terms))
    return found, refused


async def push(
    ground: Session, wanted: Sequence[Target], *, manner: PushOptions, pace: RolloutPace, report: Report, done: Done
) -> list[PushResult]:
    """Bring each wish to its host; what came of it is remembered at once, host by host."""
    ready, refused = jobs(ground, wanted, manner)
    for one in refused:
        done(one)
    if len(refused) > pace.max_fail:
        return [*refused, *(rollout.not_begun(job.host, len(refused)) for job in ready)]

    def ended(job: RolloutJob, result: PushResult) -> None:
        remember(ground, job.wish, result, job.order)
        done(result)

    delivery = Delivery(ground.influxdb) if manner.verify else None
    results = await rollout.roll_out(ready, delivery, pace=pace, report=report, done=ended)
    await asyncio.to_thread(events.tell, ground.influxdb, [_event(one) for one in results if one.outcome in _EVENTFUL])
    await _note_followers(ground, ready, results)
    return [*refused, *results]


async def _note_followers(ground: Session, ready: Sequence[RolloutJob], results: Sequence[PushResult]) -> None:
    """Those whose data was seen to come by TLS keep the agents' port open for nobody in the clear any more."""
    if not ground.config.edge.channel.is_tls:
        return
    proven = {one.host for one in results if one.outcome in (PushOutcome.PROVEN, PushOutcome.UNCHANGED)}
    for job in ready:
        if job.host in proven and not lint.in_clear(job.wish.body):
            brought = (file.content for file in job.order.files if file.path.endswith(f"/{config_names.AUTHORITY}"))
            await ground.followed(job.host, next(brought, b""))


def _event(result: PushResult) -> HostEvent:
    """What the dashboards show of a push: the configuration's commit or mark, and how it ended."""
    what = result.commit[:7] or result.mark.partition("-")[0]
    return HostEvent(result.host, "push", f"push to {result.host}: {result.outcome}", f"{what} {result.why}".strip())


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


def remember(ground: Session, wish: Target, result: PushResult, order: PushOrder) -> None:
    """Keep the release that was proven, and add a line to the history of what was tried."""
    if result.outcome is PushOutcome.SKIPPED:
        return
    kept = ground.releases(wish.host)
    newest, number = kept.newest(), 0
    # It was proven, and nobody lived to note it here, or somebody else pushed it from another folder.
    is_news = result.outcome is PushOutcome.UNCHANGED and (newest is None or newest.mark != result.mark)
    if is_news or result.outcome in (PushOutcome.PROVEN, PushOutcome.UNVERIFIED):
        if newest is None and result.live is not None and not is_news:
            found = telegraf.unmarked(result.live.decode(errors="replace"), ground.frame)
            kept.add(found, Release(0, "", "as it was found", time.time()))
        number = kept.next_number()
        kept.add(wish.body, Release(number, result.mark, order.by, time.time(), wish.commit))
    ground.site.record(
        command="push-config",
        host=result.host,
        outcome=str(result.outcome),
        release=number,
        mark=result.mark,
        commit=wish.commit,
        transaction=order.transaction,
        seconds=round(result.seconds, 1),
        why=result.why,
        owner=order.by,
    )


def former(ground: Session, host: Host, number: int | None) -> Target:
    """An earlier release of a host, as a wish; the one before the newest without a number."""
    kept = ground.releases(host)
    known = kept.all()
    if number is None:
        number = _before_the_newest(kept, host)
    body = kept.body(number)
    lint.check(host, body, ground.config)
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

"""`push-config`, `rollback-config` and `drift`: from the site's files to results, each remembered as it comes."""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aresmon import credentials, events, explain, files, intent, lint, orders, origins, rollout, survey
from aresmon.delivery import Delivery
from aresmon.errors import AresmonError, ExitCode
from aresmon.events import Event
from aresmon.fleet import Fleet, Host
from aresmon.ground import Ground
from aresmon.hosts.transport import LostError, UnreachableHostError
from aresmon.orders import AgentFiles, Manner, Wish
from aresmon.outcome import Outcome, Result
from aresmon.pushing import Report, Terms
from aresmon.releases import Release, Releases
from aresmon.render import telegraf
from aresmon.rollout import Job, Pace
from aresmon.schema import did_you_mean
from aresmon.survey import Gathered
from aresmon.transaction import Order

Done = Callable[[Result], None]
# What may have changed something that the panels show.
_EVENTFUL = frozenset({Outcome.PROVEN, Outcome.UNVERIFIED, Outcome.ROLLED_BACK, Outcome.BROKEN, Outcome.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Planned:
    """What a push would do to one host: from `live` to `wanted`, both without a mark; None where there is none."""

    host: str
    live: str | None
    wanted: str
    drifted: tuple[str, ...] = ()
    refusal: Result | None = None
    commit: str = ""

    @property
    def diff(self) -> str:
        """What would change, as a unified diff."""
        return _diff(self.host, self.live or "", self.wanted)


def chosen(fleet: Fleet, names: Sequence[str], *, every: bool) -> list[Host]:
    """The hosts of these names, in the file's order. Raises AresmonError for a name that is none, and for no name."""
    if every and names:
        raise AresmonError("--all and names of hosts do not go together", hint="one or the other", code=ExitCode.USAGE)
    known = [host.name for host in fleet.hosts]
    for name in names:
        if name not in known:
            meant = did_you_mean(name, known) or f"; there are {', '.join(known[:10])}"
            raise AresmonError(f"no host '{name}' in aresmon.yml{meant}")
    if not every and not names:
        hint = f"name them ({', '.join(known[:10])}), or say --all"
        raise AresmonError("which hosts?", hint=hint, code=ExitCode.USAGE)
    return [host for host in fleet.hosts if every or host.name in names]


def wishes(ground: Ground, hosts: Sequence[Host]) -> tuple[list[Wish], list[Result]]:
    """What each host should run; and for those whose configuration must not be brought anywhere, why.

    The repository is fetched first. Raises AresmonError where it cannot be, or not without losing something.
    """
    origin = origins.newest(ground.site, ground.fleet)
    fragments = ground.site.host_fragments()
    found, refused = list[Wish](), list[Result]()
    for host in hosts:
        own, extra = origin.texts.get(host.name), fragments.get(host.name, "")
        try:
            body = telegraf.configuration(host, ground.catalogue, ground.frame, own=own, extra=extra)
            orders.check(host, body, ground.fleet)
            notes = (*lint.warnings(body), *_in_clear(body, ground.fleet), *_unused(origin.strangers, host))
            found.append(Wish(host, body, origin.commits.get(host.name, ""), notes))
        except AresmonError as error:
            refused.append(_refused(host, error))
    return found, refused


def jobs(ground: Ground, wanted: Sequence[Wish], manner: Manner) -> tuple[list[Job], list[Result]]:
    """The orders that bring these wishes to their hosts; and for those that lack something for it, what."""
    files_of = AgentFiles(
        ground.fleet,
        ground.stack,
        intent.shipped_files(),
        ground.image(),
        dict(ground.fleet.memory)["telegraf"],
        lambda name: credentials.mark(ground.stack.value, name),
        ground.sidecar_reader,
    )
    found, refused = list[Job](), list[Result]()
    out = ground.blocked()
    for wish in wanted:
        name = wish.host.name
        if name in out:
            refused.append(Result(name, Outcome.REFUSED, f"it is blocked since {out[name]}", ground.to_unblock(name)))
            continue
        try:
            order = orders.order(wish, ground.fleet, ground.stack, ground.frame, manner=manner, files=files_of)
        except AresmonError as error:
            refused.append(_refused(wish.host, error))
            continue
        terms = Terms(lint.pace(wish.body), manner.strict)
        found.append(Job(wish, order, ground.transport(wish.host), terms))
    return found, refused


async def push(
    ground: Ground, wanted: Sequence[Wish], *, manner: Manner, pace: Pace, report: Report, done: Done
) -> list[Result]:
    """Bring each wish to its host; what came of it is remembered at once, host by host."""
    ready, refused = jobs(ground, wanted, manner)
    for one in refused:
        done(one)
    if len(refused) > pace.max_fail:
        return [*refused, *(rollout.not_begun(job.host, len(refused)) for job in ready)]

    def ended(job: Job, result: Result) -> None:
        remember(ground, job.wish, result, job.order)
        done(result)

    delivery = Delivery(ground.influxdb) if manner.verify else None
    results = await rollout.roll_out(ready, delivery, pace=pace, report=report, done=ended)
    await asyncio.to_thread(events.tell, ground.influxdb, [_event(one) for one in results if one.outcome in _EVENTFUL])
    await _note_followers(ground, ready, results)
    return [*refused, *results]


async def _note_followers(ground: Ground, ready: Sequence[Job], results: Sequence[Result]) -> None:
    """Those whose data was seen to come by TLS keep the agents' port open for nobody in the clear any more."""
    if not ground.fleet.edge.channel.is_tls:
        return
    proven = {one.host for one in results if one.outcome in (Outcome.PROVEN, Outcome.UNCHANGED)}
    for job in ready:
        if job.host in proven and not lint.in_clear(job.wish.body):
            brought = (file.content for file in job.order.files if file.path.endswith(f"/{telegraf.AUTHORITY}"))
            await ground.followed(job.host, next(brought, b""))


def _event(result: Result) -> Event:
    """What the dashboards show of a push: the configuration's commit or mark, and how it ended."""
    what = result.commit[:7] or result.mark.partition("-")[0]
    return Event(result.host, "push", f"push to {result.host}: {result.outcome}", f"{what} {result.why}".strip())


def _refused(host: Host, error: AresmonError) -> Result:
    return Result(host.name, Outcome.REFUSED, error.message, error.hint)


def _in_clear(body: str, fleet: Fleet) -> Iterator[str]:
    """Of a configuration's own output, that it stays behind where the site has TLS."""
    for url in lint.in_clear(body) if fleet.edge.channel.is_tls else ():
        yield f'it writes to {url}, in the clear: put `${{ARESMON_URL}}` there, and `tls_ca = "${{ARESMON_CA}}"`'


def _unused(strangers: Sequence[str], host: Host) -> Iterator[str]:
    """Of the files that belong to no host, the one that may have been meant for this one."""
    for name in strangers:
        if did_you_mean(name, [host.name]):
            yield f"configs has {name}.conf, and there is no host {name}: is {host.name}.conf meant?"


def remember(ground: Ground, wish: Wish, result: Result, order: Order) -> None:
    """Keep the release that was proven, and add a line to the history of what was tried."""
    if result.outcome is Outcome.SKIPPED:
        return
    kept = ground.releases(wish.host)
    newest, number = kept.newest(), 0
    # It was proven, and nobody lived to note it here, or somebody else pushed it from another folder.
    is_news = result.outcome is Outcome.UNCHANGED and (newest is None or newest.mark != result.mark)
    if is_news or result.outcome in (Outcome.PROVEN, Outcome.UNVERIFIED):
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


async def plan(ground: Ground, wanted: Sequence[Wish]) -> list[Planned]:
    """What a push would change on each host. Nothing is touched."""

    async def one(wish: Wish) -> Planned:
        seen = await _look(ground, wish.host)
        if isinstance(seen, Result):
            return Planned(wish.host.name, None, wish.body, refusal=seen, commit=wish.commit)
        live = _text(seen.content(ground.agent(wish.host).watched))
        body = None if live is None else telegraf.unmarked(live, ground.frame)
        return Planned(wish.host.name, body, wish.body, tuple(seen.drifted), commit=wish.commit)

    return list(await asyncio.gather(*(one(wish) for wish in wanted)))


def former(ground: Ground, host: Host, number: int | None) -> Wish:
    """An earlier release of a host, as a wish; the one before the newest without a number."""
    kept = ground.releases(host)
    known = kept.all()
    if number is None:
        number = _before_the_newest(kept, host)
    body = kept.body(number)
    orders.check(host, body, ground.fleet)
    return Wish(host, body, next((one.commit for one in known if one.number == number), ""))


def _before_the_newest(kept: Releases, host: Host) -> int:
    """The newest release that says something else than the present one: a rotated secret makes one that does not."""
    numbers = [one.number for one in reversed(kept.all())]
    for number in numbers[1:]:
        if kept.body(number) != kept.body(numbers[0]):
            return number
    raise AresmonError(
        f"{host.name} has no release before the present one", hint=f"`aresmon history {host.name}` lists them"
    )


@dataclass(frozen=True, slots=True)
class Drift:
    """How a host's live files differ from what was last pushed there. `what` is empty where they do not."""

    host: str
    what: str = ""
    diff: str = ""
    next: str = ""
    live: str | None = None


async def drift(ground: Ground, hosts: Sequence[Host]) -> list[Drift]:
    """Hold what stands on each host against what was last pushed there. Nothing is touched."""

    async def one(host: Host) -> Drift:
        seen = await _look(ground, host)
        if isinstance(seen, Result):
            return Drift(host.name, seen.why, next=seen.next)
        return _drift(ground, host, seen)

    return list(await asyncio.gather(*(one(host) for host in hosts)))


async def adopt(ground: Ground, hosts: Sequence[Host]) -> dict[str, str]:
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


def shadowed(wanted: Sequence[Wish], kept: Mapping[str, str]) -> tuple[list[Wish], list[Result]]:
    """The wishes that may go on after an adoption, and for those that `configs` would overwrite, what is left to do."""
    found, refused = list[Wish](), list[Result]()
    for wish in wanted:
        name = wish.host.name
        if name not in kept or not wish.commit:
            found.append(wish)
            continue
        why = f"its edit is kept as {kept[name]}; configs has another {name}.conf"
        hint = f"copy it there as {name}.conf and commit it, then push with --overwrite"
        refused.append(Result(name, Outcome.REFUSED, why, hint))
    return found, refused


def _drift(ground: Ground, host: Host, seen: Gathered) -> Drift:
    where = ground.agent(host)
    live = _text(seen.content(where.watched))
    if seen.pending:
        return Drift(host.name, f"a push ({seen.pending}) is under way, or was left in its middle", next="push again")
    newest = ground.releases(host).newest()
    if not seen.remembered.content or newest is None:
        return Drift(host.name, "nothing was ever pushed to it", next=f"`aresmon push-config {host.name}`", live=live)
    body = None if live is None else telegraf.unmarked(live, ground.frame)
    pushed = ground.releases(host).body(newest.number)
    paths = [path for path in seen.drifted if path == where.watched or host != ground.fleet.sidecar]
    if host == ground.fleet.sidecar and body == pushed:
        paths = []
    if not paths:
        return Drift(host.name, live=live)
    only_secret = body == pushed
    what = f"{', '.join(paths)} was edited since the last push"
    if only_secret:
        what += " (its content is not shown: passwords are in it)"
    remedy = f"keep it: `aresmon push-config {host.name} --adopt`; let it go: --overwrite instead"
    return Drift(host.name, what, _diff(host.name, pushed, body or ""), remedy, live)


async def _look(ground: Ground, host: Host) -> Gathered | Result:
    where = ground.agent(host)
    try:
        return await survey.look(where, ground.transport(host), shown=[where.watched])
    except (UnreachableHostError, LostError) as error:
        return Result(host.name, Outcome.UNREACHABLE, error.message, error.hint)
    except AresmonError as error:
        return Result(host.name, Outcome.REFUSED, error.message, error.hint)


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="replace")


def _diff(host: str, before: str, after: str) -> str:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return explain.without_secrets("".join(difflib.unified_diff(old, new, f"{host}: live", f"{host}: wanted")))


def as_json(result: Result) -> dict[str, Any]:
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

"""`push-config` and `rollback-config`: from the site's files to results, each recorded as soon as it is known."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from aresmon.agents import lint, remedies, sources
from aresmon.agents.lint import AgentTiming
from aresmon.agents.sources import ConfigSources, Release, Releases
from aresmon.config import names as config_names
from aresmon.config import package_data
from aresmon.config.model import Config, Host
from aresmon.influxdb import events, users
from aresmon.influxdb.client import InfluxDB
from aresmon.influxdb.events import HostEvent
from aresmon.push import bundle_files, rollout
from aresmon.push import order as push_order
from aresmon.push import result as push_result
from aresmon.push.agent_files import AgentFiles
from aresmon.push.host import VerificationTerms
from aresmon.push.observer import PushObserver
from aresmon.push.order import PushOptions, Target
from aresmon.push.protocol import PushOrder
from aresmon.push.result import PushOutcome, PushResult
from aresmon.push.rollout import RolloutJob, RolloutPace
from aresmon.push.session import Session
from aresmon.push.verification import Verifier
from aresmon.render import telegraf
from aresmon.system import git
from aresmon.system.errors import AresmonError
from aresmon.system.json_schema import did_you_mean

# Outcomes after which a host's data may look different: the dashboards show these pushes.
_EVENTFUL = frozenset(
    {PushOutcome.VERIFIED, PushOutcome.UNVERIFIED, PushOutcome.ROLLED_BACK, PushOutcome.BROKEN, PushOutcome.UNKNOWN}
)


def build_targets(
    session: Session, hosts: Sequence[Host], *, change_source: Collection[str] = ()
) -> tuple[list[Target], list[PushResult]]:
    """What each host should run, and a refusal for each host whose configuration is invalid, or is no longer in
    `configs` (unless it is in `change_source`).

    Fetches the repository of configurations first. Raises AresmonError if that fails, or would lose something.
    """
    origin = sources.fetch(session.project, hosts, change_source=change_source)
    fragments = session.site.host_fragments()
    found, refused = list[Target](), list[PushResult]()
    for host in hosts:
        try:
            own, extra = origin.text(host.name), fragments.text(host.name) or ""
            body = telegraf.configuration(host, session.catalogue, session.templates, own=own, extra=extra)
            lint.check(host, body, session.config, own=own)
            notes = (*_warnings(host, body, session.config), *_unused(origin, host))
            commit, elsewhere = origin.commits.get(host.name, ""), _elsewhere(session, host, body)
            found.append(Target(host, body, commit, notes, elsewhere))
        except AresmonError as error:
            refused.append(_refused(host, error))
    return found, refused


async def prepare_jobs(
    session: Session, wanted: Sequence[Target], options: PushOptions
) -> tuple[list[RolloutJob], list[PushResult]]:
    """The orders that deploy these targets, and a refusal for each whose host is blocked or lacks something."""
    memory = dict(session.config.memory)["telegraf"]
    files = AgentFiles(session.config, session.stack, package_data.package_files(), session.image(), memory)
    found, refused = list[RolloutJob](), list[PushResult]()
    blocked = await session.stack.blocked_hosts()
    for target in wanted:
        if since := blocked.get(target.host.name):
            refused.append(_blocked(session, target.host, since))
            continue
        try:
            target = replace(
                target,
                replaces=(*target.replaces, *session.replaceable(target.host)),
                former=_former(session, target.host),
                collectors=remedies.collectors(target.host, session.catalogue, target.body),
            )
            order = push_order.order(target, files, session.templates, options)
        except AresmonError as error:
            refused.append(_refused(target.host, error))
            continue
        terms = VerificationTerms(_timing(target, session.config), options.strict, target.body, options.soak)
        found.append(RolloutJob(target, order, session.transport(target.host), terms))
    return found, refused


def _former(session: Session, host: Host) -> str:
    """The configuration that was deployed to a host last, as far as this site knows."""
    if host == session.config.sidecar:  # `up` deploys it too
        return session.stack.bundle.get(f"agents/{host.name}/telegraf.conf", b"").decode(errors="replace")
    releases = session.releases(host)
    newest = releases.newest()
    with suppress(AresmonError):  # its content is gone, or no text
        return releases.body(newest.number) if newest is not None else ""
    return ""


def _timing(target: Target, config: Config) -> AgentTiming:
    if target.as_found is not None:  # whatever it says: its data is not waited for
        return AgentTiming(0, 0, 0)
    return lint.read_timing(target.body, lint.environment(target.host, config))


async def push(
    session: Session, wanted: Sequence[Target], *, options: PushOptions, pace: RolloutPace, observer: PushObserver
) -> list[PushResult]:
    """Deploy each target to its host, and record each result at once.

    A target that cannot be prepared concerns its host alone: the others are pushed.
    """
    ready, refused = await prepare_jobs(session, wanted, options)
    if options.verify:
        ready, forbidden = await asyncio.to_thread(_split_forbidden, session.influxdb, ready)
        refused += forbidden
    for one in refused:
        observer.finished(one)
    if not ready:
        return refused
    verifier = Verifier(session.influxdb) if options.verify else None
    jobs = {job.host: job for job in ready}

    async def keep(result: PushResult) -> None:
        job = jobs[result.host]
        await asyncio.to_thread(record, session, job.target, result, job.order, why=options.why)

    results = await rollout.roll_out(ready, verifier, pace=pace, observer=observer, record=keep)
    await asyncio.to_thread(
        events.record_events, session.influxdb, [_event(one) for one in results if one.outcome in _EVENTFUL]
    )
    await _record_tls(session, ready, results)
    await bundle_files.update(session, results)
    return [*refused, *results]


def _split_forbidden(influxdb: InfluxDB, jobs: Sequence[RolloutJob]) -> tuple[list[RolloutJob], list[PushResult]]:
    """The jobs whose agent may write, and a refusal for each whose database user has lost the permission.

    Raises AresmonError if InfluxDB does not answer.
    """
    accounts = {job.host: job.order.access.user for job in jobs if job.order.access is not None}
    forbidden = users.without_write_permission(influxdb, list(accounts.values())) if accounts else set()
    found, refused = list[RolloutJob](), list[PushResult]()
    for job in jobs:
        if accounts.get(job.host) in forbidden:
            refused.append(PushResult(job.host, PushOutcome.REFUSED, *push_result.describe_write("403", job.order)))
        else:
            found.append(job)
    return found, refused


async def _record_tls(session: Session, ready: Sequence[RolloutJob], results: Sequence[PushResult]) -> None:
    """Record the hosts whose data was seen to arrive by TLS: for them the agents' port need not accept plain HTTP."""
    if not session.config.edge.channel.is_tls:
        return
    verified = {one.host for one in results if one.outcome in (PushOutcome.VERIFIED, PushOutcome.UNCHANGED)}
    for job in ready:
        environment = lint.environment(job.target.host, session.config)
        if (
            job.host in verified
            and job.target.as_found is None
            and not lint.unencrypted_urls(job.target.body, environment)
        ):
            trusted = (file.content for file in job.order.files if file.path.endswith(f"/{config_names.AUTHORITY}"))
            await session.stack.record_tls(job.host, next(trusted, b""))


def _event(result: PushResult) -> HostEvent:
    """What the dashboards show of a push: the configuration's commit or fingerprint, and how the push ended."""
    what = result.commit[:7] or result.config_id.partition("-")[0]
    return HostEvent(result.host, "push", f"push to {result.host}: {result.outcome}", f"{what} {result.why}".strip())


def _blocked(session: Session, host: Host, since: str) -> PushResult:
    return PushResult(
        host.name, PushOutcome.REFUSED, f"it has been blocked since {since}", session.unblock_hint(host.name)
    )


def _refused(host: Host, error: AresmonError) -> PushResult:
    return PushResult(host.name, PushOutcome.REFUSED, error.message, error.hint)


def _warnings(host: Host, body: str, config: Config) -> Iterator[str]:
    """The lint's warnings, and one for each output that writes without TLS although the site has it."""
    environment = lint.environment(host, config)
    yield from (one.text for one in lint.warnings(body, environment))
    for url in lint.unencrypted_urls(body, environment) if config.edge.channel.is_tls else ():
        yield f'it writes to {url} unencrypted: use `${{ARESMON_URL}}` as its URL and `tls_ca = "${{ARESMON_CA}}"`'


def _elsewhere(session: Session, host: Host, body: str) -> str:
    return "".join(one.text for one in lint.elsewhere(body, host, session.config))


def _unused(origin: ConfigSources, host: Host) -> Iterator[str]:
    """Warnings about files of `configs` that no host has and that may be meant for this one."""
    near = origin.near.get(host.name, ())
    if near:
        yield (
            f"configs has no {host.name}.conf at its top, but {git.format_names(near)}, which is not used: "
            f"if it is meant for this host, move it to {host.name}.conf"
        )
    for name in origin.unmatched:
        if did_you_mean(name, [host.name]) and f"{name}.conf" not in near:
            yield f"configs has {name}.conf, but there is no host {name} (did you mean {host.name}.conf?)"


def record(session: Session, target: Target, result: PushResult, order: PushOrder, *, why: str = "") -> None:
    """Keep a verified configuration as a release, and add the push to the history."""
    if result.outcome is PushOutcome.SKIPPED:
        return
    releases = session.releases(target.host)
    newest, number = releases.newest(), 0
    # An earlier push was verified but not recorded here: it was interrupted, or ran from another folder.
    is_unrecorded = result.outcome is PushOutcome.UNCHANGED and (newest is None or newest.config_id != result.config_id)
    if is_unrecorded or result.outcome in (PushOutcome.VERIFIED, PushOutcome.UNVERIFIED):
        if result.live is not None and not is_unrecorded:
            if result.is_found or (newest is None and target.host.agent == "systemd"):
                releases.add_found(result.live)
            elif newest is None:  # of aresmon's own making, in a container
                found = telegraf.without_config_id(result.live.decode(errors="replace"), session.templates)
                releases.add_found(found.encode())
        number = releases.next_number()
        body = target.body if target.as_found is None else target.as_found
        releases.add(body, Release(number, result.config_id, order.by, time.time(), target.commit, why))
    said = {"reason": why, "restores": target.restores}
    session.site.record(
        command="push-config",
        host=result.host,
        outcome=str(result.outcome),
        release=number,
        mark=result.config_id,
        commit=target.commit,
        transaction=order.transaction,
        seconds=round(result.seconds, 1),
        why=result.why,
        owner=order.by,
        **{key: value for key, value in said.items() if value not in ("", None)},
    )


def previous_target(session: Session, host: Host, number: int | None) -> Target:
    """An earlier release of a host as a target; without a number, the previous one.

    A configuration that was found on the host is brought back as it was, whatever it says.

    Raises AresmonError where there is no such release.
    """
    releases = session.releases(host)
    if number is None:
        number = _previous_number(releases, host)
    release = releases.get(number)
    if release is not None and release.is_as_found and host.agent == "systemd":
        return Target(host, "", as_found=releases.content(number), restores=number)
    body = releases.body(number)
    lint.check(host, body, session.config)
    commit = release.commit if release is not None else ""
    return Target(host, body, commit, elsewhere=_elsewhere(session, host, body), restores=number)


def _previous_number(releases: Releases, host: Host) -> int:
    """The newest release with another configuration than the current one: a rotated password adds one with the same."""
    numbers = [one.number for one in reversed(releases.all())]
    for number in numbers[1:]:
        if releases.content(number) != releases.content(numbers[0]):
            return number
    raise AresmonError(
        f"{host.name} has no release before the current one", hint=f"`aresmon history {host.name}` lists its releases"
    )


def as_json(result: PushResult) -> dict[str, Any]:
    """A result as the commands' `--json` prints it."""
    return {
        "host": result.host,
        "outcome": str(result.outcome),
        "why": result.why,
        "next": result.next,
        "config_id": result.config_id,
        "mark": result.config_id,  # its name in 0.4.0
        "commit": result.commit,
        "seconds": round(result.seconds, 1),
        "silent": list(result.silent),
        "notes": list(result.notes),
        "found": result.undecided,
    }

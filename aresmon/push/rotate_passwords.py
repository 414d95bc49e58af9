"""Rotate agents' passwords without a gap in their data: both are valid until the new one is verified.

A user of InfluxDB 1.x has one password, so each agent has two users, of which one is in use. A rotation creates the
other one, deploys it to the host, verifies that data arrives, and removes the previous user. The secret `NAME~next`
exists from before the first of these steps until after the last; while it does, nothing else removes either user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from aresmon.agents import lint
from aresmon.config.model import Host
from aresmon.influxdb import users
from aresmon.influxdb.client import InfluxDB
from aresmon.push import bundle_files, protocol, run
from aresmon.push.observer import PushObserver
from aresmon.push.order import PushOptions, Target
from aresmon.push.result import GOOD, PushOutcome, PushResult
from aresmon.push.rollout import RolloutPace
from aresmon.push.session import Session
from aresmon.render import telegraf
from aresmon.site import secrets
from aresmon.ssh.transport import LostError, UnreachableHostError
from aresmon.system.errors import AresmonError

COMMAND = "secrets rotate"


@dataclass(frozen=True, slots=True)
class PasswordRotation:
    """One agent whose password is being rotated."""

    host: Host
    password: str = field(repr=False)

    @property
    def name(self) -> str:
        return secrets.agent_secret(self.host.name)

    @property
    def previous_user(self) -> str:
        """The database user that is removed at the end."""
        return secrets.other_user(secrets.database_user(self.name, self.password))


async def rotate(
    session: Session, hosts: Sequence[Host], *, options: PushOptions, pace: RolloutPace, observer: PushObserver
) -> list[PushResult]:
    """Rotate the passwords of these hosts' agents, with the result of each as of a push.

    Where that fails the host keeps its password, which stays valid; the same command continues from there.
    Raises AresmonError, with nothing changed on any host, where InfluxDB does not answer.
    """
    blocked = await session.stack.blocked_hosts()
    allowed = [host for host in hosts if host.name not in blocked]
    running = await asyncio.gather(*(_running_target(session, host) for host in allowed))
    targets = [one for one in running if isinstance(one, Target)]
    refused = [_blocked(session, host) for host in hosts if host.name in blocked]
    refused += [one for one in running if isinstance(one, PushResult)]
    for one in refused:
        observer.finished(one)
    rotations = [await _start(session, target.host) for target in targets]
    await asyncio.to_thread(_create_users, session.influxdb, rotations)
    rotated = [replace(target, password=one.password) for target, one in zip(targets, rotations, strict=True)]
    results = await run.push(session, rotated, options=options, pace=pace, observer=observer)
    by_host = {one.host.name: one for one in rotations}
    completed = [await _complete(session, by_host[one.host], one) for one in results]
    await bundle_files.update(session, completed)  # again: they name the database user, which is another one now
    return [*refused, *completed]


def _blocked(session: Session, host: Host) -> PushResult:
    why = "it is blocked, and a new password would let it write again"
    return PushResult(host.name, PushOutcome.REFUSED, why, session.unblock_hint(host.name))


async def _running_target(session: Session, host: Host) -> Target | PushResult:
    """The configuration that runs on a host, to be pushed again with another password; a refusal where it cannot be."""
    paths = session.agent(host)
    try:
        survey = await protocol.survey(paths, session.transport(host), shown=[paths.watched])
        live = survey.content(paths.watched)
        if live is None or not (survey.last_push.content or host == session.config.sidecar):
            hint = f"`aresmon push-config {host.name}`"
            return PushResult(host.name, PushOutcome.REFUSED, "it was never pushed to from this site", hint)
        body = telegraf.without_config_id(live.decode(errors="replace"), session.templates)
        lint.check(host, body, session.config)
        _check_user(host, body, session.stack.secret(secrets.agent_secret(host.name)))
    except (UnreachableHostError, LostError) as error:
        return PushResult(host.name, PushOutcome.UNREACHABLE, f"{error.message}; its password stays valid", error.hint)
    except AresmonError as error:
        return PushResult(host.name, PushOutcome.REFUSED, error.message, error.hint)
    return Target(host, body, _commit(session, host, body))


def _check_user(host: Host, body: str, password: str) -> None:
    """Raise AresmonError where a configuration names the database user that the rotation would remove."""
    user = secrets.database_user(secrets.agent_secret(host.name), password)
    if f'"{user}"' in body:
        raise AresmonError(
            f"its configuration names the database user {user}, which a rotation replaces",
            hint='set username = "${ARESMON_USER}" in its configuration and push it, then run the same command again',
        )


def _commit(session: Session, host: Host, body: str) -> str:
    """The commit of a configuration, if it is the newest release."""
    releases = session.releases(host)
    newest = releases.newest()
    return newest.commit if newest is not None and releases.body(newest.number) == body else ""


async def _start(session: Session, host: Host) -> PasswordRotation:
    """Store the next password, unless an interrupted run did already."""
    name = secrets.agent_secret(host.name)
    try:
        stored = session.stack.secret(secrets.next_name(name))
    except AresmonError:
        stored = ""
    password = secrets.next_value(name, session.stack.secret(name), stored)
    if password != stored:
        await session.stack.write_secret(secrets.next_name(name), password)
    return PasswordRotation(host, password)


def _create_users(influxdb: InfluxDB, rotations: Sequence[PasswordRotation]) -> None:
    for one in rotations:
        users.apply(influxdb, users.plan_user(influxdb, one.name, one.password))


async def _complete(session: Session, rotation: PasswordRotation, result: PushResult) -> PushResult:
    """Make the new password the agent's only one, once its data was seen to arrive with it."""
    if result.outcome not in GOOD:
        return result
    try:
        if rotation.host != session.config.sidecar:  # whose secret is a file of the push
            await session.stack.write_secret(rotation.name, rotation.password)
        await asyncio.to_thread(users.remove_users, session.influxdb, rotation.previous_user)
        await session.stack.delete_secret(secrets.next_name(rotation.name))
    except AresmonError as error:
        why = f"it writes with its new password, but the previous one is still valid: {error.message}"
        return replace(result, outcome=PushOutcome.REFUSED, why=why, next="run the same command again")
    session.site.record(command=COMMAND, host=rotation.host.name, secret=rotation.name, outcome="rotated")
    return result

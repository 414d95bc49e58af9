"""Agents given other passwords without a gap in their data: both valid, until the new one is proven.

InfluxDB 1.x knows one password a user. So each agent has two users, of which one is in use: the other one is made, a
push brings it to the host, its points prove it, and the former user is removed. `NAME~next` in the secrets is there
from before the first of these steps until after the last; while it is, nobody removes either user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from aresmon.agents import lint
from aresmon.config.model import Host
from aresmon.influxdb import users
from aresmon.influxdb.client import InfluxDB
from aresmon.push import protocol, run
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
    """One agent on its way from one password to the next."""

    host: Host
    following: str = field(repr=False)

    @property
    def name(self) -> str:
        return secrets.agent(self.host.name)

    @property
    def previous_user(self) -> str:
        """The database user that is removed at the end."""
        return secrets.other(secrets.account(self.name, self.following))


async def rotate(
    session: Session, hosts: Sequence[Host], *, options: PushOptions, pace: RolloutPace, observer: PushObserver
) -> list[PushResult]:
    """Give these hosts' agents other passwords; what became of each, as a push tells it.

    A host that does not end well keeps the password it has, which stays valid; the same command goes on from there.
    Raises AresmonError, with nothing changed on any host, where InfluxDB is not there.
    """
    blocked = await session.stack.blocked_hosts()
    allowed = [host for host in hosts if host.name not in blocked]
    looked = await asyncio.gather(*(_running_target(session, host) for host in allowed))
    targets = [one for one in looked if isinstance(one, Target)]
    refused = [_blocked(session, host) for host in hosts if host.name in blocked]
    refused += [one for one in looked if isinstance(one, PushResult)]
    for one in refused:
        observer.finished(one)
    rotations = [await _start(session, target.host) for target in targets]
    await asyncio.to_thread(_create_users, session.influxdb, rotations)
    rotated = [replace(target, password=one.following) for target, one in zip(targets, rotations, strict=True)]
    results = await run.push(session, rotated, options=options, pace=pace, observer=observer)
    by_host = {one.host.name: one for one in rotations}
    return [*refused, *[await _complete(session, by_host[one.host], one) for one in results]]


def _blocked(session: Session, host: Host) -> PushResult:
    why = "it is blocked, and another password would let it in"
    return PushResult(host.name, PushOutcome.REFUSED, why, session.unblock_hint(host.name))


async def _running_target(session: Session, host: Host) -> Target | PushResult:
    """What runs on a host, as what it should go on to run: only its password becomes another one."""
    where = session.agent(host)
    try:
        seen = await protocol.look(where, session.transport(host), shown=[where.watched])
        live = seen.content(where.watched)
        if live is None or not (seen.remembered.content or host == session.config.sidecar):
            hint = f"`aresmon push-config {host.name}`"
            return PushResult(host.name, PushOutcome.REFUSED, "nothing was ever pushed to it from this site", hint)
        body = telegraf.unmarked(live.decode(errors="replace"), session.templates)
        lint.check(host, body, session.config)
        _check_user(host, body, session.stack.secret(secrets.agent(host.name)))
    except (UnreachableHostError, LostError) as error:
        return PushResult(host.name, PushOutcome.UNREACHABLE, f"{error.message}; its password stays valid", error.hint)
    except AresmonError as error:
        return PushResult(host.name, PushOutcome.REFUSED, error.message, error.hint)
    return Target(host, body, _commit(session, host, body))


def _check_user(host: Host, body: str, password: str) -> None:
    user = secrets.account(secrets.agent(host.name), password)
    if f'"{user}"' in body:
        raise AresmonError(
            f"its configuration names the database user {user}, and another one is next",
            hint='write username = "${ARESMON_USER}" there and push it, then the same command again',
        )


def _commit(session: Session, host: Host, body: str) -> str:
    """The commit of `configs` that a configuration is of, as far as it is known here."""
    kept = session.releases(host)
    newest = kept.newest()
    return newest.commit if newest is not None and kept.body(newest.number) == body else ""


async def _start(session: Session, host: Host) -> PasswordRotation:
    """Write the next password down, if an earlier run did not."""
    name = secrets.agent(host.name)
    try:
        begun = session.stack.secret(secrets.upcoming(name))
    except AresmonError:
        begun = ""
    following = secrets.following(name, session.stack.secret(name), begun)
    if following != begun:
        await session.stack.write_secret(secrets.upcoming(name), following)
    return PasswordRotation(host, following)


def _create_users(influxdb: InfluxDB, rotations: Sequence[PasswordRotation]) -> None:
    for one in rotations:
        users.apply(influxdb, users.plan_user(influxdb, one.name, one.following))


async def _complete(session: Session, rotation: PasswordRotation, result: PushResult) -> PushResult:
    """Once its points are seen, the new password is the agent's only one."""
    if result.outcome not in GOOD:
        return result
    try:
        if rotation.host != session.config.sidecar:  # whose secret is a file of the push
            await session.stack.write_secret(rotation.name, rotation.following)
        await asyncio.to_thread(users.remove_users, session.influxdb, rotation.previous_user)
        await session.stack.delete_secret(secrets.upcoming(rotation.name))
    except AresmonError as error:
        why = f"it writes with its new password; the former one is still valid: {error.message}"
        return replace(result, outcome=PushOutcome.REFUSED, why=why, next="the same command again")
    session.site.record(command=COMMAND, host=rotation.host.name, secret=rotation.name, outcome="rotated")
    return result

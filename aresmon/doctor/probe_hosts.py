"""Probe of the hosts over ssh: whether ssh and sudo work, and the state of the agent. Nothing is changed there."""

from __future__ import annotations

import asyncio

from aresmon.config.model import Host
from aresmon.doctor import facts
from aresmon.push import protocol
from aresmon.push.drift import describe_restarts
from aresmon.push.session import Session
from aresmon.system.errors import AresmonError

_WITHIN = 20.0  # seconds for one host
_AT_ONCE = 50


async def visit_hosts(session: Session) -> tuple[facts.HostFacts, ...]:
    """Visit every host of the site, fifty at a time, each with a time limit."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(host: Host) -> facts.HostFacts:
        async with slots:
            try:
                return await asyncio.wait_for(_look(session, host), _WITHIN)
            except TimeoutError:
                return facts.HostFacts(host.name, error=f"{host.name} did not respond within {_WITHIN:.0f} s")
            except AresmonError as error:
                return facts.HostFacts(host.name, error=_named(host.name, error.message), next=error.hint)

    return tuple(await asyncio.gather(*(one(host) for host in session.config.hosts)))


async def _look(session: Session, host: Host) -> facts.HostFacts:
    seen = await protocol.survey(session.agent(host), session.transport(host))
    clock = seen.facts.get("asked", "")
    is_sidecar = host == session.config.sidecar
    return facts.HostFacts(
        host.name,
        active=seen.facts.get("active", ""),
        version=seen.facts.get("version", ""),
        clock_offset=float(clock) - seen.asked_at if clock.replace(".", "", 1).isdigit() else 0.0,
        drifted=() if is_sidecar else tuple(seen.drifted),
        pending=seen.pending,
        damaged=seen.damaged,
        restarts=describe_restarts(seen),
    )


def _named(host: str, message: str) -> str:
    return message if host in message else f"{host}: {message}"

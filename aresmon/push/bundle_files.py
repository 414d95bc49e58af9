"""The files of pushed hosts in the site's bundle, as `up` would write them: a push leaves nothing for it to do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from aresmon.push.result import GOOD, PushResult
from aresmon.push.session import Session
from aresmon.site import bundle
from aresmon.system.errors import AresmonError


async def update(session: Session, results: Iterable[PushResult]) -> None:
    """Write the files of the hosts that run what was pushed, where the bundle is on this machine.

    The server's own agent is left out: its files are mounted in a container, and its push wrote them there. What cannot
    be written is left to `up`: it does not make a push fail.
    """
    names = {one.host for one in results if one.outcome in GOOD}
    sidecar = session.config.sidecar
    hosts = [host for host in session.config.hosts if host.name in names and host != sidecar]
    if not hosts or not session.stack.is_local:
        return

    def write() -> None:
        # A twentieth of a second, which a push that changes nothing does not need.
        from aresmon.render.bundle import Files, agent_files
        from aresmon.stack.plan import agent_context

        agents, files = agent_context(session.project, hosts), Files()
        for host in hosts:
            files |= agent_files(host, session.config, session.catalogue, agents, session.templates)
        bundle.update(session.site.bundle, files)

    with suppress(AresmonError):
        await asyncio.to_thread(write)

"""A look at a host's agent, which changes nothing: what runs there, what stands there, what is remembered there."""

from __future__ import annotations

import time
from collections.abc import Sequence

from aresmon import transaction
from aresmon.errors import AresmonError
from aresmon.hosts.transport import LostError, Transport
from aresmon.transaction import Agent, Event, Remembered


class Gathered:
    """What a host tells of itself. `facts` are as it tells them: `active`, `loaded`, `version`, `clock`, `free`.

    `files` are those that were asked for: hash and content by path, no content where there is none. `drifted` are
    files that are not what was last pushed, `merged` are those that Telegraf reads besides. `pending` is a
    transaction that has not ended, `last` how the last one did; `is_busy`: somebody pushes to it.
    """

    def __init__(self) -> None:
        self.facts: dict[str, str] = {}
        self.asked_at = 0.0
        self.files: dict[str, tuple[str, bytes | None]] = {}
        self.remembered = Remembered()
        self.drifted: list[str] = []
        self.merged: list[str] = []
        self.pending = ""
        self.is_busy = False
        self.last: dict[str, str] = {}

    def content(self, path: str) -> bytes | None:
        """The content of a file that was asked for; None where it is not there."""
        return self.files.get(path, ("", None))[1]

    def take(self, told: Event) -> bool:
        """Keep what an event tells; whether it told something of this kind."""
        match told.word:
            case "probe":
                self.facts |= told.values | {"asked": told.values["clock"]}
                self.asked_at = time.time()
            case "clock":
                self.facts["clock"] = told.rest
            case "file":
                path, digest, content = transaction.shown_file(told)
                self.files[path] = digest, content
            case "current":
                self.remembered = self.remembered.told(told.rest)
            case "drift":
                self.drifted.append(told.rest)
            case "merged":
                self.merged.append(told.rest)
            case "pending":
                self.pending = told.rest
            case "busy":
                self.is_busy = True
            case "last":
                self.last = _ending(told)
            case _:
                return False
        return True


async def look(agent: Agent, transport: Transport, *, shown: Sequence[str] = ()) -> Gathered:
    """Look at a host. Raises UnreachableHostError, LostError, or AresmonError where sudo does not let us in."""
    gathered = Gathered()
    given = transaction.look(agent, shown=shown)
    async with transport.start(transaction.script(), given, as_root=agent.as_root) as conversation:
        async for line in conversation.lines():
            told = transaction.event(line)
            if told is not None:
                gathered.take(told)
        if not gathered.facts:
            raise not_let_in(agent.host, await conversation.complaint())
    return gathered


def _ending(told: Event) -> dict[str, str]:
    """`tx=… outcome=… why=… at=…`, where the reason is a sentence."""
    before, _, rest = told.rest.partition(" why=")
    why, _, _ = rest.rpartition(" at=")
    return Event(told.word, before).values | {"why": why}


def not_let_in(host: str, complaint: str) -> AresmonError:
    """Why a host that was reached told nothing."""
    last = complaint.strip().splitlines()[-1] if complaint.strip() else "it said nothing"
    if "sudo" in complaint:
        return AresmonError(
            f"{host}: sudo does not let us in: {last}",
            hint="--ask-sudo asks you for its password; or give that user a rule with NOPASSWD",
        )
    return LostError(f"{host} ended the conversation: {last}", hint="its login shell must run bash for us")

"""`hosts discover`: look at hosts, ask about what was found there, and say what they could collect.

One connection to each host, in which remote/discover.bash runs. It installs nothing and changes nothing; of a service
whose page was asked for, the log may tell that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aresmon.config.collectors import Catalogue
from aresmon.config.model import Host
from aresmon.push import host_facts, proposals, sightings
from aresmon.push.proposals import Discovered, Question
from aresmon.push.protocol import login_error
from aresmon.push.sightings import Sighting
from aresmon.ssh.transport import Conversation, LostError, Transport, reported
from aresmon.system.errors import AresmonError

_SCRIPT = Path(__file__).with_name("remote") / "discover.bash"


@dataclass(frozen=True, slots=True)
class HostDiscovery:
    """What came of looking at one host; `error` says why nobody could."""

    host: Host
    discovered: Discovered = field(default_factory=Discovered)
    error: AresmonError | None = None


async def discover(
    hosts: Sequence[Host], catalogue: Catalogue, transport: Callable[[Host], Transport], *, as_root: bool = True
) -> list[HostDiscovery]:
    """Look at all of these hosts at once. Without `as_root`, what other users run there is not seen."""

    async def one(host: Host) -> HostDiscovery:
        try:
            found = await look(host, catalogue, transport(host), as_root=as_root)
            return HostDiscovery(host, found)
        except AresmonError as error:
            return HostDiscovery(host, error=error)

    return list(await asyncio.gather(*(one(host) for host in hosts)))


async def look(host: Host, catalogue: Catalogue, transport: Transport, *, as_root: bool = True) -> Discovered:
    """What a host could collect. Raises UnreachableHostError, LostError, or AresmonError if sudo is not permitted."""
    wanted = "".join(f"file\t{glob}\t{text}\n" for text, glob in sightings.wanted_files(catalogue))
    async with transport.start(_SCRIPT.read_text(encoding="utf-8"), f"{wanted}\n".encode(), as_root=as_root) as running:
        report, found, asked, answers = list[str](), list[Sighting](), list[Question](), dict[Question, bool]()
        is_done = False
        async for line in reported(running, host.name):
            if line == "@seen":
                found = sightings.sight(host_facts.read(report), catalogue, host)
                asked = proposals.questions(found, catalogue)
                await _ask(running, asked)
            elif line == "@done":
                is_done = True
            elif line.startswith("@answer\t"):
                _, number, answer = line.split("\t")
                answers[asked[int(number)]] = answer == "yes"
            else:
                report.append(line)
        if is_done:
            return proposals.propose(found, answers, catalogue, host)
        if report:
            raise LostError(f"{host.name}: the connection was lost, or bash ended", hint="run the same command again")
        raise login_error(host.name, await running.stderr())


async def _ask(running: Conversation, questions: Sequence[Question]) -> None:
    """Send the questions, each with its number, and an empty line. One with a tab or a line break in it is left out."""
    for number, question in enumerate(questions):
        if not {"\n", "\t"} & set("".join(question)):
            await running.send("\t".join((str(number), *question)))
    await running.send("")

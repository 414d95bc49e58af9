"""What the script reports of a host, made line by line, and what is decided from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

from aresmon.config import collectors
from aresmon.config.collectors import CollectorUse
from aresmon.config.model import AgentKind, Host
from aresmon.push import host_facts, proposals, sightings
from aresmon.push.proposals import Discovered, Proposal
from tests.unit.conftest import SHIPPED

ID = "f" * 64
"""Of a container."""


@dataclass
class Report:
    """What the script reports of a host, made line by line."""

    lines: list[str] = field(default_factory=lambda: ["@begin\t0\t/init.scope"])
    numbers: count[int] = field(default_factory=lambda: count(100))

    def runs(
        self,
        program: str,
        *at: str,
        path: str = "",
        unit: str = "",
        parent: str = "1",
        group: str = "",
        package: str = "",
    ) -> Report:
        """A program that listens: at `127.0.0.1:6379`, `[::]:80`, `udp 0.0.0.0:53` or the path of a socket."""
        pid, path = str(next(self.numbers)), path or f"/usr/sbin/{program}"
        group = group or f"/system.slice/{unit or f'{program}.service'}"
        self.lines.append(f"@process\t{pid}\t{parent}\thost\t{program[:15]}\t{group}\t{path}")
        if package:
            self.lines.append(f"@package\t{path}\t{package}")
        for one in at:
            inode = str(next(self.numbers))
            self.lines += [f"@listener\t{_kernel(one)}\t{inode}", f"@holder\t{pid}\t{inode}"]
        return self

    def container(self, name: str, image: str, *ports: str, network: str = "bridge") -> Report:
        """A container with its ports as `6379/tcp=127.0.0.1|6380`."""
        self.lines.append(f"@container\t{ID}\t/{name}\t{image}\t{network}\t{' '.join(ports)}")
        return self

    def file(self, text: str, glob: str, path: str, line: str = "") -> Report:
        self.lines.append(f"@file\t{text}\t{glob}\t{path}\t{line}")
        return self

    def unit(self, name: str) -> Report:
        self.lines.append(f"@unit\t{name}")
        return self


def _kernel(where: str) -> str:
    """An address as /proc/net has it on a machine of little endian."""
    if where.startswith("/"):
        return f"unix\t{where}"
    protocol, _, address = where.rpartition(" ")
    host, _, port = address.rpartition(":")
    if host.startswith("["):
        packed = {"[::]": "0" * 32, "[::1]": "0" * 24 + "01000000"}[host]
    else:
        packed = "".join(f"{int(part):02X}" for part in reversed(host.split(".")))
    return f"{protocol or 'tcp'}\t{packed}:{int(port):04X}"


def monitored(*uses: CollectorUse, agent: AgentKind = "systemd", env: Mapping[str, str] | None = None) -> Host:
    return Host("lewi", agent, "lewi", uses, tuple((env or {}).items()))


def found_on(
    report: Report,
    host: Host | None = None,
    *,
    answers: tuple[str, ...] = (),
    catalogue: collectors.Catalogue = SHIPPED,
) -> Discovered:
    """What is proposed, where each question with one of these words in it is answered yes, and the others no."""
    host = host or monitored()
    seen = sightings.sight(host_facts.read(report.lines), catalogue, host)
    asked = proposals.questions(seen, catalogue)
    told = {one: any(word in " ".join(one) for word in answers) for one in asked}
    return proposals.propose(seen, told, catalogue, host)


def entries(found: Discovered) -> list[object]:
    return [one.use.entry() for one in found.proposals]


def only(found: Discovered) -> Proposal:
    (one,) = found.proposals
    return one

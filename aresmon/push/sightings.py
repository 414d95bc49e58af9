"""What a host has that collectors are for: decided from what it shows, and from what the collectors say of how they are
found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from aresmon.config.collectors import Catalogue
from aresmon.config.discovery import Discovery, Way
from aresmon.config.model import Host
from aresmon.push.host_facts import HostReport, Listener, Process, RunningContainer

_COMMAND = 15  # the longest name that the kernel keeps of a program
_FILES = "/hostfs"  # where an agent in a container has the host's files

Values = Mapping[str, tuple[str, ...]]
"""What was found, by variable of `config.discovery`. Those of the same sockets are in the same order."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Something that a collector is for. With an `obstacle`, no agent can reach it: why."""

    collector: str
    evidence: str
    way: Way
    program: str = ""
    values: Values = field(default_factory=dict)
    obstacle: str = ""


def wanted_files(catalogue: Catalogue) -> list[tuple[str, str]]:
    """The files that are looked for on a host: the regular expression of a line, or "", and the pattern."""
    return sorted({(one.text, glob) for _, one in _declared(catalogue) for glob in one.files})


def sight(facts: HostReport, catalogue: Catalogue, host: Host) -> list[Sighting]:
    """What the host has that collectors are for."""
    return [
        one
        for name, declared in _declared(catalogue)
        for one in {each.evidence: each for each in _Sight(name, declared, facts, host).all()}.values()
    ]


@dataclass(frozen=True, slots=True)
class _Sight:
    """Looks for one collector on a host."""

    name: str
    declared: Discovery
    facts: HostReport
    host: Host

    def all(self) -> Iterator[Sighting]:
        programs = [(process, kept) for process in self.facts.processes if (kept := self._listeners(process))]
        for process, kept in programs:
            yield self._of_program(process, kept)
        yield from self._units({process.unit for process, _ in programs})
        for file in self.facts.files:
            is_it = file.glob in self.declared.files and file.text == self.declared.text
            if is_it and not self._is_excepted(file.path):
                line = f" has the line `{file.line.strip()}`" if file.line else " exists"
                yield self._seen(file.path + line, self._files([file.path]))
        for container in self.facts.containers:
            if _matches(container.image, self.declared.images) and not self._is_excepted(container.image):
                yield self._of_container(container)

    def _seen(
        self,
        evidence: str,
        values: Values,
        *,
        way: Way | None = None,
        program: str = "",
        obstacle: str = "",
    ) -> Sighting:
        named = {**values, "name": (self.host.name,)}
        return Sighting(self.name, evidence, way or self._way, program, named, obstacle)

    @property
    def _way(self) -> Way:
        return "network" if self.host.agent == "docker" else "local"

    def _listeners(self, process: Process) -> list[Listener]:
        """The sockets for which this program counts."""
        declared = self.declared
        is_it = any(_is_program(process, one) for one in declared.programs)
        if process.is_contained or not is_it or self._is_excepted(process.path, process.unit):
            return []
        kept = [one for one in process.listeners if self._counts(one)]
        if declared.public and not any(one.is_public for one in kept):
            return []
        return kept

    def _counts(self, listener: Listener) -> bool:
        declared = self.declared
        if not (declared.ports or declared.sockets):
            return True
        if listener.path:
            is_wanted = _matches(listener.path, declared.sockets)
            return is_wanted and not self._is_excepted(listener.path)
        return listener.port in declared.ports

    def _is_excepted(self, *names: str) -> bool:
        return any(_matches(name, self.declared.exceptions) for name in names)

    def _of_program(self, process: Process, kept: list[Listener]) -> Sighting:
        values = self._addresses([one for one in process.listeners if not self.declared.ports or one in kept])
        paths = [one.path for one in process.listeners if one.path and (not self.declared.sockets or one in kept)]
        if paths:
            # A program's port may be in the name of its socket, which the agent need not open for that.
            values |= {"suffix": tuple(path.rpartition(".")[2] for path in paths)}
            values |= self._files(paths, "socket") if self._way == "local" else {}
        shown = " and ".join(dict.fromkeys(one.shown for one in kept))
        about = [one for one in (process.unit, process.package and f"package {process.package}") if one]
        evidence = f"{process.program} listens on {shown}" + (f" ({', '.join(about)})" if about else "")
        return self._seen(evidence, values, program=process.program)

    def _units(self, known: Collection[str]) -> Iterator[Sighting]:
        for unit in sorted(self.facts.units):
            if unit in known or not _matches(unit, self.declared.units) or self._is_excepted(unit):
                continue
            listeners = [one for process in self.facts.processes if process.unit == unit for one in process.listeners]
            yield self._seen(f"{unit} is active", self._addresses(listeners))

    def _addresses(self, listeners: Iterable[Listener]) -> dict[str, tuple[str, ...]]:
        """Where this machine reaches them: each port once, by IPv4's loopback interface if it can be."""
        order = {port: number for number, port in enumerate(self.declared.ports)}
        at: dict[int, str] = {}
        for one in sorted(listeners, key=lambda one: (order.get(one.port, 99), one.port, one.reached != "127.0.0.1")):
            if one.protocol == "tcp":
                at.setdefault(one.port, one.reached)
        return _address_values([(host, port) for port, host in at.items()])

    def _files(self, paths: Iterable[str], name: str = "file") -> dict[str, tuple[str, ...]]:
        below = [(_FILES if self.host.agent == "docker" and name == "file" else "") + path for path in paths]
        return {
            name: tuple(below),
            "folder": tuple(str(PurePosixPath(path).parent) for path in below),
            "parent": tuple(PurePosixPath(path).parent.name for path in below),
            "suffix": tuple(path.rpartition(".")[2] for path in below),
        }

    def _of_container(self, container: RunningContainer) -> Sighting:
        inside, about = self.declared.port, f"container {container.name} of the image {container.image}"
        listeners = [Listener("tcp", host, port) for number, host, port in container.published if number == inside]
        if container.is_on_host_network:
            listeners = [Listener("tcp", "127.0.0.1", inside)]
        values = _address_values([(one.reached, one.port) for one in listeners[:1]]) | {"container": (container.name,)}
        if not listeners:
            why = f"it publishes no port: publish its port {inside} on 127.0.0.1"
            return self._seen(about, values, way="container", obstacle=why)
        how = f"publishes {listeners[0].shown}"
        if container.is_on_host_network:
            how = f"uses port {inside} of the host's network"
        return self._seen(f"{about} {how}", values, way="container")


def _address_values(pairs: Sequence[tuple[str, int]]) -> dict[str, tuple[str, ...]]:
    if not pairs:
        return {}
    return {
        "address": tuple(f"{host}:{port}" for host, port in pairs),
        "host": tuple(host for host, _ in pairs),
        "port": tuple(str(port) for _, port in pairs),
    }


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, one) for one in patterns)


def _is_program(process: Process, wanted: str) -> bool:
    if "/" in wanted:
        return fnmatchcase(process.path, wanted)
    if len(wanted) > _COMMAND and process.program == wanted[:_COMMAND]:
        return process.path.rpartition("/")[2] in ("", wanted)
    return fnmatchcase(process.program, wanted)


def _declared(catalogue: Catalogue) -> Iterator[tuple[str, Discovery]]:
    for name, collector in sorted(catalogue.items()):
        if collector.discovery is not None:
            yield name, collector.discovery

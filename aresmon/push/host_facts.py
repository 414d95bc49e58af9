"""What a host shows of its services: what remote/discover.bash reports, as types."""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_CONTAINER = re.compile(
    r"/(?:docker/|[a-z-]+-)?([0-9a-f]{64})(?:\.scope)?(?=/|$)|/lxc(?:\.payload)?[./]([^/]+)|/machine\.slice/([^/]+\.scope)"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # a host must not write to the terminal
# What comes into aresmon.yml and into commands; anything else is left out.
_PATH = re.compile(r"[A-Za-z0-9_./@:+,=~-]+")
_UNIT = re.compile(r"([^/]+\.(?:service|socket))(?:/|$)")
_ANY = ("0.0.0.0", "::")  # noqa: S104 (read, not bound)


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """A socket that a program listens on: `tcp` or `udp` with an address, or `unix` with a `path`."""

    protocol: str
    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_public(self) -> bool:
        """Whether other machines may reach it."""
        return self.protocol != "unix" and not ipaddress.ip_address(self.host).is_loopback

    @property
    def shown(self) -> str:
        return self.path or f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def reached(self) -> str:
        """The host under which this machine itself reaches it."""
        if self.host in _ANY:
            return "127.0.0.1"
        return f"[{self.host}]" if ":" in self.host else self.host


@dataclass(frozen=True, slots=True)
class Process:
    """A program that listens. `unit` is its systemd unit, `package` the one that it is from; empty where unknown."""

    program: str
    path: str
    unit: str
    is_contained: bool
    listeners: tuple[Listener, ...]
    package: str = ""


@dataclass(frozen=True, slots=True)
class RunningContainer:
    """A running container. `published` are ports inside with the address outside, as (6379, "127.0.0.1", 6380)."""

    name: str
    image: str
    is_on_host_network: bool
    published: tuple[tuple[int, str, int], ...]


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that was looked for by this `glob`; `line` is its first line that matches `text`, where one must."""

    text: str
    glob: str
    path: str
    line: str


@dataclass(frozen=True, slots=True)
class HostReport:
    """What was seen on a host. Without `is_root`, programs of other users are not among the processes."""

    is_root: bool = True
    processes: tuple[Process, ...] = ()
    units: frozenset[str] = frozenset()
    containers: tuple[RunningContainer, ...] = ()
    files: tuple[FoundFile, ...] = ()


def read(lines: Iterable[str]) -> HostReport:
    """The facts of a report. A line that is not understood is left out: it may be of a later script."""
    words = defaultdict[str, list[list[str]]](list)
    for line in lines:
        word, *fields = line.removeprefix("@").split("\t")
        words[word].append([_CONTROL.sub("?", one) for one in fields])
    begin = words["begin"][0] if words["begin"] else ["", ""]
    return HostReport(
        is_root=begin[0] == "0",
        processes=tuple(_processes(words, begin[1])),
        units=frozenset(fields[0] for fields in words["unit"] if fields),
        containers=tuple(_container(one) for one in words["container"] if len(one) >= 4 and _PATH.fullmatch(one[1])),
        files=tuple(FoundFile(*one) for one in words["file"] if len(one) == 4 and _PATH.fullmatch(one[2])),
    )


def _processes(words: dict[str, list[list[str]]], own_group: str) -> Iterator[Process]:
    """The programs that listen: a socket is that of the first process of a tree that has it, or of the one to which
    systemd has handed it."""
    reported = {fields[0]: fields for fields in words["process"] if len(fields) == 6}
    packages = {fields[0]: fields[1] for fields in words["package"] if len(fields) == 2}
    holders = defaultdict[str, set[str]](set)
    for fields in words["holder"]:
        if len(fields) == 2 and fields[0] in reported:
            holders[fields[1]].add(fields[0])
    listeners = defaultdict[str, set[Listener]](set)
    for fields in words["listener"]:
        if len(fields) == 3 and (found := _listener(fields[0], fields[1])):
            for pid in _owners(holders[fields[2]], reported):
                listeners[_first_of(pid, reported)].add(found)
    for pid, found_at in sorted(listeners.items(), key=lambda one: int(one[0])):
        _, _, place, program, group, path = reported[pid]
        path = path.removesuffix(" (deleted)")
        unit = _UNIT.findall(group)
        yield Process(
            program=program,
            path=path,
            unit=unit[-1] if unit else "",
            is_contained=place == "inside" or bool(_containers(group) - _containers(own_group)),
            listeners=tuple(sorted(found_at)),
            package=packages.get(path, ""),
        )


def _owners(holders: set[str], reported: dict[str, list[str]]) -> set[str]:
    others = {pid for pid in holders if pid != "1"} or holders
    return {pid for pid in others if reported[pid][1] not in others}


def _first_of(pid: str, reported: dict[str, list[str]]) -> str:
    """The process of this program that started the others: HAProxy's master, of which each worker has own sockets."""
    seen = {pid}
    while (parent := reported[pid][1]) in reported and reported[parent][3:] == reported[pid][3:] and parent not in seen:
        seen.add(pid := parent)
    return pid


def _containers(group: str) -> set[str]:
    return {"".join(found) for found in _CONTAINER.findall(group)}


def _listener(protocol: str, where: str) -> Listener | None:
    """An address as the kernel writes it: each four bytes of it as a number of the machine's byte order."""
    if protocol == "unix":
        path = where[len("/var") :] if where.startswith("/var/run/") else where
        return Listener("unix", path=path) if _PATH.fullmatch(path) else None
    address, _, port = where.partition(":")
    try:
        packed = b"".join(bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8))
        host = ipaddress.ip_address(packed)
        if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped is not None:
            host = host.ipv4_mapped
        return Listener(protocol, str(host), int(port, 16))
    except ValueError:
        return None


def _container(fields: list[str]) -> RunningContainer:
    """`ID NAME IMAGE NETWORK PORTS`, the ports as `6379/tcp=127.0.0.1|6380`."""
    published = re.findall(r"(\d+)/tcp=([^|\s]*)\|(\d+)", fields[4] if len(fields) > 4 else "")
    return RunningContainer(
        name=fields[1].lstrip("/"),
        image=_image(fields[2]),
        is_on_host_network=fields[3] == "host",
        published=tuple(sorted({(int(inside), host or "0.0.0.0", int(port)) for inside, host, port in published})),  # noqa: S104
    )


def _image(reference: str) -> str:
    """An image without its tag and digest, and without the name of Docker Hub or of a mirror of its own images."""
    name = re.sub(r":[^/:]*$", "", reference.partition("@")[0])
    return re.sub(r"^(?:docker\.io/)?(?:(?:[^/]+\.[^/]+/)?library/)?", "", name)

"""Which destinations have the same OpenSSH options except for their name, address, port and user.

`ssh -G` takes 7 ms of CPU for each destination. In a file with an entry for each host, most entries set HostName, Port
and User and nothing else. For such hosts, OpenSSH is asked about two, and their answers must differ in these options
alone; those of the others follow from the file. Everything that this module does not know well is asked for each host:
files with `Match`, canonical names, tokens in an option that OpenSSH replaces itself, conditional `Include`, and
entries with other options than these three.

Source: ssh_config(5), and readconf.c of OpenSSH 8.0 to 10.0: the first value of a keyword counts.
"""

from __future__ import annotations

import asyncio
import glob
import ipaddress
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aresmon.ssh import configuration
from aresmon.ssh.configuration import ConfigurationError, HostConfiguration, SshDestination

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[1-9][0-9]{0,3}|[1-5][0-9]{4}")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_LINE = re.compile(r"([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*)")
_AS_WRITTEN = frozenset(  # OpenSSH prints these with their tokens, or they are not used here
    {"hostname", "controlpath", "identityfile", "certificatefile", "proxycommand", "localcommand", "remotecommand"}
)
_UNUSED = "controlpath"
_DEPTH = 16
_ASKED = 2


def _is_plain_host(value: str) -> bool:
    """Whether OpenSSH prints a name or an address as it is written, which it does not with `10.1` or `::0:1`."""
    try:
        return str(ipaddress.ip_address(value)) == value
    except ValueError:
        return bool(_NAME.fullmatch(value)) and not _NUMBER.fullmatch(value.rpartition(".")[2])


# The keywords that may differ, and whether OpenSSH prints a value of them as it is written.
_OWN: Mapping[str, Callable[[str], object]] = {
    "hostname": _is_plain_host,
    "port": _PORT.fullmatch,
    "user": _USER.fullmatch,
}


class _NotKnownError(Exception):
    """The files have something that this module does not follow."""


@dataclass
class _Block:
    """The lines of a `Host` entry, or those before the first one (without patterns), which hold for all hosts."""

    patterns: Sequence[str] = ()
    lines: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_own(self) -> bool:
        """Whether it is the entry of hosts that it names, and sets nothing but what may differ."""
        names = bool(self.patterns) and all(_NAME.fullmatch(one) for one in self.patterns)
        return names and all(word in _OWN and _OWN[word](value) for word, value in self.lines)

    def matches(self, host: str) -> bool:
        found = not self.patterns
        for pattern in self.patterns:
            if re.fullmatch(_expression(pattern.removeprefix("!")), host):
                if pattern.startswith("!"):
                    return False
                found = True
        return found


@dataclass(frozen=True)
class Place:
    """Where a destination stands: those with an equal `kind` differ in nothing but their name and in `own`."""

    kind: Hashable
    own: Mapping[str, str]


class ConfigurationFiles:
    """OpenSSH's files as they are now, as far as they tell which destinations are alike."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self.are_known = True
        """Whether no answer can change or differ for another reason than what stands in the files."""
        try:
            self._blocks = list(_read())
        except (_NotKnownError, OSError):
            self.are_known = False
        self._general = [(number, one) for number, one in enumerate(self._blocks) if not one.is_own]
        self._of_host: dict[str, list[int]] = {}
        for number, one in enumerate(self._blocks):
            for name in dict.fromkeys(one.patterns) if one.is_own else ():
                self._of_host.setdefault(name, []).append(number)
        lines = [line for block in self._blocks for line in block.lines]
        self._jumps = " ".join(value for word, value in lines if word == "proxyjump")

    def place(self, destination: SshDestination, jumps: Sequence[str]) -> Place | None:
        """Where a destination stands; None if OpenSSH has to be asked about it."""
        host = destination.host
        if not self.are_known or not _is_plain_host(host):
            return None
        general = [(number, block) for number, block in self._general if block.matches(host)]
        entries = [self._blocks[number] for number in self._of_host.get(host, ())]
        lines = [line for entry in entries for line in entry.lines]
        own = dict(lines)
        elsewhere = {word for _, block in general for word, _ in block.lines}
        elsewhere |= {word for word, value in (("user", destination.user), ("port", destination.port)) if value}
        is_ambiguous = len(own) < len(lines) or elsewhere & {*own} or "hostname" in elsewhere
        before = " ".join([self._jumps, *jumps])
        if is_ambiguous or host in before or own.get("hostname", host) in before:  # nobody jumps to itself
            return None
        numbers = tuple(number for number, _ in general)
        return Place((destination.user, destination.port, *jumps, numbers, tuple(sorted(own))), own)


@dataclass
class Configurations:
    """The configurations of the destinations of one command."""

    _files: ConfigurationFiles | None = field(default=None, repr=False)
    _asked: dict[Hashable, list[tuple[Place, SshDestination]]] = field(default_factory=dict, repr=False)
    _single: dict[Hashable, asyncio.Future[HostConfiguration]] = field(default_factory=dict, repr=False)

    async def read(self, destination: SshDestination, jumps: Sequence[str] = ()) -> HostConfiguration:
        """OpenSSH's options for a destination, as `configuration.read` returns them. Raises ConfigurationError."""
        if self._files is None:
            self._files = ConfigurationFiles()
        if not self._files.are_known:
            return await _ask(destination, jumps)
        place = self._files.place(destination, jumps)
        derived = await self._derived(place, destination, jumps) if place is not None else None
        return derived or await self._answer(destination, jumps)

    async def _answer(self, destination: SshDestination, jumps: Sequence[str]) -> HostConfiguration:
        """OpenSSH's own answer, asked for once: all hosts may have the same jump host."""
        key = destination, tuple(jumps)
        if key not in self._single:
            self._single[key] = asyncio.ensure_future(_ask(destination, jumps))
        try:
            return await asyncio.shield(self._single[key])
        except ConfigurationError:
            self._single.pop(key, None)  # it may have taken too long: it is asked again with the next attempt
            raise

    async def _derived(
        self, place: Place, destination: SshDestination, jumps: Sequence[str]
    ) -> HostConfiguration | None:
        """The answer that follows from two others; None for the first two, and where theirs do not fit the file."""
        asked = self._asked.setdefault(place.kind, [])
        if len(asked) < _ASKED:
            asked.append((place, destination))
            return None
        answers = await asyncio.gather(*(self._answer(one, jumps) for _, one in asked), return_exceptions=True)
        (first, _), (second, _) = asked
        one, other = answers
        if isinstance(one, BaseException) or isinstance(other, BaseException):
            return None
        if _derive(one, first, other.destination, second) != _shared(other):
            return None
        values = _derive(one, first, destination, place)
        return HostConfiguration(destination, values) if values is not None else None


async def _ask(destination: SshDestination, jumps: Sequence[str]) -> HostConfiguration:
    return await asyncio.to_thread(configuration.read, destination, jumps=jumps)


def _derive(
    answer: HostConfiguration, place: Place, destination: SshDestination, to: Place
) -> dict[str, tuple[str, ...]] | None:
    """The options of a destination from the answer for one that is alike; None if that is not as the file has it."""
    name, values = answer.destination.host, _shared(answer)
    said = {"hostname": name, **place.own}
    if any(values.get(word) != (value,) for word, value in said.items()) or values.get("host", (name,)) != (name,):
        return None
    changed = {"hostname": destination.host, **to.own, **({"host": destination.host} if "host" in values else {})}
    return {**values, **{word: (value,) for word, value in changed.items()}}


def _shared(answer: HostConfiguration) -> dict[str, tuple[str, ...]]:
    return {word: values for word, values in answer.values.items() if word != _UNUSED}


def _read() -> Iterator[_Block]:
    for path in configuration.files():
        yield from _blocks_of(path, configuration.include_folder(path), 0)


def _blocks_of(path: Path, base: Path | None, depth: int) -> Iterator[_Block]:
    """The blocks of a file and of all that it includes."""
    if depth > _DEPTH:
        raise _NotKnownError
    block = _Block()
    for word, value in _lines_of(path):
        if word == "host":
            yield block
            block = _Block(value.split())
        elif word == "include":
            if block.patterns:
                raise _NotKnownError
            yield block
            block = _Block()
            for one in _included(value, base):
                yield from _blocks_of(one, base, depth + 1)
        else:
            block.lines.append((word, value))
    yield block


def _lines_of(path: Path) -> Iterator[tuple[str, str]]:
    """The keyword, in lower case, and the value of each line. Raises _NotKnownError for one that must be asked."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _LINE.fullmatch(text)
        if found is None:
            raise _NotKnownError
        word, value = found[1].lower(), found[2]
        if word == "match" or word.startswith("canonical") or ("%" in value and word not in _AS_WRITTEN):
            raise _NotKnownError
        if word in ("host", "include") and re.search(r"[\"'#\\%$]", value):
            raise _NotKnownError
        yield word, value


def _included(value: str, base: Path | None) -> Iterator[Path]:
    for pattern in value.split():
        if not pattern.startswith("/") and (base is None or pattern.startswith("~")):
            raise _NotKnownError
        path = pattern if base is None else str(base / pattern)
        yield from map(Path, sorted(glob.glob(path)))  # noqa: PTH207 (a * of Path.glob finds hidden files, too)


def _expression(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)

"""How OpenSSH reaches a host, as `ssh -G` says: it evaluates Host, Match, Include, tokens and defaults itself.

Source: ssh_config(5) and ssh(1), OpenSSH 8.0 and newer. `ssh -G` prints a line `keyword value` for each option. It
costs a process for each host, about 7 ms of CPU, and does not depend on the size of the file; a reader in Python
costs more than that from a few hundred hosts in the file on, and differs from OpenSSH in what nobody tested. Hosts
whose answers can differ only in their name, address, port and user share them (alike.py).
"""

from __future__ import annotations

import os
import platform
import pwd
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

from aresmon.system import process
from aresmon.system.errors import AresmonError

_TIMEOUT = 20.0  # seconds; `Match exec` and CanonicalizeHostname may take long
_SYSTEM = Path("/etc/ssh/ssh_config")
# What OpenSSH prints besides errors, or repeats at the end.
_NOISE = re.compile(r"^(Pseudo-terminal|.*: terminating, \d+ bad configuration)")


class ConfigurationError(AresmonError):
    """OpenSSH cannot use its configuration, or it has a setting that aresmon cannot follow."""


@dataclass(frozen=True, slots=True)
class SshDestination:
    """What is written behind `ssh:` in aresmon.yml: an alias, a name or an address, with a user and a port at most."""

    host: str
    user: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> SshDestination:
        """Parse `host`, `user@host`, `host:port` or `[address]:port`."""
        user, _, rest = text.rpartition("@")
        if found := re.fullmatch(r"\[([^\]]+)\](?::(\d+))?", rest):
            return cls(found[1], user, int(found[2] or 0))
        name, colon, port = rest.rpartition(":")
        return cls(name, user, int(port)) if colon and port.isdigit() and ":" not in name else cls(rest, user)

    def __str__(self) -> str:
        name = f"{self.user}@{self.host}" if self.user else self.host
        return f"-p {self.port} {name}" if self.port else name


@dataclass(frozen=True, slots=True)
class HostConfiguration:
    """OpenSSH's options for one destination: the values of each keyword (in lower case), in their order."""

    destination: SshDestination
    values: Mapping[str, tuple[str, ...]] = field(repr=False)

    def get(self, keyword: str) -> str:
        """The value of a keyword; empty if it is not set or `none`."""
        value = next(iter(self.values.get(keyword, ())), "")
        return "" if value.lower() == "none" else value

    def is_set(self, keyword: str) -> bool:
        return self.get(keyword).lower() in ("yes", "true")

    def seconds(self, keyword: str) -> int:
        """A time, which OpenSSH prints in seconds; 0 if it is not set."""
        value = self.get(keyword)
        return int(value) if value.isdigit() else 0

    def paths(self, keyword: str) -> list[Path]:
        """The paths of a keyword with tokens, variables and `~` replaced, also of files that do not exist."""
        return [Path(self.expand(value)) for value in self.values.get(keyword, ()) if value.lower() != "none"]

    def existing(self, keyword: str) -> list[Path]:
        """The files of a keyword with several paths on one line, without those that cannot be read.

        OpenSSH prints these paths without quotes: where a path has a space, the longest that exists is meant.
        """
        words, found = self.get(keyword).split(" "), list[Path]()
        while words:
            for count in range(len(words), 0, -1):
                path = Path(" ".join(words[:count])).expanduser()
                if path.is_file() and os.access(path, os.R_OK):
                    found.append(path)
                    break
            del words[:count]
        return found

    def expand(self, value: str) -> str:
        """Replace the tokens of ssh_config(5), `${NAME}` and `~`."""
        text = re.sub(r"\$\{([^}]+)\}", lambda found: os.environ.get(found[1], found[0]), self.tokens(value))
        return str(Path(text).expanduser())

    def tokens(self, value: str) -> str:
        """Replace the tokens alone, as in ProxyCommand."""
        machine = platform.node()
        known = {
            "%": "%",
            "d": str(Path.home()),
            "h": self.get("hostname"),
            "i": str(os.getuid()),
            "j": self.get("proxyjump"),
            "k": self.get("hostkeyalias") or self.get("host") or self.destination.host,
            "L": machine.partition(".")[0],
            "l": machine,
            "n": self.destination.host,
            "p": self.get("port"),
            "r": self.get("user"),
            "u": _account()[0],
        }
        return re.sub(r"%(.)", lambda found: known.get(found[1], found[0]), value)


def is_available() -> bool:
    """Whether the OpenSSH client is installed here."""
    return shutil.which("ssh") is not None


def read(destination: SshDestination, *, jumps: Sequence[str] = (), without_files: bool = False) -> HostConfiguration:
    """OpenSSH's options for a destination; `jumps` replaces its ProxyJump. Raises ConfigurationError."""
    if destination.host.startswith("-"):
        raise ConfigurationError(f"'{destination.host}' is no name of a host")
    options = ["-p", str(destination.port)] if destination.port else []
    options += ["-l", destination.user] if destination.user else []
    options += ["-J", ",".join(jumps)] if jumps else []
    with nullcontext(["-F", os.devnull]) if without_files else _configuration_file() as file:
        argv = ["ssh", "-G", "-T", *file, *options, "--", destination.host]
        try:
            done = process.run(argv, check=False, timeout=_TIMEOUT)
        except AresmonError as error:
            raise ConfigurationError(
                f"its ssh configuration cannot be read: {error.message}",
                hint=f"`ssh -G {destination}` must end; it waits for DNS or for a command of `Match exec`",
            ) from None
    if done.code != 0:
        raise ConfigurationError(
            f"its ssh configuration is not valid: {_errors(done.err)}",
            hint=f"correct that; `ssh -G {destination}` reads the same files",
        )
    values = parse(done.out)
    known = "userknownhostsfile"
    return HostConfiguration(destination, {**values, known: tuple(map(_at_home, values.get(known, ())))})


def parse(output: str) -> dict[str, tuple[str, ...]]:
    """Parse the output of `ssh -G`: the values of each keyword."""
    values: dict[str, tuple[str, ...]] = {}
    for line in output.splitlines():
        keyword, _, value = line.partition(" ")
        values[keyword.lower()] = (*values.get(keyword.lower(), ()), value)
    return values


def locate(keyword: str, value: str = "") -> str:
    """`~/.ssh/config:12`, where a keyword is set to this value or, failing that, set at all; else the file's name."""
    lines = [(path, number, line) for path in _files() for number, line in _lines(path)]
    named = [one for one in lines if re.match(rf"{re.escape(keyword)}(\s|=)", one[2], re.IGNORECASE)]
    for path, number, _ in [one for one in named if value in one[2]] or named:
        return f"{display(path)}:{number}"
    return "~/.ssh/config"


def files() -> list[Path]:
    """The files that OpenSSH begins with: the user's, then the system's."""
    return [path for path in (Path.home() / ".ssh" / "config", _SYSTEM) if os.access(path, os.R_OK)]


def include_folder(path: Path) -> Path | None:
    """Where a relative `Include` in one of `files()` begins; None if HOME is not the account's home (see below)."""
    if Path.home() != _account()[1]:
        return None
    return path.parent


def display(path: Path) -> str:
    """A path for a person, with `~` for the home folder."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if home in path.parents else str(path)


@contextmanager
def _configuration_file() -> Iterator[list[str]]:
    """The option `-F` if HOME is not the account's home, since OpenSSH does not read HOME; otherwise nothing."""
    if Path.home() == _account()[1]:
        yield []
        return
    with tempfile.NamedTemporaryFile("w", prefix="aresmon-", suffix=".conf") as file:
        file.write("".join(f'Include "{path}"\n' for path in files()))
        file.flush()
        yield ["-F", file.name]


def _at_home(value: str) -> str:
    """Paths of UserKnownHostsFile, in which OpenSSH has replaced `~` by the account's home instead of HOME."""
    home, account = str(Path.home()), str(_account()[1])
    moved = [word.replace(account, home, 1) if word.startswith(f"{account}/") else word for word in value.split(" ")]
    return " ".join(new if Path(new).exists() else old for new, old in zip(moved, value.split(" "), strict=True))


def _files() -> Iterator[Path]:
    """These files, and all that they include."""
    waiting, seen = files(), set[Path]()
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        yield path
        for _, line in _lines(path):
            keyword, _, rest = line.partition(" ")
            if keyword.lower() == "include":
                base = _SYSTEM.parent if _SYSTEM.parent in path.parents else Path.home() / ".ssh"
                patterns = [str(base / Path(one).expanduser()) for one in _words(rest)]
                waiting[:0] = [one for pattern in patterns for one in sorted(Path("/").glob(pattern[1:]))]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with suppress(OSError):
        text = path.read_text(encoding="utf-8", errors="replace")
        yield from ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return line.split()


def _errors(stderr: str) -> str:
    lines = [line.strip().rstrip(".") for line in stderr.splitlines() if line.strip() and not _NOISE.match(line)]
    return "; ".join(lines[:3]) or "ssh printed no reason"


def _account() -> tuple[str, Path]:
    """The name and home folder of the account: OpenSSH reads neither USER nor HOME."""
    try:
        entry = pwd.getpwuid(os.getuid())
    except KeyError:
        return str(os.getuid()), Path.home()
    return entry.pw_name, Path(entry.pw_dir)

"""Requests to a host and its reports: both sides of the scripts in `remote/`, as data."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Literal

from aresmon.config.model import AgentKind
from aresmon.ssh.transport import LostError, Transport
from aresmon.system.errors import AresmonError

Mode = Literal["push", "look"]

_REMOTE = Path(__file__).with_name("remote")
_PARTS = ("common", "agent", "probe", "stage", "journal", "switch", "rollback", "main")  # the last one runs the others


@cache
def script() -> str:
    """The bash script that runs on a host: the files in `remote/`, one after the other.

    The host keeps a copy, which the watchdog and the boot unit run; the header has its SHA-256.
    """
    return "\n".join((_REMOTE / f"{part}.bash").read_text(encoding="utf-8") for part in _PARTS).rstrip("\n")


def boot_unit(state: str) -> bytes:
    """The systemd unit that rolls an interrupted push back before the agent starts. `state` is the script's folder."""
    return (_REMOTE / "rollback.service").read_text(encoding="utf-8").format(state=state).encode()


@dataclass(frozen=True, slots=True)
class PushedFile:
    """A file to bring to a host. `owner` is `user:group`, or `-` for whoever writes it."""

    path: str
    content: bytes = field(repr=False)
    mode: str = "0644"
    owner: str = "-"


@dataclass(frozen=True, slots=True)
class WriteAccess:
    """How a host may write into the database; an order that carries it is tried before anything is switched."""

    url: str
    user: str
    password: str = field(repr=False)
    database: str


@dataclass(frozen=True, slots=True)
class AgentPaths:
    """One host's agent, where its files are, and where the host keeps its journal.

    `watched` is Telegraf's configuration, `environment` the file of its variables, `folder` and `project` are
    Compose's, for an agent in a container; `as_root`: its files are root's.
    """

    host: str
    kind: AgentKind
    site: str
    state: str
    watched: str
    environment: str = ""
    folder: str = ""
    project: str = ""
    as_root: bool = True


@dataclass(frozen=True, slots=True)
class PushOrder:
    """What to bring to a host.

    `names` are the variables that its environment sets. `content` tells whether it is another than what was brought
    before, `mark` is what its points will carry, `output` tells one output from another. `deadline` is in seconds
    from the agent's start; with `flush`, the agent is asked to send what it has a second after each so many seconds of
    the clock, when it has just read its inputs. With `access`, the right to write is tried before anything is switched;
    `authority` is the file by which the host then knows the edge, empty where it does already.
    """

    agent: AgentPaths
    files: tuple[PushedFile, ...]
    content: str
    mark: str
    output: str
    transaction: str
    by: str
    deadline: int
    flush: int = 0
    names: tuple[str, ...] = ()
    access: WriteAccess | None = None
    authority: str = ""
    verify: bool = True
    overwrite: bool = False
    force: bool = False
    break_lock: bool = False


@dataclass(frozen=True, slots=True)
class HostMessage:
    """One thing that a host tells."""

    word: str
    rest: str = ""

    @property
    def values(self) -> dict[str, str]:
        """`active=active version=1.39.3`, by name."""
        pairs = (part.partition("=") for part in self.rest.split(" ") if "=" in part)
        return {name: value for name, _, value in pairs}


@dataclass(frozen=True, slots=True)
class LastPush:
    """What a host remembers of the last push that was proven there; empty where there was none."""

    content: str = ""
    mark: str = ""
    by: str = ""
    at: float = 0.0
    hashes: Mapping[str, str] = field(default_factory=dict)

    def told(self, line: str) -> LastPush:
        """The same, and one line of its record."""
        name, _, value = line.partition("=")
        if name == "sha":
            digest, _, path = value.partition(" ")
            return replace(self, hashes={**self.hashes, path: digest})
        match name:
            case "content":
                return replace(self, content=value)
            case "gen":
                return replace(self, mark=value)
            case "by":
                return replace(self, by=value)
            case "at":
                return replace(self, at=float(value))
        return self


def event(line: str) -> HostMessage | None:
    """An event of the host's, or None for a line that is not ours, as a login shell's greeting."""
    if not line.startswith("@"):
        return None
    word, _, rest = line[1:].partition(" ")
    return HostMessage(word, rest)


def shown_file(told: HostMessage) -> tuple[str, str, bytes | None]:
    """Of a `file` event: the path, the hash and the content; None where there is no such file."""
    digest, encoded, path = told.rest.split(" ", 2)
    return path, digest, None if digest == "-" else base64.b64decode(encoded)


def push_request(order: PushOrder, *, shown: Sequence[str] = ()) -> bytes:
    """The standard input of a push: its header, then its files."""
    agent = order.agent
    lines = {
        **_about(agent, "push"),
        "tx": order.transaction,
        "by": order.by,
        "content": order.content,
        "gen": order.mark,
        "output": order.output,
        "deadline": str(order.deadline),
        "flush": str(order.flush),
        "names": " ".join(order.names),
        "authority": order.authority,
        "script": hashlib.sha256(script().encode()).hexdigest(),
        "unit": base64.b64encode(boot_unit(agent.state)).decode(),
        "verify": _flag(order.verify),
        "overwrite": _flag(order.overwrite),
        "force": _flag(order.force),
        "break_lock": _flag(order.break_lock),
    }
    if order.access is not None:
        pair = f"{order.access.user}:{order.access.password}".encode()
        lines |= {
            "write": order.access.url,
            "auth": base64.b64encode(pair).decode(),
            "database": order.access.database,
        }
    files = [
        f"file={len(one.content)} {one.mode} {one.owner} {hashlib.sha256(one.content).hexdigest()} {one.path}"
        for one in order.files
    ]
    return _header(lines, files, shown) + b"".join(one.content for one in order.files)


def look_request(agent: AgentPaths, *, shown: Sequence[str] = ()) -> bytes:
    """The standard input of a look; `shown` are the files whose content is wanted."""
    return _header(_about(agent, "look"), (), shown)


def _about(agent: AgentPaths, mode: Mode) -> dict[str, str]:
    return {
        "mode": mode,
        "kind": agent.kind,
        "site": agent.site,
        "state": agent.state,
        "watched": agent.watched,
        "environment": agent.environment,
        "folder": agent.folder,
        "project": agent.project,
    }


def _header(values: Mapping[str, str], files: Sequence[str], shown: Sequence[str]) -> bytes:
    lines = [f"{name}={value}" for name, value in values.items()]
    lines += [*files, *(f"show={path}" for path in shown)]
    if any("\n" in line for line in lines):
        raise ValueError("a line break in an order")
    return "".join(f"{line}\n" for line in lines).encode() + b"\n"


def _flag(value: bool) -> str:
    return "1" if value else "0"


class HostSurvey:
    """What a host tells of itself. `facts` are as it tells them: `active`, `loaded`, `version`, `clock`, `free`.

    `files` are those that were asked for: hash and content by path, no content where there is none. `drifted` are
    files that are not what was last pushed, `merged` are those that Telegraf reads besides. `pending` is a
    transaction that has not ended, `last` how the last one did; `is_busy`: somebody pushes to it.
    """

    def __init__(self) -> None:
        self.facts: dict[str, str] = {}
        self.asked_at = 0.0
        self.files: dict[str, tuple[str, bytes | None]] = {}
        self.remembered = LastPush()
        self.drifted: list[str] = []
        self.merged: list[str] = []
        self.pending = ""
        self.is_busy = False
        self.last: dict[str, str] = {}

    def content(self, path: str) -> bytes | None:
        """The content of a file that was asked for; None where it is not there."""
        return self.files.get(path, ("", None))[1]

    def take(self, told: HostMessage) -> bool:
        """Keep what an event tells; whether it told something of this kind."""
        match told.word:
            case "probe":
                self.facts |= told.values | {"asked": told.values["clock"]}
                self.asked_at = time.time()
            case "clock":
                self.facts["clock"] = told.rest
            case "file":
                path, digest, content = shown_file(told)
                self.files[path] = digest, content
            case "current":
                self.remembered = self.remembered.told(told.rest)
            case "drift":
                self.drifted.append(told.rest)
            case "included":
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


async def look(agent: AgentPaths, transport: Transport, *, shown: Sequence[str] = ()) -> HostSurvey:
    """Look at a host. Raises UnreachableHostError, LostError, or AresmonError where sudo does not let us in."""
    gathered = HostSurvey()
    given = look_request(agent, shown=shown)
    async with transport.start(script(), given, as_root=agent.as_root) as conversation:
        async for line in conversation.lines():
            told = event(line)
            if told is not None:
                gathered.take(told)
        if not gathered.facts:
            raise not_let_in(agent.host, await conversation.complaint())
    return gathered


def _ending(told: HostMessage) -> dict[str, str]:
    """`tx=… outcome=… why=… at=…`, where the reason is a sentence."""
    before, _, rest = told.rest.partition(" why=")
    why, _, _ = rest.rpartition(" at=")
    return HostMessage(told.word, before).values | {"why": why}


def not_let_in(host: str, complaint: str) -> AresmonError:
    """Why a host that was reached told nothing."""
    last = complaint.strip().splitlines()[-1] if complaint.strip() else "it said nothing"
    if "sudo" in complaint:
        return AresmonError(
            f"{host}: sudo does not let us in: {last}",
            hint="--ask-sudo asks you for its password; or give that user a rule with NOPASSWD",
        )
    return LostError(f"{host} ended the conversation: {last}", hint="its login shell must run bash for us")

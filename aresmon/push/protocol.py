"""Requests to a host and its reports: both sides of the scripts in `remote/`, as data."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from aresmon.agents import trial
from aresmon.agents.readings import NO_READINGS, ReadingTimes
from aresmon.agents.remedies import CollectorNeeds
from aresmon.config.model import AgentKind
from aresmon.ssh.transport import LostError, Transport, reported
from aresmon.system.errors import AresmonError

Mode = Literal["push", "look"]

_PLAIN = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]*")  # what every version of bash reads as it is

_ESCAPED = re.compile(r"\\(.)")
_NO_TERMINAL = "must have a tty"  # sudo's word for requiretty, whatever the host's language: it is started in English
_REMOTE = Path(__file__).with_name("remote")
# The last one runs the others.
_PARTS = ("common", "agent", "probe", "stage", "trial", "moment", "journal", "switch", "rollback", "main")


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
    """A file to deploy to a host. `owner` is `user:group`, or `-` for the user who writes it."""

    path: str
    content: bytes = field(repr=False)
    mode: str = "0644"
    owner: str = "-"


@dataclass(frozen=True, slots=True)
class WriteAccess:
    """The edge's URL and the agent's credentials, with which the host tests its write permission."""

    url: str
    user: str
    password: str = field(repr=False)
    database: str


@dataclass(frozen=True, slots=True)
class AgentPaths:
    """One host's agent: the paths of its files, and the folder where the host keeps the state of pushes.

    `watched` is Telegraf's configuration, `environment` the file of its variables; `folder` and `project` are the
    Compose project's, for an agent in a container. With `as_root`, the files are written by root.
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
    """A configuration to deploy to a host.

    `names` are the variables that its environment file sets, `outputs` the URLs to which its configuration writes.
    `content` is a hash of all that is deployed, `config_id` what its points will have, `output` a hash of the
    output's settings. `deadline` is in seconds from the agent's start. With `flush`, in seconds, the agent is made to
    send its points a second after each multiple of it on the clock, when it has just read its inputs. The agent is
    restarted between two of its `readings`; `cpu_reader` is what reads the usage of the CPU until the agent has read it
    twice. With `access`, the write permission is tested before anything is changed;
    `authority` is the path of the CA certificate for that, empty if the host trusts the edge's already.

    The inputs of `trial` are read once before anything is changed; `collectors` say what those of the host need, and
    `secrets` are values that no message may repeat.

    `replaces` are the SHA-256 of configurations that may be replaced on a first push, since they are kept. With
    `as_found`, a configuration is brought back as it was found on the host: Telegraf's check is skipped, and the push
    is committed if the agent still runs after this many seconds.
    """

    agent: AgentPaths
    files: tuple[PushedFile, ...]
    content: str
    config_id: str
    output: str
    transaction: str
    by: str
    deadline: int
    flush: int = 0
    readings: ReadingTimes = NO_READINGS
    cpu_reader: str = ""
    names: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    access: WriteAccess | None = None
    authority: str = ""
    verify: bool = True
    overwrite: bool = False
    force: bool = False
    break_lock: bool = False
    replaces: tuple[str, ...] = ()
    as_found: int = 0
    trial: tuple[str, ...] = ()
    collectors: tuple[CollectorNeeds, ...] = field(default=(), repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class HostMessage:
    """One line of a host's report: a word, and what follows it."""

    word: str
    rest: str = ""

    @property
    def values(self) -> dict[str, str]:
        """The values of `active=active version=1.39.3`, by name."""
        pairs = (part.partition("=") for part in self.rest.split(" ") if "=" in part)
        return {name: value for name, _, value in pairs}


@dataclass(frozen=True, slots=True)
class LastPush:
    """The last push that was committed on a host, as its state file says; empty if there was none."""

    content: str = ""
    config_id: str = ""
    by: str = ""
    at: float = 0.0
    hashes: Mapping[str, str] = field(default_factory=dict)

    def with_line(self, line: str) -> LastPush:
        """Return a copy with one more line of the state file."""
        name, _, value = line.partition("=")
        if name == "sha":
            digest, _, path = value.partition(" ")
            return replace(self, hashes={**self.hashes, path: digest})
        match name:
            case "content":
                return replace(self, content=value)
            case "gen":
                return replace(self, config_id=value)
            case "by":
                return replace(self, by=value)
            case "at":
                return replace(self, at=float(value) if value.isdecimal() else 0.0)
        return self


def parse_message(line: str) -> HostMessage | None:
    """Parse a line of the script's output; None for a line of something else, such as the login shell's greeting."""
    if not line.startswith("@"):
        return None
    word, _, rest = line[1:].partition(" ")
    return HostMessage(word, rest)


def parse_file(message: HostMessage) -> tuple[str, str, bytes | None]:
    """Return the path, hash and content of a `file` or `text` message; the content is None if there is no such file.

    In a `text` message, a line break is `\\n` and a backslash `\\\\`.
    """
    if message.word == "text":
        digest, path, text = message.rest.split(" ", 2)
        return path, digest, _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], text).encode()
    digest, encoded, path = message.rest.split(" ", 2)
    return path, digest, None if digest == "-" else base64.b64decode(encoded)


def push_request(order: PushOrder, *, shown: Sequence[str] = ()) -> bytes:
    """Return the standard input of a push: the header, after a line with its length in bytes, then the files."""
    agent = order.agent
    unit = boot_unit(agent.state)
    lines = {
        **_agent_header(agent, "push"),
        "tx": order.transaction,
        "by": order.by,
        "content": order.content,
        "gen": order.config_id,
        "output": order.output,
        "deadline": str(order.deadline),
        "flush": str(order.flush),
        "readings": str(order.readings),
        "cpu_reader": order.cpu_reader,
        "names": " ".join(order.names),
        "outputs": " ".join(_host_names(order.outputs)),
        "authority": order.authority,
        "trial": ":".join(order.trial),
        "trial_command": trial.COMMAND if order.trial else "",
        "trial_seconds": str(trial.SECONDS),
        "script": hashlib.sha256(script().encode()).hexdigest(),
        "unit": base64.b64encode(unit).decode(),
        "unit_sha": hashlib.sha256(unit).hexdigest(),
        "plain": _flag(all(_PLAIN.fullmatch(one.content) for one in order.files)),
        "verify": _flag(order.verify or order.as_found > 0),
        "as_found": _flag(order.as_found > 0),
        "replaces": " ".join(order.replaces),
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


def survey_request(agent: AgentPaths, *, shown: Sequence[str] = (), replaces: Sequence[str] = ()) -> bytes:
    """Return the standard input of a survey. `shown` are the files whose content is wanted, `replaces` is as in an
    order."""
    return _header(_agent_header(agent, "look") | {"replaces": " ".join(replaces)}, (), shown)


def _agent_header(agent: AgentPaths, mode: Mode) -> dict[str, str]:
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
        raise ValueError("a line break in a request")
    header = "".join(f"{line}\n" for line in lines).encode()
    return b"%d\n%s" % (len(header), header)


def _host_names(urls: Sequence[str]) -> list[str]:
    """The host names of URLs, for the host to resolve."""
    found = (urlsplit(url).hostname if "://" in url and "[" not in url else None for url in urls)
    return sorted({name for name in found if name and re.fullmatch(r"[\w.-]+", name)})


def _flag(value: bool) -> str:
    return "1" if value else "0"


class HostSurvey:
    """The state of a host. `facts` are as it reports them: `active`, `loaded`, `version`, `clock` and others.

    `files` are those that were asked for: hash and content by path, None for a missing file. `drifted` are the files
    that changed since the last push, `included` those that Telegraf reads from telegraf.d/. `pending` is a transaction
    that has not ended, `last` describes the end of the last one; `damaged` is the path of a journal that is not whole,
    from which nothing was restored. `found` is the SHA-256 of a configuration that somebody wrote on a host that was
    never pushed to. `is_busy` says that a push is running.
    """

    def __init__(self) -> None:
        self.facts: dict[str, str] = {}
        self.asked_at = 0.0
        self.files: dict[str, tuple[str, bytes | None]] = {}
        self.last_push = LastPush()
        self.drifted: list[str] = []
        self.included: list[str] = []
        self.pending = ""
        self.found = ""
        self.damaged = ""
        self.is_busy = False
        self.last: dict[str, str] = {}

    def content(self, path: str) -> bytes | None:
        """Return the content of a file that was asked for; None if it does not exist."""
        return self.files.get(path, ("", None))[1]

    def add(self, message: HostMessage) -> bool:
        """Add what a message says about the host; returns whether it is such a message."""
        match message.word:
            case "probe":
                self.facts |= message.values | {"asked": message.values["clock"]}
                self.asked_at = time.time()
            case "clock":
                self.facts["clock"] = message.rest
            case "file" | "text":
                path, digest, content = parse_file(message)
                self.files[path] = digest, content
            case "current":
                self.last_push = self.last_push.with_line(message.rest)
            case "drift":
                self.drifted.append(message.rest)
            case "included":
                self.included.append(message.rest)
            case "pending" | "damaged" | "found":
                setattr(self, message.word, message.rest)
            case "busy":
                self.is_busy = True
            case "last":
                self.last = _parse_last(message)
            case _:
                return False
        return True


async def survey(
    agent: AgentPaths, transport: Transport, *, shown: Sequence[str] = (), replaces: Sequence[str] = ()
) -> HostSurvey:
    """Read the state of a host. Raises UnreachableHostError, LostError, or AresmonError if sudo is not permitted."""
    found = HostSurvey()
    stdin = survey_request(agent, shown=shown, replaces=replaces)
    async with transport.start(script(), stdin, as_root=agent.as_root) as conversation:
        async for line in reported(conversation, agent.host):
            message = parse_message(line)
            if message is not None:
                found.add(message)
        if not found.facts:
            raise login_error(agent.host, await conversation.stderr())
    return found


def _parse_last(message: HostMessage) -> dict[str, str]:
    """Parse `tx=… outcome=… why=… at=…`, where the reason is a sentence."""
    before, _, rest = message.rest.partition(" why=")
    why, _, _ = rest.rpartition(" at=")
    return HostMessage(message.word, before).values | {"why": why}


def login_error(host: str, stderr: str) -> AresmonError:
    """The error for a host that accepted the connection and did not run the script."""
    last = stderr.strip().splitlines()[-1] if stderr.strip() else "no error message"
    if _NO_TERMINAL in stderr:
        return AresmonError(
            f"{host}: sudo has the option requiretty, and refuses programs without a terminal: {last}",
            hint="add the line `Defaults:USER !requiretty` on the host with `visudo -f /etc/sudoers.d/aresmon`, where "
            "USER is the user that logs in",
        )
    if "sudo" in stderr:
        return AresmonError(
            f"{host}: sudo failed: {last}",
            hint="enter its password with --ask-sudo, or give the user a NOPASSWD rule in sudoers",
        )
    return LostError(f"{host} closed the connection: {last}", hint="the user's login shell must be able to run bash")

"""A host in a folder: the host script runs for real, with real files and a real process for the agent.

What it calls on a machine that is not the test's to touch, systemd and the clock, is faked (`fakes/`); a fake fails on
a call that it does not know, and the sandbox fails then.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from aresmon.config.model import AgentKind
from aresmon.push import protocol
from aresmon.push.protocol import AgentPaths, HostMessage, PushedFile, PushOrder
from tests.unit.push.request import split_request

FAKES = Path(__file__).with_name("fakes")
TRIPWIRES = (
    *("chmod", "cp", "dd", "logger", "mkdir", "mv", "rm", "sed", "sync", "systemctl", "systemd-run", "telegraf"),
    "timeout",
)
# Where the host script looks on any machine, and where instead in a sandbox.
MOVED = ("/proc/uptime", "/proc/self/mountinfo", "/run/systemd/system", "/etc/systemd/system", "/var/run/docker.sock")
OLD_ENVIRONMENT = "OLD='1'\n"
OLD = "# The configuration that was there.\n"
NEW = "# The configuration that is brought.\n"
SOON = -9  # as an order's deadline: the host waits ten seconds longer than it says, for a word that is on its way
PATIENCE = 20.0


class Sandbox:
    """One host. `close` ends everything that runs there, and raises if a fake was called as nobody expected."""

    def __init__(self, root: Path, *, kind: AgentKind = "systemd", has_systemd: bool = True) -> None:
        self.root, self.kind = root, kind
        for name in ("bin", "real", "faults", "agent", "etc/default", "etc/telegraf", "etc/systemd/system", "var"):
            (root / name).mkdir(parents=True)
        (root / "fakes").symlink_to(FAKES)
        for fake in FAKES.iterdir():
            if fake.name not in ("agent.bash", "supervisor", "tripwire"):
                (root / "bin" / fake.name).symlink_to(fake)
        if has_systemd:
            (root / "run/systemd/system").mkdir(parents=True)
        (root / "self").mkdir()
        (root / "self/mountinfo").write_text("22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n")
        (root / "var/run").mkdir()
        (root / "var/run/docker.sock").touch()
        self.state = root / "var/aresmon"
        self.folder = self.state / "agent"
        self.config = root / "etc/telegraf/telegraf.conf"
        self.environment = root / "etc/default/telegraf"
        if kind == "docker":
            self.config = self.folder / "agents/box/telegraf.conf"
            self.environment = self.folder / "agent-environment.yml"
        self.uptime = 1000
        self.only_own_programs = False

    # What there is ------------------------------------------------------------------------------------

    @property
    def agent(self) -> AgentPaths:
        """As an order names it."""
        own = {"folder": str(self.folder), "project": "ares"} if self.kind == "docker" else {}
        environment = "" if self.kind == "docker" else str(self.environment)
        return AgentPaths(
            "box", self.kind, "ares", str(self.state), str(self.config), environment, **own, as_root=False
        )

    @property
    def pending(self) -> Path:
        return self.state / "pending"

    @property
    def pid(self) -> int | None:
        """The agent's process; None if there is none that lives."""
        with suppress(OSError, ValueError):
            pid = int((self.root / "agent/pid").read_text())
            is_zombie = ") Z " in Path(f"/proc/{pid}/stat").read_text()
            return None if is_zombie else pid
        return None

    @property
    def loaded(self) -> str:
        """The configuration that the agent read at its start; empty where no agent lives."""
        return (self.root / "agent/loaded").read_text() if self.pid else ""

    def calls(self, program: str = "") -> list[str]:
        """The command lines of fakes, in their order."""
        with suppress(OSError):
            lines = (self.root / "calls").read_text().splitlines()
            return [line for line in lines if line.startswith(program)]
        return []

    def strays(self) -> list[str]:
        """Files that are staged, or half written, and should not stay."""
        seen = [*self.root.glob("etc/**/*"), *self.root.glob("var/**/*")]
        return [str(path) for path in seen if path.name.endswith((".aresmon", ".new", ".aresmon-room"))]

    def last(self) -> dict[str, str]:
        """How the last transaction ended, as the host remembers it."""
        lines = (self.state / "last").read_text().splitlines()
        return {name: value for name, _, value in (line.partition("=") for line in lines)}

    # What happens to it -------------------------------------------------------------------------------

    def fault(self, name: str, content: str = "") -> None:
        (self.root / "faults" / name).write_text(content)

    def mend(self, name: str) -> None:
        (self.root / "faults" / name).unlink(missing_ok=True)

    def command(self, *words: str) -> None:
        """What the service gives Telegraf from its next start on."""
        (self.root / "agent/command").write_text("".join(f"{word}\n" for word in words))

    def settle(self, config: str = OLD, environment: str = OLD_ENVIRONMENT) -> None:
        """A host whose agent runs with these files, brought there by somebody else."""
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(config)
        self.environment.write_text(environment)
        self.call("systemctl", "start", "telegraf")

    def call(self, *argv: str) -> None:
        """A command of somebody on that host."""
        if self.kind == "docker" and argv[0] == "systemctl":
            argv = ("docker", "compose", "--project-name", "ares", "--project-directory", str(self.folder), *_UP)
        env = {**self.variables, "DOCKER_GROUP": "0"}
        subprocess.run(argv, env=env, cwd=self.folder if self.kind == "docker" else None, check=True)

    def trip(self, number: int, fault: str) -> None:
        """At this call of a program that changes something, kill the script (`kill-before`, `kill-after`) or `fail`."""
        for name in TRIPWIRES:
            here = self.root / "real" / name
            if not here.is_symlink():
                here.symlink_to(FAKES / name if (FAKES / name).exists() else Path("/usr/bin") / name)
                (self.root / "bin" / name).unlink(missing_ok=True)
                (self.root / "bin" / name).symlink_to(FAKES / "tripwire")
        (self.root / "count").write_text("")
        (self.root / "tripped").unlink(missing_ok=True)
        (self.root / "plan").write_text(f"{number} {fault}\n")

    def untrip(self) -> str:
        """What was hit; empty if nothing was, and nothing will be."""
        (self.root / "plan").unlink(missing_ok=True)
        with suppress(OSError):
            return (self.root / "tripped").read_text().strip()
        return ""

    @property
    def uptime(self) -> int:
        """Seconds since the machine was started; only tests and a watchdog in a hurry move them."""
        return int((self.root / "uptime").read_text().split(".")[0])

    @uptime.setter
    def uptime(self, seconds: int) -> None:
        new = self.root / f"uptime-{threading.get_ident()}"
        new.write_text(f"{seconds}.00 0.00\n")
        new.replace(self.root / "uptime")

    def hurry(self, now: bool = True) -> None:
        """Let the time of whoever sleeps go by quickly, or stand still again."""
        (self.root / "hurry").touch() if now else (self.root / "hurry").unlink(missing_ok=True)

    def wait_settled(self) -> None:
        """Let the watchdog, if there is one, come to its end."""
        self.hurry()
        until(lambda: not self.pending.exists())
        self.hurry(False)

    def is_idle(self) -> bool:
        """Whether no script runs there any more, and no watchdog."""
        return not any(self._runs(folder) for folder in Path("/proc").glob("[0-9]*"))

    def _runs(self, folder: Path) -> bool:
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            is_script = words[1:2] == [b"-c"] and self._is_ours(folder)
            return is_script or words[1:3] == [str(self.state / "host.bash").encode(), b"watchdog"]
        return False

    def boot(self) -> None:
        """The loss of power, and the start afterwards, with the unit that goes before the agent."""
        self.kill_all()
        self.uptime = 5
        if self.pending.exists() and list(self.root.glob("etc/systemd/system/aresmon-undo-*.service")):
            self.call("bash", str(self.state / "host.bash"), "boot", str(self.state))
        self.call("systemctl", "start", "telegraf")

    def kill_all(self) -> None:
        """End every process that belongs to this host."""
        for folder in Path("/proc").glob("[0-9]*"):
            if int(folder.name) == os.getpid():
                continue
            with suppress(OSError):
                if f"{self.root}/".encode() in (folder / "cmdline").read_bytes() or self._is_ours(folder):
                    os.kill(int(folder.name), signal.SIGKILL)
        with suppress(ProcessLookupError):
            if pid := self.pid:  # read once: it ends at any moment
                os.kill(pid, signal.SIGKILL)
        until(lambda: self.pid is None)
        (self.root / "agent/pid").unlink(missing_ok=True)

    def _is_ours(self, folder: Path) -> bool:
        return f"PATH={self.root}/bin:".encode() in (folder / "environ").read_bytes()

    def close(self) -> None:
        self.kill_all()
        unknown = self.root / "unknown"
        assert not unknown.exists(), f"nobody expected: {unknown.read_text()}"

    # What runs on it ----------------------------------------------------------------------------------

    @property
    def variables(self) -> dict[str, str]:
        """The environment of everything that runs there."""
        others = "" if self.only_own_programs else ":/usr/bin:/bin"
        return {"PATH": f"{self.root}/bin{others}", "HOME": str(self.root)}

    @property
    def script(self) -> str:
        """The host script, with the few places that are the machine's own moved into the sandbox."""
        text = protocol.script()
        for place in MOVED:
            assert place in text, f"the host script knows no {place} any more"
            text = text.replace(place, f"{self.root}{place.replace('/proc', '')}")
        assert '"$EUID"' in text
        return text.replace('"$EUID"', "0")  # whoever runs the tests is root here

    def order(self, config: str = NEW, environment: str = "NEW='1'\n", **changes: Any) -> PushOrder:
        """What brings these files here."""
        digest = hashlib.sha256(f"{config}\0{environment}".encode()).hexdigest()[:12]
        files = (
            PushedFile(str(self.environment), environment.encode(), "0640"),
            PushedFile(str(self.config), config.encode(), "0640"),
        )
        number = len(list(self.root.glob("order-*")))
        (self.root / f"order-{number}").touch()
        made = PushOrder(
            self.agent, files, digest, f"{digest}-{number}", "output", f"t{number}", "ada", 30, names=("NEW", "OLD")
        )
        return dataclasses.replace(made, **changes)

    def given(self, order: PushOrder) -> bytes:
        """The standard input of a push, whose script is the sandbox's."""
        return self.ours(protocol.push_request(order, shown=[str(self.config)]))

    def ours(self, given: bytes) -> bytes:
        real, ours = (hashlib.sha256(text.encode()).hexdigest() for text in (protocol.script(), self.script))
        return given.replace(f"script={real}".encode(), f"script={ours}".encode())

    def push(self, order: PushOrder | None = None, **changes: Any) -> Talk:
        """Start a push; with what is there of an order, or another."""
        return Talk(self, self.given(order or self.order(**changes)))

    def look(self, **changes: Any) -> list[HostMessage]:
        """Look at the host, and hear it to its end."""
        given = protocol.survey_request(dataclasses.replace(self.agent, **changes), shown=[str(self.config)])
        with Talk(self, given) as talk:
            return talk.hear()

    def bring(self, order: PushOrder | None = None, **changes: Any) -> list[HostMessage]:
        """A push that is told `commit` as soon as the agent runs; all that was heard."""
        with self.push(order, **changes) as talk:
            return talk.hear(answer="commit")


_UP = ["--progress", "plain", "up", "--detach", "--no-deps", "--no-build", "--force-recreate", "telegraf"]


class Talk:
    """A conversation with the host script. As a context, it ends with the script's end."""

    def __init__(self, box: Sandbox, given: bytes) -> None:
        self.events: list[HostMessage] = []
        argv, pipe = ["bash", "-c", box.script], subprocess.PIPE
        self._process = subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, env=box.variables, cwd=box.root, start_new_session=True
        )
        self.pid = self._process.pid
        self._watchdog = threading.Timer(PATIENCE, self._process.kill)
        self._watchdog.start()
        self.write(given)

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        self.hear()
        self._watchdog.cancel()

    def write(self, given: bytes) -> None:
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.write(given)
            self._process.stdin.flush()

    def say(self, word: str) -> None:
        self.write(f"{word}\n".encode())

    def hang_up(self) -> None:
        """The connection ends."""
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def kill(self) -> None:
        """kill -9: nothing is undone by who did it."""
        self._process.kill()
        self._process.wait()

    def heard(self) -> Iterator[HostMessage]:
        assert self._process.stdout
        for line in self._process.stdout:
            told = protocol.parse_message(line.decode().rstrip("\n"))
            assert told is not None, f"no event: {line!r}"
            self.events.append(told)
            yield told

    def until(self, word: str, rest: str = "") -> HostMessage:
        """Hear it up to this word."""
        for told in self.heard():
            if told.word == word and told.rest.startswith(rest):
                return told
        raise AssertionError(f"never said {word} {rest}, but {self.events}")

    def hear(self, *, answer: str = "") -> list[HostMessage]:
        """Hear it to its end, and answer where it waits for a word; all that was heard."""
        for told in self.heard():
            if told.word == "running" and answer:
                self.say(answer)
        self._process.wait()
        return self.events


def with_header_line(given: bytes, former: bytes, line: bytes) -> bytes:
    """A request with another line in its header, if it has that one."""
    header, rest = split_request(given)
    header = header.replace(b"\n%s\n" % former, b"\n%s\n" % line)
    return b"%d\n%s%s" % (len(header), header, rest)


def until(condition: Any) -> None:
    """Wait for something that other processes bring about."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def words(events: list[HostMessage], *of: str) -> list[str]:
    """`word rest` of the events that have one of these words; of all without any."""
    return [f"{one.word} {one.rest}".strip() for one in events if not of or one.word in of]

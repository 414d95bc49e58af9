"""A machine with services: a container without a network, in which a test starts what it needs and runs Telegraf."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.engine.sites import Result
from tests.fleet.containers import LABEL, docker
from tests.fleet.machine import BOOTED, SYSTEMD
from tests.harness import names

SHARED = "/shared"
"""The folder of the host that the test sees as `Host.folder`."""

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# A session of its own, so that all that it starts can be ended with it.
_SESSION = "exec setsid bash -c {script} >> {log} 2>&1"
_SCRIPT = "echo $$ > {pid}; exec {command}"
_RUNS = "[[ -s {pid} ]] && pgrep -s $(< {pid})"
_READY = "until {ready}; do kill -0 {pid} || exit 99; sleep 0.1; done > /dev/null 2>&1"

alive: list[Host] = []
"""Every host that may be there now: a failed test prints what ran there."""


@dataclass(frozen=True)
class Host:
    """A Debian with the packages of `tests/services/image.py`; only its loopback interface is up."""

    container: str
    folder: Path
    _again: dict[str, Callable[[], None]] = field(default_factory=dict, compare=False, repr=False)
    """How what was started is started again, by its name."""

    # Commands and files ---------------------------------------------------------------------------------

    def run(self, command: str, *, user: str = "root", stdin: str = "", timeout: int = 60) -> str:
        """What a bash command prints. It must succeed."""
        result = self.attempt(command, user=user, stdin=stdin, timeout=timeout)
        assert result.code == 0, f"{command}: {result}"
        return result.out

    def attempt(self, command: str, *, user: str = "root", stdin: str = "", timeout: int = 60) -> Result:
        """Run a bash command, and take any end of it; 124 is a command that took longer than `timeout` seconds."""
        inside = ("timeout", str(timeout), "bash", "-c", command)
        options = ("--interactive", "--user", user, "--env", _PATH)
        return docker("exec", *options, self.container, *inside, stdin=stdin, timeout=timeout + 30, check=False)

    def write(self, path: str, text: str, *, mode: str = "0644", owner: str = "root:root") -> None:
        """Write a file, in a folder that may have to be made."""
        file = shlex.quote(path)
        written = f"mkdir -p $(dirname {file}) && cat > {file} && chown {owner} {file} && chmod {mode} {file}"
        self.run(written, stdin=text)

    def wait(self, command: str, *, user: str = "root", within: int = 60) -> None:
        """Wait until a bash command succeeds."""
        ended = self.attempt(f"until {command}; do sleep 0.1; done", user=user, timeout=within)
        assert ended.code == 0, f"not within {within} s: {command}: {ended}"

    # Services -------------------------------------------------------------------------------------------

    def start(self, name: str, command: str, *, ready: str = "true", user: str = "root", within: int = 60) -> None:
        """Start a program that stays in the foreground, and wait until the command `ready` succeeds.

        `name` is what `stop`, `is_running` and `log` know it by. What it prints goes into its log.
        """
        self.run(f"! {{ {_RUNS.format(pid=_pid(name))}; }} && rm -f {_pid(name)}")
        script = _SCRIPT.format(pid=_pid(name), command=command)
        session = _SESSION.format(script=shlex.quote(script), log=f"{SHARED}/{name}.log")
        docker("exec", "--detach", "--user", user, "--env", _PATH, self.container, "bash", "-c", session)
        waited = f"until [[ -s {_pid(name)} ]]; do sleep 0.05; done; read -r pid < {_pid(name)}; "
        ended = self.attempt(waited + _READY.format(ready=ready, pid="$pid"), timeout=within)
        why = {99: "it ended", 124: f"not ready within {within} s"}.get(ended.code, str(ended))
        assert ended.code == 0, f"{name}: {why}: {command}\n{self.log(name)}"
        self._again[name] = partial(self.start, name, command, ready=ready, user=user, within=within)

    def stop(self, name: str, *, signal: str = "TERM", within: int = 30) -> None:
        """Send a signal to what `start` started, and wait until it and all of its processes have ended.

        KILL goes to all of its processes at once.
        """
        whole = "-" if signal == "KILL" else ""
        ended = self.attempt(
            f"read -r pid < {_pid(name)}; kill -s {signal} -- {whole}$pid; while pgrep -s $pid; do sleep 0.05; done",
            timeout=within,
        )
        assert ended.code == 0, f"{name} does not end within {within} s\n{self.log(name)}"

    @contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """Stop what `start` started, and start it again afterwards as before."""
        self.stop(name)
        try:
            yield
        finally:
            self._again[name]()

    @contextmanager
    def meanwhile(self, name: str, commands: str, *, user: str = "root") -> Iterator[None]:
        """While bash runs these commands, all processes of which are killed afterwards."""
        self.start(name, f"bash -c {shlex.quote(commands)}", user=user)
        try:
            yield
        finally:
            self.stop(name, signal="KILL")

    def is_running(self, name: str) -> bool:
        """Whether any process of what `start` started under this name is there."""
        return self.attempt(_RUNS.format(pid=_pid(name))).code == 0

    def log(self, name: str) -> str:
        """What a program printed that `start` started."""
        file = self.folder / f"{name}.log"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def logs(self) -> Iterator[tuple[str, str]]:
        """What a failed test wants to read of it: the end of each log."""
        for file in sorted(self.folder.glob("*.log")):
            yield f"{self.container} {file.stem}", file.read_text(encoding="utf-8", errors="replace")[-4000:]


@contextmanager
def service_host(
    image: str, program: Path, *, capabilities: Sequence[str] = (), devices: Sequence[str] = (), systemd: bool = False
) -> Iterator[Host]:
    """A running host with this Telegraf; gone afterwards, whatever happened.

    `capabilities` are those that it has besides Docker's defaults, as NET_ADMIN; `devices` those of this machine, as
    /dev/net/tun. With `systemd` it is booted, no unit of a service is enabled, and any can be started.
    """
    host = Host(names.fresh(), names.folder())
    host.folder.chmod(0o777)  # services are somebody else
    volumes = ("--volume", f"{host.folder}:{SHARED}", "--volume", f"{program}:/usr/bin/telegraf:ro")
    who = ("--name", host.container, "--hostname", "lewi", "--label", LABEL, "--network", "none")
    allowed = [part for one in capabilities for part in ("--cap-add", one)]
    allowed += [part for one in devices for part in ("--device", one)]
    first = SYSTEMD if systemd else ("--init",)
    alive.append(host)
    try:
        docker("run", "--detach", *who, *volumes, *allowed, *first, image, *(["/usr/sbin/boot"] if systemd else []))
        if systemd:
            host.wait(BOOTED)
        yield host
    finally:
        alive.remove(host)
        docker("rm", "--force", "--volumes", host.container, check=False)
        shutil.rmtree(host.folder, ignore_errors=True)


def _pid(name: str) -> str:
    return f"{SHARED}/{name}.pid"

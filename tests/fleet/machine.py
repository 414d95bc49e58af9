"""A server as a machine: it is switched on and off, and it is asked things, past its network."""

from __future__ import annotations

import io
import secrets
import shlex
import socket
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.engine.sites import Result
from tests.fleet.containers import LABEL, docker
from tests.fleet.keys import Key, new_key

# What systemd as the first process needs. `--privileged` would give more, and is refused on some machines.
SYSTEMD = (
    *("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--cap-add", "LINUX_IMMUTABLE", "--cgroupns", "private"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    *("--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec"),
    *("--ulimit", "memlock=8388608:8388608"),  # Telegraf's unit asks for as much
)
_USERS = {"root": 0, "ares": 1001, "bob": 1002}
BOOTED = "[[ $(systemctl is-system-running 2>&1) =~ ^(running|degraded)$ ]]"
# As the package does; the links count at the next boot.
_ENABLED = "! [[ -e /usr/bin/telegraf ]] || systemctl --quiet --no-reload enable telegraf"
_PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
_PROPERTIES = "ActiveState,SubState,Result,MainPID,NRestarts,ExecMainStatus,ActiveEnterTimestampMonotonic"


@dataclass
class Machine:
    """A container with systemd and sshd under the name of a server; ssh finds it at port 22 of `address`.

    `mounts` are folders and files of this machine that it has too, as `docker create --volume` takes them.
    """

    name: str
    container: str
    address: str
    network: str
    image: str
    operators: Key
    host_key: Key = field(default_factory=new_key)
    machine_id: str = field(default_factory=lambda: secrets.token_hex(16))
    joined: set[str] = field(default_factory=set)
    mounts: tuple[str, ...] = ()

    # On and off -----------------------------------------------------------------------------------------

    def make(self) -> None:
        """Make it from its image and start it. Its telegraf is as just installed: enabled, not yet started."""
        where = ("--network", self.network, "--ip", self.address)
        who = ("--name", self.container, "--hostname", self.name, "--label", LABEL)
        volumes = [part for mount in self.mounts for part in ("--volume", mount)]
        docker("create", *who, *where, *volumes, *SYSTEMD, self.image)
        docker("cp", "--archive", "-", f"{self.container}:/", stdin=self._files())
        for network in self.joined:
            docker("network", "connect", network, self.container)
        self.power_on()
        self.run(_ENABLED)

    def remove(self) -> None:
        """Take it away, in whatever state it is."""
        docker("rm", "--force", "--volumes", self.container, check=False)

    def reset(self) -> None:
        """Make it anew: its first state, under the same address, keys and networks. Takes about a second."""
        self.remove()
        self.make()

    def power_off(self) -> None:
        """Pull the plug. What was in memory (/run, /tmp, unsent data) is lost.

        What was written and not yet synced is kept, unlike on a real machine: it is this machine's to write.
        """
        docker("kill", "--signal", "KILL", self.container)

    def power_on(self) -> None:
        """Start it, and wait for systemd to have booted and for sshd to answer."""
        docker("start", self.container)
        self.run(f"until {BOOTED}; do sleep 0.03; done")
        if not self.is_cut:
            self.wait_for_ssh()

    def power_cut(self) -> None:
        """Pull the plug, and plug it in again."""
        self.power_off()
        self.power_on()

    def reboot(self) -> None:
        """Shut down, services first, and start again."""
        docker("stop", "--time", "60", self.container)
        self.power_on()

    def wait_for_ssh(self, within: float = 60) -> None:
        """Wait for the greeting of sshd, over the network."""
        deadline = time.monotonic() + within
        while not self._greets():
            assert time.monotonic() < deadline, f"{self.name}: sshd does not answer\n{self.journal()}"
            time.sleep(0.05)

    @property
    def is_on(self) -> bool:
        return docker("inspect", "--format", "{{.State.Running}}", self.container, check=False).out.strip() == "true"

    @property
    def is_cut(self) -> bool:
        """Whether its network is unplugged (see `Server.cut`)."""
        return self.exists("/etc/aresmon-test-cut")

    # What it is asked -----------------------------------------------------------------------------------

    def run(self, command: str, *, check: bool = True, stdin: str = "") -> str:
        """What a bash command of root's prints. Past the network, and past any `hold`."""
        result = self.attempt(command, stdin=stdin)
        assert result.code == 0 or not check, f"{self.name}: {command}: {result}"
        return result.out

    def attempt(self, command: str, *, user: str = "root", stdin: str = "", timeout: int = 60) -> Result:
        """Run a bash command, and take any end of it; 124 is a command that took longer than `timeout` seconds."""
        inside = ("timeout", str(timeout), "bash", "-c", command)
        options = ("--interactive", "--user", user, "--env", _PATH)
        return docker("exec", *options, self.container, *inside, stdin=stdin, timeout=timeout + 30, check=False)

    def read(self, path: str) -> str:
        return self.run(f"cat {shlex.quote(path)}")

    def write(self, path: str, text: str, *, mode: str = "0644", owner: str = "root:root") -> None:
        """Write a file whole, in a folder that may have to be made."""
        file, part = shlex.quote(path), shlex.quote(f"{path}.part")
        written = f"umask 022; mkdir -p $(dirname {file}) && umask 077 && cat > {part}"
        self.run(f"{written} && chown {owner} {part} && chmod {mode} {part} && mv -T {part} {file}", stdin=text)

    def exists(self, path: str) -> bool:
        return self.attempt(f"test -e {shlex.quote(path)}").code == 0

    def sha256(self, path: str) -> str:
        return self.run(f"sha256sum {shlex.quote(path)}").split()[0]

    def service(self, name: str = "telegraf") -> dict[str, str]:
        """What systemd says of a service: ActiveState, SubState, Result, MainPID, NRestarts and the like."""
        lines = self.run(f"systemctl show {name} --property {_PROPERTIES}").splitlines()
        return dict(line.split("=", 1) for line in lines)

    @property
    def is_active(self) -> bool:
        """Whether telegraf runs and has said that it is ready."""
        return self.service()["ActiveState"] == "active"

    def journal(self, lines: int = 60, unit: str = "") -> str:
        """The last lines of its journal, of one unit or of all."""
        of = f"--unit {unit}" if unit else ""
        return self.run(f"journalctl --no-pager --output short-precise --lines {lines} {of}", check=False)

    def logs(self) -> Iterator[tuple[str, str]]:
        """What a failed test wants to read of it."""
        state = "on" if self.is_on else "off"
        yield f"{self.name} ({self.container}, {state})", self.journal() if self.is_on else ""

    # ----------------------------------------------------------------------------------------------------

    def _greets(self) -> bool:
        try:
            with socket.create_connection((self.address, 22), timeout=2) as connection:
                return connection.recv(256).startswith(b"SSH-")
        except OSError:
            return False

    def _files(self) -> bytes:
        """What makes it this server and no other, as a tar: its keys, its identity, who may enter."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            _add(tar, "/etc/machine-id", f"{self.machine_id}\n", mode=0o444)
            _add(tar, "/etc/ssh/ssh_host_ed25519_key", self.host_key.private, mode=0o600)
            _add(tar, "/etc/ssh/ssh_host_ed25519_key.pub", f"{self.host_key.public}\n")
            for user, uid in _USERS.items():
                home = f"/home/{user}" if uid else "/root"
                _add(tar, f"{home}/.ssh", None, mode=0o700, uid=uid)
                _add(tar, f"{home}/.ssh/authorized_keys", f"{self.operators.public}\n", mode=0o600, uid=uid)
        return archive.getvalue()


def _add(tar: tarfile.TarFile, path: str, text: str | None, *, mode: int = 0o644, uid: int = 0) -> None:
    """Add a file, or a folder where there is no text."""
    member = tarfile.TarInfo(path.lstrip("/"))
    member.mode, member.uid, member.gid = mode, uid, uid
    member.type = tarfile.DIRTYPE if text is None else tarfile.REGTYPE
    content = (text or "").encode()
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))

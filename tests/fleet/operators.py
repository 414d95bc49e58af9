"""Somebody who operates servers over ssh: a home with a key, a configuration and the known hosts."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.engine.sites import Result
from tests.fleet.keys import Key, new_key
from tests.fleet.machine import Machine


@dataclass(frozen=True)
class Operator:
    """A home folder. OpenSSH does not look for it in HOME, so `ssh` and git are told; asyncssh does."""

    home: Path

    def env(self) -> dict[str, str]:
        """The variables of this operator's programs, over one's own. No agent of ssh's is asked."""
        return {"HOME": str(self.home), "SSH_AUTH_SOCK": "", "GIT_SSH_COMMAND": f"ssh -F {self.config}"}

    @property
    def config(self) -> Path:
        return self.home / ".ssh" / "config"

    @property
    def known_hosts(self) -> Path:
        return self.home / ".ssh" / "known_hosts"

    def add_host(
        self, server: Machine, *, alias: str = "", user: str = "ares", jump: str = "", options: Mapping[str, str] = {}
    ) -> None:
        """Name a server in the configuration, with its true key among the known hosts; the first entry counts."""
        entries = {"HostName": server.address, "Port": "22", "User": user, **options}
        if jump:
            entries["ProxyJump"] = jump
        lines = [f"Host {alias or server.name}", *(f"  {key} {value}" for key, value in entries.items())]
        with self.config.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        self._know(server, server.host_key)

    def forget_key(self, server: Machine) -> None:
        """Have a server unknown."""
        lines = self.known_hosts.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith(f"{_names(server)} ")]
        self.known_hosts.write_text("".join(kept), encoding="utf-8")

    def wrong_key(self, server: Machine) -> None:
        """Have a server known under another key than it has: it looks like an impostor."""
        self._know(server, new_key())

    def ssh(self, host: str, command: str, *, stdin: str = "", timeout: float = 60) -> Result:
        """Run a command on a host with OpenSSH, which asks nothing."""
        argv = ["ssh", "-F", str(self.config), "-o", "BatchMode=yes", host, command]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout)
        return Result(done.returncode, done.stdout, done.stderr)

    def _know(self, server: Machine, key: Key) -> None:
        self.forget_key(server)
        with self.known_hosts.open("a", encoding="utf-8") as file:
            file.write(f"{_names(server)} {key.public}\n")


def new_operator(home: Path, key: Key) -> Operator:
    """An operator in a fresh folder who has this key and knows no host."""
    folder = home / ".ssh"
    folder.mkdir(parents=True, mode=0o700)
    private = folder / "id_ed25519"
    private.touch(mode=0o600)
    private.write_text(key.private, encoding="utf-8")
    private.with_suffix(".pub").write_text(f"{key.public}\n", encoding="utf-8")
    known = folder / "known_hosts"
    known.touch()
    # By their full paths: OpenSSH would look into the home of the account that runs the tests.
    everywhere = f"IdentityFile {private}\nIdentitiesOnly yes\nUserKnownHostsFile {known}\nStrictHostKeyChecking yes\n"
    (folder / "config").write_text(everywhere, encoding="utf-8")
    return Operator(home)


def _names(server: Machine) -> str:
    return f"{server.name},{server.address}"

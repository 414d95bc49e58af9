"""What a push is held against: a loop over ssh, pyinfra, Ansible; installed, and told the same work as aresmon.

Each logs in as root, checks with Telegraf's own check, puts the file in its place by a rename, restarts the service
and asks systemd whether it runs. The settings are the best of their ordinary ones: Ansible with a fork a host,
pipelining and without facts, pyinfra and the loop with all hosts at the same time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measure import ROOT

ANSIBLE, PYINFRA = "ansible-core==2.19.14", "pyinfra==3.10.0"
MOST = 100
"""Hosts at the same time, for everybody; aresmon's own default."""

_PEERS = ROOT / "bench" / "peers"
_ANSIBLE_CONFIGURATION = """\
[defaults]
forks = {forks}
gathering = explicit
interpreter_python = /usr/bin/python3
local_tmp = {folder}/ansible
[ssh_connection]
pipelining = True
ssh_args = -F {config} -o ControlMaster=auto -o ControlPersist=60s
control_path_dir = {folder}/cp
"""


@dataclass(frozen=True, slots=True)
class Command:
    """A command line, and the variables that it needs over the caller's."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Peers:
    """The peers in a folder of their own, for some hosts; `files` has `HOST.conf` for each."""

    folder: Path
    files: Path
    config: Path
    home: Path
    hosts: Sequence[str]

    def commands(self) -> dict[str, Command]:
        """Every peer that can be had here."""
        found = {"ssh loop": self.loop()}
        for name, package, make in (("pyinfra", PYINFRA, self.pyinfra), ("Ansible", ANSIBLE, self.ansible)):
            tools = installed(package)
            if tools:
                found[name] = make(tools)
        return found

    @property
    def parallel(self) -> int:
        return min(MOST, len(self.hosts))

    def loop(self) -> Command:
        argv = (str(_PEERS / "push.sh"), str(self.config), str(self.files), str(self.parallel), *self.hosts)
        return Command(argv, {})

    def pyinfra(self, tools: Path) -> Command:
        inventory = self.folder / "inventory.py"
        data = {
            "folder": str(self.files),
            "ssh_config_file": str(self.config),
            "ssh_known_hosts_file": str(self.config.with_name("known_hosts")),
            "ssh_strict_host_key_checking": "yes",
        }
        inventory.write_text(f"hosts = ({list(self.hosts)!r}, {data!r})\n", encoding="utf-8")
        options = ("--yes", "--parallel", str(self.parallel))
        argv = (str(tools / "pyinfra"), *options, str(inventory), str(_PEERS / "push_pyinfra.py"))
        return Command(argv, {"HOME": str(self.home), "SSH_AUTH_SOCK": ""})

    def ansible(self, tools: Path) -> Command:
        inventory, configuration = self.folder / "inventory.ini", self.folder / "ansible.cfg"
        inventory.write_text("\n".join(self.hosts) + "\n", encoding="utf-8")
        text = _ANSIBLE_CONFIGURATION.format(forks=self.parallel, folder=self.folder, config=self.config)
        configuration.write_text(text, encoding="utf-8")
        told = ("--extra-vars", json.dumps({"folder": str(self.files)}))
        argv = (str(tools / "ansible-playbook"), "-i", str(inventory), *told, str(_PEERS / "push.yml"))
        return Command(argv, {"HOME": str(self.home), "SSH_AUTH_SOCK": "", "ANSIBLE_CONFIG": str(configuration)})


def installed(package: str) -> Path | None:
    """The programs of a virtual environment with this package; None where it cannot be had."""
    folder = Path.home() / ".cache" / "aresmon-bench" / package.replace("==", "-")
    if not (folder / "complete").exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
            pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", package]
            subprocess.run(pip, check=True, capture_output=True, timeout=180)
            (folder / "complete").touch()
        except (subprocess.SubprocessError, OSError):
            return None
    return folder / "bin"

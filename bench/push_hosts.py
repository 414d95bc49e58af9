"""Real hosts for `bench.push`: containers with systemd, sshd and Telegraf, and the site that watches them.

They are the servers of tests/fleet under names of this benchmark's own, and with Python, which Ansible wants there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aresmon.engine.docker import Engine
from bench.measure import ARESMON, run, tell
from tests.fleet.containers import docker, network
from tests.fleet.image import server_image
from tests.fleet.keys import new_key
from tests.fleet.operators import Operator, new_operator
from tests.fleet.servers import Server, at_once

NAME = "aresmon-bench-push"
LIVE = "/etc/telegraf/telegraf.conf"
_KEPT = "/var/tmp/telegraf.conf"
_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
_INSTANCES_A_HOST = 6

_SITE = f"""\
site: {NAME}
server: box
edge: {{agents: "127.0.2.23:18086", url: "http://edge:8086"}}
hosts:
  box: {{agent: systemd}}
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a host has now: the hash of its configuration, and the process that runs with it."""

    sha256: str
    pid: str


@dataclass(frozen=True, slots=True)
class Controller:
    """The machine that pushes: a site's folder, an operator's home, and the hosts that both know."""

    site: Path
    operator: Operator
    hosts: tuple[str, ...]

    @property
    def environment(self) -> dict[str, str]:
        return self.operator.env()

    def aresmon(self, *arguments: str) -> tuple[str, ...]:
        """The command line of aresmon on this site."""
        return (*ARESMON, "--site", str(self.site), *arguments)


@contextmanager
def real_hosts(count: int) -> Iterator[tuple[Controller, dict[str, Server]]]:
    """Start the hosts and a site which they reach, and remove all of it at the end."""
    names = [f"host-{number:02}" for number in range(1, count + 1)]
    image = server_image(Engine(), "python3")
    folder = Path(tempfile.mkdtemp(prefix="aresmon-bench-"))
    key = new_key()
    _remove(names)
    former = _make_room(count)
    try:
        (folder / "site").mkdir()
        (folder / "site" / "aresmon.yml").write_text(_SITE + hosts_yaml(names), encoding="utf-8")
        controller = Controller(folder / "site", new_operator(folder / "home", key), tuple(names))
        tell("starting a site")
        run(controller.aresmon("up"), allowed=(0, 5))  # 5: no Grafana to be had, and none is needed
        with network(NAME) as prefix:
            made = {
                name: Server(name, _container(name), f"{prefix}.{number}", NAME, image, key)
                for number, name in enumerate(names, start=11)
            }
            tell(f"starting {count} hosts")
            try:
                at_once(_start, made.values())
                for server in made.values():
                    controller.operator.add_host(server, user="root")
                yield controller, made
            finally:
                at_once(Server.remove, made.values())
    finally:
        tell("removing the site and its hosts")
        run((*ARESMON, "--site", str(folder / "site"), "down", "--volumes", "--yes"), allowed=range(256))
        shutil.rmtree(folder, ignore_errors=True)
        if former:
            _INSTANCES.write_text(former)


def possible(count: int) -> bool:
    """Whether so many systemds may run here: each takes a part of the kernel's inotify instances, 128 as it comes."""
    return os.access(_INSTANCES, os.W_OK) or int(_INSTANCES.read_text()) >= count * _INSTANCES_A_HOST * 3 // 2


def _make_room(count: int) -> str:
    """Raise that limit where it is too low; what it was, if it was raised."""
    former = _INSTANCES.read_text()
    if int(former) >= count * _INSTANCES_A_HOST * 3 // 2:
        return ""
    _INSTANCES.write_text(str(count * _INSTANCES_A_HOST * 2 + int(former)))
    return former


def hosts_yaml(names: Sequence[str]) -> str:
    """Hosts for an aresmon.yml."""
    return "".join(f"  {name}: {{agent: systemd, collect: [system]}}\n" for name in names)


def look(servers: Sequence[Server]) -> dict[str, Seen]:
    """What each host has now."""
    seen: dict[str, Seen] = {}

    def one(server: Server) -> None:
        said = server.run(f"sha256sum {LIVE}; systemctl show telegraf --property ActiveState,MainPID --value").split()
        seen[server.name] = Seen(said[0], said[2] if said[3] == "active" else "")

    at_once(one, servers)
    return seen


def keep(servers: Sequence[Server]) -> None:
    """Remember the configuration of each host, which aresmon brought."""
    at_once(lambda server: _run(server, f"cp -p {LIVE} {_KEPT}"), servers)


def put_back(servers: Sequence[Server]) -> None:
    """Give each host the configuration that aresmon brought last: an edit by others it would rightly refuse."""
    at_once(lambda server: _run(server, f"cp -p {_KEPT} {LIVE}"), servers)


def _run(server: Server, command: str) -> None:
    server.run(command)


def _start(server: Server) -> None:
    server.joined.add(f"{NAME}_front")
    server.make()


def _container(name: str) -> str:
    return f"{NAME}-{name}"


def _remove(names: Sequence[str]) -> None:
    """Take away what a killed run may have left."""
    docker("rm", "--force", "--volumes", *map(_container, names), check=False)
    docker("network", "rm", NAME, check=False)

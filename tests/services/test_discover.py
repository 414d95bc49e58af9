"""Services that really run are found by what the host shows, and are read once what they need is done as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aresmon.config.collectors import CollectorUse, load, read
from aresmon.config.model import AgentKind
from aresmon.config.model import Host as MonitoredHost
from aresmon.engine.docker import Engine
from aresmon.push import discovery
from aresmon.push.proposals import Discovered, Proposal, Remedy
from aresmon.ssh.transport import Local
from tests.fleet.containers import LABEL, docker
from tests.harness import names
from tests.services.agent import agent, collect
from tests.services.conftest import MakeHost
from tests.services.host import Host
from tests.services.image import services_image

_FIRST = {
    "dovecot": "dovecot",
    "memcached": "memcached",
    "mosquitto": "mosquitto_port",
    "mysql": "mysql",
    "nginx": "nginx",
    "openldap": "openldap",
    "php-fpm": "phpfpm",
    "postfix": "postfix_queue",
    "postgresql": "postgresql_server",
    "redis": "redis",
    "smtp": "smtp",
    "unbound": "unbound",
    "varnish": "varnish",
}
"""What runs together, with the measurement of each."""
_FIRST_UNITS = (
    "dovecot memcached mosquitto mariadb nginx slapd php8.2-fpm postfix postgresql@15-main redis-server unbound varnish"
)
_MACHINE = {"systemd", "updates", "raid", "temperature", "smart", "time", "zfs", "nfs"}
"""What is of the machine that the tests run on, or of every one."""
_SECOND = {"apache": "apache", "bind": "bind_counter"}
"""What takes the ports of some of the first."""


@dataclass(frozen=True)
class Inside(Local):
    """A way into a host of services, as root."""

    container: str = ""

    async def _run(self, argv: list[str]) -> Any:
        return await super()._run(["docker", "exec", "-i", self.container, *argv])


@pytest.fixture(scope="module")
def host(make_host: MakeHost) -> Host:
    # Root of a machine sees which program has a socket; Docker's root does not.
    made = make_host("SYS_PTRACE", systemd=True)
    # The host has no IPv6, and no key of DNSSEC.
    made.run("rm -f /etc/unbound/unbound.conf.d/root-auto-trust-anchor-file.conf")
    made.write("/etc/unbound/unbound.conf.d/listen.conf", "server:\n  interface: 127.0.0.1\n  do-ip6: no\n")
    return made


def look(host: Host, *, agent: AgentKind = "systemd") -> Discovered:
    monitored = MonitoredHost("lewi", agent, "lewi", (CollectorUse("system"),), ())
    return asyncio.run(discovery.look(monitored, load(), Inside("lewi", host.container)))


def by_name(found: Discovered) -> dict[str, Proposal]:
    """The services that are proposed, each once."""
    names = {one.use.name: one for one in found.proposals}
    assert len(names) == len(found.proposals)
    return {name: one for name, one in names.items() if name not in _MACHINE}


def do(host: Host, remedy: Remedy) -> None:
    """Do what is told."""
    if remedy.lines:
        # A file that is not there yet, or the only one of a pattern.
        host.run(f"file=$(ls {remedy.file} || echo {remedy.file}); cat >> $file", stdin=f"\n{_typed(remedy.lines)}")
    for command in remedy.run:
        host.run(command, stdin=_typed(remedy.statements) if command is remedy.run[-1] else "")


def _typed(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def check_all_are_read(host: Host, proposed: Iterable[Proposal], measurements: dict[str, str]) -> None:
    for one in proposed:
        for remedy in one.remedies:
            do(host, remedy)
    again = by_name(look(host))
    assert {name: one.remedies for name, one in again.items() if any(each.is_checked for each in one.remedies)} == {}
    with agent(host, collect(*(one.use.entry() for one in again.values())), pace=50) as running:
        running.until(lambda points: set(measurements.values()) <= {one.measurement for one in points})


def test_what_runs_is_found_with_its_unit_and_is_read_once_it_has_what_it_needs(host: Host) -> None:
    host.run(f"systemctl start {_FIRST_UNITS}", timeout=120)

    found = look(host)

    proposed = by_name(found)
    assert set(proposed) == set(_FIRST), found.unfit
    assert proposed["redis"].evidence == (
        "redis-server listens on 127.0.0.1:6379 (redis-server.service, package redis-tools)",
    )
    assert "/run/postgresql/.s.PGSQL.5432 (postgresql@15-main.service, package postgresql-15)" in str(
        proposed["postgresql"].evidence
    )
    check_all_are_read(host, proposed.values(), _FIRST)


def test_what_takes_the_same_ports_is_told_apart(host: Host) -> None:
    host.run(f"systemctl stop {_FIRST_UNITS} && systemctl start apache2 named", timeout=60)

    found = look(host)

    proposed = by_name(found)
    assert set(proposed) == set(_SECOND)
    check_all_are_read(host, proposed.values(), _SECOND)


@pytest.fixture
def container(engine: Engine) -> Iterator[str]:
    """Redis in a container that publishes its port at any of this machine."""
    name, image = names.fresh(), services_image(engine)
    command = ("redis-server", "--bind", "*", "--protected-mode", "no")
    try:
        docker("run", "--detach", "--name", name, "--label", LABEL, "--publish", "127.0.0.1::6379", image, *command)
        yield name
    finally:
        docker("rm", "--force", "--volumes", name, check=False)


def test_a_service_in_a_container_is_found_by_its_image_where_its_port_is_published(
    container: str, tmp_path: Path
) -> None:
    path = tmp_path / "redis.conf"
    path.write_text(load()["redis"].text.replace('images = ["redis",', 'images = ["aresmon-test/services",'))
    here = MonitoredHost("lewi", "systemd", "lewi", (CollectorUse("system"),), ())
    address = docker("port", container, "6379/tcp").out.strip()

    found = asyncio.run(discovery.look(here, {"redis": read(path)}, Local("lewi"), as_root=False))

    # Other runs have containers of this image, too.
    mine = [one for one in found.proposals if any(container in evidence for evidence in one.evidence)]
    assert [one.use.entry() for one in mine] == [{"redis": {"address": f"tcp://{address}"}}]
    assert mine[0].evidence == (f"container {container} of the image aresmon-test/services publishes {address}",)

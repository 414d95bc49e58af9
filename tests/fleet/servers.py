"""Real servers, and all that can go wrong with them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.engine.sites import Site
from tests.fleet.containers import docker, network
from tests.fleet.keys import Key
from tests.fleet.machine import Machine
from tests.harness.names import fresh

alive: list[Server] = []
"""Every server that may be there now: a failed test prints what they logged."""

_HELD = """#!/bin/bash
# Stops here, while /run/hold-{tool} is there, any call whose arguments match; the others go straight through.
pattern={pattern}
if [[ -e /run/hold-{tool} && "$*" =~ $pattern ]]; then
  printf '%s\\n' "$*" >> /run/hold-{tool}.reached
  for ((turn = 0; turn < 2400; turn++)); do
    [[ -e /run/hold-{tool} ]] || break
    /usr/bin/sleep 0.05
  done
fi
exec {real} "$@"
"""

# A shell between systemd and Telegraf that does not hear SIGTERM; KillMode=mixed sends it to nobody else.
_DEAF = """[Service]
ExecStart=
ExecStart=/bin/bash -c 'trap "" TERM; "$$@"; exit' telegraf /usr/bin/telegraf -config /etc/telegraf/telegraf.conf \
-config-directory /etc/telegraf/telegraf.d $TELEGRAF_OPTS
TimeoutStopSec={seconds}
"""


@dataclass(frozen=True)
class Hold:
    """Calls of a tool that wait on a server until they are let go."""

    server: Server
    tool: str

    def wait_reached(self, timeout: int = 60) -> str:
        """Wait until a call is held; its arguments."""
        reached = f"/run/hold-{self.tool}.reached"
        waited = self.server.attempt(f"until [[ -s {reached} ]]; do sleep 0.05; done; cat {reached}", timeout=timeout)
        assert waited.code == 0, f"{self.server.name}: nobody called {self.tool} within {timeout} s"
        return waited.out.splitlines()[0]

    def release(self) -> None:
        """Let go what is held, and whatever comes after."""
        self.server.run(f"rm -f /run/hold-{self.tool}")


class Server(Machine):
    """A machine to which bad things happen."""

    # The network ----------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Unplug it from every network without a word: packets vanish, connections hang. A boot does not mend it."""
        self.run("touch /etc/aresmon-test-cut && nft -f /usr/share/aresmon-test/cut.nft")

    def mend(self) -> None:
        """Plug it in again; connections that have not been given up go on."""
        self.run("rm -f /etc/aresmon-test-cut; nft delete table inet aresmon_test_cut")

    @contextmanager
    def unplugged(self) -> Iterator[None]:
        """The time of a cut."""
        self.cut()
        try:
            yield
        finally:
            self.mend()

    # The disk -------------------------------------------------------------------------------------------

    def fill_disk(self, path: str = "/etc/telegraf", *, leave: int = 0) -> None:
        """Put a folder on a disk of its own, with what is in it, that is full but for `leave` bytes (ENOSPC).

        Room comes in pages of 4096 bytes. Empty files can still be made, and files be renamed, as on any disk.
        """
        folder, under = shlex.quote(path), _under(path)
        self.run(
            f"set -e; mkdir -p {folder} {under}; mount --bind {folder} {under}"
            f"; mount -t tmpfs -o size=$(($(du -s -B1 {folder} | cut -f1) + (1 << 20))) tmpfs {folder}"
            f"; chown --reference {under} {folder}; chmod --reference {under} {folder}; cp -a {under}/. {folder}"
            f"; cat /dev/zero > {folder}/.filler 2> /dev/null || truncate -s -{leave} {folder}/.filler"
        )

    def free_disk(self, path: str = "/etc/telegraf") -> None:
        """Bring a filled folder back to the server's own disk, as it is now."""
        folder, under = shlex.quote(path), _under(path)
        self.run(
            f"set -e; rm -f {folder}/.filler; find {under} -mindepth 1 -delete; cp -a {folder}/. {under}"
            f"; chown --reference {folder} {under}; chmod --reference {folder} {under}"
            f"; umount --lazy {folder}; umount {under}; rmdir {under}"
        )

    @contextmanager
    def full_disk(self, path: str = "/etc/telegraf", *, leave: int = 0) -> Iterator[None]:
        """The time between `fill_disk` and `free_disk`; a power cut ends it too, and what was written is lost."""
        self.fill_disk(path, leave=leave)
        try:
            yield
        finally:
            if self._is_mounted(path):
                self.free_disk(path)

    @contextmanager
    def read_only(self, path: str = "/etc/telegraf") -> Iterator[None]:
        """A folder that cannot be written to (EROFS), not by root either."""
        folder = shlex.quote(path)
        self.run(f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}")
        try:
            yield
        finally:
            if self._is_mounted(path):
                self.run(f"umount --lazy {folder}")

    def _is_mounted(self, path: str) -> bool:
        return self.is_on and self.attempt(f"mountpoint -q {shlex.quote(path)}").code == 0

    # The agent and the tools ----------------------------------------------------------------------------

    def hang_stop(self, seconds: int = 5) -> None:
        """From its next start on, telegraf does not stop when told to: systemd kills it after so many seconds.

        A running telegraf is restarted for it. Its MainPID is that of a shell.
        """
        self.write("/etc/systemd/system/telegraf.service.d/aresmon-test.conf", _DEAF.format(seconds=seconds))
        self.run("systemctl daemon-reload && systemctl try-restart telegraf")

    @contextmanager
    def hold(self, tool: str, matching: str = "") -> Iterator[Hold]:
        """Stop every call of a tool whose arguments, joined by spaces, match a regular expression of bash's.

        Held is what finds the tool by its name on a path with /usr/local/sbin first: root, sudo, and the services
        of systemd. A call waits for two minutes at most. A power cut ends it for good.
        """
        wrapper = f"/usr/local/sbin/{tool}"
        assert not self.exists(f"/run/hold-{tool}"), f"{tool} is held already"
        real = self.run(f"type -P {tool}").strip()
        script = _HELD.format(tool=tool, pattern=shlex.quote(matching), real=real)
        self.run(f"rm -f /run/hold-{tool}.reached; touch /run/hold-{tool}")
        self.write(wrapper, script, mode="0755")
        try:
            yield Hold(self, tool)
        finally:
            if self.is_on:
                self.run(f"rm -f /run/hold-{tool} {wrapper}")


@contextmanager
def servers(
    names: Iterable[str], *, image: str, operators: Key, mounts: tuple[str, ...] = ()
) -> Iterator[dict[str, Server]]:
    """Servers by name on a network of their own, started at once; gone afterwards, whatever happened.

    `operators` is the key that root, ares and bob let in.
    """
    mark = fresh()
    with network(mark) as prefix:
        made = {
            name: Server(name, f"{mark}-{name}", f"{prefix}.{number}", mark, image, operators, mounts=mounts)
            for number, name in enumerate(names, start=11)
        }
        alive.extend(made.values())
        try:
            at_once(Server.make, made.values())
            yield made
        finally:
            for one in made.values():
                alive.remove(one)
            at_once(Server.remove, made.values())


def at_once(act: Callable[[Server], None], on: Iterable[Server]) -> None:
    """Do the same to several servers, side by side."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(act, on))


def join(server: Server, site: Site) -> None:
    """Bring a server to where a site's edge answers, as edge:8086; it stays there when it is made or booted anew."""
    front = f"{site.name}_front"
    docker("network", "connect", front, server.container)
    server.joined.add(front)


def leave(server: Server, site: Site) -> None:
    """Take a server away from a site: `down` cannot remove a network that somebody is in."""
    front = f"{site.name}_front"
    server.joined.discard(front)
    docker("network", "disconnect", "--force", front, server.container)


@contextmanager
def joined(to_site: Site, members: Iterable[Server]) -> Iterator[None]:
    """The time that servers reach a site."""
    with ExitStack() as stack:
        for one in members:
            join(one, to_site)
            stack.callback(leave, one, to_site)
        yield


def start_agent(server: Server, site: Site, *, every: str = "10s") -> None:
    """Start telegraf as docs/agents.md does it by hand, with what the last `up` rendered for this server.

    `every` is how often it reads and sends, where a test would rather not wait.
    """
    rendered = site.bundle / "agents" / server.name
    configuration = (rendered / "telegraf.conf").read_text(encoding="utf-8").replace('"10s"', f'"{every}"')
    variables = (rendered / "agent.env").read_text(encoding="utf-8")
    password = f"ARESMON_PASSWORD={site.secret(f'agent-{server.name}')}\n"
    server.write("/etc/telegraf/telegraf.conf", configuration)
    server.write("/etc/default/telegraf", variables + password, mode="0640", owner="root:telegraf")
    server.run("systemctl reset-failed telegraf; systemctl restart telegraf")


def _under(path: str) -> str:
    """Where a folder is while another disk is mounted on it."""
    return shlex.quote("/run/under" + path.replace("/", "-"))

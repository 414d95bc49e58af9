"""A push that is watched, held at a state, and struck there."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO

from tests.engine.sites import Result
from tests.fleet.desk import QUICK, Desk
from tests.fleet.servers import Server, at_once
from tests.fleet.standing import Standing

NEW = QUICK + "# new\n"
"""What a push brings that is to be interrupted."""

ELSEWHERE = f"""{NEW}
[[outputs.influxdb]]
  urls = ["http://edge:9"]
  skip_database_creation = true
"""
"""The agent runs, and none of its data arrives: nothing listens there."""

# Where a push can be held, by its state: at the call that the host is about to make. `verify` makes none; a push that
# is to be met there is held just before it, until the others have come to where they are met.
CALLS = {
    "lock": ("flock", "-n 9"),
    "probe": ("sha256sum", r"host\.bash"),
    "stage": ("chown", r"telegraf\.conf"),
    "check": ("setpriv", "config check"),
    "prepare": ("systemd-run", "watchdog"),
    "switch": ("mv", r"aresmon /etc/telegraf/telegraf\.conf"),
    "restart": ("systemctl", "^restart telegraf"),
    "verify": ("systemctl", "^restart telegraf"),
    "commit": ("mv", r"current\.new"),
    "rollback": ("cp", "undo/[0-9]+ /"),
    "rollback, restart": ("systemctl", "^reset-failed"),
}
_BRINGS = {"verify": ELSEWHERE, "rollback": ELSEWHERE, "rollback, restart": ELSEWHERE}
_SETTLED = (
    "until ! [[ -e /var/lib/aresmon/{site}/pending ]] && flock -n /var/lib/aresmon/{site}/lock true; do sleep 0.1; done"
)


class Push:
    """`aresmon push-config`, started and not yet ended."""

    def __init__(self, desk: Desk, *arguments: str) -> None:
        self.process = desk.start("push-config", *arguments)
        self._out: list[str] = []
        self._err: list[str] = []
        streams = ((self.process.stdout, self._out), (self.process.stderr, self._err))
        self._readers = [threading.Thread(target=_read, args=stream, daemon=True) for stream in streams]
        for reader in self._readers:
            reader.start()

    def wait_said(self, line: str, within: float = 60) -> None:
        """Wait until it has said this line, such as `lewi: verify`."""
        deadline = time.monotonic() + within
        while line not in [one.strip() for one in self._out]:
            assert self.process.poll() is None, (line, self._out, self._err)
            assert time.monotonic() < deadline, (line, self._out, self._err)
            time.sleep(0.02)

    def send(self, kind: signal.Signals) -> None:
        self.process.send_signal(kind)

    def ended(self, within: float = 240) -> Result:
        """Wait for its end."""
        self.process.wait(within)
        for reader in self._readers:
            reader.join(10)
        return Result(self.process.returncode, "".join(self._out), "".join(self._err))


@contextmanager
def met(desk: Desk, before: Sequence[Standing], states: Sequence[str]) -> Iterator[Push]:
    """A push that has come on each of the servers to the state where it is to be met, and waits there.

    It brings NEW, or to a state that NEW does not come to, or not stay in, what does. At the end of the context the
    hosts are let go on, and have settled.
    """
    at = {one.server.name: state for one, state in zip(before, states, strict=True)}
    servers = [one.server for one in before]
    for server in servers:
        renew(desk, server, text=_BRINGS.get(at[server.name], NEW))
    with ExitStack() as stack:
        holds = [stack.enter_context(server.hold(*CALLS[at[server.name]])) for server in servers]
        push = Push(desk, *at, "--canary", "0", "--deadline", "5", "--overwrite")
        for hold in holds:
            hold.wait_reached()
        for hold in holds:
            if at[hold.server.name] == "verify":
                hold.release()
        for name, state in at.items():
            push.wait_said(f"{name}: {state.partition(',')[0]}")
        yield push
        for hold in holds:
            hold.release()
        settle(desk, servers)  # before the held tools are put back: a bash remembers where it found them


def renew(desk: Desk, *servers: Server, text: str = NEW) -> list[str]:
    """Ask for another configuration, and another variable, on these servers; their names."""
    desk.own(*servers, text=text)
    for server in servers:
        desk.configure(server.name, env={"EDITION": "new"})
    return [server.name for server in servers]


def settle(desk: Desk, servers: Sequence[Server], within: int = 60) -> None:
    """Wait until nothing is under way on these servers any more, and nothing is pending."""

    def one(server: Server) -> None:
        waited = server.attempt(_SETTLED.format(site=desk.site.name), timeout=within)
        assert waited.code == 0, (
            f"{server.name}: not settled within {within} s\n{server.run('ps -ef; ls -la /var/lib/aresmon/*')}"
        )

    at_once(one, servers)


def _read(stream: IO[str], into: list[str]) -> None:
    for line in stream:
        into.append(line)

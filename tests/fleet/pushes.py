"""A push that is watched, held at a state, and struck there."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO

from tests.engine.sites import Result
from tests.fleet.desk import QUICK, Desk
from tests.fleet.servers import Server, at_once

# What a push that is to be interrupted brings: another configuration, and another variable.
NEW = QUICK + "# new\n"
# The agent runs, and none of its data arrives: nothing listens there.
ELSEWHERE = f"""{NEW}
[[outputs.influxdb]]
  urls = ["http://edge:9"]
  skip_database_creation = true
"""
# Where a push can be held: at the call that the host is about to make. `verify` has none: where no data arrives,
# it is long enough.
CALLS = {
    "lock": ("flock", "-n 9"),
    "probe": ("stat", "-f -c"),
    "stage": ("chown", r"telegraf\.conf"),
    "check": ("setpriv", "config check"),
    "arm": ("systemd-run", "deadman"),
    "switch": ("mv", r"aresmon /etc/telegraf/telegraf\.conf"),
    "restart": ("systemctl", "^restart telegraf"),
    "commit": ("mv", r"current\.new"),
    "undo": ("cp", "undo/[0-9]+ /"),
    "undo, restart": ("systemctl", "^reset-failed"),
}
_SETTLED = "until ! [[ -e /var/lib/aresmon/{site}/pending ]] && flock -n /var/lib/aresmon/{site}/lock true; do sleep 0.1; done"


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
            assert time.monotonic() < deadline and self.process.poll() is None, (line, self._out, self._err)
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
def met(desk: Desk, servers: Sequence[Server], states: Sequence[str], *options: str) -> Iterator[Push]:
    """A push of NEW that has come on each of the servers to the state where it is to be met, and waits there.

    It goes on when the context ends. Where that state is one that only a failing push comes to, or that a good one
    passes at once, it brings ELSEWHERE.
    """
    for server, state in zip(servers, states, strict=True):
        fails = state == "verify" or state.startswith("undo")
        renew(desk, server, text=ELSEWHERE if fails else NEW)
    with ExitStack() as stack:
        calls = [(server, CALLS[state]) for server, state in zip(servers, states, strict=True) if state in CALLS]
        holds = [stack.enter_context(server.hold(*call)) for server, call in calls]
        push = Push(desk, *(server.name for server in servers), "--canary", "0", "--deadline", "5", *options)
        for hold in holds:
            hold.wait_reached()
        for server, state in zip(servers, states, strict=True):
            push.wait_said(f"{server.name}: {state.partition(',')[0]}")
        yield push


def renew(desk: Desk, *servers: Server, text: str = NEW) -> None:
    """Ask for another configuration, and another variable, on these servers."""
    desk.own(*servers, text=text)
    for server in servers:
        desk.configure(server.name, env={"EDITION": "new"})


def settle(desk: Desk, servers: Sequence[Server], within: int = 60) -> None:
    """Wait until nothing is under way on these servers any more, and nothing is pending."""

    def one(server: Server) -> None:
        waited = server.attempt(_SETTLED.format(site=desk.site.name), timeout=within)
        assert waited.code == 0, f"{server.name}: not settled within {within} s\n{server.run('ps -ef; ls -la /var/lib/aresmon/*')}"

    at_once(one, servers)


def _read(stream: IO[str], into: list[str]) -> None:
    for line in stream:
        into.append(line)

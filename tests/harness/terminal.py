"""A program in a terminal of its own: keys go in, and what it draws comes out as text."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence

from tests.unit.conftest import REPOSITORY

_PATIENCE = 30.0


class Terminal:
    """A terminal, and the program in it."""

    def __init__(self, argv: Sequence[str], *, columns: int = 80, rows: int = 24, env: Mapping[str, str] = {}) -> None:
        self.fd, inner = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(inner)
        variables = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", "PYTHONPATH": str(REPOSITORY), **env}
        self.process = subprocess.Popen(
            argv,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env=variables,
            start_new_session=True,
            cwd=REPOSITORY,
            # The tests themselves may run with `nohup`, which everything below them inherits.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
        self.inner, self.output = inner, ""

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def screen(self) -> str:
        """What was drawn last, as text."""
        last = self.output.rpartition("\x1b[H")[2]
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", last).replace("\r", "")

    def press(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def wait_for(self, text: str) -> str:
        """Read until the screen has this text."""
        self.wait_until(lambda: text in self.screen)
        return self.screen

    def wait_until(self, holds: Callable[[], bool], *, within: float = _PATIENCE) -> None:
        """Read until this holds."""
        end = time.monotonic() + within
        while not holds():
            assert time.monotonic() < end, self.output[-3000:]
            self._read()

    def close(self) -> None:
        """End the program, if it runs, and take the terminal away."""
        self.process.kill()
        self.process.wait()
        os.close(self.fd)
        os.close(self.inner)

    def end(self) -> int:
        """Wait for the program's end. Its exit code."""
        self.wait_until(lambda: self.process.poll() is not None)
        self._read()
        return self.process.returncode

    def _read(self) -> None:
        ready, _, _ = select.select([self.fd], [], [], 0.1)
        if ready:
            self.output += os.read(self.fd, 1 << 16).decode(errors="replace")

"""How aresmon is asked to end: by ^C, by SIGTERM, by the end of its terminal."""

from __future__ import annotations

import os
import signal
import stat
from typing import NoReturn

_OUT, _ERR = 1, 2


def kinds() -> tuple[signal.Signals, ...]:
    """The signals that ask for it. Who had SIGHUP ignored when it started us, as nohup does, means us to go on."""
    hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGINT, signal.SIGTERM, *hangup)


def install_handlers() -> None:
    """From now on each of them is a KeyboardInterrupt, so that what is under way is put in order."""
    for kind in kinds():
        signal.signal(kind, _interrupt)


def leave_terminal() -> None:
    """After a SIGHUP: what is still to be said fails nowhere, and no other SIGHUP disturbs what is put in order."""
    # The shell sends one, and the kernel another.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for handle in (_OUT, _ERR):
        # Not isatty(): a terminal that is gone says no.
        if stat.S_ISCHR(os.fstat(handle).st_mode):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, handle)
            os.close(nowhere)


def _interrupt(kind: int, _: object) -> NoReturn:
    if kind == signal.SIGHUP:
        leave_terminal()
    raise KeyboardInterrupt

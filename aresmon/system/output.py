"""Standard output and standard error that may be full, closed, or without a reader.

Work does not stop halfway because its report cannot be written: what cannot be written is dropped, and `finish` says so
at the end. If the reader of a pipe is gone, aresmon is asked to end, as by ^C, and `finish` ends it as SIGPIPE ends
other programs.
"""

from __future__ import annotations

import errno
import io
import os
import select
import signal
import sys
from collections.abc import Callable
from typing import TextIO

from aresmon.system import characters
from aresmon.system.errors import ExitCode

_IN, _OUT, _ERR = 0, 1, 2


class _Sink(io.FileIO):
    """A descriptor to write to. After the first error, everything is dropped; `failed` is called with that error."""

    def __init__(self, descriptor: int, failed: Callable[[OSError], None]) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._failed, self._is_lost = failed, False

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """Write some of the data, or drop it; how much."""
        if not self._is_lost:
            try:
                while (written := super().write(data)) is None:  # another program has made the pipe non-blocking
                    select.select([], [self], [])
                return written
            except OSError as error:
                self._is_lost = True
                self._failed(error)
        return len(memoryview(data).cast("B"))


class _State:
    """What became of standard output."""

    error: OSError | None = None
    is_ending = False


def guard() -> None:
    """From now on, no error in writing to standard output or standard error reaches the code that writes.

    Descriptors that are closed are opened, or the next file that is opened would get their numbers: standard output so
    that writing to it fails, the others as the null device.
    """
    for descriptor, flags in ((_IN, os.O_RDONLY), (_OUT, os.O_RDONLY), (_ERR, os.O_WRONLY)):
        _open_if_closed(descriptor, flags)
    if sys.stdin is None:
        sys.stdin = open(_IN, closefd=False, encoding="utf-8")  # noqa: SIM115 (open until the end)
    sys.stdout = _guarded(_OUT, sys.stdout, _lose)
    sys.stderr = _guarded(_ERR, sys.stderr, lambda _: None)


def is_lost() -> bool:
    """Whether standard output has failed: a command that only prints, again and again, then has nothing left to do."""
    return _State.error is not None


def has_no_reader() -> bool:
    """Whether the reader of standard output is gone."""
    return _State.error is not None and _State.error.errno == errno.EPIPE


def finish(code: int) -> int:
    """Write what is left, and say what could not be written. The exit code, which is 1 instead of 0 then.

    Does not return if the reader of standard output is gone.
    """
    _State.is_ending = True
    sys.stdout.flush()
    if has_no_reader():
        sys.stderr.flush()
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
    if _State.error is None:
        return code
    why = "it is not open for writing" if _State.error.errno == errno.EBADF else _State.error.strerror
    sys.stderr.write(f"cannot write to standard output: {why}\n")
    return code or ExitCode.REFUSED


def _lose(error: OSError) -> None:
    _State.error = error
    if error.errno == errno.EPIPE and not _State.is_ending:
        os.kill(os.getpid(), signal.SIGTERM)  # which `signals` handles like ^C, in any thread and any event loop


def _open_if_closed(descriptor: int, flags: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        opened = os.open(os.devnull, flags)
        if opened != descriptor:
            os.dup2(opened, descriptor)
            os.close(opened)


def _guarded(descriptor: int, former: TextIO | None, failed: Callable[[OSError], None]) -> TextIO:
    """The same stream with a `_Sink` below. What its encoding lacks is written in ASCII: `e` for `é`."""
    buffer = io.BufferedWriter(_Sink(descriptor, failed))  # type: ignore[type-var]
    if not isinstance(former, io.TextIOWrapper):
        return io.TextIOWrapper(buffer, encoding="utf-8", errors=characters.ERRORS)
    former.flush()
    errors = characters.ERRORS if former.errors == "strict" else former.errors
    return io.TextIOWrapper(
        buffer,
        encoding=former.encoding,
        errors=errors,
        line_buffering=former.line_buffering,
        write_through=former.write_through,
    )

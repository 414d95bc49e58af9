"""Starts one command and tells what it took; run by bench/measure.py as a process of its own.

`python -I -S launch.py OUTPUT HOW COMMAND…` prints seconds, seconds of processor, bytes of the largest process's
peak, bytes that all its processes held together at their peak, exit code. HOW is

- `alone`: the command and the children that it waits for;
- `family`: what it leaves running counts too, and is ended;
- `watched`: the memory of all its processes is looked at ten times a second besides, which costs time itself. Each
  page is counted once, in parts where several share it (Pss). Otherwise that figure is 0.

Nothing is imported that is not needed: a command begins with the peak of who starts it.
"""

import os
import sys
import time

_BE_PARENT_OF_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER
_EVERY = 0.1


class Watch:
    """The memory of all processes below this one."""

    peak = 0

    def go_on(self) -> None:
        while True:
            self.peak = max(self.peak, 1024 * sum(map(_share, _below(os.getpid()))))
            time.sleep(_EVERY)


def main(output: str, how: str, argv: list[str]) -> None:
    watch = Watch()
    if how == "watched":
        import threading

        threading.Thread(target=watch.go_on, daemon=True).start()
    if how != "alone":
        import ctypes

        ctypes.CDLL(None).prctl(_BE_PARENT_OF_ORPHANS, 1, 0, 0, 0)
    said = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, said, 1), (os.POSIX_SPAWN_DUP2, said, 2)]
    begun = time.monotonic()
    child = os.posix_spawnp(argv[0], argv, os.environ, file_actions=actions)
    pid, processor, peak, code = 0, 0.0, 0, 0
    while pid != child:
        pid, status, usage = os.wait4(-1, 0)
        processor, peak = processor + usage.ru_utime + usage.ru_stime, max(peak, usage.ru_maxrss)
        code = os.waitstatus_to_exitcode(status)
    elapsed = time.monotonic() - begun
    for left in _below(os.getpid()) if how != "alone" else ():
        processor += _end(left)
    print(elapsed, processor, peak * 1024, watch.peak, code)


def _end(pid: int) -> float:
    """End what is left; the seconds of processor that it took."""
    try:
        os.kill(pid, 15)
        _, _, usage = os.wait4(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return 0.0
    return usage.ru_utime + usage.ru_stime


def _below(pid: int) -> list[int]:
    """Children, then theirs."""
    children = [int(one) for one in _read(f"/proc/{pid}/task/{pid}/children").split()]
    return [*children, *(one for child in children for one in _below(child))]


def _share(pid: int) -> int:
    """KiB of a process: its own, and its part of what it shares."""
    lines = _read(f"/proc/{pid}/smaps_rollup").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _read(path: str) -> str:
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return ""
    try:
        return os.read(file, 1 << 16).decode()
    except OSError:
        return ""
    finally:
        os.close(file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])

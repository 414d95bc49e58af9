"""A process's memory as the kernel counts it for its control group.

The engine tells the same, but on its own next tick, up to a second later.
Source: Linux, cgroup-v1/memory.rst and cgroup-v2.rst.
"""

from __future__ import annotations

from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def memory(pid: int) -> int | None:
    """Bytes in use by the control group of this process, without the file cache that can be dropped at once.

    None where the kernel does not let us see it.
    """
    try:
        for line in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                return _used(_CGROUPS / "memory" / path.lstrip("/"), "memory.usage_in_bytes", "total_inactive_file")
            if not controllers and (_CGROUPS / path.lstrip("/") / "memory.current").exists():
                return _used(_CGROUPS / path.lstrip("/"), "memory.current", "inactive_file")
    except (OSError, ValueError):
        pass
    return None


def _used(folder: Path, usage: str, inactive: str) -> int:
    droppable = next(
        (
            int(line.split()[1])
            for line in (folder / "memory.stat").read_text().splitlines()
            if line.split()[0] == inactive
        ),
        0,
    )
    return max(0, int((folder / usage).read_text()) - droppable)

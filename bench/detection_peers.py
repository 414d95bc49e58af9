"""When dockprom's and Netdata's published rules would fire for the faults of bench/faults.py, by their own files.

Read, not run: what their rules say (window, `for` or delay, interval of evaluation and of collection), and arithmetic.
Sources: stefanprodan/dockprom 61b7267 (prometheus/alert.rules, prometheus/prometheus.yml); netdata/netdata 04b1cf5
(src/health/health.d/: cpu, ram, swap, disks, load, docker, haproxy, streaming), which collects every second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Peer:
    """How a rule works, in seconds: until its condition holds once the fault is read, how often it is evaluated, how
    long it must hold or its message is held back, how often is collected."""

    holds: float
    every: float
    lasting: float = 0.0
    reads: float = 1.0

    @property
    def least(self) -> float:
        return self.holds + self.lasting

    @property
    def most(self) -> float:
        return self.holds + self.lasting + self.every + self.reads


def mean_crosses(before: float, after: float, limit: float, *, window: float) -> float:
    """Seconds until a mean over a window is beyond a limit, once the value has turned from one to the other."""
    return window * (limit - before) / (after - before)


def _dockprom(holds: float = 0.0) -> Peer:
    return Peer(holds, 15, lasting=30, reads=5)


DOCKPROM: Mapping[str, Peer] = {
    "agent-silent-critical": _dockprom(),  # monitor_service_down
    "memory-low-warning": _dockprom(),  # high_memory_load
}
"""By rule and severity. Its rule for disks is for `aufs` alone, those for containers for one named `jenkins`; that
for the processor holds against one number for every machine."""

NETDATA: Mapping[str, Peer] = {
    "cpu-high-warning": Peer(mean_crosses(5, 100, 85, window=600), _MINUTE),  # 10min_cpu_usage
    "cpu-high-critical": Peer(mean_crosses(5, 100, 95, window=600), _MINUTE),
    "cpu-iowait-warning": Peer(mean_crosses(0, 60, 40, window=600), _MINUTE, lasting=30 * _MINUTE),  # 10min_cpu_iowait
    "cpu-steal-warning": Peer(mean_crosses(0, 30, 10, window=1200), 5 * _MINUTE),  # 20min_steal_cpu
    "load-high-warning": Peer(0, _MINUTE),  # load_average_15
    "memory-low-warning": Peer(0, 10),  # ram_available
    "swap-full-warning": Peer(0, 10, lasting=30),  # used_swap
    "swapping-out-warning": Peer(15 * _MINUTE, _MINUTE),  # 30min_ram_swapped_out
    "oom-kill-warning": Peer(0, 5 * _MINUTE),  # oom_kill
    "disk-full-warning": Peer(0, _MINUTE, lasting=_MINUTE),  # disk_space_usage
    "disk-full-critical": Peer(0, _MINUTE, lasting=_MINUTE),
    "inodes-full-warning": Peer(0, _MINUTE, lasting=_MINUTE),  # disk_inode_usage
    "inodes-full-critical": Peer(0, _MINUTE, lasting=_MINUTE),
    "container-unhealthy-warning": Peer(0, 10),  # docker_container_unhealthy
    "haproxy-backend-dead-critical": Peer(0, 10),  # haproxy_backend_status
    "haproxy-server-down-warning": Peer(0, 10),  # haproxy_backend_server_status
    "agent-silent-critical": Peer(0, 10, lasting=5 * _MINUTE),  # streaming_disconnected, on a parent
}
"""By rule and severity. Its rule for ended containers is off as published, that for broken packets is for FreeBSD."""

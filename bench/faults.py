"""Of each alert: a fault that it is for, as points of a host on which all is well until the fault and nothing after.

A value is a number, a text, or a function of the seconds since the first reading that shows the fault; before it they
are negative. None is no point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bench.month import INTERVAL

COLLECT = ("system", "disk", "diskio", "net", "docker", "haproxy")
"""The collectors whose rules are measured: those of a server and of what nearly every one runs. The rules of single
services have windows of the same kinds; `tests/services` breaks these services and sees the rules fire."""

Value = float | str | None
Course = Value | Callable[[float], Value]


@dataclass(frozen=True, slots=True)
class Sign:
    """One series of a host."""

    measurement: str
    tags: str
    fields: Mapping[str, Course]

    def lines(self, host: str, *, at: int, since: int, until: int) -> Iterator[str]:
        """Its points, one a reading, in line protocol with seconds; the fault is first read `at`."""
        tags = f",{self.tags}" if self.tags else ""
        for moment in range(since, until, INTERVAL):
            values = {name: course(moment - at) if callable(course) else course for name, course in self.fields.items()}
            written = ",".join(f"{name}={_written(value)}" for name, value in values.items() if value is not None)
            if written:
                yield f"{self.measurement},host={host}{tags} {written} {moment}"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens, in words, and what is read of it."""

    what: str
    signs: tuple[Sign, ...]


def turns(before: Value, after: Value) -> Course:
    """One thing until the fault, another since."""
    return lambda since: before if since < 0 else after


def grows(before: float, after: float) -> Course:
    """A counter that grows so much a minute."""
    return lambda since: 1e9 + since / 60 * (before if since < 0 else after)


def _written(value: Value) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(float(value or 0))


def _sign(measurement: str, tags: str = "", **fields: Course) -> Sign:
    return Sign(measurement, tags, {name.replace("__", "."): course for name, course in fields.items()})


def _cpu(**fields: Course) -> tuple[Sign, ...]:
    return (_sign("cpu", "cpu=cpu-total", **fields),)


def _disk(**fields: Course) -> tuple[Sign, ...]:
    return (_sign("disk", "mode=rw,path=/srv", **fields),)


def _container(kind: str, tags: str = "", **fields: Course) -> Sign:
    return _sign(f"docker_container_{kind}", f"container_name=wiki{tags}", **fields)


def _haproxy(kind: str, **fields: Course) -> tuple[Sign, ...]:
    return (_sign("haproxy", f"proxy=web,sv={'web1' if kind == 'server' else kind.upper()},type={kind}", **fields),)


def _internal(**fields: Course) -> tuple[Sign, ...]:
    return (_sign("internal_write", "output=influxdb", **fields),)


def _net(field: str, packets: str) -> tuple[Sign, ...]:
    return (_sign("net", "interface=eth0", **{field: grows(0, 50), packets: grows(1000, 1000)}),)


FAULTS: Mapping[str, Fault] = {
    "database-unreachable": Fault("nobody answers Grafana's data source", ()),
    "agent-silent": Fault("the agent is killed", (_sign("system", uptime=turns(5000, None)),)),
    "cpu-high": Fault("processors from 5 % to all in use", _cpu(usage_idle=turns(95, 0))),
    "cpu-iowait": Fault("waiting for disks from 0 to 60 %", _cpu(usage_iowait=turns(0, 60))),
    "cpu-steal": Fault("stolen by other guests from 0 to 30 %", _cpu(usage_steal=turns(0, 30))),
    "load-high": Fault("load over 15 min from 1 to 12 on 4 cores", (_sign("system", load15=turns(1, 12), n_cpus=4),)),
    "memory-low": Fault("available memory from 50 to 2 %", (_sign("mem", available_percent=turns(50, 2)),)),
    "swap-full": Fault("swap from 10 to 99 % in use", (_sign("swap", used_percent=turns(10, 99), total=1),)),
    "swapping-out": Fault(
        "2 % of the memory swapped out a minute", (_sign("swap", out=grows(0, 2)), _sign("mem", total=100))
    ),
    "oom-kill": Fault("a process killed for want of memory", (_sign("kernel_vmstat", oom_kill=turns(8, 9)),)),
    "rebooted": Fault("the host restarts", (_sign("system", uptime=lambda since: 1e6 if since < 0 else since + 30),)),
    "disk-full": Fault("a disk from 50 to 99 % in use", _disk(used_percent=turns(50, 99))),
    "inodes-full": Fault("inodes from 50 to 99 % in use", _disk(inodes_used=turns(50, 99), inodes_total=100)),
    "disk-fills": Fault(
        "40 GB free, and 10 GB less every hour",
        _disk(free=lambda since: 40 - max(since, 0) / 360, used_percent=70),
    ),
    "disk-queue": Fault(
        "20 requests wait for a disk", (_sign("diskio", "name=sda", weighted_io_time=grows(0, 20 * 60_000)),)
    ),
    "container-restarting": Fault(
        "a container restarts every minute",
        (_container("status", restart_count=lambda since: max(since, 0) // 60),),
    ),
    "container-stopped": Fault(
        "a container ends with an error",
        (
            _container("status", ",container_status=running", pid=turns(7, None), exitcode=0),
            _container("status", ",container_status=exited", pid=turns(None, 0), exitcode=turns(None, 1)),
        ),
    ),
    "container-unhealthy": Fault(
        "a container's check has failed three times", (_container("health", failing_streak=turns(0, 3)),)
    ),
    "container-memory": Fault(
        "a container's memory from 20 to 99 % of its limit",
        (_container("mem", usage=turns(20, 99), limit=100), _sign("docker", memory_total=1000)),
    ),
    "haproxy-backend-dead": Fault(
        "a backend's last server is down", _haproxy("backend", active_servers=turns(1, 0), backup_servers=0)
    ),
    "haproxy-server-down": Fault(
        "a server is down", _haproxy("server", status=turns("UP", "DOWN"), lastchg=turns(10**5, 5))
    ),
    "haproxy-errors": Fault(
        "one request in five fails", _haproxy("frontend", http_response__5xx=grows(0, 20), req_tot=grows(100, 100))
    ),
    "haproxy-sessions": Fault(
        "sessions from 10 to 95 % of the limit", _haproxy("frontend", scur=turns(10, 95), slim=100)
    ),
    "haproxy-queue": Fault("two requests always wait for a server", _haproxy("backend", qcur=turns(0, 2))),
    "agent-loses-data": Fault("an agent drops points", _internal(metrics_dropped=turns(8, 9))),
    "agent-buffer": Fault(
        "an agent's buffer from empty to 90 % full", _internal(buffer_size=turns(0, 900), buffer_limit=1000)
    ),
    "input-fails": Fault("an input fails every time", (_sign("internal_gather", "input=docker", errors=grows(0, 6)),)),
    "network-errors-in": Fault("one packet in twenty arrives broken", _net("err_in", "packets_recv")),
    "network-errors-out": Fault("one packet in twenty leaves broken", _net("err_out", "packets_sent")),
}

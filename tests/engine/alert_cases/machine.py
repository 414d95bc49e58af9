"""The alerts of the machine, its containers, HAProxy, the agent and the site itself."""

from __future__ import annotations

from collections.abc import Callable

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, interrupted, points


def _disk(tags: str = "", **fields: Value) -> Points:
    return points("disk", f"path=/srv,mode=rw{tags}", **fields)


def _falling(left: float, a_hour: float) -> Callable[[float], float]:
    return lambda age: left + age / 3600 * a_hour


def _cpu(**fields: Value) -> Points:
    return points("cpu", "cpu=cpu-total", **fields)


def _haproxy(kind: str, **fields: Value) -> Points:
    return points("haproxy", f"type={kind},proxy=web,sv={'web1' if kind == 'server' else kind.upper()}", **fields)


def _container(measurement: str, tags: str = "", **fields: Value) -> Points:
    return points(measurement, f"container_name=wiki{tags}", **fields)


def _memory(usage: float, limit: float, machine: float) -> tuple[Points, Points]:
    return _container("docker_container_mem", usage=usage, limit=limit), points("docker", memory_total=machine)


def _restarts(count: Callable[[float], float], started: Callable[[float], float] = lambda age: 0.0) -> Points:
    return _container("docker_container_status", restart_count=count, started_at=started)


def _stopped(status: str, code: int) -> Points:
    return _container("docker_container_status", f",container_status={status}", pid=0, exitcode=code)


def _net(interface: str, field: str, packets: str, broken: float) -> Points:
    return points("net", f"interface={interface}", **{field: grows(broken), packets: grows(100)})


def _net_case(field: str, packets: str) -> Case:
    return case(
        _net("eth0", field, packets, 2),
        (_net("eth0", field, packets, 0.5), _net("lo", field, packets, 50), _net("veth1a", field, packets, 50)),
        points("net", "interface=eth0", **{field: grows(0), packets: grows(0)}),
    )


def _silent_internal(**fields: Value) -> Points:
    return points("internal_write", "output=influxdb", **fields)


def _once(at: float) -> Callable[[float], float]:
    return lambda age: 8.0 if age > at else 9.0


CASES: dict[str, Case] = {
    "disk-full-warning": case(
        _disk(used_percent=91), _disk(used_percent=89), points("disk", "path=/media,mode=ro", used_percent=100)
    ),
    "disk-full-critical": case(_disk(used_percent=98), _disk(used_percent=96)),
    "inodes-full-warning": case(
        _disk(inodes_used=91, inodes_total=100),
        _disk(inodes_used=89, inodes_total=100),
        _disk(inodes_used=0, inodes_total=0),  # btrfs has none
    ),
    "inodes-full-critical": case(_disk(inodes_used=98, inodes_total=100), _disk(inodes_used=96, inodes_total=100)),
    "disk-fills-warning": case(
        _disk(free=_falling(40, 3), used_percent=70),
        _disk(free=_falling(400, 3), used_percent=70),
        _disk(free=_falling(40, 3), used_percent=50),
        _disk(free=40, used_percent=70),
        _disk(free=_falling(40, -3), used_percent=70),
    ),
    "disk-fills-critical": case(
        _disk(free=_falling(5, 3), used_percent=90),
        _disk(free=_falling(40, 3), used_percent=90),
        _disk(free=_falling(5, 3), used_percent=50),
    ),
    "disk-queue-warning": case(
        points("diskio", "name=sda", weighted_io_time=grows(12 * 60_000)),
        points("diskio", "name=sda", weighted_io_time=grows(8 * 60_000)),
    ),
    "container-restarting-warning": case(
        _restarts(grows(1 / 3)),
        _restarts(grows(1 / 10)),
        _restarts(lambda age: 9.0),  # long ago
        _restarts(lambda age: 0.0, started=lambda age: age // 60),  # started by somebody each minute
        _restarts(lambda age: 9.0 if age > 400 else 0.0),  # recreated
    ),
    "container-stopped-warning": case(
        _stopped("exited", 1), _stopped("exited", 0), _stopped("running", 1), _stopped("created", 0)
    ),
    "container-unhealthy-warning": case(
        _container("docker_container_health", failing_streak=3), _container("docker_container_health", failing_streak=2)
    ),
    "container-memory-warning": case(_memory(95, 100, 1000), _memory(85, 100, 1000), _memory(95, 100, 100)),
    "haproxy-backend-dead-critical": case(
        _haproxy("backend", active_servers=0, backup_servers=0),
        _haproxy("backend", active_servers=0, backup_servers=1),
        _haproxy("backend", active_servers=1, backup_servers=0),
    ),
    "haproxy-server-down-warning": case(
        _haproxy("server", status="DOWN 1/2", lastchg=5), _haproxy("server", status="UP", lastchg=5)
    ),
    "haproxy-errors-warning": case(
        _haproxy("frontend", http_response__5xx=grows(10), req_tot=grows(100)),
        _haproxy("frontend", http_response__5xx=grows(2), req_tot=grows(100)),
        _haproxy("frontend", http_response__5xx=grows(0), req_tot=grows(0)),
        _haproxy("backend", http_response__5xx=grows(10), req_tot=grows(100)),
    ),
    "haproxy-sessions-warning": case(
        _haproxy("frontend", scur=90, slim=100), _haproxy("frontend", scur=70, slim=100),
        _haproxy("frontend", scur=90, slim=0),
    ),
    "haproxy-queue-warning": case(
        _haproxy("backend", qcur=2), _haproxy("backend", qcur=0), _haproxy("backend", qcur=interrupted(3))
    ),
    "agent-loses-data-warning": case(
        _silent_internal(metrics_dropped=_once(300)), _silent_internal(metrics_dropped=1000),
        _silent_internal(metrics_dropped=lambda age: 0.0 if age < 300 else 500.0),  # a restart
    ),
    "agent-buffer-warning": case(
        _silent_internal(buffer_size=600, buffer_limit=1000), _silent_internal(buffer_size=400, buffer_limit=1000)
    ),
    "input-fails-warning": case(
        points("internal_gather", "input=docker", errors=grows(1)),
        points("internal_gather", "input=docker", errors=grows(0.3)),
    ),
    "network-errors-in-warning": _net_case("err_in", "packets_recv"),
    "network-errors-out-warning": _net_case("err_out", "packets_sent"),
    "agent-silent-critical": case((), points("system", uptime=5000)),
    "cpu-high-warning": case(_cpu(usage_idle=10), _cpu(usage_idle=20), points("cpu", "cpu=cpu0", usage_idle=1)),
    "cpu-high-critical": case(_cpu(usage_idle=3), _cpu(usage_idle=7)),
    "cpu-iowait-warning": case(_cpu(usage_iowait=50), _cpu(usage_iowait=30)),
    "cpu-steal-warning": case(_cpu(usage_steal=15), _cpu(usage_steal=5)),
    "load-high-warning": case(points("system", load15=9, n_cpus=4), points("system", load15=7, n_cpus=4)),
    "memory-low-warning": case(points("mem", available_percent=8), points("mem", available_percent=12)),
    "memory-low-critical": case(points("mem", available_percent=4), points("mem", available_percent=7)),
    "swap-full-warning": case(
        points("swap", used_percent=90, total=1), points("swap", used_percent=70, total=1),
        points("swap", used_percent=90, total=0),
    ),
    "swapping-out-warning": case(
        (points("swap", out=grows(2)), points("mem", total=100)),
        (points("swap", out=grows(0.8)), points("mem", total=100)),
    ),
    "oom-kill-warning": case(points("kernel_vmstat", oom_kill=_once(600)), points("kernel_vmstat", oom_kill=9)),
    "rebooted-information": case(
        points("system", uptime=lambda age: max(300 - age, 0)), points("system", uptime=10**6)
    ),
    "database-unreachable-critical": case((), points("internal_agent", metrics_gathered=1), ()),
}  # fmt: skip

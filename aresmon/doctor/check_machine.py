"""Checks of the engine, the machine, its disks and ports, and the containers of the stack."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from aresmon.config.listen import ListenAddress
from aresmon.doctor.facts import DiskFacts, EngineFacts, ListenerFacts, MachineFacts, ServiceFacts, StackFacts
from aresmon.doctor.findings import Finding
from aresmon.influxdb.capacity import Capacity, format_size
from aresmon.site.preflight import LEAST_ROOM

OLDEST_ENGINE, OLDEST_COMPOSE = (20, 10), (2, 17)
_SLOW_STORAGE = frozenset({"vfs", "devicemapper", "aufs"})
_DANGEROUS = {
    2375: ("Docker's engine without TLS", "anyone who can connect to it has root access"),
    8088: ("InfluxDB's backup port without authentication", "anyone who can connect to it can read and overwrite data"),
}
_MAX_CLOCK_OFFSET = 5.0  # seconds
_RESTARTS = 3
_SOON, _NOW = 30, 7  # days
_LITTLE = 0.05  # of a filesystem, of its inodes, of the memory
_ROOMY = 20 << 30  # bytes: on a large disk, 5 % free is still plenty


def engine(seen: EngineFacts) -> Iterator[Finding]:
    """Check the engine's version and settings, and Compose's version."""
    if _version(seen.version) < OLDEST_ENGINE:
        yield Finding("engine-old", f"Docker {seen.version} is older than {_dotted(OLDEST_ENGINE)}")
    for warning in seen.warnings:
        yield Finding("engine-warns", f"the engine warns: {warning.removeprefix('WARNING: ')}")
    if seen.storage in _SLOW_STORAGE:
        yield Finding("engine-storage", f"the storage driver is {seen.storage}")
    if not seen.live_restore:
        yield Finding("engine-restart", "containers stop when the engine restarts (live-restore is off)")
    if seen.log_driver == "json-file" and seen.limits_logs is False:
        yield Finding("engine-logs", "the default log driver is json-file without a size limit")
    if not seen.compose:
        yield Finding("compose", "Docker Compose v2 is not installed")
    elif _version(seen.compose) < OLDEST_COMPOSE:
        yield Finding("compose", f"Docker Compose {seen.compose} is older than {_dotted(OLDEST_COMPOSE)}")
    if abs(seen.clock_offset) > _MAX_CLOCK_OFFSET:
        yield Finding("clock-engine", f"the engine's clock is {_describe_offset(seen.clock_offset)} this process's")


def machine(seen: MachineFacts) -> Iterator[Finding]:
    """Check whether the engine starts at boot, the clock, free memory, the engine's socket and dangerous ports."""
    if seen.at_boot in ("disabled", "masked", "static", "indirect"):
        yield Finding("engine-boot", f"docker.service is {seen.at_boot}: it does not start at boot")
    if seen.synchronised == "no":
        yield Finding("clock-unsynchronised", "this machine's clock is not synchronised (NTPSynchronized=no)")
    if seen.socket_mode & 0o006:
        mode = f"mode {seen.socket_mode & 0o777:o}"
        yield Finding("engine-socket", f"the engine's socket is accessible to every user ({mode})")
    if seen.memory and seen.available < _LITTLE * seen.memory:
        yield Finding(
            "memory-short", f"{format_size(seen.available)} of {format_size(seen.memory)} memory is available"
        )
    for one in seen.listening:
        if one.at.port in _DANGEROUS and not one.at.is_loopback:
            what, why = _DANGEROUS[one.at.port]
            yield Finding("port-dangerous", f"{one.at} is open{_by(one)}: {what}; {why}")


def stack(seen: StackFacts, machine_memory: int = 0) -> Iterator[Finding]:
    """Check how the containers are configured and how they run."""
    for service in seen.services:
        if service.is_leftover:
            what = f"an interrupted command left a container behind ({service.name})"
            yield Finding("leftovers", what, "`aresmon up`")
        else:
            yield from _service(service)
    promised = sum(one.memory_limit for one in seen.services if not one.is_leftover)
    if machine_memory and promised > machine_memory:
        limits, memory = format_size(promised), format_size(machine_memory)
        what = f"the services' memory limits add up to {limits}; this machine has {memory}"
        yield Finding("memory-promised", what)


def ports(seen: StackFacts, listening: Sequence[ListenerFacts] = ()) -> Iterator[Finding]:
    """Compare the published ports with aresmon.yml; if the edge is down, report other processes on its ports."""
    configured = {str(listen) for listen in seen.configured_ports.values()}
    running = [one for one in seen.services if one.state == "running" and not one.is_leftover]
    for service in running:
        for address in sorted(service.published - configured if service.name in _OURS else ()):
            kind = "port-differs" if service.name == "edge" else "port-published"
            yield Finding(kind, f"{service.name} is published on {address}, which is not in aresmon.yml")
    edge = next((one for one in running if one.name == "edge"), None)
    for setting, listen in seen.configured_ports.items():
        if edge is None:
            for other in (one for one in listening if one.at.overlaps(listen)):
                what = f"{setting}: another process listens on {other.at}{_by(other)}"
                yield Finding(
                    "port-taken",
                    what,
                    f"`sudo ss -ltnp 'sport = :{listen.port}'` shows the process; stop it, or set "
                    f"{setting} in aresmon.yml to another port",
                )
        elif str(listen) not in edge.published:
            yield Finding("port-differs", f"the edge does not listen on {listen} ({setting} in aresmon.yml)")


def disks(seen: Sequence[DiskFacts], capacity: Capacity | None = None) -> Iterator[Finding]:
    """Check free space, inodes and growth, once for each filesystem; and whether each folder is writable."""
    for one in seen:
        if not one.writable:
            yield Finding("folder-unwritable", f"{one.what} ({one.folder}) is not writable")
    for device in dict.fromkeys(one.device for one in seen):
        mine = [one for one in seen if one.device == device]
        yield from _filesystem(mine)
    if capacity is not None and capacity.days_left is not None and capacity.days_left < _SOON:
        daily, free = format_size(capacity.bytes_a_day or 0), format_size(capacity.free or 0)
        what = f"InfluxDB's data grows by {daily} a day, {free} is free: {_days(capacity.days_left)}"
        yield Finding("data-outgrows", what, severity="bad" if capacity.days_left < _NOW else None)


def parse_listening(tcp: str, tcp6: str) -> list[tuple[ListenAddress, int]]:
    """Return the listening address and the socket's inode of each listening entry in /proc/net/tcp and tcp6.

    Source: Linux, Documentation/networking/proc_net_tcp.rst; an address is 32-bit words in the machine's byte order.
    """
    found = []
    for line in [*tcp.splitlines()[1:], *tcp6.splitlines()[1:]]:
        words = line.split()
        if len(words) > 9 and words[3] == "0A":
            address, _, port = words[1].partition(":")
            found.append((ListenAddress(_address(address), int(port, 16)), int(words[9])))
    return found


_OURS = frozenset({"influxdb", "grafana", "edge", "telegraf"})


def _service(seen: ServiceFacts) -> Iterator[Finding]:
    name = seen.name
    if seen.restart not in ("always", "unless-stopped"):
        yield Finding("service-policy", f"{name} has the restart policy '{seen.restart or 'no'}'")
    if seen.restarts >= _RESTARTS:
        what = f"{name} was restarted {seen.restarts} times"
        yield Finding("service-restarts", what, f"`aresmon logs {name}` shows the reason")
    if seen.out_of_memory:
        what = f"{name} was killed by the kernel at its memory limit of {format_size(seen.memory_limit)}"
        yield Finding("service-memory", what, f"raise memory.{name} in aresmon.yml, then `aresmon up`")
    if not seen.limits_log:
        yield Finding("service-log", f"the log of {name} has no size limit")
    if not seen.expected_images:
        return
    pinned = seen.expected_images[0]
    if seen.image not in seen.expected_images:
        yield Finding("service-image", f"{name} runs {seen.image}; the pinned image is {pinned}")
    elif seen.image != pinned:
        yield Finding("service-stand-in", f"{name} runs {seen.image}, built here in place of {pinned}")


def _filesystem(folders: Sequence[DiskFacts]) -> Iterator[Finding]:
    one = folders[0]
    what = " and ".join(dict.fromkeys(each.what for each in folders))
    remedy = _remedy(folders)
    if one.free < LEAST_ROOM or one.free < min(_LITTLE * one.total, _ROOMY):
        text = f"{what}: {format_size(one.free)} of {format_size(one.total)} is free ({one.folder})"
        yield Finding("disk-short", text, remedy, "bad" if one.free < 4 * LEAST_ROOM else "warning")
    if one.inodes and one.inodes_free < _LITTLE * one.inodes:
        yield Finding("inodes-short", f"{what}: {one.inodes_free} of {one.inodes} inodes are left ({one.folder})")
    growth = next((each.growth for each in folders if each.growth is not None), None)
    if growth and growth > 0 and one.free / growth < _SOON:
        days = one.free / growth
        rate, left = format_size(growth), format_size(one.free)
        text = f"{what}: use grows by {rate} a day, {left} is free: {_days(days)} ({one.folder})"
        yield Finding("disk-filling", text, severity="bad" if days < _NOW else None)


def _remedy(folders: Sequence[DiskFacts]) -> str:
    settings = [one.setting for one in folders if one.setting]
    move = f", or move it ({' or '.join(settings)} in aresmon.yml)" if settings else ""
    return f"free some space (`df -h`, `docker system df`){move}"


def _days(days: float) -> str:
    return f"full in {days:.0f} days" if days >= 2 else f"full in {days * 24:.0f} hours"


def _by(one: ListenerFacts) -> str:
    return f" ({one.by})" if one.by else ""


def _describe_offset(seconds: float) -> str:
    return f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'}"


def _version(text: str) -> tuple[int, ...]:
    """`v2.26.1-4` → (2, 26). A text that is not a version, such as a development build's, counts as new enough."""
    parts = text.lstrip("v").split(".")[:2]
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) and text else (9999,)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _address(hexadecimal: str) -> str:
    words = [bytes.fromhex(hexadecimal[at : at + 8])[::-1] for at in range(0, len(hexadecimal), 8)]
    found = ipaddress.ip_address(b"".join(words))
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)

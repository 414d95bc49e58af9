"""Probes of the engine, the machine, its disks and the stack's containers."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aresmon.config.model import Config
from aresmon.config.names import DATABASE
from aresmon.doctor import facts
from aresmon.doctor.check_machine import parse_listening
from aresmon.engine import containers
from aresmon.engine.docker import Engine, engine_errors
from aresmon.engine.images import used_pins
from aresmon.influxdb import influxql
from aresmon.influxdb.client import InfluxDB
from aresmon.site.project import Project
from aresmon.system import process
from aresmon.system.errors import AresmonError

_DAEMON = Path("/etc/docker/daemon.json")
_LIMITED_DRIVERS = frozenset({"local", "journald", "syslog", "none"})
_WITHIN = 5.0  # seconds
_LOOK_BACK = 7  # days of growth
_LEAST_SPAN = 6 * 3600  # seconds of points that are enough to estimate growth


def engine(of: Engine) -> facts.EngineFacts:
    """Read the engine's state and settings, and Compose's version."""
    with engine_errors():
        info = of.client.info()
    asked = time.time()
    return facts.EngineFacts(
        version=str(info.get("ServerVersion", "")),
        storage=str(info.get("Driver", "")),
        live_restore=bool(info.get("LiveRestoreEnabled")),
        log_driver=str(info.get("LoggingDriver", "")),
        limits_logs=None if of.far else _limits_logs(),
        warnings=tuple(str(one) for one in info.get("Warnings") or ()),
        root=str(info.get("DockerRootDir", "")),
        memory=int(info.get("MemTotal", 0)),
        clock_offset=_time(str(info.get("SystemTime", "")), asked) - asked,
        compose=_compose(),
    )


def engine_root(of: Engine) -> str:
    """Return the folder in which the engine stores images and containers."""
    with engine_errors():
        return str(of.client.info().get("DockerRootDir", ""))


def recent(lines: Iterable[str], *, now: float | None = None, within: float = 86400.0) -> Iterator[str]:
    """Yield the lines of a log that are not older than `within` seconds, by the engine's timestamp at their start."""
    oldest = (time.time() if now is None else now) - within
    for line in lines:
        if _time(line.partition(" ")[0], oldest) >= oldest:
            yield line


def machine(of: Engine) -> facts.MachineFacts:
    """Read this machine's settings, memory and listening ports."""
    has_systemd = Path("/run/systemd/system").is_dir()
    memory = _memory()
    try:
        mode = of.socket.stat().st_mode
    except (OSError, AresmonError):
        mode = 0
    return facts.MachineFacts(
        at_boot=_said("systemctl", "is-enabled", "docker.service") if has_systemd else "",
        synchronised=_said("timedatectl", "show", "--property=NTPSynchronized", "--value") if has_systemd else "",
        memory=memory.get("MemTotal", 0),
        available=memory.get("MemAvailable", 0),
        socket_mode=mode,
        listening=_listening(),
    )


def stack(of: Engine, config: Config) -> facts.StackFacts:
    """Read the containers of the site, including those of interrupted commands."""
    pins = used_pins(config)
    services = []
    with engine_errors():
        found = of.client.api.containers(all=True, filters={"label": f"com.docker.compose.project={config.site}"})
    for one in found:
        with suppress(AresmonError), engine_errors():  # it was removed in the meantime
            services.append(service(of.client.api.inspect_container(one["Id"]), pins))
    return facts.StackFacts(tuple(services), {"edge.agents": config.edge.agents, "edge.grafana": config.edge.grafana})


def service(details: Mapping[str, Any], pins: Mapping[str, Any]) -> facts.ServiceFacts:
    """Parse the inspection of a container."""
    one, host = containers.parse_container(details), details["HostConfig"]
    log = host.get("LogConfig") or {}
    limited = log.get("Type") in _LIMITED_DRIVERS or "max-size" in (log.get("Config") or {})
    return facts.ServiceFacts(
        name=one.service,
        state=one.state,
        image=one.image,
        expected_images=pins[one.service].candidates if one.service in pins else (),
        restart=str((host.get("RestartPolicy") or {}).get("Name", "")),
        restarts=one.restarts,
        out_of_memory=one.out_of_memory,
        memory_limit=one.memory_limit,
        limits_log=limited,
        published=one.published,
        is_leftover=details["Config"]["Labels"].get("com.docker.compose.oneoff") == "True",
    )


def disks(project: Project, root: str, influxdb: InfluxDB | None) -> tuple[facts.DiskFacts, ...]:
    """Read the filesystems of the site's folders, and of the engine's if `root` is not empty."""
    folders = project.data_folders()
    listed = [
        ("InfluxDB's data", folders["influxdb"], "storage.data"),
        ("Grafana's data", folders["grafana"], "grafana.data"),
        ("the site's folder", project.site.root, ""),
        *([("Docker's folder", Path(root), "")] if root else []),
    ]
    growths: dict[str, float | None] = {}
    found = []
    for what, folder, setting in listed:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        mount = _mount(existing)
        if mount not in growths:
            growths[mount] = _growth(influxdb, project.config.server, mount)
        found.append(_disk(what, existing, setting, growths[mount]))
    return tuple(found)


def _disk(what: str, folder: Path, setting: str, growth: float | None) -> facts.DiskFacts:
    status = os.statvfs(folder)
    return facts.DiskFacts(
        what=what,
        folder=str(folder),
        device=folder.stat().st_dev,
        total=status.f_blocks * status.f_frsize,
        free=status.f_bavail * status.f_frsize,
        inodes=status.f_files,
        inodes_free=status.f_favail,
        writable=not status.f_flag & os.ST_RDONLY,
        setting=setting,
        growth=growth,
    )


def _growth(influxdb: InfluxDB | None, server: str, mount: str) -> float | None:
    """Return the recent growth of a filesystem in bytes a day, from the server's own points; None with too few."""
    if influxdb is None:
        return None
    where = (
        f'FROM "1h"."disk" WHERE "host" = {influxql.string(server)} AND "path" = {influxql.string(mount)} '
        f"AND time > now() - {_LOOK_BACK}d"
    )
    try:
        first, last = influxdb.query(
            f'SELECT first("used") {where}', f'SELECT last("used") {where}', database=DATABASE, within=_WITHIN
        )
    except AresmonError:
        return None
    if not first or not last or last[0].rows[0]["time"] - first[0].rows[0]["time"] < _LEAST_SPAN:
        return None
    before, now = first[0].rows[0], last[0].rows[0]
    grown, passed = float(now["last"]) - float(before["first"]), float(now["time"]) - float(before["time"])
    return grown / passed * 86400


def _mount(folder: Path) -> str:
    here = folder.resolve()
    return str(next(path for path in (here, *here.parents) if path.is_mount()))


def _limits_logs() -> bool | None:
    """Return whether the engine limits container logs by default; None if its settings cannot be read."""
    try:
        settings = json.loads(_DAEMON.read_bytes())
        return "max-size" in (settings.get("log-opts") or {})
    except FileNotFoundError:
        return False
    except (OSError, ValueError, AttributeError):
        return None


def _compose() -> str:
    try:
        done = process.run(["docker", "compose", "version", "--short"], timeout=_WITHIN * 2, check=False)
    except AresmonError:
        return ""
    return done.out.strip() if done.code == 0 else ""


def _said(*argv: str) -> str:
    """Run a program and return its output; empty if it is not installed or does not finish in time."""
    if shutil.which(argv[0]) is None:
        return ""
    try:
        return process.run(argv, timeout=_WITHIN, check=False).out.strip()
    except AresmonError:
        return ""


def _memory() -> dict[str, int]:
    """Read /proc/meminfo, in bytes."""
    found = {}
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, rest = line.partition(":")
        found[name] = int(rest.split()[0]) * 1024
    return found


def _listening() -> tuple[facts.ListenerFacts, ...]:
    texts = []
    for name in ("tcp", "tcp6"):
        path = Path("/proc/net") / name
        texts.append(path.read_text(encoding="ascii") if path.exists() else "")
    found = parse_listening(*texts)
    owners = _owners({inode for _, inode in found})
    return tuple(facts.ListenerFacts(at, owners.get(inode, "")) for at, inode in found)


def _owners(inodes: set[int]) -> dict[int, str]:
    """Return the process of each socket, such as `nginx, process 123`, if this process may read its descriptors."""
    inode_of = {f"socket:[{inode}]": inode for inode in inodes}
    owners: dict[int, str] = {}
    for process_folder in Path("/proc").iterdir():
        if not process_folder.name.isdigit():
            continue
        for link in _links(process_folder / "fd"):
            if link in inode_of and inode_of[link] not in owners:
                owners[inode_of[link]] = f"{_name(process_folder)}, process {process_folder.name}"
    return owners


def _links(folder: Path) -> Sequence[str]:
    found = []
    try:
        for path in folder.iterdir():
            try:
                found.append(os.readlink(path))  # noqa: PTH115 (the link's target is not a path)
            except OSError:
                continue
    except OSError:
        pass  # another user's process, or one that has ended
    return found


def _name(process_folder: Path) -> str:
    try:
        return (process_folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "a process"


def _time(stamp: str, otherwise: float) -> float:
    """Return an engine's timestamp as seconds since 1970, `otherwise` if it is not one.

    Timestamps in logs are in UTC, the one in the engine's info has an offset. Python reads six digits of the
    nanoseconds.
    """
    try:
        parsed = datetime.fromisoformat(stamp)
    except ValueError:
        return otherwise
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()

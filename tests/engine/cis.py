"""The points of the CIS Docker Benchmark that a stack of containers can answer for, each with how it is looked at.

Source: CIS Docker Benchmark 1.6.0, sections 4 (images) and 5 (containers); titles in our own words. Sections 1 to 3,
6 and 7 are about the machine, its engine and Swarm: they are for whoever looks after those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

SENSITIVE = ("/", "/boot", "/dev", "/etc", "/lib", "/proc", "/sys", "/usr")
ALLOWED = {"influxdb": set[str](), "edge": {"8086/tcp", "3000/tcp"}, "grafana": set[str](), "telegraf": set[str]()}
EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 (what must not be there)


@dataclass(frozen=True)
class Seen:
    """One running container: what the engine tells of it, of its image's history, and of its processes."""

    service: str
    details: dict[str, Any]
    history: str
    processes: str

    @property
    def host(self) -> dict[str, Any]:
        found: dict[str, Any] = self.details["HostConfig"]
        return found

    @property
    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = self.details["Config"]
        return found

    @property
    def options(self) -> list[str]:
        return list(self.host["SecurityOpt"] or [])

    def mounts(self, *fields: str) -> list[tuple[Any, ...]]:
        return [tuple(mount.get(name) for name in fields) for mount in self.details["Mounts"]]

    def published(self) -> Iterable[tuple[str, str]]:
        """Port inside, and address outside."""
        for port, bindings in (self.details["NetworkSettings"]["Ports"] or {}).items():
            for binding in bindings or ():
                yield port, str(binding["HostIp"])


@dataclass(frozen=True)
class Point:
    """One point: what is asked for, whether a container holds it, and which services do not, on purpose.

    `but` are services for which it does not hold, which docs/hardening.md gives the reason for; without `holds` it is
    not about a container, and that page says how it is answered.
    """

    number: str
    title: str
    holds: Callable[[Seen], bool] | None = None
    but: tuple[str, ...] = ()


ALL = ("influxdb", "edge", "grafana", "telegraf")
POINTS = (
    Point("4.1", "Run as a user other than root", lambda one: one.config["User"].split(":")[0] != "0"),
    Point("4.2", "Use trusted base images"),
    Point("4.3", "Install no unnecessary packages"),
    Point("4.4", "Rebuild images for security patches"),
    Point("4.5", "Enable content trust"),
    Point("4.6", "Define a health check", lambda one: one.config["Healthcheck"]["Test"][0] == "CMD"),
    Point("4.7", "Use no update instruction alone in a Dockerfile"),
    Point("4.8", "Remove setuid and setgid permissions"),
    Point("4.9", "Use COPY instead of ADD in Dockerfiles"),
    Point("4.10", "Store no secrets in Dockerfiles", lambda one: "PASSWORD" not in one.history.upper()),
    Point("4.11", "Install only verified packages"),
    Point("4.12", "Verify signed artefacts"),
    Point("5.1", "Do not enable Swarm mode"),
    Point(
        "5.2",
        "Enable AppArmor",
        lambda one: (
            one.details["AppArmorProfile"] in ("", "docker-default") and "apparmor=unconfined" not in one.options
        ),
    ),
    Point("5.3", "Enable SELinux, if the machine has it", lambda one: not any("label" in text for text in one.options)),
    Point("5.4", "Restrict kernel capabilities", lambda one: one.host["CapDrop"] == ["ALL"] and not one.host["CapAdd"]),
    Point("5.5", "Use no privileged containers", lambda one: one.host["Privileged"] is False),
    Point(
        "5.6",
        "Mount no sensitive folders of the machine",
        lambda one: not {source for (source,) in one.mounts("Source")} & set(SENSITIVE),
        but=("telegraf",),
    ),
    Point("5.7", "Run no sshd", lambda one: "sshd" not in one.processes),
    Point(
        "5.8",
        "Map no privileged ports",
        lambda one: all(int(port.split("/")[0]) >= 1024 for port, _ in one.published()),
    ),
    Point(
        "5.9",
        "Open only the ports that are needed",
        lambda one: {port for port, _ in one.published()} == ALLOWED[one.service],
    ),
    Point(
        "5.10", "Do not share the machine's network", lambda one: one.host["NetworkMode"] != "host", but=("telegraf",)
    ),
    Point("5.11", "Limit memory", lambda one: one.host["Memory"] > 0),
    Point("5.12", "Set CPU priority", lambda one: one.host["CpuShares"] > 0, but=ALL),
    Point("5.13", "Mount the root file system read-only", lambda one: one.host["ReadonlyRootfs"] is True),
    Point(
        "5.14",
        "Bind ports to a specific address",
        lambda one: all(host not in EVERYWHERE for _, host in one.published()),
    ),
    Point(
        "5.15",
        "Limit restarts on failure to five",
        lambda one: one.host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 5},
        but=ALL,
    ),
    Point("5.16", "Do not share the machine's process namespace", lambda one: one.host["PidMode"] == ""),
    Point("5.17", "Do not share the machine's IPC namespace", lambda one: one.host["IpcMode"] == "private"),
    Point("5.18", "Expose no devices", lambda one: not one.host["Devices"]),
    Point(
        "5.19",
        "Override default ulimits only if needed",
        lambda one: {limit["Name"]: limit["Hard"] for limit in one.host["Ulimits"] or ()} == {"core": 0},
    ),
    Point(
        "5.20",
        "Set no mount propagation to the machine",
        lambda one: not {"shared", "rshared"} & {way for (way,) in one.mounts("Propagation")},
    ),
    Point("5.21", "Do not share the machine's UTS namespace", lambda one: one.host["UTSMode"] == ""),
    Point("5.22", "Keep the default seccomp profile", lambda one: not any("seccomp" in text for text in one.options)),
    Point("5.23", "Use no `docker exec --privileged`"),
    Point("5.24", "Use no `docker exec --user root`"),
    Point("5.25", "Use the engine's control group", lambda one: one.host["CgroupParent"] == ""),
    Point("5.26", "Prevent new privileges", lambda one: "no-new-privileges:true" in one.options),
    Point("5.27", "Check health at run time", lambda one: one.details["State"]["Health"]["Status"] == "healthy"),
    Point(
        "5.28",
        "Use the latest version of an image, with an explicit tag",
        lambda one: not one.config["Image"].endswith(":latest"),
    ),
    Point("5.29", "Limit the number of processes", lambda one: 0 < one.host["PidsLimit"] <= 512),
    Point("5.30", "Do not use the default bridge", lambda one: one.host["NetworkMode"] not in ("default", "bridge")),
    Point("5.31", "Do not share the machine's user namespace", lambda one: one.host["UsernsMode"] != "host"),
    Point(
        "5.32",
        "Do not mount the Docker socket",
        lambda one: not any("docker.sock" in str(source) for (source,) in one.mounts("Source")),
        but=("telegraf",),
    ),
)

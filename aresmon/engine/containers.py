"""A container of the stack, as the engine tells it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.poll import poll

if TYPE_CHECKING:
    from docker.models.networks import Network


@dataclass(frozen=True, slots=True)
class Container:
    """One container of the project, as the engine tells it."""

    service: str
    id: str
    pid: int
    state: str
    health: str
    image: str
    image_id: str
    config_hash: str
    restarts: int
    memory_limit: int
    created: float
    started: float
    exit_code: int
    out_of_memory: bool
    last_check: str
    error: str
    published: frozenset[str]
    folder: Path

    @property
    def is_up(self) -> bool:
        return self.state == "running" and self.health in ("healthy", "")


def parse_container(details: Mapping[str, Any]) -> Container:
    """What the engine's inspection of a container says."""
    state, labels = details["State"], details["Config"]["Labels"]
    health = state.get("Health") or {}
    checks = health.get("Log") or [{}]
    return Container(
        service=labels.get("com.docker.compose.service", ""),
        id=details["Id"],
        pid=int(state.get("Pid", 0)),
        state=state["Status"],
        health=health.get("Status", ""),
        image=details["Config"]["Image"],
        image_id=details["Image"],
        config_hash=labels.get("com.docker.compose.config-hash", ""),
        restarts=int(details.get("RestartCount", 0)),
        memory_limit=int(details["HostConfig"].get("Memory", 0)),
        created=_seconds(details["Created"]),
        started=_seconds(state.get("StartedAt", "")),
        exit_code=int(state.get("ExitCode", 0)),
        out_of_memory=bool(state.get("OOMKilled")),
        error=str(state.get("Error", "")),
        last_check=str(checks[-1].get("Output", "")).strip(),
        folder=Path(labels.get("com.docker.compose.project.working_dir", "/")),
        published=frozenset(_published(details["HostConfig"].get("PortBindings") or {})),
    )


def _published(bindings: Mapping[str, Any]) -> Iterator[str]:
    for binding in (one for several in bindings.values() for one in several or []):
        address = binding["HostIp"]
        yield f"[{address}]:{binding['HostPort']}" if ":" in address else f"{address}:{binding['HostPort']}"


def _seconds(text: str) -> float:
    """Docker's time stamp, whose nanoseconds are more than Python reads, as seconds since 1970; 0 for none."""
    if not text or text.startswith("0001-"):
        return 0.0
    whole, _, rest = text.partition(".")
    fraction = rest.rstrip("Z").split("+")[0][:6] or "0"
    return datetime.fromisoformat(whole.removesuffix("Z") + "+00:00").timestamp() + float(f"0.{fraction}")


_CGROUPS = Path("/sys/fs/cgroup")


def memory_usage(pid: int) -> int | None:
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


_LEAVES_WITHIN = 10.0  # seconds


def remove_network(network: Network) -> None:
    """Remove a network. The engine counts the endpoint of a removed container for a moment longer.

    Raises AresmonError where somebody else is in it, or nobody and it cannot be removed within ten seconds.
    """
    import docker.errors

    def is_removed() -> bool | None:
        try:
            network.remove()
            return True
        except docker.errors.APIError as error:
            if error.status_code != HTTPStatus.FORBIDDEN:
                raise
        network.reload()
        inside = sorted(one["Name"] for one in network.attrs["Containers"].values())
        if inside:
            raise _still_used(str(network.name), inside)
        return None

    if not poll(is_removed, within=_LEAVES_WITHIN, every=0.2):
        raise _still_used(str(network.name), ())


def _still_used(network: str, by: Sequence[str]) -> AresmonError:
    if by:
        what = f"the network {network} cannot be removed with {', '.join(by)} in it"
        return AresmonError(
            what, hint=f"`docker network disconnect {network} {by[0]}`, then run the same command again"
        )
    return AresmonError(
        f"the network {network} cannot be removed: the engine counts an endpoint in it that no container has",
        hint="a fault of the engine, which a restart fixes: `sudo systemctl restart docker`, then run the same "
        "command again",
        code=ExitCode.BROKEN,
    )

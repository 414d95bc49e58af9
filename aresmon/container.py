"""A container of the stack, as the engine tells it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


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


def container(details: Mapping[str, Any]) -> Container:
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

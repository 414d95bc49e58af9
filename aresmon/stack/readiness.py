"""Wait until a service is ready, by requests to it: faster and more reliable than its container's health check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aresmon.config.listen import ListenAddress
from aresmon.config.model import Config
from aresmon.engine.containers import Container
from aresmon.engine.docker import Engine
from aresmon.influxdb.client import InfluxDB, InfluxDBUnreachableError
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.poll import poll

WITHIN = 180.0
_EVERY = 0.2
_KILLED = 137  # 128 + SIGKILL

Probe = Callable[[], bool]


def probes(config: Config, influxdb: InfluxDB) -> dict[str, Probe]:
    """How to find out whether each service is ready. The agent has no probe: `up` waits for its data."""
    return {
        "influxdb": lambda: _answers(influxdb),
        "edge": lambda: _status(config.edge.agents, "/ping", config.edge.channel.scheme) in (204, 401),
        "grafana": lambda: _status(config.edge.grafana, "/api/health", config.grafana.access.scheme) == 200,
        "telegraf": _always_ready,
    }


def wait(
    engine: Engine, project: str, services: Sequence[str], ready: Mapping[str, Probe], *, within: float = WITHIN
) -> None:
    """Wait until each service is ready.

    Raises UnreachableError if InfluxDB was killed meanwhile, else AresmonError (code 4) with the reason, if
    one ends, or is not ready within so many seconds.
    """
    waiting = list(services)
    containers: Mapping[str, Container] = {}

    def are_ready() -> bool | None:
        nonlocal waiting, containers
        containers = engine.containers(project) if waiting else {}
        waiting = [name for name in waiting if not _is_up(containers.get(name)) or not ready.get(name, _always_ready)()]
        for name in waiting:
            if _has_failed(containers.get(name)):
                raise failure(name, containers.get(name))
        return None if waiting else True

    if not poll(are_ready, within=within, every=_EVERY):
        raise failure(waiting[0], containers.get(waiting[0]))


def failure(service: str, container: Container | None) -> AresmonError:
    """Why a service does not start, as far as its container shows."""
    hint = f"`aresmon logs {service}` shows why; fix it, then `aresmon up` continues from here"
    if container is None:
        return AresmonError(f"{service} does not start: its container was removed", hint=hint, code=ExitCode.BROKEN)
    if service == "influxdb" and container.exit_code == _KILLED and not container.out_of_memory:
        return InfluxDBUnreachableError("InfluxDB was killed while it started")
    why = "it is running but does not respond" if container.state == "running" else container.state
    if container.state != "running":
        why += f", exit code {container.exit_code}"
    if container.out_of_memory:
        why += f", out of memory: raise memory.{service} in aresmon.yml"
    details = f"{service} does not start ({why}). {container.error or container.last_check}"
    return AresmonError(details.rstrip(". "), hint=hint, code=ExitCode.BROKEN)


def _is_up(container: Container | None) -> bool:
    return container is not None and container.state == "running"


def _always_ready() -> bool:
    """The probe of a service without one: the agent, and services from overrides/compose.yml."""
    return True


def _has_failed(container: Container | None) -> bool:
    """Ended, or repeatedly restarted by the engine."""
    return container is None or container.state in ("exited", "dead") or container.restarts > 2 or bool(container.error)


def _answers(influxdb: InfluxDB) -> bool:
    try:
        influxdb.version()
    except InfluxDBUnreachableError:
        return False
    return True


def _status(listen: ListenAddress, path: str, scheme: str = "http") -> int:
    import requests
    import urllib3

    # The certificate is for another name than this address; nothing secret is sent here.
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    try:
        with requests.Session() as session:
            session.trust_env = False
            session.verify = False
            return session.get(f"{scheme}://{listen.here}{path}", timeout=5, allow_redirects=False).status_code
    except requests.RequestException:
        return 0

"""The containers of the stack's services: have Compose start them, wait until they are ready, remove them."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

from aresmon.agents import lint, readings
from aresmon.engine.compose import Compose
from aresmon.engine.containers import Container
from aresmon.engine.docker import Engine
from aresmon.influxdb import service as influxdb_service
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.stack import readiness
from aresmon.stack.plan import DesiredState, Step
from aresmon.stack.readiness import Probe
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.poll import poll
from aresmon.system.process import ProcessError
from aresmon.system.progress import Progress

_AGENT = "telegraf"
_RECREATION = 4.0  # seconds until a new container's agent is ready to read
_EDGE_WITHIN = 20.0
_EVERY = 0.2


def remove_unwanted(intent: DesiredState, engine: Engine, progress: Progress) -> None:
    if intent.previous_name:
        with progress.stage(f"removing {intent.previous_name}, the site's previous name"):
            engine.remove_project(intent.previous_name)
        return
    for step in intent.steps:
        if step.action == "remove":
            with progress.stage(f"removing {step.service}"):
                engine.remove_service(intent.config.site, step.service)


def start(
    site: Site,
    steps: Sequence[Step],
    intent: DesiredState,
    engine: Engine,
    progress: Progress,
    *,
    within: float = readiness.WITHIN,
) -> None:
    """Start the services of these steps with Compose, and wait until they are ready."""
    if not steps:
        return
    names = [step.service for step in steps]
    # Compose compares configurations only: it would leave a service that is unhealthy or mounts a deleted folder.
    forced = [step.service for step in steps if step.action == "recreate"]
    compose = Compose(site.bundle, site.bundle)
    ready = readiness.probes(intent.config, influxdb_service.anonymous_client(site))
    with progress.stage(f"starting {', '.join(names)}"):
        running = engine.containers(intent.config.site)
        for container in running.values():
            if container.service in names and container.state == "paused":
                engine.unpause(container)
        try:
            if _AGENT in names and _AGENT in running and running[_AGENT].state == "running":
                _up(compose, [name for name in names if name != _AGENT], forced)
                _recreate_agent(intent, engine, compose, forced, ready["edge"])
            else:
                _up(compose, names, forced)
        except ProcessError as error:
            raise _refused(names, engine.containers(intent.config.site), error) from None
        readiness.wait(engine, intent.config.site, names, ready, within=within)


def _up(compose: Compose, names: Sequence[str], forced: Collection[str]) -> None:
    compose.up([name for name in names if name in forced], recreate=True)
    compose.up([name for name in names if name not in forced])


def _recreate_agent(
    intent: DesiredState, engine: Engine, compose: Compose, forced: Collection[str], ready: Probe
) -> None:
    """Recreate the server's own agent without losing a point: between two of its readings, and when the edge answers,
    since the agent sends what it has read when it is stopped."""
    sidecar = intent.config.sidecar
    if sidecar is None:
        _up(compose, [_AGENT], forced)
        return
    text = intent.files[f"agents/{sidecar.name}/telegraf.conf"].decode()
    environment = lint.environment(sidecar, intent.config)
    times = readings.read(text, environment)
    poll(lambda: ready() or None, within=_EDGE_WITHIN, every=_EVERY)
    time.sleep(times.seconds_to_wait(time.time(), _RECREATION))
    _up(compose, [_AGENT], forced)
    reader, arguments = (
        readings.cpu_reader(text, environment),
        readings.cpu_reader_arguments(times, time.time(), "/etc/aresmon/telegraf.conf"),
    )
    made = engine.containers(intent.config.site).get(_AGENT)
    if reader and arguments and made is not None:
        with suppress(AresmonError):  # only one value is missing then
            engine.start_in(made.id, ["bash", "-c", reader, "-", *arguments])


def _refused(names: Sequence[str], containers: Mapping[str, Container], error: ProcessError) -> AresmonError:
    """The engine's error about the container that it could not start, else Compose's."""
    for name in names:
        if name in containers and containers[name].error:
            return readiness.failure(name, containers[name])
    error.code = ExitCode.BROKEN
    return error


def stop_exposed_edge(project: Project, engine: Engine, steps: Sequence[Step]) -> list[Step]:
    """Stop the edge if InfluxDB is about to start without data: until it has an admin, anyone may create one.

    Return the step that starts the edge again, unless `steps` has one.
    """
    edge = engine.containers(project.config.site).get("edge")
    if edge is None or (project.site.root / project.config.data / "meta" / "meta.db").exists():
        return []
    engine.stop(edge)
    return (
        [] if any(step.service == "edge" for step in steps) else [Step("edge", "start", "InfluxDB starts without data")]
    )

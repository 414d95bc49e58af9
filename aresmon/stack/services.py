"""The containers of the stack's services: have Compose start them, wait until they are ready, remove them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aresmon.engine.compose import Compose
from aresmon.engine.containers import Container
from aresmon.engine.docker import Engine
from aresmon.influxdb import service as influxdb_service
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.stack import readiness
from aresmon.stack.plan import DesiredState, Step
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.process import ProcessError
from aresmon.system.progress import Progress


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
    with progress.stage(f"starting {', '.join(names)}"):
        for container in engine.containers(intent.config.site).values():
            if container.service in names and container.state == "paused":
                engine.unpause(container)
        try:
            compose.up(forced, recreate=True)
            compose.up([name for name in names if name not in forced])
        except ProcessError as error:
            raise _refused(names, engine.containers(intent.config.site), error) from None
        ready = readiness.probes(intent.config, influxdb_service.anonymous_client(site))
        readiness.wait(engine, intent.config.site, names, ready, within=within)


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

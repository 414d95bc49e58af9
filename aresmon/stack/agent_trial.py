"""The trial of the new inputs of the server's own agent, in its container, where it has its mounts and its network."""

from __future__ import annotations

from contextlib import suppress

from aresmon.agents import remedies, trial
from aresmon.config.model import Host
from aresmon.engine.docker import Engine
from aresmon.render.compose import AGENT_START
from aresmon.site import external_secrets
from aresmon.site.project import Project
from aresmon.stack.plan import DesiredState
from aresmon.system.errors import AresmonError
from aresmon.system.progress import Progress

_CONFIGURATION = "/etc/aresmon/telegraf.conf"
_MARGIN = 10.0  # seconds, for the engine


def warn_of_inputs(project: Project, intent: DesiredState, engine: Engine, progress: Progress) -> None:
    """Read each input once that is new or changed in this `up`, and warn of those that fail, with the remedy."""
    sidecar = intent.config.sidecar
    if sidecar is None or not any(step.service == "telegraf" and step.action != "remove" for step in intent.steps):
        return
    path = f"agents/{sidecar.name}/telegraf.conf"
    body = intent.files[path].decode()
    wanted = trial.inputs(intent.bundle.files.get(path, b"").decode(errors="replace"), body)
    container = engine.containers(intent.config.site).get("telegraf") if wanted else None
    if container is None:
        return
    log = ""
    with progress.stage("reading the new inputs once"), suppress(AresmonError):  # a trial refuses nothing
        arguments = [str(trial.SECONDS), _CONFIGURATION, ":".join(wanted), f"/etc/aresmon/{AGENT_START}"]
        command = ["bash", "-c", trial.COMMAND, "-", *arguments]
        log = engine.execute(container.id, command, given="", within=trial.SECONDS + _MARGIN).err
    known = remedies.collectors(sidecar, project.catalogue, body)
    for _, sentence in trial.describe(trial.logged(_without_secrets(log, project, sidecar)), known):
        progress.warn(sentence)


def _without_secrets(text: str, project: Project, host: Host) -> str:
    for secret in host.secrets:
        with suppress(AresmonError):
            text = text.replace(external_secrets.read_collector_secret(project.site.secrets, secret.name), "***")
    return text

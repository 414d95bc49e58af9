"""Servers that have a Docker: this machine's own engine, seen from inside their containers."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.fleet.servers import Server

_SOCKET = "/srv/docker.sock"  # /run is made anew when the server boots
_PLUGINS = ("/usr/local/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins", "/usr/lib/docker/cli-plugins")


def docker_mounts(*folders: str) -> tuple[str, ...]:
    """What a server must have mounted to use this machine's engine, and folders that both see under one name.

    The engine resolves the folders that it mounts on this machine: what a server mounts from must be here too.
    """
    program = shutil.which("docker")
    assert program is not None
    plugin = next(path for folder in _PLUGINS if (path := Path(folder) / "docker-compose").exists())
    return (
        f"/var/run/docker.sock:{_SOCKET}",
        f"{program}:/usr/bin/docker:ro",
        f"{plugin}:/usr/libexec/docker/cli-plugins/docker-compose:ro",
        *(f"{folder}:{folder}" for folder in folders),
    )


def use_docker(server: Server) -> None:
    """Let a server that has these mounts find the engine where Docker's command line looks for it."""
    server.run(f"ln -s {_SOCKET} /run/docker.sock")

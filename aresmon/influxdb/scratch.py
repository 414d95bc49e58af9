"""A scratch InfluxDB: a temporary container of the stack's image, without a network, reached through a socket.

Backups are restored into it, to verify them before anything of the site is replaced.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aresmon.config import package_data
from aresmon.config.layout import SOCKET
from aresmon.config.names import DATABASE
from aresmon.engine.docker import Engine, engine_errors
from aresmon.influxdb.client import InfluxDB, InfluxDBUnreachableError
from aresmon.site.folder import Site
from aresmon.system import files, process
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.poll import retry

FOLDER = ".aresmon-scratch"
"""Its folder, inside the data folder, so that verified data is moved into place and not copied."""

_INSIDE = "/var/lib/influxdb"
_CONFIGURATION = "influxdb.conf"
_ANSWERS_WITHIN = 120.0
_TRIES = 5
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Scratch:
    """A running scratch InfluxDB. `folder` is its data folder; `restore` reads a backup from `incoming` in it."""

    engine: Engine
    container: str
    folder: Path
    influxdb: InfluxDB

    @property
    def incoming(self) -> Path:
        return self.folder / "incoming"

    def restore(self) -> None:
        """Restore what `influxd backup -portable` wrote from `incoming`, and delete that folder."""
        place = f"{_INSIDE}/{self.incoming.name}"
        command = ["influxd", "restore", "-portable", "-db", DATABASE, place]
        done = self.engine.execute(self.container, command, given="", within=_DAY)
        if done.code != 0:
            raise process.ProcessError(
                done, hint="InfluxDB cannot restore this archive; use another one (`aresmon backup list`)"
            )
        remove_folder(self.incoming)


@dataclass(frozen=True, slots=True)
class ScratchOptions:
    """How to run a scratch InfluxDB: its data folder, its image, its user id, its memory limit (`512m`), and the
    Compose project that the container belongs to."""

    folder: Path
    image: str
    user: int
    memory: str
    project: str


@contextmanager
def run_scratch(site: Site, engine: Engine, options: ScratchOptions) -> Iterator[Scratch]:
    """Run a scratch InfluxDB; afterwards its container is removed and its data folder is kept."""
    sockets = site.state / "run" / "scratch"
    create_folder(options.folder, options.user)
    create_folder(sockets, options.user)
    container = _start(engine, options, sockets)
    try:
        influxdb = InfluxDB(sockets / SOCKET)
        _wait_until_ready(engine, container, influxdb)
        yield Scratch(engine, container, options.folder, influxdb)
    finally:
        engine.remove_container(container)
        remove_folder(sockets)


def _start(engine: Engine, options: ScratchOptions, sockets: Path) -> str:
    """Start the container, confined like the stack's own. A container left by a killed command is removed first."""
    engine.remove_leftovers(options.project)
    files.write(sockets / _CONFIGURATION, (package_data.COMPOSE / _CONFIGURATION).read_bytes())
    mounts = {options.folder: _INSIDE, sockets: "/run/influxdb"}
    api = engine.client.api
    with engine_errors():
        config = api.create_host_config(
            network_mode="none",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            read_only=True,
            tmpfs={"/tmp": ""},  # noqa: S108 (inside)
            init=True,
            pids_limit=512,
            mem_limit=options.memory,
            binds={str(outside): {"bind": inside, "mode": "rw"} for outside, inside in mounts.items()},
        )
        made = api.create_container(
            options.image,
            entrypoint="",
            command=["influxd", "-config", f"/run/influxdb/{_CONFIGURATION}"],
            user=f"{options.user}:{options.user}",
            # No authentication, and no retention: points that have expired meanwhile are kept.
            environment=["INFLUXDB_HTTP_AUTH_ENABLED=false", "INFLUXDB_RETENTION_ENABLED=false"],
            host_config=config,
            labels={"com.docker.compose.project": options.project, "com.docker.compose.oneoff": "True"},
        )["Id"]
        api.start(made)
    return str(made)


def remove_folder(folder: Path) -> None:
    """Delete a folder, if it exists."""
    for tries_left in reversed(range(_TRIES)):
        try:
            shutil.rmtree(folder)
        except OSError as error:
            if not folder.exists():
                return
            # A process that is still ending may be writing and deleting files there.
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT) or not tries_left:
                raise files.cannot_write(folder, error) from error


def chown_contents(folder: Path, user: int) -> None:
    """Make this user id the owner of everything in a folder."""
    if os.getuid() == 0:
        for path in folder.rglob("*"):
            os.chown(path, user, user)


def create_folder(folder: Path, user: int) -> None:
    """Create a folder that only this user id can access."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if os.getuid() == 0:
            os.chown(folder, user, user)
    except OSError as error:
        raise files.cannot_write(folder, error) from error


def _wait_until_ready(engine: Engine, container: str, influxdb: InfluxDB) -> None:
    try:
        retry(
            influxdb.version,
            on=InfluxDBUnreachableError,
            within=_ANSWERS_WITHIN,
            every=0.2,
            keep_trying=lambda: engine.is_alive(container),
        )
    except InfluxDBUnreachableError:
        raise AresmonError(
            "the scratch InfluxDB does not respond",
            hint="check memory and disk space (`free -m`, `df -h`); the stack's InfluxDB is not affected",
            code=ExitCode.BROKEN,
        ) from None

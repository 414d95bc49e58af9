"""A second InfluxDB for trial: a one-off container of the stack's image, which nothing reaches but through a socket."""

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
from aresmon.engine.docker import Engine, told
from aresmon.influxdb.client import InfluxDB, InfluxDBUnreachableError
from aresmon.site.folder import Site
from aresmon.system import files, process
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.poll import retry

FOLDER = ".aresmon-scratch"
"""In the data folder, so that what proved itself there is moved into place, and not copied."""

_INSIDE = "/var/lib/influxdb"
_CONFIGURATION = "influxdb.conf"
_ANSWERS_WITHIN = 120.0
_TRIES = 5
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Scratch:
    """One that runs. `folder` is its data folder, `incoming` what of it is read when it restores."""

    engine: Engine
    container: str
    folder: Path
    influxdb: InfluxDB

    @property
    def incoming(self) -> Path:
        return self.folder / "incoming"

    def restore(self) -> None:
        """Take in what `influxd backup -portable` wrote, from `incoming`, and remove it there."""
        place = f"{_INSIDE}/{self.incoming.name}"
        command = ["influxd", "restore", "-portable", "-db", DATABASE, place]
        done = self.engine.execute(self.container, command, given="", within=_DAY)
        if done.code != 0:
            raise process.ProcessError(done, hint="the archive's points cannot be restored; take another archive")
        remove_folder(self.incoming)


@dataclass(frozen=True, slots=True)
class ScratchOptions:
    """How one is run: on this folder, with this image, as this user id, within this memory (`512m`), as a one-off of
    this project."""

    folder: Path
    image: str
    user: int
    memory: str
    project: str


@contextmanager
def running(site: Site, engine: Engine, form: ScratchOptions) -> Iterator[Scratch]:
    """Run one; gone at the end, and its folder left."""
    sockets = site.state / "run" / "scratch"
    create_folder(form.folder, form.user)
    create_folder(sockets, form.user)
    container = _start(engine, form, sockets)
    try:
        influxdb = InfluxDB(sockets / SOCKET)
        _wait_until_ready(engine, container, influxdb)
        yield Scratch(engine, container, form.folder, influxdb)
    finally:
        engine.remove_container(container)
        remove_folder(sockets)


def _start(engine: Engine, form: ScratchOptions, sockets: Path) -> str:
    """Start its container, as closed as the stack's own; what a killed run left of another goes first."""
    engine.remove_leftovers(form.project)
    files.write(sockets / _CONFIGURATION, (package_data.COMPOSE / _CONFIGURATION).read_bytes())
    mounts = {form.folder: _INSIDE, sockets: "/run/influxdb"}
    api = engine.client.api
    with told():
        config = api.create_host_config(
            network_mode="none",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            read_only=True,
            tmpfs={"/tmp": ""},  # noqa: S108 (inside)
            init=True,
            pids_limit=512,
            mem_limit=form.memory,
            binds={str(outside): {"bind": inside, "mode": "rw"} for outside, inside in mounts.items()},
        )
        made = api.create_container(
            form.image,
            entrypoint="",
            command=["influxd", "-config", f"/run/influxdb/{_CONFIGURATION}"],
            user=f"{form.user}:{form.user}",
            # Nothing asks who anybody is, and old points stay, however long ago their policy would have let them go.
            environment=["INFLUXDB_HTTP_AUTH_ENABLED=false", "INFLUXDB_RETENTION_ENABLED=false"],
            host_config=config,
            labels={"com.docker.compose.project": form.project, "com.docker.compose.oneoff": "True"},
        )["Id"]
        api.start(made)
    return str(made)


def remove_folder(folder: Path) -> None:
    """Remove a folder of ours, if it is there."""
    for tries_left in reversed(range(_TRIES)):
        try:
            shutil.rmtree(folder)
        except OSError as error:
            if not folder.exists():
                return
            # A program that was left behind may still be writing, and removing, there.
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT) or not tries_left:
                raise files.cannot_write(folder, error) from error


def chown_contents(folder: Path, user: int) -> None:
    """Give all that is in a folder to this user id."""
    if os.getuid() == 0:
        for path in folder.rglob("*"):
            os.chown(path, user, user)


def create_folder(folder: Path, user: int) -> None:
    """Make a folder that is for this user id alone."""
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
            "the second InfluxDB, for trial, does not answer",
            hint="look whether memory and disk suffice (`free -m`, `df -h`); the stack's own goes on",
            code=ExitCode.BROKEN,
        ) from None

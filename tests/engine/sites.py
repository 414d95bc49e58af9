"""A site in a fresh folder, and the real command line on it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import docker
import yaml
from docker.models.containers import Container
from docker.models.networks import Network

from aresmon.engine.images import pins
from aresmon.influxdb import service as influxdb_service
from aresmon.influxdb.client import InfluxDB, Series
from aresmon.site import folder as site_folder
from aresmon.system.errors import AresmonError, ExitCode
from tests.harness import names
from tests.harness.locks import own_number

_NUMBER = own_number("address", 250)
ADDRESS, OTHER_ADDRESS = f"127.0.{_NUMBER + 2}.1", f"127.0.{_NUMBER + 2}.2"
"""Addresses of this machine that no other test process uses."""

DATABASE = "telegraf"
_STEP = re.compile(r"^ +(create|recreate|start|remove) (\w+)  ", re.MULTILINE)

_given: set[int] = set()

alive: list[Site] = []
"""Every site of the tests that may have containers now: a failed test prints what they logged."""


@dataclass(frozen=True)
class Result:
    """A command that has ended, with what it printed."""

    code: int
    out: str
    err: str

    @property
    def steps(self) -> list[tuple[str, str]]:
        """What it did to which service."""
        return [(action, service) for action, service in _STEP.findall(self.out)]

    @property
    def statements(self) -> list[str]:
        """What it changed in the database."""
        return re.findall(r"^database: (.*)$", self.out, re.MULTILINE)


@dataclass
class Site:
    """A folder with an aresmon.yml, under a name that no other test uses."""

    folder: Path
    name: str = field(default_factory=names.fresh)
    agents: str = field(default_factory=lambda: free_address())
    grafana: str = field(default_factory=lambda: free_address())
    settings: dict[str, Any] = field(default_factory=dict)

    # The file and the command line ----------------------------------------------------------------------

    def configure(self, **settings: Any) -> None:
        """Change settings of aresmon.yml, each as a whole."""
        self.settings |= settings
        edge = {"agents": self.agents, "grafana": self.grafana}
        content = {"site": self.name, "edge": edge, **self.settings}
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "aresmon.yml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def override(self, path: str, content: str) -> Path:
        """Write a file of the user's own."""
        file = self.folder / "overrides" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        return file

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 240) -> Result:
        """Run aresmon to its end, with no terminal and nothing on standard input."""
        process = self.start(*arguments, env=env)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return Result(process.returncode, out, err)

    def start(
        self, *arguments: str, env: Mapping[str, str] | None = None, group: bool = False
    ) -> subprocess.Popen[str]:
        """Start aresmon and leave it running; with `group`, as the leader of a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "aresmon", "-C", str(self.folder), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
            cwd="/",
            start_new_session=group,
        )

    def up(self, *options: str, env: Mapping[str, str] | None = None) -> Result:
        """Run `up`, which must succeed but for a Grafana whose image cannot be had here."""
        result = self.run("up", *options, env=env)
        self.check_up(result)
        return result

    def check_up(self, result: Result) -> None:
        """Hold an `up` to its promise: everything runs and its data arrived; only Grafana may be missing."""
        assert result.code == up_code(), result
        assert ("aresmon images pull grafana" in result.out + result.err) == (not has_grafana()), result
        assert "no data from" not in result.err, result
        states = {name: container.status for name, container in self.containers().items()}
        assert states == dict.fromkeys(self.services(), "running"), states

    def services(self) -> list[str]:
        """What should run, in the order of their names."""
        server = self.settings.get("server", next(iter(self.settings["hosts"])))
        has_sidecar = self.settings["hosts"][server].get("agent", "docker") == "docker"
        wanted = ["edge", *(["grafana"] if has_grafana() else []), "influxdb", *(["telegraf"] if has_sidecar else [])]
        return [service for service in wanted if service not in self.settings.get("without", ())]

    # What is there --------------------------------------------------------------------------------------

    def containers(self) -> dict[str, Container]:
        """The containers of the site, by service."""
        found = containers_of(self.name)
        return {one.labels["com.docker.compose.service"]: one for one in sorted(found, key=_service)}

    def ids(self) -> dict[str, str]:
        """The containers' ids, by service: a container made anew has another."""
        return {service: str(container.id) for service, container in self.containers().items()}

    @property
    def state(self) -> Path:
        return self.folder / ".aresmon"

    @property
    def bundle(self) -> Path:
        return self.state / "bundle"

    def secret(self, name: str) -> str:
        return (self.state / "secrets" / name).read_text(encoding="utf-8")

    @property
    def influxdb(self) -> InfluxDB:
        """The site's InfluxDB, as its admin."""
        return influxdb_service.admin_client(site_folder.Site(self.folder))

    def query(self, statement: str) -> list[Series]:
        """The series that InfluxDB answers with."""
        return self.influxdb.query(statement, database=DATABASE)[0]

    def users(self) -> set[str]:
        return {row["user"] for series in self.query("SHOW USERS") for row in series.rows}

    def mark(self, value: int) -> None:
        """Put a point into the database, to be found again by `marks`."""
        self.write(f"mark value={value}i")

    def write(self, points: str) -> None:
        """Put points into the database, as lines of its protocol."""
        with self.influxdb._connection(60) as connection:
            path = f"/write?{urlencode({'db': DATABASE})}"
            answer = self.influxdb._send(connection, "POST", path, body=points.encode())
            assert answer.status == 204, answer.read()

    def marks(self) -> list[int]:
        """The values that `mark` wrote, the oldest first."""
        return [row["value"] for series in self.query('SELECT "value" FROM "mark"') for row in series.rows]

    # The end --------------------------------------------------------------------------------------------

    def logs(self) -> Iterator[tuple[str, str]]:
        """The last lines of each of its containers."""
        for service, container in self.containers().items():
            yield f"{self.name} {service} ({container.status})", container.logs(tail=40).decode(errors="replace")

    def remove(self) -> None:
        """Take everything away at once. What `down` does, in which order and how gently, has tests of its own."""
        here = f"com.docker.compose.project.working_dir={self.bundle}"
        found = client().containers.list(all=True, filters={"label": here}, ignore_removed=True)
        for project in {self.name, *(one.labels["com.docker.compose.project"] for one in found)}:
            remove_project(project)
        shutil.rmtree(self.folder / "data", ignore_errors=True)


@contextmanager
def site_in(folder: Path, **settings: Any) -> Iterator[Site]:
    """A site that is gone afterwards, whatever happened."""
    made = Site(folder)
    made.configure(**({"hosts": {"box": {"agent": "systemd"}}} | settings))
    alive.append(made)
    try:
        yield made
    finally:
        alive.remove(made)
        made.remove()


def client() -> docker.DockerClient:
    """The engine of this machine."""
    return docker.from_env()


def containers_of(project: str) -> list[Container]:
    """The containers of a Compose project, the stopped ones too."""
    label = f"com.docker.compose.project={project}"
    found: list[Container] = client().containers.list(all=True, filters={"label": label}, ignore_removed=True)
    return [one for one in found if one.labels.get("com.docker.compose.oneoff") != "True"]


def remove_project(project: str) -> None:
    """Remove what is left of a Compose project, one-off containers included."""
    label = f"com.docker.compose.project={project}"
    containers = client().containers.list(all=True, filters={"label": label}, ignore_removed=True)
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(_remove_container, containers))
    for network in client().networks.list(filters={"label": label}):
        _remove_network(network)


def _remove_container(container: Container) -> None:
    """Kill and remove it, if nobody else has."""
    with suppress(docker.errors.NotFound):
        container.remove(force=True, v=True)


def _remove_network(network: Network, within: float = 30) -> None:
    """Remove a network, once nobody is in it.

    Engine 20.10 now and then goes on counting an endpoint that no container has, until it is restarted: then it is
    left, and said.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            network.remove()
            return
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            if error.status_code != HTTPStatus.FORBIDDEN:
                raise
        network.reload()
        if time.monotonic() > deadline:
            assert not network.attrs["Containers"], network.attrs["Containers"]
            warnings.warn(f"{network.name} is left: the engine counts an endpoint that no container has", stacklevel=2)
            return
        time.sleep(0.5)


def has_grafana() -> bool:
    """Whether this machine has a Grafana."""
    return any(has_image(reference) for reference in pins()["grafana"].candidates)


def has_image(reference: str) -> bool:
    """Whether this image is on this machine."""
    try:
        client().images.get(reference)
    except docker.errors.ImageNotFound:
        return False
    return True


def up_code() -> int:
    """The exit code of an `up` that could do all that this machine lets it do."""
    return int(ExitCode.DONE if has_grafana() else ExitCode.DEGRADED)


def free_address() -> str:
    """An address and port that nobody listens on, and that is given out once."""
    while True:
        with socket.socket() as probe:
            probe.bind((ADDRESS, 0))
            port = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return f"{ADDRESS}:{port}"


def eventually(ready: Callable[[], bool], within: float = 60, every: float = 0.5) -> bool:
    """Whether this becomes true in time; an InfluxDB that does not answer yet is not."""
    deadline = time.monotonic() + within
    while True:
        try:
            if ready():
                return True
        except AresmonError:
            pass
        if time.monotonic() > deadline:
            return False
        time.sleep(every)


def _service(container: Container) -> str:
    return str(container.labels["com.docker.compose.service"])

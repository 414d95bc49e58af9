"""A running site for the benchmarks: the whole stack under a name of its own, on a loopback address of its own."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import docker

from bench.measure import ARESMON, ROOT, run, tell
from tests.engine.grafanas import grafana_for
from tests.engine.sites import Site

NAME = "aresmon-bench-site"
_SETTLED_WITHIN = 120.0
_ADDRESS = "127.0.2.20"
_HOSTS = {"bench": {"agent": "docker", "collect": ["system", "disk", "diskio", "net", "docker"]}}


@dataclass(frozen=True, slots=True)
class Stand:
    """A site that runs. `begun` is when it was up, in seconds of the monotonic clock."""

    folder: Path
    begun: float
    name: str = NAME

    @property
    def bundle(self) -> Path:
        return self.folder / ".aresmon" / "bundle"

    def aresmon(self, *arguments: str) -> tuple[str, ...]:
        """The command line of aresmon on this site."""
        return (*ARESMON, "--site", str(self.folder), *arguments)

    def containers(self) -> dict[str, tuple[str, str]]:
        """Id and time of start of each container, by service."""
        client = docker.from_env()
        found = client.containers.list(filters={"label": f"com.docker.compose.project={self.name}"})
        return {
            one.labels["com.docker.compose.service"]: (str(one.id), str(one.attrs["State"]["StartedAt"]))
            for one in found
        }


@contextmanager
def running_site(
    *, grafana: bool = True, name: str = NAME, address: str = _ADDRESS, package: Path = ROOT
) -> Iterator[Stand]:
    """Start the site, wait until every health check passes, and remove all of it at the end.

    Grafana is the tests' stand-in, which answers from this process; without `grafana` there is not even that. The
    site is made by the code in the folder `package`.
    """
    folder = Path(tempfile.mkdtemp(prefix="aresmon-bench-"))
    site = Site(folder, name=name, agents=f"{address}:18086", grafana=f"{address}:13000")
    site.configure(hosts=_HOSTS)
    stand = Stand(folder, time.monotonic(), name)
    with grafana_for(site) if grafana else nullcontext():
        yield from _running(stand, has_grafana=grafana, package=package)


def _running(stand: Stand, *, has_grafana: bool, package: Path) -> Iterator[Stand]:
    environment = {"PYTHONPATH": str(package)}
    try:
        tell("starting a site")
        run(stand.aresmon("up"), allowed=(0,) if has_grafana else (0, 5), environment=environment)
        stand = replace(stand, begun=time.monotonic())
        _settle(stand.name)
        yield stand
    finally:
        tell("removing the site")
        run(stand.aresmon("down", "--volumes", "--yes"), allowed=range(256), environment=environment)
        shutil.rmtree(stand.folder, ignore_errors=True)


def _settle(name: str) -> None:
    client = docker.from_env()
    deadline = time.monotonic() + _SETTLED_WITHIN
    while time.monotonic() < deadline:
        found = client.containers.list(filters={"label": f"com.docker.compose.project={name}"})
        if all(one.attrs["State"].get("Health", {}).get("Status") == "healthy" for one in found):
            return
        time.sleep(1)
    raise RuntimeError("the site's health checks are not content")

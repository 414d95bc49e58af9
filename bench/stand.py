"""A running site for the benchmarks: the whole stack under a name of its own, on a loopback address of its own."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from bench.measure import ARESMON, ROOT, run, tell

NAME = "aresmon-bench-site"
GRAFANA = "aresmon-bench/grafana-stand-in:1"
_SETTLED_WITHIN = 120.0

_SITE = f"""\
site: {NAME}
edge: {{agents: "127.0.2.20:18086", grafana: "127.0.2.20:13000"}}
hosts:
  bench: {{agent: docker, collect: [system, disk, diskio, net, docker]}}
"""


@dataclass(frozen=True, slots=True)
class Stand:
    """A site that runs. `begun` is when it was up, in seconds of the monotonic clock."""

    folder: Path
    begun: float

    @property
    def bundle(self) -> Path:
        return self.folder / ".aresmon" / "bundle"

    def aresmon(self, *arguments: str) -> tuple[str, ...]:
        """The command line of aresmon on this site."""
        return (*ARESMON, "--site", str(self.folder), *arguments)

    def containers(self) -> dict[str, tuple[str, str]]:
        """Id and time of start of each container, by service."""
        client = docker.from_env()
        found = client.containers.list(filters={"label": f"com.docker.compose.project={NAME}"})
        return {
            one.labels["com.docker.compose.service"]: (str(one.id), str(one.attrs["State"]["StartedAt"]))
            for one in found
        }


@contextmanager
def running_site(*, grafana: bool = True) -> Iterator[Stand]:
    """Start the site, wait until every health check is content, and remove all of it at the end.

    Without `grafana` there is not even the stand-in for it.
    """
    text = _SITE
    if grafana:
        docker.from_env().images.build(path=str(ROOT / "bench" / "stand_in"), tag=GRAFANA, rm=True)
        text += f'images: {{grafana: "{GRAFANA}"}}\n'
    folder = Path(tempfile.mkdtemp(prefix="aresmon-bench-"))
    stand = Stand(folder, time.monotonic())
    try:
        (folder / "aresmon.yml").write_text(text, encoding="utf-8")
        tell("starting a site")
        run(stand.aresmon("up"), allowed=(0,) if grafana else (0, 5))
        stand = Stand(folder, time.monotonic())
        _settle()
        yield stand
    finally:
        tell("removing the site")
        run(stand.aresmon("down", "--volumes", "--yes"), allowed=range(256))
        shutil.rmtree(folder, ignore_errors=True)


def _settle() -> None:
    client = docker.from_env()
    deadline = time.monotonic() + _SETTLED_WITHIN
    while time.monotonic() < deadline:
        found = client.containers.list(filters={"label": f"com.docker.compose.project={NAME}"})
        if all(one.attrs["State"].get("Health", {}).get("Status") == "healthy" for one in found):
            return
        time.sleep(1)
    raise RuntimeError("the site's health checks are not content")

"""What `bench.ingest` writes to: a site with its edge, and an InfluxDB alone."""

from __future__ import annotations

import shutil
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from aresmon.config.names import DATABASE
from aresmon.engine import containers as engine_containers
from aresmon.influxdb import downsampling, service
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.system.errors import AresmonError
from bench.measure import ARESMON, run, tell
from bench.scratch import influxdb
from bench.writers import Door

NAME = "aresmon-bench-ingest"
_ACCOUNTS = 30
_MEMORY = 2 << 30  # what aresmon.yml has by default
# They would fall into some steps and not into others; what they do is done once, at a moment of our own.
_NO_QUERIES = """\
services:
  influxdb:
    environment: {INFLUXDB_CONTINUOUS_QUERIES_ENABLED: "false"}
"""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is written to, and the containers whose memory and processor count, by what they are called here.
    `downsample` does once what its continuous queries do each five minutes: seconds, and statements that failed."""

    name: str
    door: Door
    containers: dict[str, str]
    series: Callable[[], int] = lambda: 0
    downsample: Callable[[], tuple[float, int]] = lambda: (0.0, 0)


@contextmanager
def edge_site() -> Iterator[Candidate]:
    """A site of some hosts, each with an account; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="aresmon-bench-"))
    hosts = "".join(f"  host{one}: {{agent: systemd, collect: [system, docker]}}\n" for one in range(_ACCOUNTS))
    listens = 'agents: "127.0.2.22:18086", grafana: "127.0.2.22:13000", tls: site'
    text = f"site: {NAME}\nserver: box\nedge: {{{listens}}}\nhosts:\n  box: {{agent: systemd}}\n{hosts}"
    (folder / "aresmon.yml").write_text(text, encoding="utf-8")
    (folder / "overrides").mkdir()
    (folder / "overrides" / "compose.yml").write_text(_NO_QUERIES, encoding="utf-8")
    try:
        tell("starting a site")
        run((*ARESMON, "-C", str(folder), "up"), allowed=(0, 5))
        yield _candidate(Site(folder))
    finally:
        tell("removing the site")
        run((*ARESMON, "-C", str(folder), "down", "--volumes", "--yes"), allowed=range(256))
        shutil.rmtree(folder, ignore_errors=True)


def _candidate(site: Site) -> Candidate:
    found = docker.from_env().containers.list(filters={"label": f"com.docker.compose.project={NAME}"})
    services = {one.labels["com.docker.compose.service"]: one for one in found}
    networks = services["edge"].attrs["NetworkSettings"]["Networks"]
    address = networks[f"{NAME}_front"]["IPAddress"]
    tls = ssl.create_default_context(cafile=str(site.bundle / "agents" / "host0" / "aresmon-ca.pem"))
    tls.check_hostname = False  # the certificate is for the address that is published
    names = [f"host{one}" for one in range(_ACCOUNTS)]
    accounts = [f"agent-{name}:{(site.secrets / f'agent-{name}').read_text(encoding='utf-8')}" for name in names]

    def series() -> int:
        answer = service.admin_client(site).query("SHOW STATS FOR 'database'")[0]
        return sum(int(row["numSeries"]) for one in answer if one.tags["database"] == DATABASE for row in one.rows)

    door = Door(address=(address, 8086), tls=tls, accounts=accounts)
    containers = {name: str(services[name].name) for name in ("influxdb", "edge")}
    return Candidate("through the edge", door, containers, series, lambda: _downsample(site))


def _downsample(site: Site) -> tuple[float, int]:
    """What the continuous queries of `1m` do, one after the other as InfluxDB does: seconds, and how many failed."""
    until = int(time.time()) // 60 * 60
    ones = [one for one in downsampling.downsamplings(Project.load(site).views) if one.tier == downsampling.TIERS[0]]
    begun, failed = time.monotonic(), 0
    for one in ones:
        try:
            service.admin_client(site).query(one.backfill_statement(until - 15 * 60, until), database=DATABASE)
        except AresmonError:
            failed += 1
    return time.monotonic() - begun, failed


@contextmanager
def influxdb_alone() -> Iterator[Candidate]:
    with influxdb("ingest-alone", eager=False, memory=_MEMORY) as scratch:
        line = scratch.line(DATABASE)
        line.tell(f'CREATE DATABASE "{DATABASE}"')
        yield Candidate("InfluxDB alone", Door(socket=scratch.socket), {"influxdb": scratch.container})


def memory_of(container: str) -> int:
    pid = docker.from_env().containers.get(container).attrs["State"]["Pid"]
    return engine_containers.memory_usage(pid) or 0


def processor_of(container: str) -> float:
    """Seconds of processor that a container has taken so far."""
    client = docker.from_env()
    told = client.api.stats(str(client.containers.get(container).id), stream=False, one_shot=True)
    return float(told["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9

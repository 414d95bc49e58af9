"""A real InfluxDB with aresmon's influxdb.conf, in a folder that goes with it; reached through a socket, as the edge
reaches it, so that no port is taken and no proxy stands between.

Nobody has to say who they are. Files are compacted seconds after the last write, where a site's wait four hours.
"""

from __future__ import annotations

import gzip
import http.client
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import docker

from aresmon.engine.images import pins
from aresmon.influxdb.client import UnixConnection
from bench.measure import ROOT

_HOME = "/var/lib/influxdb"
_SOCKET = "influxdb.sock"
_SETTINGS = {"HTTP_AUTH_ENABLED": "false", "HTTP_BIND_SOCKET": f"{_HOME}/{_SOCKET}"}
_EAGER = {
    "DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION": "2s",
    "DATA_COMPACT_FULL_WRITE_COLD_DURATION": "4s",
}
_STILL_FOR, _RESTED_WITHIN = 6, 900
_PATIENCE = 120.0  # seconds for one answer; InfluxDB ends a query after 30


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement gave: seconds until the last byte was there, bytes of JSON, and InfluxDB's complaint if any."""

    seconds: float
    size: int
    error: str
    body: bytes


class Line(UnixConnection):
    """A connection that is kept, to one InfluxDB; for one thread."""

    def __init__(self, path: Path, database: str) -> None:
        super().__init__(str(path), _PATIENCE)
        self.database = database

    def ask(self, statement: str) -> Answer:
        """Send a statement as Grafana's data source does: by POST, the answer compressed, times in milliseconds."""
        form = urlencode({"q": statement, "db": self.database, "epoch": "ms"})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept-Encoding": "gzip"}
        begun = time.perf_counter()
        self.request("POST", "/query", form, headers)
        answer = self.getresponse()
        packed = answer.read()
        elapsed = time.perf_counter() - begun
        body = gzip.decompress(packed) if answer.headers.get("Content-Encoding") == "gzip" else packed
        _, found, error = body.rpartition(b'"error":')
        return Answer(elapsed, len(body), error.decode(errors="replace")[:200] if found else "", body)

    def tell(self, *statements: str) -> None:
        """Statements that must succeed. Raises RuntimeError."""
        for statement in statements:
            if error := self.ask(statement).error:
                raise RuntimeError(f"InfluxDB refuses {statement[:200]}: {error}")

    def write(self, body: bytes, policy: str) -> None:
        """Points whose times are in seconds. Raises RuntimeError if they are refused for good."""
        target = f"/write?{urlencode({'db': self.database, 'rp': policy, 'precision': 's'})}"
        for _ in range(120):
            self.request("POST", target, body)
            answer = self.getresponse()
            said = answer.read()
            if answer.status == http.client.NO_CONTENT:
                return
            if answer.status < http.client.INTERNAL_SERVER_ERROR:
                break
            time.sleep(0.5)  # its cache is full until a snapshot is on disk
        raise RuntimeError(f"InfluxDB refuses the points: {answer.status} {said[:300]!r}")


@dataclass(frozen=True, slots=True)
class Scratch:
    """A running InfluxDB, its container's name, and where its files are."""

    folder: Path
    container: str

    @property
    def socket(self) -> Path:
        return self.folder / _SOCKET

    def line(self, database: str) -> Line:
        """A new connection."""
        return Line(self.socket, database)

    def rest(self) -> None:
        """Wait until the write-ahead log is empty and the files have been the same for a while."""
        before: list[tuple[str, int]] = []
        still = 0
        for _ in range(_RESTED_WITHIN):
            now = sorted(_files(self.folder))
            is_logged = any(size > 1000 for path, size in now if path.endswith(".wal"))
            is_busy = any(path.endswith((".tmp", ".compacting")) for path, _ in now)
            still = still + 1 if now == before and not is_logged and not is_busy else 0
            if still >= _STILL_FOR:
                return
            before = now
            time.sleep(1)
        raise RuntimeError("InfluxDB did not come to rest")

    def size(self, database: str, policy: str) -> int:
        """Bytes on disk of a policy's points."""
        return sum(path.stat().st_blocks * 512 for path in (self.folder / "data" / database / policy).rglob("*.tsm"))


@contextmanager
def influxdb(name: str, *, eager: bool = True, memory: int | None = None) -> Iterator[Scratch]:
    """Start it in a container `aresmon-bench-<name>`; the container and its folder are removed at the end.

    Without `eager` files are compacted when a site's are; `memory` is the most that it may take, in bytes.
    """
    folder = Path(tempfile.mkdtemp(prefix="aresmon-bench-"))
    shutil.copy(ROOT / "compose" / "influxdb.conf", folder / "influxdb.conf")
    container = docker.from_env().containers.run(
        pins()["influxdb"].build,
        ["-config", f"{_HOME}/influxdb.conf"],
        name=f"aresmon-bench-{name}",
        detach=True,
        user=f"{os.getuid()}:{os.getgid()}",
        network_mode="none",
        mem_limit=memory,
        environment={f"INFLUXDB_{key}": value for key, value in (_SETTINGS | (_EAGER if eager else {})).items()},
        volumes=[f"{folder}:{_HOME}"],
    )
    try:
        found = Scratch(folder, str(container.name))
        _wait(found)
        yield found
    finally:
        container.remove(force=True)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(found: Scratch) -> None:
    for _ in range(150):
        try:
            found.line("").tell("SHOW DATABASES")
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("InfluxDB does not answer")


def _files(folder: Path) -> Iterator[tuple[str, int]]:
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                yield str(path), path.stat().st_size
        except FileNotFoundError:
            continue  # compacted away meanwhile

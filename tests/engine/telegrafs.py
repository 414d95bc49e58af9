"""Real Telegrafs that read numbers, and what became of each number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from docker.models.containers import Container

from aresmon.engine.images import pins
from tests.engine.sites import Site, client, eventually
from tests.harness import names

_SERIES = 10
# As telegraf/agent.conf and output.conf have it, but ten times as often. Points are not rounded to the second: one that
# a busy machine reads late would fall upon the next. What it read goes into a file as well.
_FRAME = """\
[agent]
  hostname = "{host}"
  interval = "1s"
  precision = "1ms"
  flush_interval = "2s"
  flush_jitter = "0s"
  metric_batch_size = 5000
  metric_buffer_limit = {limit}
  skip_processors_after_aggregators = true
[[outputs.influxdb]]
  urls = ["http://{address}"]
  database = "telegraf"
  username = "{user}"
  password = "{password}"
  skip_database_creation = true
  timeout = "5s"
[[outputs.file]]
  files = ["/read/points"]
  data_format = "influx"
"""
_INPUT = """\
[[inputs.mock]]
  metric_name = "numbered"
  [inputs.mock.tags]
    series = "{series}"
  [[inputs.mock.step]]
    name = "n"
    start = 0.0
    step = 1.0
"""
_LINE = re.compile(r"^numbered,host=[^,]+,series=(\d+) n=(\d+)", re.MULTILINE)

Numbers = set[tuple[int, int]]
"""Pairs of series and number."""


@dataclass(frozen=True)
class Telegraf:
    """A running agent of a host."""

    host: str
    folder: Path
    container: Container

    def stop(self) -> None:
        """Tell it to end: it sends what it holds, once."""
        self.container.stop(timeout=30)

    def read(self) -> Numbers:
        """What it read and meant to send."""
        text = (self.folder / "points").read_text(encoding="utf-8")
        return {(int(series), int(number)) for series, number in _LINE.findall(text)}


@contextmanager
def telegrafs(site: Site, hosts: list[str], folder: Path, *, limit: int = 50_000) -> Iterator[list[Telegraf]]:
    """An agent of each of these hosts, that writes through the site's edge as the site's agents do."""
    made: list[Telegraf] = []
    try:
        for host in hosts:
            made.append(_start(site, host, folder / host, limit))
        assert eventually(lambda: all((one.folder / "points").exists() for one in made), within=60)
        yield made
    finally:
        for one in made:
            one.container.remove(force=True)


def _start(site: Site, host: str, folder: Path, limit: int) -> Telegraf:
    folder.mkdir(parents=True)
    folder.chmod(0o777)  # Telegraf is somebody else
    user, password = f"agent-{host}", site.secret(f"agent-{host}")
    frame = _FRAME.format(host=host, address=site.agents, user=user, password=password, limit=limit)
    inputs = "".join(_INPUT.format(series=series) for series in range(_SERIES))
    (folder / "telegraf.conf").write_text(frame + inputs, encoding="utf-8")
    container = client().containers.run(
        pins()["telegraf"].build,
        ["--config", "/read/telegraf.conf"],
        entrypoint=["telegraf"],
        detach=True,
        init=True,
        name=f"{names.fresh()}-{host}",
        network_mode="host",
        volumes={str(folder): {"bind": "/read", "mode": "rw"}},
    )
    return Telegraf(host, folder, container)


def arrived(site: Site, host: str) -> list[tuple[int, int]]:
    """Every number of this host's that is in the database, as often as it is."""
    series = site.query(f'SELECT "n" FROM "numbered" WHERE "host" = \'{host}\' GROUP BY "series"')
    return sorted((int(one.tags["series"]), int(row["n"])) for one in series for row in one.rows)

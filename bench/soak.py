"""Thirty agents write for twenty minutes while the stack is struck at random; every point is counted at the end.

The agents are simulated (bench/agents.py): they hold, send and send again as Telegraf does, and number what they read.
They read every second, so that a minute here is as many readings as ten minutes of a site. The stack is a real site
with the shipped files; its data folder is a filesystem of its own in memory, which can be filled up (that takes root).
What is struck, for how long, and what follows is drawn from `--seed`.

Run it: `.venv/bin/python -m bench soak` writes docs/performance.md; `python -m bench.soak --minutes 2` prints.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import docker
from docker.models.containers import Container

from aresmon.influxdb import service as influxdb_service
from aresmon.site.folder import Site
from aresmon.system import process
from aresmon.system.errors import AresmonError
from bench.agents import COUNTED, MEASUREMENT, Account, Agent, Arrived, Habits, agents, finish, missing
from bench.measure import ARESMON, count, run, table, tell

NAME = "aresmon-bench-soak"
_ADDRESS = "127.0.2.21:18086"
_DATABASE = "telegraf"
_REST = (3, 10)  # seconds between two faults
_DRAINED_WITHIN = 300.0
_COARSER_WITHIN = 420.0  # seconds: every five minutes, and what that takes
_COLLECTOR = f'# Counted\n[[inputs.mock]]\n  metric_name = "{MEASUREMENT}"\n'
_VIEW = f"title: Counted\nmeasurements:\n  {MEASUREMENT}: {{tags: [series], counters: [n]}}\n"


@dataclass
class Struck:
    """What is struck: the site, its agents, and what was done so far, in seconds by fault."""

    folder: Path
    running: Sequence[Agent]
    draw: random.Random
    times: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    memory: int = 256

    def container(self, service: str) -> Container:
        labels = [f"com.docker.compose.project={NAME}", f"com.docker.compose.service={service}"]
        return docker.from_env().containers.list(all=True, filters={"label": labels})[0]

    def up(self) -> None:
        run((*ARESMON, "-C", str(self.folder), "up"), allowed=(0, 5))

    def strike(self) -> None:
        """One fault, at random, and how long it took."""
        name = self.draw.choice(sorted(FAULTS))
        begun = time.monotonic()
        FAULTS[name](self, self.draw.uniform(3, 25))
        taken = time.monotonic() - begun
        self.times[name] += 1
        self.seconds[name] += round(taken)
        tell(f"{name}: {taken:.0f} s; {sum(one.held for one in self.running)} points are held by the agents")


def _kill(struck: Struck, _: float) -> None:
    struck.container("influxdb").exec_run(["bash", "-c", "kill -9 $(cat /proc/1/task/1/children)"])


def _pause(struck: Struck, seconds: float) -> None:
    database = struck.container("influxdb")
    database.pause()
    time.sleep(seconds)
    database.unpause()


def _stop(struck: Struck, seconds: float) -> None:
    database = struck.container("influxdb")
    database.stop(timeout=60)
    time.sleep(seconds)
    database.start()


def _restart_edge(struck: Struck, _: float) -> None:
    struck.container("edge").restart()


def _kill_edge(struck: Struck, seconds: float) -> None:
    struck.container("edge").kill()
    time.sleep(seconds)
    struck.up()


def _cut(struck: Struck, seconds: float) -> None:
    some = struck.draw.sample(list(struck.running), max(1, len(struck.running) // 3))
    for one in some:
        one.cut.set()
    time.sleep(seconds)
    for one in some:
        one.cut.clear()


def _up(struck: Struck, _: float) -> None:
    struck.up()


def _change(struck: Struck, _: float) -> None:
    struck.memory = 556 - struck.memory
    configure(struck.folder, len(struck.running), struck.memory)
    struck.up()


def _fill(struck: Struck, seconds: float) -> None:
    filler = struck.folder / "disk" / "filler"
    with suppress(OSError), filler.open("wb") as file:
        while file.write(b"\0" * 65536):
            file.flush()
    time.sleep(seconds + 11)  # a health check must come by
    filler.unlink()


FAULTS: dict[str, Callable[[Struck, float], None]] = {
    "InfluxDB killed": _kill,
    "InfluxDB hangs": _pause,
    "InfluxDB stopped": _stop,
    "edge restarted": _restart_edge,
    "edge killed, `up`": _kill_edge,
    "a third of the agents cut off": _cut,
    "`up`, nothing to do": _up,
    "`up` that changes the edge": _change,
    "disk full": _fill,
}


def configure(folder: Path, number: int, memory: int) -> None:
    """Write the site's file: so many hosts, and MiB for the edge."""
    hosts = "".join(f"  host{one}: {{agent: systemd, collect: [counted]}}\n" for one in range(number))
    text = (
        f'site: {NAME}\nserver: box\nedge: {{agents: "{_ADDRESS}", grafana: "127.0.2.21:13000"}}\n'
        f"storage: {{data: disk/influxdb}}\nmemory: {{edge: {memory}m}}\n"
        f"hosts:\n  box: {{agent: systemd, collect: [system]}}\n{hosts}"
    )
    (folder / "aresmon.yml").write_text(text, encoding="utf-8")


@contextmanager
def site_of(number: int) -> Iterator[Path]:
    """A running site of so many hosts, whose data are on a filesystem of their own; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="aresmon-bench-"))
    (folder / "disk").mkdir()
    process.run(["mount", "-t", "tmpfs", "-o", "size=1g,mode=755", "tmpfs", folder / "disk"])
    try:
        own = folder / "overrides" / "collectors"
        own.mkdir(parents=True)
        (own / "counted.conf").write_text(_COLLECTOR, encoding="utf-8")
        (own / "counted.yml").write_text(_VIEW, encoding="utf-8")
        configure(folder, number, 256)
        tell("starting a site")
        run((*ARESMON, "-C", str(folder), "up"), allowed=(0, 5))
        yield folder
    finally:
        tell("removing the site")
        run((*ARESMON, "-C", str(folder), "down", "--volumes", "--yes"), allowed=range(256))
        process.run(["umount", "--lazy", folder / "disk"], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def measure(*, minutes: float = 20, number: int = 30, seed: int | None = None) -> str:
    """Run it; the tables. Raises SystemExit if one point is missing, or there twice."""
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    with site_of(number) as folder:
        site = Site(folder)
        accounts = [_account(site, f"host{one}") for one in range(number)]
        with agents(accounts, Habits()) as running:
            struck = Struck(folder, running, random.Random(seed))
            ends = time.monotonic() + 60 * minutes
            while time.monotonic() < ends:
                struck.strike()
                time.sleep(struck.draw.uniform(*_REST))
            struck.up()
            late = finish(running, within=_DRAINED_WITHIN)
        wrong = missing(running, _arrived(site))
        differing = _coarser(site) if minutes >= 10 else None
    text = _tables(struck, seed=seed, minutes=minutes, wrong=len(wrong), differing=differing)
    if late or wrong or differing:
        raise SystemExit(f"{text}\nstill held: {late}\nwrong: {dict(list(wrong.items())[:5])}\n1m: {differing}")
    return text


def _account(site: Site, host: str) -> Account:
    return Account(host, _ADDRESS, f"agent-{host}", (site.secrets / f"agent-{host}").read_text(encoding="utf-8"))


def _arrived(site: Site) -> dict[tuple[str, str], Arrived]:
    answer = influxdb_service.admin_client(site).query(COUNTED, database=_DATABASE)[0]
    return {(one.tags["host"], one.tags["series"]): Arrived.told(one.rows[0]) for one in answer}


def _coarser(site: Site) -> int:
    """How many minutes of the policy 1m are not what the points of raw make of them, once it has them all."""
    influxdb = influxdb_service.admin_client(site)
    select = (
        f'SELECT last("n") AS "n" FROM "raw"."{MEASUREMENT}" WHERE time > now() - 1d GROUP BY time(1m), * fill(none)'
    )
    wanted = {
        _key(one.tags, row): row["n"] for one in influxdb.query(select, database=_DATABASE)[0] for row in one.rows
    }
    deadline = time.monotonic() + _COARSER_WITHIN
    while True:
        with suppress(AresmonError):
            answer = influxdb.query(f'SELECT "n" FROM "1m"."{MEASUREMENT}" GROUP BY *', database=_DATABASE)[0]
            there = {_key(one.tags, row): row["n"] for one in answer for row in one.rows}
            differing = len([key for key, value in wanted.items() if there.get(key) != value])
            if not differing or time.monotonic() > deadline:
                return differing
        time.sleep(5)


def _key(tags: dict[str, str], row: dict[str, object]) -> tuple[object, ...]:
    return (tags["host"], tags["series"], row["time"])


def _tables(struck: Struck, *, seed: int, minutes: float, wrong: int, differing: int | None) -> str:
    running = struck.running
    read = sum(one.read * one.habits.series for one in running)
    faults = [(name, struck.times[name], f"{struck.seconds[name]} s") for name in sorted(struck.times)]
    ends = [
        ("points read", count(read)),
        ("writes that failed and were sent again", count(sum(one.failed for one in running))),
        ("points dropped by an agent, its buffer being full", sum(one.dropped for one in running)),
        ("points refused for good", sum(one.refused for one in running)),
        ("series of which a point is missing or there twice", wrong),
        ("series and minutes of the policy 1m that differ", "not looked at" if differing is None else differing),
    ]
    return (
        f"{len(running)} agents of ten series, {minutes:g} minutes, seed {seed}.\n\n"
        + table(("fault", "times", "took in all"), faults)
        + "\n"
        + table(("counted at the end", ""), ends)
    )


def main(arguments: Sequence[str] | None = None) -> str:
    """The command line: how long, how many, which draw."""
    parser = argparse.ArgumentParser(prog="bench soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--agents", type=int, default=30)
    parser.add_argument("--seed", type=int)
    chosen = parser.parse_args(arguments)
    return measure(minutes=chosen.minutes, number=chosen.agents, seed=chosen.seed)


if __name__ == "__main__":
    print(main())

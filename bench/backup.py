"""Backups and restores: `aresmon backup`, `--verify` and `restore` beside InfluxDB's own `backup` and `restore`.

On one running site with the points of some days of a fleet (bench/month.py), in one run. The plain ones run in the
site's own InfluxDB container, as people would type them, into its data folder; the plain restore makes a second
database beside the first. aresmon does more: it adds up every day before and after (so that a restore can be
compared), hashes, writes one archive with the site's files and sealed secrets; a restore goes into an InfluxDB of its
own first, is compared day by day, takes the place of what is there and is proven by fresh data. Speed is by the bytes
that the points take on disk, for all of them the same.

Run it: `.venv/bin/python -m bench backup` (three minutes on two idle cores, 2 GB of disk; needs the engine and the
built images). For a try: `.venv/bin/python -m bench.backup --hosts 2 --days 1`.
"""

from __future__ import annotations

import argparse
import base64
import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import docker

from aresmon.config.layout import SOCKET
from aresmon.config.names import DATABASE
from aresmon.influxdb import users
from aresmon.site import secrets
from aresmon.site.folder import Site
from bench import month
from bench.measure import MIB, ROOT, mib, run, seconds, table, tell
from bench.month import DAY
from bench.scratch import Line
from bench.stand import Stand, running_site

_HOME = "/var/lib/influxdb"
_PLAIN = ".bench-plain"
_COPY = "bench_copy"

Times = dict[str, float]


class _AdminLine(Line):
    """A connection to a site's InfluxDB, as its admin."""

    def __init__(self, path: Path, database_name: str, token: str) -> None:
        super().__init__(path, database_name)
        self.token = token

    def request(  # type: ignore[override]
        self, method: str, url: str, body: object = None, headers: Mapping[str, str] = {}
    ) -> None:
        """As the parent's, with who we are."""
        super().request(method, url, body, {**headers, "Authorization": f"Basic {self.token}"})  # type: ignore[arg-type]


class _Filled:
    """A site's InfluxDB, to be written into by bench/month.py."""

    def __init__(self, site: Site) -> None:
        password = secrets.read(site.secrets, secrets.INFLUXDB_ADMIN)
        self.socket = site.socket_folder / SOCKET
        self.token = base64.b64encode(f"{users.ADMIN}:{password}".encode()).decode()

    def line(self, name: str) -> Line:
        """A new connection."""
        return _AdminLine(self.socket, name, self.token)


def measure(*, hosts: int = 10, days: int = 2) -> str:
    """The table and the ratios, as Markdown."""
    with running_site(grafana=False) as stand:
        site = Site(stand.folder)
        values = _fill(site, hosts, days)
        times = _plain(stand, site)
        size = _points(stand)
        tell(f"{mib(size)} of points")
        times |= _ours(stand)
        archives = list((stand.folder / "data" / "backups").glob("*.tar"))
        archive = max((path.stat().st_size for path in archives), default=0)
    return _told(times, size=size, archive=archive, what=f"{hosts} hosts, {days} days, {values:,} values")


def _fill(site: Site, hosts: int, days: int) -> int:
    day = month.make_day(month.views())
    today = int(time.time()) // DAY
    names = [f"host-{number:02}" for number in range(hosts)]
    tell("filling the site's database")
    month.write(_Filled(site), day, database=DATABASE, hosts=names, days=range(today - days, today))
    return day.values * len(day.intervals) * hosts * days


def _points(stand: Stand) -> int:
    """Bytes of the points on disk, without the log; a backup has put what was only there into files."""
    folder = stand.folder / "data" / "influxdb" / "data" / DATABASE
    return sum(path.stat().st_size for path in folder.rglob("*.tsm"))


# What is timed ---------------------------------------------------------------------------------------


def _plain(stand: Stand, site: Site) -> Times:
    """Plain backup and restore, in the site's own container."""
    times: Times = {}
    backup = f"influxd backup -portable -db {DATABASE} {_HOME}/{_PLAIN}"
    restore = f"influxd restore -portable -db {DATABASE} -newdb {_COPY} {_HOME}/{_PLAIN}"
    tell("plain backup and restore")
    times["plain backup"] = _timed(lambda: _inside(stand, backup))
    times["plain restore"] = _timed(lambda: _inside(stand, restore))
    with closing(_Filled(site).line("")) as line:
        line.tell(f'DROP DATABASE "{_COPY}"')
    _inside(stand, f"rm -r {_HOME}/{_PLAIN}")
    return times


def _ours(stand: Stand) -> Times:
    """Each twice where the second knows more than the first: of days that are over, their sums are remembered."""
    steps = {
        "our backup": ("backup",),
        "our backup, again": ("backup",),
        "our verify": ("backup", "--verify", "latest"),
        "our restore": ("restore", "latest", "--only", "influxdb", "--yes"),
    }
    times: Times = {}
    for name, arguments in steps.items():
        tell(name)
        times[name] = run(stand.aresmon(*arguments), allowed=(0, 5)).seconds  # 5: there is no Grafana here
        time.sleep(1)  # archives are named by the second
    return times


def _inside(stand: Stand, command: str) -> None:
    container = docker.from_env().containers.get(stand.containers()["influxdb"][0])
    code, said = container.exec_run(["bash", "-c", command])
    if code:
        raise RuntimeError(f"{command} ended with code {code}:\n{said!r:.1000}")


def _timed(what: Callable[[], None]) -> float:
    begun = time.monotonic()
    what()
    return time.monotonic() - begun


# Telling ---------------------------------------------------------------------------------------------


def _told(times: Times, *, size: int, archive: int, what: str) -> str:
    named = {
        "plain backup": ("`influxd backup -portable`", "plain backup"),
        "our backup": ("`aresmon backup`, the first", "plain backup"),
        "our backup, again": ("`aresmon backup`, the next", "plain backup"),
        "plain restore": ("`influxd restore -portable`, beside the database", "plain restore"),
        "our verify": ("`aresmon backup --verify`", "plain restore"),
        "our restore": ("`aresmon restore --only influxdb`", "plain restore"),
    }
    rows = [
        (name, seconds(times[key]), f"{size / MIB / times[key]:.0f} MiB/s", f"{times[key] / times[beside]:.1f}")
        for key, (name, beside) in named.items()
    ]
    return (
        table((what, "time", "of the points", "to the plain one"), rows)
        + f"\nThe points take {mib(size)} on disk; the archive is of {mib(archive)}.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.backup", description="Backups and restores, timed.")
    parser.add_argument("--hosts", type=int, default=10)
    parser.add_argument("--days", type=int, default=2, help="days of raw points, up to six")
    said = parser.parse_args()
    print(measure(hosts=said.hosts, days=said.days))


if __name__ == "__main__":
    os.chdir(ROOT)
    main()

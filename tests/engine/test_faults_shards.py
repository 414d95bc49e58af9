"""Files of InfluxDB's are damaged while it is down: it goes on with the rest, and `status` names the days that miss."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aresmon.influxdb import shards
from tests.engine.door import basic, knock
from tests.engine.sites import Site, eventually, site_in

_DAY = 86400
_TODAY = int(time.time()) // _DAY * _DAY
DAYS = (_TODAY - 2 * _DAY, _TODAY - _DAY, _TODAY)
_STEP = 600
_KEPT = ("data", "meta", "wal")


@dataclass(frozen=True)
class Days:
    """A site with points of three days, each in a file of its own, and a copy of its data folder as it was then."""

    site: Site
    copy: Path
    numbers: dict[int, int]
    """The number of each day's shard."""

    @property
    def data(self) -> Path:
        return self.site.folder / "data" / "influxdb"

    def shard(self, day: int) -> Path:
        return self.data / "data" / "telegraf" / "raw" / str(self.numbers[day])

    def counts(self) -> list[int]:
        """Points by day."""
        statement = (
            f'SELECT count("n") FROM "told" WHERE time >= {DAYS[0]}s AND time < {DAYS[-1] + _DAY}s GROUP BY time(1d)'
        )
        return [int(row["count"]) for one in self.site.query(statement) for row in one.rows]

    def stop(self) -> None:
        self.site.containers()["influxdb"].stop()

    def start(self) -> None:
        """Start InfluxDB as the engine does after a crash, and wait until it answers."""
        self.site.containers()["influxdb"].start()
        assert eventually(lambda: bool(self.site.influxdb.version()))

    def status(self) -> str:
        return " ".join(self.site.run("status").out.split())


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    folder = tmp_path_factory.mktemp("shards")
    with site_in(folder / "site") as site:
        site.up()
        for day in DAYS:
            times = range(day, min(day + _DAY, int(time.time())), _STEP)
            site.write("\n".join(f"told,host=h{number} n=1i {at * 10**9}" for at in times for number in range(5)))
        # The points are in the write-ahead log still; a backup has InfluxDB write them into files.
        backup = ["influxd", "backup", "-portable", "-db", "telegraf", "/tmp/copy"]
        done = site.containers()["influxdb"].exec_run(backup)
        assert done.exit_code == 0, done.output
        numbers = {int(one.start): one.number for one in shards.list_locations(site.influxdb) if one.policy == "raw"}
        made = Days(site, folder / "copy", {day: numbers[day] for day in DAYS})
        made.stop()
        for name in _KEPT:
            shutil.copytree(made.data / name, made.copy / name)
        yield made


@pytest.fixture
def days(kept: Days) -> Days:
    """The site, stopped, with its data as they were."""
    kept.stop()
    for path in kept.data.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(kept.copy, kept.data, dirs_exist_ok=True)
    for path in kept.data.rglob("*"):
        os.chown(path, 1500, 1500)
    return kept


def points_file(shard: Path) -> Path:
    return next(shard.glob("*.tsm"))


def flip(path: Path, at: int) -> None:
    """Another byte at this place of a file, counted from its end if it is negative."""
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("day", DAYS[1:], ids=["yesterday", "today"])
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda shard: os.truncate(points_file(shard), 200), id="cut short"),
        pytest.param(lambda shard: flip(points_file(shard), -8), id="footer"),
    ],
)
def test_a_file_that_cannot_be_read_costs_its_own_points_and_nobody_is_needed_for_the_rest(
    days: Days, damage: Callable[[Path], None], day: int
) -> None:
    whole = [len(range(one, min(one + _DAY, int(time.time())), _STEP)) * 5 for one in DAYS]
    damage(days.shard(day))
    days.start()

    # The first start leaves the shard closed, for writes too; the health check has it started once more.
    assert eventually(lambda: shards.list_unopened(days.site.influxdb, days.data, now=time.time()) == [], within=90)
    box = basic("agent-box", days.site.secret("agent-box"))
    assert eventually(lambda: knock(days.site.agents, "POST", "/write?db=telegraf", authorization=[box]).status == 204)
    wanted = [0 if one == day else number for one, number in zip(DAYS, whole, strict=True)]
    assert eventually(lambda: [a - b for a, b in zip(days.counts(), wanted, strict=True) if abs(a - b) > 5] == [])
    told, name = days.status(), time.strftime("%Y-%m-%d", time.gmtime(day))
    assert f"points of {name} in raw are missing" in told
    assert f"data/telegraf/raw/{days.numbers[day]}/" in told
    assert days.site.containers()["influxdb"].attrs["RestartCount"] == 1  # once, and not again and again


def test_an_index_that_cannot_be_read_closes_its_day_until_it_is_moved_aside(days: Days) -> None:
    day = DAYS[1]
    before = len(range(day, day + _DAY, _STEP)) * 5
    flip(days.shard(day) / "index" / "0" / "MANIFEST", 0)
    days.start()

    assert days.counts()[1] == 0
    told, number = days.status(), days.numbers[day]
    assert f"points of {time.strftime('%Y-%m-%d', time.gmtime(day))} in raw can be neither read nor written" in told
    assert f"data/telegraf/raw/{number} is closed" in told
    days.stop()
    days.shard(day).joinpath("index").rename(days.data / f"index-{number}")  # as docs/faults.md says
    days.start()
    assert eventually(lambda: days.counts()[1] == before)
    assert "is closed" not in days.status()


@pytest.mark.parametrize("cut", [1, 200], ids="{} bytes".format)
def test_a_write_ahead_log_that_was_cut_keeps_all_before_the_cut_and_all_that_comes_after(days: Days, cut: int) -> None:
    days.start()
    for value in range(20):
        days.site.mark(value)
    days.site.containers()["influxdb"].kill()
    log = max(
        (days.data / "wal/telegraf/raw" / str(days.numbers[DAYS[2]])).glob("*.wal"), key=lambda one: one.stat().st_size
    )
    os.truncate(log, log.stat().st_size - cut)

    days.start()

    marks = days.site.marks()
    assert marks == list(range(len(marks)))
    assert 20 - cut <= len(marks) < 20
    # InfluxDB 1.13 would go on behind what it cut off, and at its next start cut off all that it took since.
    later = list(range(100, 110))
    for value in later:
        days.site.mark(value)
    days.site.containers()["influxdb"].kill()
    days.start()
    assert days.site.marks() == marks + later


def test_points_that_were_changed_on_the_disk_are_found_though_influxdb_tells_them_as_good(days: Days) -> None:
    day = DAYS[0]
    path = points_file(days.shard(day))
    flip(path, 60)
    days.start()

    verified = days.site.run("data", "verify", "--json")

    assert days.status().count("missing") == 0
    (only,) = json.loads(verified.out)
    assert verified.code == 5
    assert (only["policy"], only["days"]) == ("raw", time.strftime("%Y-%m-%d", time.gmtime(day)))
    assert only["file"] == str(path.relative_to(days.data))
    assert only["what"].startswith("checksum mismatch")


def test_files_that_are_whole_are_said_to_be(days: Days) -> None:
    days.start()

    verified = days.site.run("data", "verify")

    assert verified.code == 0, verified
    assert "shards match" in verified.out

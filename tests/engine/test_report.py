"""The report of months whose points are known, from a real InfluxDB."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from aresmon.config.model import Config
from aresmon.config.names import DATABASE
from aresmon.config.units import format_moment
from aresmon.report import figures, period
from aresmon.report.figures import Figures, HostFigures
from aresmon.report.period import Period
from aresmon.site.folder import Site as SiteFolder
from aresmon.site.project import Project
from tests.engine.sites import Site, site_in

MINUTE, HOUR, DAY = 60, 3600, 86400
GB = 10**9
HOSTS = {name: {"agent": "systemd"} for name in ("box", "lewi", "ronflex", "silent")}
LAST = period.month(None, time.time())
LONG_AGO = period.month(time.strftime("%Y-%m", time.localtime(time.time() - 200 * DAY)), time.time())
START, END = int(LAST.start), int(LAST.end)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with two months of points: the last one by the minute, and one of which only hours are kept."""
    with site_in(tmp_path_factory.mktemp("report"), hosts=HOSTS) as made:
        made.up()
        write(made, "1h", (f"internal_agent,host=lewi metrics_gathered=1i {START - 40 * DAY}",))
        write(made, "1m", minutes("lewi", START, END, away=(START + 5 * DAY + 3 * HOUR, int(2.5 * HOUR))))
        write(made, "1m", minutes("ronflex", START + 9 * DAY, END - 2 * HOUR))
        write(made, "1m", minutes("lewi", START, END - 3 * DAY, sign="cpu,cpu=cpu-total,host={} usage_idle=50"))
        write(made, "1h", hours())
        write(made, "1h", old_hours(int(LONG_AGO.start), int(LONG_AGO.end)))
        backups = [f'aresmon_backup,host=box,kind=made archive="a" {at}' for at in range(START + HOUR, END, DAY)]
        write(made, "forever", [*backups[3:], f'aresmon_backup,host=box,kind=proven archive="a" {START + DAY}'])
        with (made.state / "history.jsonl").open("a") as history:
            for at, outcome in ((START - 9, "verified"), (START + 9, "verified"), (START + 99, "rolled back")):
                when = datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
                event = {"at": when, "command": "push-config", "host": "lewi", "outcome": outcome}
                history.write(json.dumps(event) + "\n")
        yield made


def write(site: Site, policy: str, lines: Iterable[str]) -> None:
    several = list(lines)
    for at in range(0, len(several), 20_000):
        site.influxdb.write("\n".join(several[at : at + 20_000]), database=DATABASE, policy=policy)


def minutes(
    host: str,
    start: int,
    end: int,
    *,
    away: tuple[int, int] = (0, 0),
    sign: str = "internal_agent,host={} metrics_gathered=1i",
) -> Iterator[str]:
    """A point each minute, but for those that begin in the time away."""
    for at in range(start, end, MINUTE):
        if not away[0] <= at < sum(away):
            yield f"{sign.format(host)} {at}"


def hours() -> Iterator[str]:
    """Load and a disk of lewi: its busiest hour is the 100th, and a gigabyte of the disk goes each day."""
    for hour, at in enumerate(range(START, END, HOUR)):
        idle, available = (6.5, 25) if hour == 100 else (60, 70)
        yield f"cpu,cpu=cpu-total,host=lewi usage_idle={idle} {at}"
        yield f"mem,host=lewi available_percent={available} {at}"
        free = 70 * GB - at_day(at) * GB
        yield f"disk,host=lewi,path=/srv used={100 * GB - free}i,free={free}i,total={100 * GB}i {at}"


def at_day(at: int) -> int:
    """The day of UTC, from 0 at the start of the month on."""
    return at // DAY - START // DAY


def old_hours(start: int, end: int) -> Iterator[str]:
    for hour, at in enumerate(range(start, end, HOUR)):
        if hour not in (50, 51, 52):
            yield f"internal_agent,host=lewi metrics_gathered=1i {at}"


def collect(site: Site, when: Period) -> Figures:
    folder = SiteFolder(site.folder)
    config: Config = Project.load(folder).config
    return figures.collect(site.influxdb, config, when, folder.history("push-config"), now=time.time())


def host(found: Figures, name: str) -> HostFigures:
    return next(one for one in found.hosts if one.name == name)


def spans(one: HostFigures) -> list[tuple[float, float]]:
    return [(outage.start - START, outage.seconds) for outage in one.outages]


def test_availability_and_outages_are_those_of_the_points(site: Site) -> None:
    found = collect(site, LAST)

    lewi, ronflex, silent = (host(found, name) for name in ("lewi", "ronflex", "silent"))
    assert found.step == MINUTE
    assert spans(lewi) == [(5 * DAY + 3 * HOUR, 2.5 * HOUR)], "and not the cpu, which was not collected at the end"
    assert lewi.availability == pytest.approx(1 - 2.5 * HOUR / (END - START))
    assert (ronflex.since, spans(ronflex)) == (START + 9 * DAY, [(END - 2 * HOUR - START, 2 * HOUR)])
    assert ronflex.availability == pytest.approx(1 - 2 * HOUR / (END - START - 9 * DAY))
    assert (silent.since, silent.availability, silent.outages) == (None, None, ())


def test_the_busiest_hour_and_the_forecast_of_a_disk(site: Site) -> None:
    found = collect(site, LAST)

    lewi = host(found, "lewi")
    (disk,) = found.disks
    days = at_day(END - 1)
    assert lewi.processor == figures.Peak(93.5, START + 100 * HOUR)
    assert lewi.memory == figures.Peak(75, START + 100 * HOUR)
    assert (disk.host, disk.path, disk.total) == ("lewi", "/srv", 100 * GB)
    assert disk.free == (70 - days) * GB
    assert disk.growth == pytest.approx(GB)
    assert disk.full_in == pytest.approx(70 - days)
    assert len(disk.used) == days + 1


def test_pushes_and_backups_of_the_month_are_counted(site: Site) -> None:
    found = collect(site, LAST)

    days = len(LAST.days)
    assert dict(found.pushes["lewi"]) == {"verified": 1, "rolled back": 1}
    assert found.backups == figures.BackupFigures(made=days - 3, verified=1, days=days, days_without=3)


def test_days_before_the_first_data_need_no_backup(site: Site) -> None:
    config = Project.load(SiteFolder(site.folder)).config
    ronflex = replace(config, hosts=tuple(one for one in config.hosts if one.name == "ronflex"))

    found = figures.collect(site.influxdb, ronflex, LAST, (), now=time.time())

    days = len(LAST.days)
    assert found.since == START + 9 * DAY
    assert found.backups == figures.BackupFigures(made=days - 3, verified=1, days=days - 9, days_without=0)


def test_a_month_before_the_first_data_has_none(site: Site) -> None:
    when = period.month(time.strftime("%Y-%m", time.localtime(time.time() - 400 * DAY)), time.time())

    found, last = collect(site, when), collect(site, LAST)

    assert (found.has_begun, found.has_data) == (False, False)
    assert found.since == LONG_AGO.start
    assert (found.backups.days, found.backups.days_without) == (0, 0)
    assert (last.has_begun, last.has_data) == (True, True)


def test_a_month_of_which_only_hours_are_kept_is_counted_in_hours(site: Site) -> None:
    found = collect(site, LONG_AGO)

    lewi = host(found, "lewi")
    assert found.step == HOUR
    assert [(one.start - LONG_AGO.start, one.seconds) for one in lewi.outages] == [(50 * HOUR, 3 * HOUR)]


def test_the_command_writes_the_page(site: Site) -> None:
    file = site.folder / "october.html"

    done = site.run("report", "--month", LAST.name, "--output", str(file))
    refused: list[Any] = [site.run("report", *more) for more in (("--month", "1"), ("--output", "a.txt"))]

    text = file.read_text()
    assert done.code == 5, done
    assert f"{LAST.title}, 4 hosts" in done.out
    assert "the report has no alerts: Grafana" in done.err
    assert "Unknown, since Grafana has their history: Grafana is not running here." in text
    assert "lewi" in text
    assert "/srv" in text
    assert "<script" not in text
    assert [one.code for one in refused] == [2, 2]


@pytest.fixture
def young(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that was started just now."""
    with site_in(tmp_path_factory.mktemp("young")) as made:
        made.up()
        yield made


def test_a_young_site_says_since_when_it_has_data_and_what_was_deployed(young: Site) -> None:
    present = period.present(time.time())
    began = int(time.time()) - 120
    young.write(f"internal_agent,host=box metrics_gathered=1i {began * 10**9}")
    with (young.state / "history.jsonl").open("a") as history:
        at = datetime.fromtimestamp(began + 60, UTC).isoformat(timespec="seconds")
        for event in (
            {"command": "push-config", "host": "box", "outcome": "verified"},
            {"command": "up", "steps": ["recreate edge", "recreate telegraf"]},
        ):
            history.write(json.dumps({"at": at, **event}) + "\n")
    file = young.folder / "young.html"

    done = young.run("report", "--output", str(file))

    text = file.read_text()
    assert done.code == 5, done
    assert present is None or f"the report of {present.title} so far" in done.out
    assert f"the first data is of {format_moment(began)}" in done.err
    assert "points are downsampled within 15 minutes" in done.err
    assert "no host has sent data yet" not in done.out + done.err + text
    assert "1 by `aresmon up`, 1 verified" in text

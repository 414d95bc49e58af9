"""The table of hosts on the fleet's page: what its queries find in a real InfluxDB of what was written there."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from aresmon.render.grafana.queries import statement
from tests.engine.sites import DATABASE, Site, site_in
from tests.engine.test_panels import Query, dashboards, grafana

MINUTE = 60


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    hosts = {name: {"agent": "systemd"} for name in ("box", "lewi", "never")}
    with site_in(tmp_path_factory.mktemp("fleet"), hosts=hosts) as made:
        made.up()
        yield made


def column(site: Site, title: str, now: float) -> dict[str, float]:
    """A column of the table: its value for each host that has one."""
    (panel,) = (one for one in dashboards(site)["aresmon-fleet"]["panels"] if one["title"] == "Hosts")
    for target in panel["targets"]:
        text = statement(target)
        if f'AS "{title}"' in text:
            answer = grafana(site).query(Query("", title, "", text).at("raw", now), database=DATABASE)[0]
            return {one.tags["host"]: one.rows[-1][title] for one in answer}
    raise AssertionError(f"no query gives '{title}'")


def write(site: Site, *lines: str) -> None:
    site.influxdb.write("\n".join(lines), database=DATABASE, policy="raw")


def test_a_disk_that_was_emptied_is_no_longer_the_fullest(site: Site) -> None:
    now = int(time.time())
    tags = "device=sda1,fstype=ext4,host=lewi,mode=rw"
    write(
        site,
        f"disk,{tags},path=/ used_percent=99.5 {now - 2 * MINUTE}",
        f"disk,{tags},path=/ used_percent=20 {now - 20}",
        f"disk,{tags},path=/srv used_percent=31 {now - 20}",
    )

    assert column(site, "Fullest disk", now)["lewi"] == 31
    assert column(site, "Fullest disk", now - MINUTE)["lewi"] == 99.5  # to who looks at the time before


def test_a_value_from_before_the_silence_is_not_shown_as_of_now(site: Site) -> None:
    now = int(time.time())
    write(site, f"mem,host=lewi available_percent=40 {now - 4 * MINUTE}")

    assert "lewi" not in column(site, "Memory", now)
    assert column(site, "Memory", now - 2 * MINUTE)["lewi"] == 60


def test_a_rate_is_that_of_three_minutes_of_the_busiest_interface(site: Site) -> None:
    now = int(time.time()) // 30 * 30
    for interface, rate in (("eth0", 1000), ("eth1", 10)):
        lines = (
            f"net,host=lewi,interface={interface} bytes_recv={5000 + rate * age}i {now - 600 + age}"
            for age in range(0, 601, 10)
        )
        write(site, *lines)

    assert column(site, "Network in", now)["lewi"] == pytest.approx(8000, rel=0.01)


def test_what_is_nearest_to_its_limit_is_the_share_of_the_way_to_the_threshold(site: Site) -> None:
    now = int(time.time())
    write(
        site,
        f"mem,host=lewi available_percent=55 {now - 20}",
        f"disk,device=sda1,fstype=ext4,host=lewi,mode=rw,path=/full used_percent=90 {now - 20}",
        f"disk,device=sda1,fstype=ext4,host=lewi,mode=ro,path=/cdrom used_percent=100 {now - 20}",
        f"system,host=lewi load15=3,n_cpus=4i {now - 20}",
        *(
            f"diskio,host=lewi,name=sda weighted_io_time={5000 * age // 60}i {now - 300 + age}"
            for age in range(0, 300, 10)
        ),
    )
    (panel,) = (one for one in dashboards(site)["host-lewi"]["panels"] if one["title"] == "Nearest to its limit")

    found: dict[str, float] = {}
    for target in panel["targets"]:
        text = target["query"].replace("$host", "lewi")
        for one in grafana(site).query(Query("", "", "", text).at("raw", now), database=DATABASE)[0]:
            name = re.sub(r"\$tag_(\w+)", lambda tag, one=one: one.tags[tag[1]], target["alias"].partition(" #")[0])  # type: ignore[misc]
            found[name] = one.rows[-1]["share"]

    assert found["Disk space /full"] == pytest.approx(100)
    assert "Disk space /cdrom" not in found
    assert found["Load"] == pytest.approx(100 * 3 / 4 / 2)
    assert found["Disk queue sda"] == pytest.approx(100 * 5000 / 60 / 1000 / 10, rel=0.15)  # the first step is short


def test_a_host_is_ok_silent_or_was_never_seen(site: Site) -> None:
    now = int(time.time())
    write(
        site,
        f"internal_agent,host=lewi metrics_gathered=5i {now - 4 * 24 * 3600}",
        f"internal_agent,host=box metrics_gathered=5i {now - 4 * MINUTE}",
        f"internal_agent,host=box metrics_gathered=6i {now - 20}",
    )

    ever, recent = column(site, "ever", now), column(site, "recent", now)

    assert (ever, recent) == ({"box": 1, "lewi": 1}, {"box": 1})
    assert set(column(site, "uid", now)) == {"box", "lewi", "never"}
    assert column(site, "recent", now - 30) == {}  # to who looks at the time before

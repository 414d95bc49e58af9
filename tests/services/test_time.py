"""The clock: chrony with a time server whose time is shifted, or that is gone; recorded output of ntpd's ntpq; and
what the kernel tells. The kernel is that of the machine on which the test runs, so its faults are points made here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.services.agent import Agent, agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import Point, fields_of, newest, only, parse, select, tags_of

RECORDED = Path(__file__).with_name("recorded") / "ntpq"
READ = collect({"time": {"chrony": True}})
_SHIFT = "/srv/shift"
# What a server answers: RFC 5905, 7.3. The shift is in seconds, and what it grows by in each second.
_SERVER = """\
import socket, struct, time
began = time.time()
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.2", 1123))
def stamp(moment):
    return int((moment + 2208988800) * 2**32)
while True:
    question, client = server.recvfrom(512)
    shift, growth = map(float, open("/srv/shift").read().split())
    now = time.time()
    now += shift + growth * (now - began)
    sent = struct.unpack("!Q", question[40:48])[0]
    times = stamp(now), sent, stamp(now), stamp(now)
    server.sendto(struct.pack("!BBbbII4sQQQQ", 0x24, 1, 0, -20, 0, 0, b"TEST", *times), client)
"""
_CHRONY = "server 127.0.0.2 port 1123 iburst minpoll 0 maxpoll 0\npidfile /run/chronyd.pid\n"
_ANSWERS = "[[ $(chronyc -n -c sources | cut -d, -f6) -ge 17 ]]"


@pytest.fixture(scope="module")
def server(host: Host) -> Host:
    host.write("/srv/server.py", _SERVER)
    host.write("/etc/chrony/chrony.conf", _CHRONY)
    shift(host, 0)
    host.start("server", "python3 /srv/server.py")
    return host


@contextmanager
def chrony(server: Host, seconds: float = 0) -> Iterator[None]:
    """chrony, which does not touch the clock, and follows a server whose time is ahead by so much."""
    shift(server, seconds)
    server.start("chrony", "chronyd -x -d", ready=_ANSWERS)
    try:
        yield
    finally:
        server.stop("chrony")


def shift(host: Host, seconds: float, growth: float = 0) -> None:
    """Let the time of the server be wrong."""
    host.write(_SHIFT, f"{seconds} {growth}")


def told_by_chrony(host: Host, report: str) -> list[str]:
    """A report of its own tool, as a list of values."""
    return host.run(f"chronyc -n -c {report}").strip().split(",")


def test_what_is_read_is_what_chrony_tells(server: Host) -> None:
    with chrony(server, seconds=2):
        points = gather(server, READ, of="chrony")
        tracking, source = told_by_chrony(server, "tracking"), told_by_chrony(server, "sources")

    read, answered = only(points, "chrony"), only(points, "chrony_sources", peer="127.0.0.2")
    assert read["system_time"] == pytest.approx(float(tracking[4]), abs=0.01) == pytest.approx(2, abs=0.1)
    assert 0 < read["root_dispersion"] <= float(tracking[11]) + 3
    assert answered["latest_measurement"] == pytest.approx(float(source[7]), abs=0.01)
    assert 0 < answered["reachability"] <= int(source[5], 8) <= 255
    assert (tags_of(points, "chrony"), tags_of(points, "chrony_sources")) == (set(), {"peer"})
    assert fields_of(points, "chrony") == {"system_time", "root_dispersion"}
    assert fields_of(points, "chrony_sources") == {"reachability", "latest_measurement"}


def test_what_is_read_is_what_the_kernel_tells(host: Host) -> None:
    read = "import ctypes; f = (ctypes.c_long * 26)(); ctypes.CDLL(None).adjtimex(f); print(*f[1:5])"
    offset, frequency, error, _ = map(int, host.run(f"python3 -c '{read}'").split())

    points = gather(host, collect("time"), of="timex")

    read_now = only(points, "timex")
    assert read_now["frequency_offset_ppm"] == pytest.approx(frequency / 65536, abs=50)
    assert read_now["maxerror_ns"] == pytest.approx(error * 1000, abs=1e9)
    assert abs(read_now["offset_ns"]) <= abs(offset) * 1000 + 1e9
    assert tags_of(points, "timex") == set()
    assert fields_of(points, "timex") == {"offset_ns", "maxerror_ns", "frequency_offset_ppm"}


def test_a_clock_that_runs_away_is_an_alert(server: Host, alerts: Alerts) -> None:
    with chrony(server), agent(server, READ, pace=150) as running:
        running.read(50, of="chrony")
        assert "chrony-off-warning" not in alerts.firing(running)
        shift(server, 100, growth=1)
        running.until(lambda points: newest(points, "chrony")["system_time"] > 100, within=40)
        running.read(45, of="chrony")
        assert "chrony-off-warning" in alerts.firing(running)


def test_a_time_server_that_is_gone_is_an_alert(server: Host, alerts: Alerts) -> None:
    with chrony(server), agent(server, READ, pace=200) as running:
        running.read(3, of="chrony")
        assert "chrony-servers-warning" not in alerts.firing(running)
        with server.stopped("server"):
            server.wait("[[ $(chronyc -n -c sources | cut -d, -f6) = 0 ]]")
            running.read(14, of="chrony")
            assert "chrony-servers-warning" in alerts.firing(running)


# Recorded --------------------------------------------------------------------------------------------------------


def show(host: Host, name: str) -> None:
    """Let ntpq print what was recorded."""
    text = (RECORDED / f"{name}.txt").read_text(encoding="utf-8")
    host.write("/usr/local/bin/ntpq", f"#!/bin/sh\ncat <<'EOF'\n{text}EOF\n", mode="0755")


@pytest.mark.parametrize(("name", "firing"), [("well", set()), ("ill", {"ntpd-servers-warning"})])
def test_what_is_read_is_what_ntpq_printed(host: Host, alerts: Alerts, name: str, firing: set[str]) -> None:
    show(host, name)
    with agent(host, collect({"time": {"ntpq": True}}), pace=200) as running:
        points = running.read(14, of="ntpq")

    lines = (RECORDED / f"{name}.txt").read_text(encoding="utf-8").splitlines()[2:]
    rows = {row[0]: row for row in (line[1:].split() for line in lines)}
    assert {one.tags["remote"] for one in select(points, "ntpq")} == set(rows)
    for remote, row in rows.items():
        read = only(points, "ntpq", remote=remote)
        assert (read["offset"], read["reach"]) == (float(row[8]), int(row[6], 8).bit_count())
    assert tags_of(points, "ntpq") == {"remote"}
    assert {one for one in alerts.firing(running) if one.startswith("ntpd")} == firing


# Made here -------------------------------------------------------------------------------------------------------

_NS = 10**9


def timex(offset: Callable[[int], float] = lambda age: 0, error: float = 0) -> list[Point]:
    """What the kernel tells for half an hour."""
    now = int(time.time())
    return parse(
        "".join(
            f"timex,host=lewi offset_ns={int(offset(age) * _NS)}i,maxerror_ns={int(error * _NS)}i {(now - age) * _NS}\n"
            for age in range(1800, -1, -30)
        )
    )


@pytest.mark.parametrize(
    ("points", "firing"),
    [
        (timex(), set()),
        (timex(error=16), {"clock-not-synchronised-warning"}),
        (timex(lambda age: 0.2), {"clock-off-warning"}),
        (timex(lambda age: -0.2 + age / 20000), {"clock-off-warning"}),
        (timex(lambda age: 0.06 + age / 20000), set()),
    ],
    ids=["well", "not synchronised", "off", "runs away", "comes nearer"],
)
def test_a_clock_that_is_wrong_is_an_alert(host: Host, alerts: Alerts, points: list[Point], firing: set[str]) -> None:
    as_sent = Agent(host, "timex", collect("time"), pace=1)

    assert alerts.firing(as_sent, points) == firing

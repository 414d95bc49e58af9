"""Mounts of NFS, as the kernel counts them: in a file of the form that Linux 6.1 writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import Point, fields_of, only, tags_of

FILE = "/srv/mountstats"
READ = collect("nfs", env={"MOUNT_PROC": FILE})
_RECORDED = Path(__file__).with_name("recorded") / "nfs" / "mountstats.txt"
_EXPORTS = {"/home": "nas.example.org:/srv/home", "/srv/films": "nas.example.org:/srv/films"}


def show(host: Host, text: str) -> None:
    """Let the kernel's file be this one."""
    host.write(f"{FILE}.new", text)
    host.run(f"mv {FILE}.new {FILE}")


def recorded() -> str:
    return _RECORDED.read_text(encoding="utf-8")


def later(*, requests: int, again: int = 0, milliseconds: int = 0) -> str:
    """The file after so many further requests to read from /home."""

    def counted(line: re.Match[str]) -> str:
        ops, sent, timeouts, out, into, queue, answered, done, errors = map(int, line[1].split())
        return (
            f"READ: {ops + requests} {sent + requests + again} {timeouts} {out} {into} {queue} "
            f"{answered + milliseconds} {done + milliseconds} {errors}\n"
        )

    return re.sub(r"READ: (.*)\n", counted, recorded(), count=1)


@pytest.fixture(autouse=True)
def _mounts(host: Host) -> None:
    show(host, recorded())


def told(mount: str, operation: str) -> list[int]:
    """The numbers of the line of an operation: sent, received and so on, as the kernel's documentation names them."""
    part = recorded().partition(f"mounted on {mount} ")[2].partition("\ndevice ")[0]
    (line,) = re.findall(rf"\b{operation}: (.*)", part)
    return [int(number) for number in line.split()]


@pytest.fixture(scope="module")
def points(host: Host) -> list[Point]:
    """What an agent reads of the recorded file."""
    show(host, recorded())
    return gather(host, READ, of="nfsstat")


@pytest.mark.parametrize("mount", _EXPORTS)
@pytest.mark.parametrize("operation", ["READ", "WRITE"])
def test_what_is_read_is_what_the_kernel_counted(points: list[Point], mount: str, operation: str) -> None:
    requests, sent, _, out, into, _, answered, done, _ = told(mount, operation)
    point = only(points, "nfsstat", mountpoint=mount, operation=operation)
    assert point.tags["serverexport"] == _EXPORTS[mount]
    assert point.fields == {
        "ops": requests,
        "retrans": sent - requests,
        "bytes": out + into,
        "rtt": answered,
        "exe": done,
    }
    assert tags_of(points, "nfsstat") == {"mountpoint", "serverexport", "operation"}
    assert fields_of(points, "nfsstat") == {"ops", "retrans", "bytes", "rtt", "exe"}


def test_mounts_that_are_not_named_are_left_out(host: Host) -> None:
    setup = collect({"nfs": {"mounts": ["^/srv/"]}}, env={"MOUNT_PROC": FILE})
    points = gather(host, setup, of="nfsstat")

    assert {one.tags["mountpoint"] for one in points if one.measurement == "nfsstat"} == {"/srv/films"}


def test_requests_that_are_sent_again_are_an_alert(host: Host, alerts: Alerts) -> None:
    with agent(host, READ, pace=40) as running:
        running.read(24, of="nfsstat")
        show(host, later(requests=1000, again=20))
        running.read(4, of="nfsstat")
        assert alerts.firing(running) == set()
        show(host, later(requests=1500, again=200))
        running.read(8, of="nfsstat")

    assert alerts.firing(running) == {"nfs-retransmissions-warning"}


def test_a_server_that_answers_slowly_is_an_alert(host: Host, alerts: Alerts) -> None:
    with agent(host, READ, pace=40) as running:
        running.read(30, of="nfsstat")
        show(host, later(requests=1000, milliseconds=2000))
        running.read(4, of="nfsstat")
        assert alerts.firing(running) == set()
        show(host, later(requests=1500, milliseconds=402_000))
        running.read(8, of="nfsstat")

    assert alerts.firing(running) == {"nfs-slow-warning"}


def test_a_machine_without_mounts_writes_nothing_and_fails_at_nothing(host: Host) -> None:
    show(host, "device /dev/vda1 mounted on / with fstype ext4\n")
    points = gather(host, READ, of="internal_agent")

    assert fields_of(points, "nfsstat") == set()

"""Programs that run, end, start again and again, and use up their file handles: by name, command line and unit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.conftest import MakeHost
from tests.services.host import Host
from tests.services.points import fields_of, only, tags_of

RIGHTS = ("dac_read_search",)
READ = collect({"process": {"names": ["walker"], "patterns": ["python3 /srv/holder"], "units": ["worker.service"]}})
NAMED = collect({"process": {"names": ["walker"]}})
_HOLDER = """\
import sys, time
kept = [open("/dev/null") for _ in range(int(sys.argv[1]))]
time.sleep(9999)
"""
_WORKER = """\
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/usr/bin/bash -c 'sleep infinity & while :; do :; done'
Nice=19
"""


@pytest.fixture(scope="module")
def host(make_host: MakeHost) -> Iterator[Host]:
    """Two processes of one name, one that holds files under another account, and a unit that computes."""
    host = make_host("DAC_READ_SEARCH", systemd=True)
    host.run("cp /usr/bin/sleep /usr/local/bin/walker")
    host.write("/srv/holder.py", _HOLDER)
    host.write("/etc/systemd/system/worker.service", _WORKER)
    host.run("systemctl daemon-reload; systemctl start worker")
    walk(host)
    hold(host, 20)
    yield host
    host.run("systemctl stop worker")


def walk(host: Host) -> None:
    """Two processes of one name."""
    host.start("walkers", "bash -c 'walker 9998 & walker 9999'", ready="[[ $(pgrep -xc walker) = 2 ]]")


def hold(host: Host, files: int) -> None:
    """A program that may have 100 file handles, of which Python itself has three."""
    command = f"prlimit --nofile=100 python3 /srv/holder.py {files - 3}"
    host.start("holder", command, ready=f"[[ $(ls /proc/$pid/fd | wc -l) = {files} ]]")


def told_by_ps(host: Host, chosen: str) -> dict[str, float]:
    """What ps says of some processes: how many they are, their memory, and when the first of them was started."""
    rows = [tuple(map(int, line.split())) for line in host.run(f"ps -o rss=,etimes= {chosen}").splitlines()]
    return {
        "pid_count": len(rows),
        "memory_rss": 1024 * sum(rss for rss, _ in rows),
        "created_at": 1e9 * (int(host.run("date +%s")) - max(age for _, age in rows)),
    }


def test_what_is_read_is_what_ps_tells(host: Host) -> None:
    holder = host.run("pgrep -f '^python3 /srv/holder'").strip()
    worker = ",".join(
        host.run("cat /sys/fs/cgroup/{,systemd/}system.slice/worker.service/cgroup.procs || true").split()
    )
    points = gather(host, READ, of="program", readings=4, capabilities=RIGHTS)

    programs = {"walker": "-C walker", "python3 /srv/holder": f"-p {holder}", "worker.service": f"-p {worker}"}
    for name, chosen in programs.items():
        read, told = only(points, "program", program=name), told_by_ps(host, chosen)
        assert (read["pid_count"], read["result_code"]) == (told["pid_count"], 0), name
        assert read["memory_rss"] == pytest.approx(told["memory_rss"], rel=0.1), name
        assert read["created_at"] == pytest.approx(told["created_at"], abs=3e9), name
    assert [only(points, "program", program=name)["pid_count"] for name in programs] == [2, 1, 2]
    held = only(points, "program", program="python3 /srv/holder")
    assert held["num_fds"] == int(host.run(f"ls /proc/{holder}/fd | wc -l")) == 20
    assert held["rlimit_num_fds_soft"] == int(host.run(f"prlimit --pid {holder} --nofile -o SOFT --noheadings")) == 100
    assert held["cpu_usage"] < 1 < only(points, "program", program="worker.service")["cpu_usage"]
    assert tags_of(points, "program") == {"program"}
    assert fields_of(points, "program") == {
        *("pid_count", "result_code", "cpu_usage", "memory_rss", "created_at", "num_fds", "rlimit_num_fds_soft"),
    }


def test_without_the_capability_all_but_the_file_handles_of_others_is_read(host: Host) -> None:
    points = gather(host, NAMED, of="program")

    read = only(points, "program", program="walker").fields
    assert (read["pid_count"], "memory_rss" in read, "num_fds" in read) == (2, True, False)


def test_a_collector_that_is_there_twice_counts_each_program_once(host: Host) -> None:
    twice = collect({"process": {"names": ["walker"]}}, {"process": {"units": ["worker.service"]}})

    points = gather(host, twice, of="program")

    read = {name: only(points, "program", program=name) for name in ("walker", "worker.service")}
    assert {name: one["pid_count"] for name, one in read.items()} == {"walker": 2, "worker.service": 2}
    assert all(one["memory_rss"] > 0 for one in read.values())


def test_a_program_that_ends_is_an_alert_until_it_runs_again(host: Host, alerts: Alerts) -> None:
    with agent(host, NAMED, pace=40) as running:
        running.read(3, of="program")
        assert alerts.firing(running) == set()
        host.stop("walkers", signal="KILL")
        points = running.read(5, of="program")
        assert only(points, "program")["pid_count"] == 0
        assert alerts.firing(running) == {"program-gone-critical"}
        walk(host)
        running.read(4, of="program")
        assert alerts.firing(running) == set()


def test_a_program_that_starts_again_and_again_is_an_alert(host: Host, alerts: Alerts) -> None:
    with agent(host, collect({"process": {"units": ["worker.service"]}}), pace=40) as running:
        running.read(2, of="program")
        assert alerts.firing(running) == set()
        for _ in range(4):
            host.run("systemctl restart worker")
            running.read(2, of="program")

        assert alerts.firing(running) == {"program-restarts-warning"}


@pytest.mark.parametrize(("files", "levels"), [(70, set()), (90, {"warning"}), (98, {"warning", "critical"})])
def test_file_handles_that_run_out_are_an_alert(host: Host, alerts: Alerts, files: int, levels: set[str]) -> None:
    host.stop("holder")
    hold(host, files)
    with agent(host, READ, pace=60, capabilities=RIGHTS) as running:
        points = running.read(8, of="program")

    assert only(points, "program", program="python3 /srv/holder")["num_fds"] == files
    assert alerts.firing(running) == {f"program-handles-{level}" for level in levels}

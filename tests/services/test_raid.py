"""What is read of /proc/mdstat: texts in the form that the kernel writes (drivers/md/md.c, md_seq_show), since real
arrays need a kernel with md. Telegraf is told by HOST_PROC where they are, as an agent in a container is."""

from __future__ import annotations

import pytest

from tests.services.agent import agent, collect, elsewhere, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import fields_of, only, select, tags_of

READ = elsewhere(collect("raid"), HOST_PROC="/srv/proc")
_FRAME = "Personalities : [raid1] [raid6] [raid5] [raid4] [raid0]\n{}\nunused devices: <none>\n"
_STRIPES = "md2 : active raid0 sdd1[1] sdc1[0]\n      3906762752 blocks super 1.2 512k chunks\n"
_MIRROR = """\
md0 : active raid1 sdb1[1]{b} sda1[0]
      976630464 blocks super 1.2 [2/{working}] [{states}]
{sync}      bitmap: 2/8 pages [8KB], 65536KB chunk
"""
_REBUILD = """\
md0 : active raid1 sdb1[2] sda1[0]
      976630464 blocks super 1.2 [2/1] [U_]
      [==>..................]  recovery = 12.6% (123456789/976630464) finish=71.4min speed=199014K/sec
      bitmap: 2/8 pages [8KB], 65536KB chunk
"""
_CHECK = """\
md0 : active raid5 sdc1[3] sdb1[1] sda1[0]
      1953260544 blocks super 1.2 level 5, 512k chunk, algorithm 2 [3/3] [UUU]
      [=======>.............]  check = 38.3% (374204928/976630272) finish=83.5min speed=120144K/sec
"""
_INACTIVE = "md0 : inactive sdb1[1](S) sda1[0](S)\n      1953260976 blocks super 1.2\n       \n"
_REMOVED = _MIRROR.replace("sdb1[1]{b} ", "")
ARRAYS = {
    "well": _MIRROR.format(b="", working=2, states="UU", sync=""),
    "failed": _MIRROR.format(b="(F)", working=1, states="U_", sync=""),
    "removed": _REMOVED.format(working=1, states="U_", sync=""),
    "rebuild": _REBUILD,
    "check": _CHECK,
    "inactive": _INACTIVE,
}


def show(host: Host, name: str) -> None:
    """Let the kernel tell of an array in this state, and of another that is well."""
    host.write("/srv/proc/mdstat", _FRAME.format(f"{ARRAYS[name]}\n{_STRIPES}"))


READ_OF = {
    # working, wanted, missing, failed, percent done, minutes left
    "well": (2, 2, 0, 0, 0, 0),
    "failed": (1, 2, 1, 1, 0, 0),
    "removed": (1, 2, 1, 0, 0, 0),
    "rebuild": (1, 2, 1, 0, 12.6, 71.4),
    "check": (3, 3, 0, 0, 38.3, 83.5),
    "inactive": (0, 0, 0, 0, 0, 0),
}
FIELDS = ("DisksActive", "DisksTotal", "DisksDown", "DisksFailed", "BlocksSyncedPct", "BlocksSyncedFinishTime")


@pytest.mark.parametrize("name", ARRAYS)
def test_what_is_read_is_what_the_kernel_writes(host: Host, name: str) -> None:
    show(host, name)
    points = gather(host, READ, of="mdstat")

    read = only(points, "mdstat", Name="md0")
    assert tuple(read[field] for field in FIELDS) == READ_OF[name]
    stripes = only(points, "mdstat", Name="md2")
    assert (stripes["DisksActive"], stripes["DisksTotal"], stripes["DisksDown"]) == (2, 2, 0)
    assert tags_of(points, "mdstat") == {"Name"}
    assert fields_of(points, "mdstat") == set(FIELDS)


def test_a_disk_that_fails_is_an_alert_until_it_is_replaced_and_rebuilt(host: Host, alerts: Alerts) -> None:
    lacks = "raid-degraded-critical"
    steps = {"well": set(), "failed": {lacks, "raid-disk-failed-warning"}, "removed": {lacks}, "rebuild": {lacks}}
    show(host, "well")
    with agent(host, READ, pace=40) as running:
        for name, firing in (*steps.items(), ("check", set()), ("inactive", {"raid-inactive-critical"})):
            show(host, name)
            # Those before it have left the longest window.
            running.read(6, of="mdstat")
            assert alerts.firing(running) == firing, name


def test_a_machine_without_arrays_sends_nothing_and_no_error(host: Host) -> None:
    host.write("/srv/proc/mdstat", "Personalities : \nunused devices: <none>\n")

    with agent(host, READ, pace=100) as running:
        points = running.read(5)
        assert running.errors() == []

    assert select(points, "mdstat") == []

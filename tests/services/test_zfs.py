"""Pools of ZFS and its cache, in files of the form that OpenZFS 2.2 writes into /proc/spl/kstat/zfs, shortened."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.agent import agent, collect, elsewhere, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import fields_of, only, select, tags_of

RECORDED = Path(__file__).with_name("recorded") / "zfs"
PROC = "/srv/proc"
KSTAT = f"{PROC}/spl/kstat/zfs"
READ = elsewhere(collect("zfs"), HOST_PROC=PROC)


@pytest.fixture(autouse=True)
def _pools(host: Host) -> None:
    host.run(f"rm -rf {PROC}")
    for file in RECORDED.rglob("*"):
        if file.is_file():
            host.write(f"{KSTAT}/{file.relative_to(RECORDED)}", file.read_text(encoding="utf-8"))


def numbers(file: Path) -> dict[str, int]:
    """The values of a file of the kernel that are numbers."""
    lines = (line.split() for line in file.read_text(encoding="utf-8").splitlines()[2:])
    return {name: int(value) for name, kind, value in lines if kind in ("3", "4")}


@pytest.mark.parametrize("pool", ["tank", "backup"])
def test_what_is_read_of_a_pool_is_the_sum_of_its_datasets(host: Host, pool: str) -> None:
    points = gather(host, READ, of="zfs_pool")

    several = [numbers(file) for file in (RECORDED / pool).glob("objset-*")]
    sums = {name: sum(one[name] for one in several) for name in ("reads", "writes", "nread", "nwritten")}
    assert only(points, "zfs_pool", pool=pool).fields == {"state": 0} | sums
    assert tags_of(points, "zfs_pool") == {"pool"}


def test_what_is_read_of_the_cache_is_what_the_kernel_counted(host: Host) -> None:
    points = gather(host, READ, of="zfs")

    told = numbers(RECORDED / "arcstats")
    names = ("size", "c_max", "hits", "misses", "memory_throttle_count")
    assert only(points, "zfs").fields == {f"arcstats_{name}": told[name] for name in names}
    assert tags_of(points, "zfs") == set()
    assert len(fields_of(points, "zfs")) == len(names)


@pytest.mark.parametrize(
    ("state", "code"),
    [("ONLINE", 0), ("DEGRADED", 1), ("FAULTED", 2), ("UNAVAIL", 3), ("SUSPENDED", 4), ("ANOTHER", 5)],
)
def test_a_state_is_a_number_that_grows_as_it_gets_worse(host: Host, state: str, code: int) -> None:
    host.write(f"{KSTAT}/tank/state", f"{state}\n")
    points = gather(host, READ, of="zfs_pool", readings=1)

    assert only(points, "zfs_pool", pool="tank")["state"] == code
    assert only(points, "zfs_pool", pool="backup")["state"] == 0


def test_a_pool_that_is_degraded_and_then_suspended_is_an_alert(host: Host, alerts: Alerts) -> None:
    with agent(host, READ, pace=40) as running:
        running.read(4, of="zfs_pool")
        assert alerts.firing(running) == set()
        for state, firing in (
            ("DEGRADED", {"zfs-pool-warning"}),
            ("SUSPENDED", {"zfs-pool-warning", "zfs-pool-critical"}),
            ("ONLINE", set()),
        ):
            host.write(f"{KSTAT}/tank/state", f"{state}\n")
            running.read(8, of="zfs_pool")
            assert alerts.firing(running) == firing


def test_a_cache_that_waits_for_memory_is_an_alert(host: Host, alerts: Alerts) -> None:
    with agent(host, READ, pace=40) as running:
        running.read(20, of="zfs")
        host.run(f"sed -i 's/^\\(memory_throttle_count .*\\)0$/\\17/' {KSTAT}/arcstats")
        running.read(8, of="zfs")

    assert alerts.firing(running) == {"zfs-memory-warning"}


def test_a_machine_without_pools_is_an_error_of_the_input(host: Host) -> None:
    host.run(f"rm -rf {KSTAT}/tank {KSTAT}/backup")
    with agent(host, READ, pace=40) as running:
        running.read(4, of="zfs")

    assert "*/state" in running.errors()[0]
    assert select(running.points(), "zfs_pool") == []

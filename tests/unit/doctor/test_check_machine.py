"""What the doctor concludes of the engine, the machine, its disks and ports, and of the containers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aresmon.config.listen import ListenAddress
from aresmon.doctor import probe_machine
from aresmon.doctor.check_machine import disks, engine, parse_listening, ports, stack
from aresmon.doctor.check_machine import machine as machine_check
from aresmon.doctor.facts import DiskFacts, EngineFacts, ListenerFacts, MachineFacts, ServiceFacts, StackFacts
from aresmon.doctor.findings import Finding
from aresmon.engine.docker import Engine as RealEngine
from aresmon.engine.images import pins
from aresmon.influxdb.capacity import Capacity
from aresmon.influxdb.client import InfluxDB, Series

GB = 10**9
ANYWHERE = "0.0.0.0"  # noqa: S104 (nothing is bound)
ENGINE = EngineFacts("27.1.1", "overlay2", True, "json-file", True, (), "/var/lib/docker", 8 * GB, 0.1, "2.29.1")
MACHINE = MachineFacts("enabled", "yes", 8 * GB, 4 * GB, 0o140660, ())
EDGE = ServiceFacts(
    "edge", "running", "haproxy:3.2.22", ("haproxy:3.2.22", "aresmon/haproxy:debian"), "unless-stopped", 0, False,
    256 << 20, True, frozenset({"0.0.0.0:8086", "127.0.0.1:3000"}),
)  # fmt: skip
WANTED = {"edge.agents": ListenAddress(ANYWHERE, 8086), "edge.grafana": ListenAddress("127.0.0.1", 3000)}
STACK = StackFacts((EDGE,), WANTED)
DISK = DiskFacts("InfluxDB's data", "/srv/influx", 1, 100 * GB, 50 * GB, 1000, 900, True, "storage.data")


def found(given: Any) -> list[tuple[str, str]]:
    return [(one.kind, one.weight) for one in given]


def test_what_is_well_is_not_found() -> None:
    assert found(engine(ENGINE)) == []
    assert found(machine_check(MACHINE)) == []
    assert found(stack(STACK, 8 * GB)) == []
    assert found(ports(STACK, [ListenerFacts(ListenAddress(ANYWHERE, 8086))])) == []
    assert found(disks([DISK])) == []


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"version": "19.03.15"}, "engine-old"),
        ({"warnings": ("WARNING: No memory limit support",)}, "engine-warns"),
        ({"storage": "vfs"}, "engine-storage"),
        ({"live_restore": False}, "engine-restart"),
        ({"limits_logs": False}, "engine-logs"),
        ({"compose": ""}, "compose"),
        ({"compose": "2.16.0"}, "compose"),
        ({"compose": "v2.9"}, "compose"),
        ({"clock_offset": -7.0}, "clock-engine"),
    ],
)
def test_an_odd_engine_is_found(changed: dict[str, Any], kind: str) -> None:
    assert [one.kind for one in engine(replace(ENGINE, **changed))] == [kind]


@pytest.mark.parametrize(
    "changed", [{"version": "20.10.24+dfsg1"}, {"version": "unknown"}, {"compose": "2.26.1-4"}, {"limits_logs": None}]
)
def test_a_version_of_a_distributions_own_is_read_and_what_is_none_is_let_be(changed: dict[str, Any]) -> None:
    assert found(engine(replace(ENGINE, **changed))) == []


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"at_boot": "disabled"}, "engine-boot"),
        ({"synchronised": "no"}, "clock-unsynchronised"),
        ({"socket_mode": 0o140666}, "engine-socket"),
        ({"available": GB // 10}, "memory-short"),
        ({"listening": (ListenerFacts(ListenAddress(ANYWHERE, 2375)),)}, "port-dangerous"),
        ({"listening": (ListenerFacts(ListenAddress("::", 8088)),)}, "port-dangerous"),
    ],
)
def test_an_odd_machine_is_found(changed: dict[str, Any], kind: str) -> None:
    assert [one.kind for one in machine_check(replace(MACHINE, **changed))] == [kind]


def test_a_door_that_only_this_machine_reaches_is_none() -> None:
    here = replace(MACHINE, listening=(ListenerFacts(ListenAddress("127.0.0.1", 2375)),), at_boot="", synchronised="")

    assert found(machine_check(here)) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"restart": "no"}, [("service-policy", "bad")]),
        ({"restarts": 3}, [("service-restarts", "warning")]),
        ({"out_of_memory": True}, [("service-memory", "bad")]),
        ({"limits_log": False}, [("service-log", "warning")]),
        ({"image": "haproxy:2.0"}, [("service-image", "warning")]),
        ({"image": "aresmon/haproxy:debian"}, [("service-stand-in", "note")]),
        ({"image": "own", "expected_images": ()}, []),
        ({"is_leftover": True, "restart": "no"}, [("leftovers", "note")]),
        ({"memory_limit": 9 * GB}, [("memory-promised", "warning")]),
    ],
)
def test_an_odd_container_is_found(changed: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(stack(StackFacts((replace(EDGE, **changed),), WANTED), 8 * GB)) == expected


@pytest.mark.parametrize(
    ("published", "kinds"),
    [
        ({"0.0.0.0:8086"}, ["port-differs"]),
        ({"0.0.0.0:8086", "127.0.0.1:3000", "0.0.0.0:9"}, ["port-differs"]),
        ({"0.0.0.0:8087", "127.0.0.1:3000"}, ["port-differs", "port-differs"]),
    ],
)
def test_published_ports_are_held_against_the_file(published: set[str], kinds: list[str]) -> None:
    seen = StackFacts((replace(EDGE, published=frozenset(published)),), WANTED)

    assert [one.kind for one in ports(seen)] == kinds


def test_a_database_that_is_published_is_bad_and_somebodys_own_service_is_theirs() -> None:
    influxdb = replace(EDGE, name="influxdb", published=frozenset({"0.0.0.0:8087"}))
    own = replace(influxdb, name="chronograf")

    (one,) = ports(StackFacts((EDGE, influxdb, own), WANTED))

    assert (one.kind, one.weight) == ("port-published", "bad")
    assert "influxdb is published on 0.0.0.0:8087" in one.what


def test_who_has_a_port_that_the_edge_wants_is_named() -> None:
    stopped = StackFacts((replace(EDGE, state="exited"),), WANTED)

    (one,) = ports(
        stopped,
        [ListenerFacts(ListenAddress(ANYWHERE, 3000), "nginx, process 7"), ListenerFacts(ListenAddress("::", 22))],
    )

    assert (one.kind, one.weight) == ("port-taken", "bad")
    assert one.what == "edge.grafana: another process listens on 0.0.0.0:3000 (nginx, process 7)"
    assert ":3000'" in one.remedy


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"free": 100 << 20}, [("disk-short", "bad")]),
        ({"free": 4 * GB}, [("disk-short", "warning")]),
        ({"inodes_free": 10}, [("inodes-short", "bad")]),
        ({"inodes": 0, "inodes_free": 0}, []),
        ({"writable": False}, [("folder-unwritable", "bad")]),
        ({"growth": 2.0 * GB}, [("disk-filling", "warning")]),
        ({"growth": 10.0 * GB}, [("disk-filling", "bad")]),
        ({"growth": 0.1 * GB}, []),
        ({"growth": -5.0 * GB}, []),
        ({"total": 10_000 * GB, "free": 60 * GB}, []),
    ],
)
def test_an_odd_disk_is_found(changed: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(disks([replace(DISK, **changed)])) == expected


def test_a_filesystem_of_several_folders_is_told_once() -> None:
    full = replace(DISK, free=0)

    (one,) = disks([full, replace(full, what="Grafana's data", setting="grafana.data")])

    assert one.what.startswith("InfluxDB's data and Grafana's data: 0 kB of 100 GB is free")
    assert "storage.data or grafana.data" in one.remedy


@pytest.mark.parametrize(("days", "expected"), [(3.0, "bad"), (20.0, "warning"), (45.0, None), (None, None)])
def test_data_that_will_not_fit_is_told_before(days: float | None, expected: str | None) -> None:
    seen = list(disks([DISK], Capacity(GB, GB, 5, 50 * GB, 90 * GB, days, ())))

    assert [one.weight for one in seen] == ([expected] if expected else [])
    assert all(isinstance(one, Finding) and "a day" in one.what for one in seen)


def test_the_kernels_list_of_listeners_is_read() -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    tcp = head + (
        "   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100\n"
        "   1: 0100007F:0BB8 0100007F:1234 01 00000000:00000000 00:00000000 00000000     0        0 112 1 0 100\n"
    )
    tcp6 = head + (
        "   0: 00000000000000000000000000000000:1F96 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 113 1 0\n"
        "   1: 0000000000000000FFFF00000100007F:0016 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 114 1 0\n"
    )

    assert parse_listening(tcp, tcp6) == [
        (ListenAddress("127.0.0.1", 3000), 111),
        (ListenAddress("::", 8086), 113),
        (ListenAddress("127.0.0.1", 22), 114),
    ]


def inspection(**host: Any) -> dict[str, Any]:
    labels = {"com.docker.compose.service": "influxdb", "com.docker.compose.oneoff": "False"}
    return {
        "Id": "id",
        "Created": "2026-11-24T13:24:27.080411Z",
        "Image": "sha256:x",
        "RestartCount": 2,
        "State": {"Status": "running", "OOMKilled": True},
        "Config": {"Labels": labels, "Image": "influxdb:1.13.2"},
        "HostConfig": {"Memory": 5, "RestartPolicy": {"Name": "always"}, **host},
    }


@pytest.mark.parametrize(
    ("log", "bounded"),
    [
        ({"Type": "local", "Config": {}}, True),
        ({"Type": "json-file", "Config": {}}, False),
        ({"Type": "json-file", "Config": {"max-size": "10m"}}, True),
        ({"Type": "journald"}, True),
    ],
)
def test_an_inspection_of_a_container_is_read(log: dict[str, Any], bounded: bool) -> None:
    seen = probe_machine.service(inspection(LogConfig=log), pins())

    assert (seen.name, seen.restart, seen.restarts, seen.out_of_memory) == ("influxdb", "always", 2, True)
    assert seen.expected_images == ("influxdb:1.13.2", "aresmon/influxdb:1.13.2")
    assert seen.limits_log == bounded


class Used(InfluxDB):
    """Answers what the server's disk used first and last."""

    told: tuple[tuple[int, int], tuple[int, int]]

    def query(self, *statements: str, database: str = "", within: float = 60.0) -> list[list[Series]]:
        assert all("\"path\" = '/srv'" in one for one in statements)
        return [
            [Series("disk", {}, ({"time": time, name: used},))]
            for name, (time, used) in zip(("first", "last"), self.told, strict=True)
        ]


@pytest.mark.parametrize(
    ("told", "growth"),
    [(((0, 100), (2 * 86400, 300)), 100.0), (((0, 300), (86400, 100)), -200.0), (((0, 100), (3600, 300)), None)],
)
def test_a_disks_growth_is_told_by_the_servers_own_points(
    told: tuple[tuple[int, int], tuple[int, int]], growth: float | None
) -> None:
    influxdb = Used(Path("influxdb.sock"))
    object.__setattr__(influxdb, "told", told)

    assert probe_machine._growth(influxdb, "biere", "/srv") == growth


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-11-24T13:24:27.080411123Z",
        "2026-11-24T14:24:27.080411123+01:00",
        "2026-11-24T07:54:27.080411-05:30",
        "2026-11-24T13:24:27.08041112+00:00",
    ],
)
def test_the_engines_clock_is_read_with_its_offset(stamp: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = SimpleNamespace(info=lambda: {"SystemTime": stamp})
    monkeypatch.setattr(probe_machine, "_compose", lambda: "2.29.1")
    monkeypatch.setattr(probe_machine, "time", SimpleNamespace(time=lambda: 1_795_526_667.0))

    asked = probe_machine.engine(cast(RealEngine, SimpleNamespace(client=client, far=None)))

    assert asked.clock_offset == pytest.approx(0.080411)


def test_only_the_last_day_of_a_log_counts() -> None:
    lines = ["2026-11-24T13:24:27.080411123Z new", "2026-11-22T13:24:27.080411123Z old", "no time"]

    assert list(probe_machine.recent(lines, now=1_795_530_000.0)) == [lines[0], "no time"]

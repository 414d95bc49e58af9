"""What is read of disks: JSON in the form that smartctl 7 prints (its manual, --json), since containers have no disks.
A script prints it by device; it is run by sudo, with the right that the collector says it needs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import fields_of, newest, only, select, tags_of
from tests.services.rights import give_sudo

PATH = "/srv/smart/smartctl"
READ = collect({"smart": {"path": PATH}})
# A status other than 0 tells of the disk: 2 that it sleeps, 4 that a command failed, 8 that it is failing.
_SMARTCTL = """\
#!/bin/bash
[[ $2 = --scan-open ]] && exec cat /srv/smart/scan.json
cat /srv/smart/${3//\\//_}.json
exit $(grep -o '"exit_status": [0-9]*' /srv/smart/${3//\\//_}.json | cut -d' ' -f2)
"""
_NAMES = {
    5: "Reallocated_Sector_Ct",
    9: "Power_On_Hours",
    194: "Temperature_Celsius",
    197: "Current_Pending_Sector",
    198: "Offline_Uncorrectable",
    199: "UDMA_CRC_Error_Count",
}
Disk = dict[str, Any]


def sata(*, passed: bool = True, temperature: int = 34, exit_status: int = 0, **raw: int) -> Disk:
    """A SATA disk; `raw` are raw values of its attributes, by name."""
    table = [
        {"id": number, "name": name, "value": 100, "worst": 100, "thresh": 10, "raw": {"value": raw.get(name, 0)}}
        for number, name in _NAMES.items()
    ]
    return {
        "smartctl": {"version": [7, 3], "exit_status": exit_status},
        "model_name": "ST4000VN008",
        "wwn": {"naa": 5, "oui": 3152, "id": 2981430911},
        "firmware_version": "SC60",
        "user_capacity": {"blocks": 7814037168, "bytes": 4000787030016},
        "smart_status": {"passed": passed},
        "ata_smart_attributes": {"revision": 10, "table": table},
        "temperature": {"current": temperature},
    }


def nvme(*, passed: bool = True, temperature: int = 45, **log: int) -> Disk:
    well = {"critical_warning": 0, "available_spare": 100, "available_spare_threshold": 10, "percentage_used": 7}
    return {
        "smartctl": {"version": [7, 3], "exit_status": 0},
        "model_name": "Samsung SSD 980 PRO 1TB",
        "firmware_version": "5B2QGXA7",
        "user_capacity": {"blocks": 1953525168, "bytes": 1000204886016},
        "smart_status": {"passed": passed, "nvme": {"value": 0}},
        "nvme_smart_health_information_log": {"temperature": temperature, "media_errors": 0, **well, **log},
        "temperature": {"current": temperature},
    }


ASLEEP = {
    "smartctl": {
        "version": [7, 3],
        "messages": [{"string": "Device is in STANDBY mode, exit(2)", "severity": "information"}],
        "exit_status": 2,
    },
}
DISKS: dict[str, tuple[str, str, Disk]] = {
    "/dev/sda": ("sat", "ZDH1", sata()),
    "/dev/sdb": ("sat", "ZDH2", ASLEEP),
    "/dev/bus/0": ("megaraid,0", "ZDH3", sata(exit_status=4)),
    "/dev/nvme0": ("nvme", "S5GX", nvme()),
}
"""By the name of its device: the type, the serial number, and the rest."""
WELL = {"/dev/sda", "/dev/bus/0", "/dev/nvme0"}


@pytest.fixture(scope="module")
def smartctl(host: Host) -> Host:
    host.write(PATH, _SMARTCTL, mode="0755")
    give_sudo(host, "smart", program="/usr/sbin/smartctl", instead=PATH)
    scanned = [{"name": name, "type": kind} for name, (kind, _, _) in DISKS.items()]
    host.write("/srv/smart/scan.json", json.dumps({"devices": scanned}))
    return host


@pytest.fixture
def disks(smartctl: Host) -> Host:
    for name, (_, _, disk) in DISKS.items():
        show(smartctl, name, disk)
    return smartctl


def show(host: Host, name: str, disk: Disk) -> None:
    """Let smartctl print this of a disk."""
    kind, serial, _ = DISKS[name]
    whole = {"device": {"name": name, "type": kind}, "serial_number": serial} | disk
    file = f"/srv/smart/{name.replace('/', '_')}.json"
    host.run(f"cat > {file}.new && mv {file}.new {file}", stdin=json.dumps(whole))


def test_what_is_read_is_what_smartctl_prints_and_a_disk_that_sleeps_is_left_out(disks: Host) -> None:
    show(disks, "/dev/sda", sata(Current_Pending_Sector=8, Reallocated_Sector_Ct=3, UDMA_CRC_Error_Count=1))
    points = gather(disks, READ, of="smartctl")

    assert {one.tags["name"] for one in select(points, "smartctl")} == WELL
    spinning, flash = only(points, "smartctl", name="/dev/sda"), only(points, "smartctl", name="/dev/nvme0")
    assert (spinning["health_ok"], spinning["temperature"], spinning.tags["serial"]) == (1, 34, "ZDH1")
    log = nvme()["nvme_smart_health_information_log"]
    assert {name: flash[name] for name in log} == log
    raw = {one.tags["name"]: one["raw_value"] for one in select(points, "smartctl_attributes", serial="ZDH1")}
    assert raw == {
        "Reallocated_Sector_Ct": 3,
        "Current_Pending_Sector": 8,
        "Offline_Uncorrectable": 0,
        "UDMA_CRC_Error_Count": 1,
    }
    assert tags_of(points, "smartctl") == tags_of(points, "smartctl_attributes") == {"name", "type", "model", "serial"}
    assert fields_of(points, "smartctl") == {"health_ok", *log}
    assert fields_of(points, "smartctl_attributes") == {"raw_value"}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"devices": ["/dev/sd*"]}, {"/dev/sda"}),
        ({"ignore": ["/dev/nvme0"]}, {"/dev/sda", "/dev/bus/0"}),
    ],
)
def test_disks_can_be_chosen(disks: Host, options: dict[str, Any], names: set[str]) -> None:
    points = gather(disks, collect({"smart": {"path": PATH, **options}}), of="smartctl")

    assert {one.tags["name"] for one in select(points, "smartctl")} == names


def test_the_right_that_is_needed_is_no_right_to_change_a_disk(disks: Host) -> None:
    for arguments in ("--all /dev/sda", "--json --smart=off /dev/sda", "--json --all /dev/sda --device sat -t long"):
        assert disks.attempt(f"sudo -n {PATH} {arguments}", user="telegraf").code == 1


@pytest.mark.parametrize(
    ("name", "disk", "firing"),
    [
        ("/dev/sda", sata(passed=False, exit_status=8), {"smart-failing-critical"}),
        (
            "/dev/nvme0",
            nvme(critical_warning=4, available_spare=5, media_errors=3),
            {"smart-warning-critical", "smart-spare-critical", "smart-errors-warning"},
        ),
    ],
    ids=["SATA", "NVMe"],
)
def test_a_disk_that_gets_ill_is_an_alert(disks: Host, alerts: Alerts, name: str, disk: Disk, firing: set[str]) -> None:
    with agent(disks, READ, pace=600) as running:
        running.until(lambda points: {one.tags["name"] for one in select(points, "smartctl")} == WELL)
        assert alerts.firing(running) == set()
        show(disks, name, disk)
        points = running.points()
        # Two readings, and what one may take that has begun before.
        running.until(lambda now: now[-1].time > points[-1].time + 2400 / running.pace)

    assert newest(running.points(), "smartctl", name=name)["temperature"] == disk["temperature"]["current"]
    assert alerts.firing(running) == firing

"""What is read of the kernel's sensors: a folder in the form of /sys/class/hwmon (Documentation/hwmon/sysfs-interface),
since a container has no sensors. Telegraf is told by HOST_SYS where it is, as an agent in a container is."""

from __future__ import annotations

import pytest

from tests.services.agent import Setup, agent, collect, elsewhere, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import fields_of, select, tags_of

READ = elsewhere(collect("temperature"), HOST_SYS="/srv/sys")
# The folder, its device, the name of the chip; and its inputs, each with a label and a temperature.
_CHIPS = (
    ("hwmon0", "coretemp.0", "coretemp", (("Package id 0", 41), ("Core 0", 40))),
    ("hwmon1", "coretemp.1", "coretemp", (("Package id 0", 45), ("Core 0", 44))),
    ("hwmon2", "nct6775.656", "nct6775", (("SYSTIN", 31.5), ("AUXTIN0", 127), ("AUXTIN1", 0), ("AUXTIN2", -128))),
    ("hwmon3", "0:0:0:0", "drivetemp", (("", 38),)),
    ("hwmon4", "nvme0", "nvme", (("Composite", 42),)),
)
WELL = {
    ("coretemp_package_id_0", "coretemp.0"): 41,
    ("coretemp_core_0", "coretemp.0"): 40,
    ("coretemp_package_id_0", "coretemp.1"): 45,
    ("coretemp_core_0", "coretemp.1"): 44,
    ("nct6775_systin", "nct6775.656"): 31.5,
    ("drivetemp", "0:0:0:0"): 38,
    ("nvme_composite", "nvme0"): 42,
}


@pytest.fixture(scope="module")
def sensors(host: Host) -> Host:
    for folder, device, chip, inputs in _CHIPS:
        at = f"/srv/sys/class/hwmon/{folder}"
        host.run(f"mkdir -p {at} /srv/sys/devices/{device} && ln -s /srv/sys/devices/{device} {at}/device")
        host.write(f"{at}/name", f"{chip}\n")
        for number, (label, degrees) in enumerate(inputs, start=1):
            warm(host, f"{folder}/temp{number}", degrees)
            host.write(f"{at}/temp{number}_crit", "100000\n")
            if label:
                host.write(f"{at}/temp{number}_label", f"{label}\n")
    return host


def warm(host: Host, sensor: str, degrees: float) -> None:
    """Let a sensor show this; the kernel writes thousandths."""
    host.write(f"/srv/sys/class/hwmon/{sensor}_input", f"{degrees * 1000:.0f}\n")


def read_by(host: Host, setup: Setup) -> dict[tuple[str, str], float]:
    """The temperatures that an agent sends, by sensor and device."""
    points = gather(host, setup, of="temp")
    assert (tags_of(points, "temp"), fields_of(points, "temp")) == ({"sensor", "device"}, {"temp"})
    return {(one.tags["sensor"], one.tags["device"]): one["temp"] for one in select(points, "temp")}


def test_what_is_read_is_what_the_kernel_shows_without_inputs_to_which_nothing_is_connected(sensors: Host) -> None:
    assert read_by(sensors, READ) == WELL


def test_sensors_can_be_left_out(sensors: Host) -> None:
    fewer = collect({"temperature": {"ignore": ["coretemp_*", "nvme*"]}})

    read = read_by(sensors, elsewhere(fewer, HOST_SYS="/srv/sys"))

    assert read == {key: value for key, value in WELL.items() if key[0] in ("nct6775_systin", "drivetemp")}


def test_a_processor_and_a_disk_that_get_hot_are_alerts_until_they_cool_down(sensors: Host, alerts: Alerts) -> None:
    steps = [
        (45, 38, set()),
        (90, 65, {"temperature-high-warning", "temperature-disk-warning"}),
        (97, 75, {f"temperature-{what}-{level}" for what in ("high", "disk") for level in ("warning", "critical")}),
        (45, 38, set()),
    ]
    with agent(sensors, READ, pace=150) as running:
        for processor, disk, firing in steps:
            warm(sensors, "hwmon1/temp1", processor)
            warm(sensors, "hwmon3/temp1", disk)
            # A little more than ten minutes. The points of one reading of `temp` have several times.
            running.read(66, of="internal_agent")
            assert alerts.firing(running) == firing

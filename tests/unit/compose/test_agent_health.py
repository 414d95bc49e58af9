"""The health check of an agent's container, by a real bash on files in place of the container's."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from aresmon.system import process
from tests.unit.conftest import REPOSITORY

# A function wins over what ends processes: the check would end the first one of whatever machine this is.
_HARMLESS = 'kill() { echo "end $1"; }\n'
_ROOT = "22 1 8:1 / {at} rw,relatime shared:1 - ext4 /dev/sda1 rw"
_DISK = "30 22 8:17 / {at}/srv rw,relatime shared:2 - ext4 /dev/sdb1 rw"
_LATER = "33 22 8:33 / {at}/backups rw - ext4 /dev/sdd1 rw"
_OTHERS = (
    "40 22 0:22 / {at}/proc rw - proc proc rw",
    "41 22 8:1 /var/log {at}/log rw - ext4 /dev/sda1 rw",
    "42 22 0:50 / {at}/var/lib/docker/overlay2/x/merged rw - overlay overlay rw",
)
_SHARES = ("31 22 0:60 / {at}/home rw - nfs4 nas:/home rw", "32 22 0:61 /@home {at}/data rw - btrfs /dev/sdc rw")


class Agent:
    """A container with the machine's root below /hostfs, and its health check."""

    def __init__(self, folder: Path) -> None:
        self.alive = folder / "alive"
        self.alive.touch()
        self._machine, self._own = folder / "machine", folder / "own"
        shipped = (REPOSITORY / "compose" / "agent-health.sh").read_text(encoding="utf-8")
        places = {"/tmp/": f"{folder}/", "/hostfs/proc/1/mountinfo": self._machine, "/proc/self/mountinfo": self._own}
        for inside, here in places.items():
            assert inside in shipped
            shipped = shipped.replace(inside, str(here))
        self.script = folder / "health.sh"
        self.script.write_text(_HARMLESS + shipped, encoding="utf-8")

    def sees(self, *mounts: str, machine: tuple[str, ...]) -> None:
        """What is mounted below /hostfs in the container, and on the machine."""
        own = [one.format(at="/hostfs") for one in (_ROOT, *mounts)]
        there = [one.format(at="").replace("  ", " / ") for one in (_ROOT, *machine)]
        self._own.write_text("".join(f"{one}\n" for one in own))
        self._machine.write_text("".join(f"{one}\n" for one in there))

    def check(self) -> str:
        done = process.run(["bash", self.script], check=False)
        return "ended" if "end 1" in done.out else {0: "well", 1: "unhealthy"}[done.code]


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    made = Agent(tmp_path)
    made.sees(_DISK, machine=(_DISK, *_OTHERS))
    return made


def test_an_agent_that_sees_the_disks_of_the_machine_is_well(agent: Agent) -> None:
    assert [agent.check() for _ in range(3)] == ["well"] * 3


def test_an_agent_that_has_flushed_nothing_for_a_minute_is_not(agent: Agent) -> None:
    os.utime(agent.alive, (time.time() - 61, time.time() - 61))

    assert agent.check() == "unhealthy"


@pytest.mark.parametrize("disk", [_LATER, *_SHARES])
def test_a_disk_that_is_mounted_later_ends_it(agent: Agent, disk: str) -> None:
    agent.check()
    agent.sees(_DISK, machine=(_DISK, disk))

    assert agent.check() == "ended"


def test_a_disk_that_is_unmounted_ends_it(agent: Agent) -> None:
    agent.check()
    agent.sees(_DISK, machine=())

    assert agent.check() == "ended"


def test_what_was_different_from_its_start_on_is_no_reason(agent: Agent) -> None:
    agent.sees(machine=(_DISK,))

    assert [agent.check() for _ in range(2)] == ["well", "well"]


@pytest.mark.parametrize("other", _OTHERS)
def test_what_is_no_disk_is_no_reason(agent: Agent, other: str) -> None:
    agent.check()
    agent.sees(_DISK, machine=(_DISK, other))

    assert agent.check() == "well"

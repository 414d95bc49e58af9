"""What may be expected of a configuration: its inputs, and the measurements that a change leaves."""

from __future__ import annotations

import pytest

from aresmon.agents import inputs
from aresmon.agents.inputs import InputChange
from aresmon.config.package_data import package_files
from aresmon.render import telegraf
from aresmon.render.telegraf import TelegrafTemplates
from tests.unit.conftest import SHIPPED, load

FRAME = TelegrafTemplates.of(package_files())
HOST = load("hosts: {lewi: {agent: systemd, collect: [system, disk]}}").host("lewi")
BODY = telegraf.configuration(HOST, SHIPPED, FRAME)
EXEC = '[[inputs.exec]]\n  commands = ["/usr/local/bin/count"]\n'
MEM = "[[inputs.mem]]\n"


def test_the_inputs_of_collectors_are_told_from_those_of_somebodys_own() -> None:
    found = inputs.read(BODY + EXEC, SHIPPED)

    assert found.shipped == {plugin for name in HOST.collect for plugin in SHIPPED[name].inputs}
    assert found.others == {"exec"}
    assert (found.timing.interval, found.timing.flush) == (10.0, 10.0)


def test_an_own_file_is_completed_and_its_interval_read() -> None:
    own = telegraf.configuration(HOST, SHIPPED, FRAME, own='[agent]\n  interval = "1m"\n' + MEM)

    found = inputs.read(own, SHIPPED)

    assert (found.shipped, found.others, found.timing.interval) == (frozenset({"internal"}), frozenset({"mem"}), 60)


@pytest.mark.parametrize(
    ("before", "after", "measurement", "is_removed"),
    [
        (MEM + EXEC, MEM, "counted", True),
        (MEM + EXEC, EXEC, "mem", True),
        (MEM + EXEC, EXEC, "counted", True),  # which of the two wrote it cannot be told
        (MEM, MEM + EXEC, "mem", False),
        (MEM, MEM + EXEC, "anything", False),
        (MEM, '[[inputs.mem]]\n  interval = "1m"\n', "mem", False),
        ("[[inputs.kernel]]\n[[inputs.kernel_vmstat]]\n", "[[inputs.kernel]]\n", "kernel_vmstat", True),
        ("[[inputs.docker]]\n[[inputs.cpu]]\n", "[[inputs.docker]]\n", "docker_container_cpu", False),
        ("", MEM, "mem", False),
        ("", MEM, "counted", False),
        ("no TOML [", MEM, "mem", False),
    ],
)
def test_what_a_change_takes_out_is_not_missed(before: str, after: str, measurement: str, is_removed: bool) -> None:
    marked = (
        telegraf.with_config_id(before, "m-1", FRAME) if before else "",
        telegraf.with_config_id(after, "m-2", FRAME),
    )

    assert InputChange(before, after).is_removed(measurement) == is_removed
    assert InputChange(*marked).is_removed(measurement) == is_removed

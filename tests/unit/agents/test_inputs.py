"""What may be expected of a configuration: its inputs, and the measurements that a change leaves."""

from __future__ import annotations

import pytest

from aresmon.agents import inputs
from aresmon.agents.inputs import InputChange
from aresmon.config import view_files
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


@pytest.mark.parametrize(
    ("collect", "expected"),
    [
        ("time", {"timex"}),
        ("{time: {chrony: true}}", {"timex", "chrony"}),
        ("ups", {"upsd"}),
        ("{firewall: {tables: [inet filter], connections: false}}", {"nftables"}),
    ],
)
def test_an_input_that_an_option_leaves_out_is_not_expected(collect: str, expected: set[str]) -> None:
    host = load(f"hosts: {{lewi: {{agent: systemd, collect: [{collect}]}}}}").host("lewi")

    found = inputs.read(telegraf.configuration(host, SHIPPED, FRAME), SHIPPED)

    assert found.shipped - {"internal"} == expected
    assert not found.others


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


CERTIFICATE = '[[inputs.x509_cert]]\n  interval = "1m"\n'
QUERIES = """[[inputs.postgresql_extensible]]
  interval = "30s"
  [[inputs.postgresql_extensible.query]]
    measurement = "postgresql"
"""


@pytest.mark.parametrize(
    ("after", "measurement", "is_rare"),
    [
        (CERTIFICATE + MEM, "x509_cert", True),
        (CERTIFICATE + MEM, "mem", False),
        (CERTIFICATE + MEM, "counted", False),
        (CERTIFICATE + "[[inputs.x509_cert]]\n", "x509_cert", False),
        (CERTIFICATE.replace("1m", "10s"), "x509_cert", False),
        (QUERIES, "postgresql", True),
        ("no TOML [ interval", "mem", False),
    ],
)
def test_a_measurement_that_is_read_less_often_than_the_others_is_not_missed(
    after: str, measurement: str, is_rare: bool
) -> None:
    assert InputChange("", telegraf.with_config_id(after, "m-2", FRAME)).is_rare(measurement, 10.0) == is_rare


def test_the_interval_of_an_input_is_that_of_its_tables_if_each_has_one() -> None:
    found = inputs.read("# lewi\n" + MEM + MEM + QUERIES + CERTIFICATE + CERTIFICATE.replace("1m", "1h"), SHIPPED)

    assert found.every == {"postgresql_extensible": 30.0, "x509_cert": 60.0}
    assert found.tables == {"mem": 2, "postgresql_extensible": 1, "x509_cert": 2}


@pytest.mark.parametrize("quotes", ["'''", '"""'])
def test_a_line_of_a_script_is_not_taken_for_a_heading_or_an_interval(quotes: str) -> None:
    script = f"{quotes}bash -c '\n  [[ -e /run/reboot-required ]] || exit\n  interval = \"1s\"\n' {quotes}"
    found = inputs.read(f'# lewi\n[[inputs.exec]]\n  commands = [{script}]\n  interval = "15m"\n', {})

    assert (found.every, found.tables) == ({"exec": 900.0}, {"exec": 1})


def test_the_interval_of_the_script_that_counts_updates_is_known() -> None:
    found = inputs.read(f"# lewi\n{SHIPPED['updates'].configuration()}", SHIPPED)

    assert (found.every, found.tables) == ({"exec": 900.0}, {"exec": 1})


def test_the_first_line_of_a_configuration_without_a_heading_counts() -> None:
    found = inputs.read('[[inputs.ping]]\n  interval = "5m"\n', {})

    assert (found.every, found.tables) == ({"ping": 300.0}, {"ping": 1})


@pytest.mark.parametrize("name", [name for name, view in view_files.load().items() if name in SHIPPED])
def test_what_each_input_of_a_shipped_collector_sends_is_known_as_its_own(name: str) -> None:
    collector = SHIPPED[name]
    words = inputs.words_of(collector)

    for plugin in collector.inputs:
        assert any(inputs.is_of(measurement, plugin, words) for measurement in view_files.load()[name].measurements), (
            plugin
        )

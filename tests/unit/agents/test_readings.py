"""When an agent reads its inputs, and how long a restart waits so that it misses no reading."""

from __future__ import annotations

import pytest

from aresmon.agents import readings
from aresmon.agents.readings import CPU_READER, ReadingTimes
from aresmon.system import process
from tests.unit.conftest import REPOSITORY

NOON = 1_795_953_600  # a multiple of a day
TEN = ReadingTimes(10)
CASES = [  # the readings, seconds after a multiple of a day, seconds that the restart takes, seconds to wait
    (TEN, 1.0, 3.0, 0.0),
    (TEN, 6.9, 3.0, 0.0),
    (TEN, 7.1, 3.0, 3.4),
    (TEN, 9.9, 3.0, 0.6),
    (TEN, 0.0, 3.0, 0.5),
    (TEN, 0.2, 3.0, 0.3),
    (TEN, 1.0, 10.0, 9.5),  # it takes as long as an interval: right after a reading, it misses at most one
    (ReadingTimes(60), 50.0, 3.0, 0.0),
    (ReadingTimes(60), 58.0, 3.0, 2.5),
    (ReadingTimes(10, offset=4), 3.0, 3.0, 1.5),
    (ReadingTimes(10, offset=4), 9.0, 3.0, 0.0),
    (ReadingTimes(10, jitter=2), 1.0, 3.0, 1.5),
    (ReadingTimes(10, jitter=2), 9.0, 3.0, 3.5),
    (ReadingTimes(60, jitter=30), 1.0, 3.0, 0.0),  # it would wait half a minute
    (ReadingTimes(7), 0.0, 3.5, 3.5),  # counted from the year 1, as Telegraf does
    (ReadingTimes(), 9.9, 3.0, 0.0),
]


@pytest.mark.parametrize(("times", "after", "takes", "expected"), CASES)
def test_a_restart_waits_only_if_it_would_fall_on_a_reading(
    times: ReadingTimes, after: float, takes: float, expected: float
) -> None:
    assert times.seconds_to_wait(NOON + after, takes) == pytest.approx(expected, abs=0.001)


def test_the_script_on_a_host_computes_the_same() -> None:
    script = (REPOSITORY / "aresmon/push/remote/moment.bash").read_text()
    asked = [
        f"request[readings]='{times}'; compute_wait ms {round((NOON + after) * 1e6)} "
        f"{round((takes - 3) / 1.5 * 1e6)}; echo $ms"
        for times, after, takes, _ in CASES
    ]

    done = process.run(["bash", "-c", "declare -A request\n" + script + "\n".join(asked)])

    waits = [int(line) / 1000 for line in done.out.split()]
    assert waits == pytest.approx([expected for *_, expected in CASES], abs=0.002)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ReadingTimes(10)),
        ('[agent]\ninterval = "30s"\n', ReadingTimes(30)),
        ('[agent]\ninterval = "1m"\n[[inputs.cpu]]\ninterval = "10s"\n', ReadingTimes(10)),
        ('[agent]\ninterval = "10s"\n[[inputs.cpu]]\ninterval = "1s"\n', ReadingTimes(10)),
        ('[agent]\ninterval = "10s"\n[[inputs.disk]]\ninterval = "5m"\n', ReadingTimes(10)),
        ('[agent]\ncollection_offset = "2s"\ncollection_jitter = "500ms"\n', ReadingTimes(10, 2, 0.5)),
        ("[agent]\nround_interval = false\n", ReadingTimes()),
        ('[agent]\ninterval = "1s"\n', ReadingTimes()),
    ],
)
def test_the_readings_are_those_of_the_configuration(text: str, expected: ReadingTimes) -> None:
    assert readings.read(text) == expected


def test_a_request_has_them_in_milliseconds() -> None:
    assert str(ReadingTimes(10, 2, 0.5)) == "10000 2000 500"


CPU = "[[inputs.cpu]]\n  percpu = false\n"


def test_the_usage_of_the_cpu_is_read_by_a_second_telegraf_until_the_agent_has_read_it_twice() -> None:
    assert readings.cpu_reader("[agent]\n" + CPU) == CPU_READER


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[[inputs.mem]]\n",
        "[agent]\nround_interval = false\n" + CPU,
        '[agent]\ninterval = "1s"\n' + CPU,
        '[agent]\ninterval = "10m"\n' + CPU,
        '[agent]\ncollection_offset = "2s"\n' + CPU,
        '[agent]\ncollection_jitter = "1s"\n' + CPU,
        '[agent]\nstatefile = "/var/lib/telegraf/state"\n' + CPU,
        '[agent]\nbuffer_strategy = "disk"\n' + CPU,
        '[[outputs.influxdb]]\nbuffer_strategy = "disk"\n' + CPU,
        '[agent]\ninterval = "1m"\n[[inputs.mem]]\ninterval = "10s"\n' + CPU,
        CPU + 'interval = "30s"\n',
        CPU + "collect_cpu_time = true\n",
    ],
)
def test_it_does_not_run_where_its_points_would_differ_or_its_files_are_the_agents(text: str) -> None:
    assert readings.cpu_reader(text) == ""


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (1.0, ["12.000", "/t.conf", "", "8700", "10000"]),
        (8.0, ["5.000", "/t.conf", "", "1700", "10000"]),
        (9.1, []),
    ],
)
def test_it_reads_for_the_second_time_when_the_agent_reads_for_the_first(after: float, expected: list[str]) -> None:
    assert readings.cpu_reader_arguments(TEN, NOON + after, "/t.conf") == expected


def test_without_readings_by_the_clock_there_is_no_time_for_it() -> None:
    assert readings.cpu_reader_arguments(ReadingTimes(), NOON, "/t.conf") == []

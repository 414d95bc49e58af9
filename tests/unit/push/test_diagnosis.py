"""Why no data arrived: what is told of it, and what to do."""

from __future__ import annotations

import pytest

from aresmon.config.names import MARKER
from aresmon.push import diagnosis, result
from aresmon.push.protocol import HostMessage, WriteAccess, push_request
from aresmon.push.verification import Arrival
from tests.unit.scripted import order

ACCESS = WriteAccess("http://biere:8086", "agent-lewi", "s3cret", "telegraf")
NOTHING = Arrival(False, why="no data arrived", is_late=True)
AWAY = ("http://nowhere.invalid:8086",)


@pytest.mark.parametrize(
    ("arrival", "outputs", "unresolved", "cause", "what_next"),
    [
        (NOTHING, ("http://biere:8086",), (), "", ""),
        (NOTHING, AWAY, ("nowhere.invalid",), "lewi finds no address of nowhere.invalid", "name resolution"),
        (
            NOTHING,
            ("http://127.0.0.1:9",),
            (),
            "writes to http://127.0.0.1:9, not to the edge (http://biere:8086)",
            "urls",
        ),
        (NOTHING, ("http://[::1]:9", "http://biere:8086"), (), "", ""),
        (Arrival(False, is_late=True, unmarked=("mem",)), AWAY, (), "", "namepass"),
        (Arrival(False, is_late=True, unmarked=("mem", MARKER)), AWAY, (), "", "second agent"),
        (Arrival(False, is_late=True, elsewhere="other"), AWAY, (), "", "is other in a file"),
        (Arrival(False, why="InfluxDB does not answer"), AWAY, (), "", ""),
        (Arrival(True), AWAY, (), "", ""),
        (None, AWAY, ("nowhere.invalid",), "", ""),
    ],
)
def test_each_case_has_its_own_cause_and_next_step(
    arrival: Arrival | None, outputs: tuple[str, ...], unresolved: tuple[str, ...], cause: str, what_next: str
) -> None:
    told = diagnosis.explain(arrival, order(outputs=outputs, access=ACCESS), unresolved)

    assert cause in told[0]
    assert what_next in told[1]
    assert bool(cause) == bool(told[0])
    assert bool(what_next) == bool(told[1])


def test_the_host_is_asked_for_the_names_in_the_outputs_and_for_nothing_else() -> None:
    urls = ("http://b.example:8086", "https://a.example", "http://[::1]:9", "unix:///run/x", "http://$(x):1")

    header = push_request(order(outputs=urls)).decode()

    assert "\noutputs=a.example b.example\n" in header


def test_a_service_that_reads_another_file_is_told_with_both_paths_and_where_to_look() -> None:
    why, what_next = result.describe_refusal(HostMessage("refused", "other /etc/x.conf"), order())

    assert why == "the service reads /etc/x.conf, not /etc/telegraf/telegraf.conf"
    assert "systemctl cat telegraf" in what_next

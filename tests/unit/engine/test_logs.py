"""The logs of several services as one."""

from __future__ import annotations

import pytest

from aresmon.engine.logs import merge, split_lines
from aresmon.system.errors import AresmonError

EDGE = ["2026-11-29T04:00:01Z a\n2026-11-29T04:00:", "03Z c\n"]
INFLUXDB = ["2026-11-29T04:00:02Z b\n", "2026-11-29T04:00:04Z d"]


def test_lines_are_in_the_order_of_their_time_under_the_names_of_their_services() -> None:
    found = "".join(merge({"edge": EDGE, "influxdb": INFLUXDB}, follow=False))

    assert found == (
        "edge     | 2026-11-29T04:00:01Z a\n"
        "influxdb | 2026-11-29T04:00:02Z b\n"
        "edge     | 2026-11-29T04:00:03Z c\n"
        "influxdb | 2026-11-29T04:00:04Z d\n"
    )


def test_followed_logs_have_every_line_once() -> None:
    found = list(merge({"edge": EDGE, "influxdb": INFLUXDB}, follow=True))

    assert sorted(found) == sorted(merge({"edge": EDGE, "influxdb": INFLUXDB}, follow=False))


def test_a_log_that_cannot_be_read_ends_a_followed_one() -> None:
    def gone() -> list[str]:
        raise AresmonError("the engine went away")

    with pytest.raises(AresmonError, match="went away"):
        list(merge({"edge": EDGE, "influxdb": (piece for _ in range(1) for piece in gone())}, follow=True))


def test_whole_lines_come_of_any_chunks() -> None:
    assert list(split_lines(["a\nb", "c", "\n", "\nd"])) == ["a", "bc", "", "d"]

"""Values with their units: prefixes, decimals, times, and what is no number."""

from __future__ import annotations

import math

import pytest

from aresmon.monitoring.values import format_seconds, format_value


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (91, "percent", "91 %"),
        (4.25, "percent", "4.25 %"),
        (0.5, "percentunit", "50 %"),
        (12.44 * 2**30, "bytes", "12.4 GiB"),
        (999, "bytes", "999 B"),
        (1024, "bytes", "1 KiB"),
        (1023.9, "bytes", "1 KiB"),
        (3_140_000, "bps", "3.14 Mb/s"),
        (-3_140_000, "bps", "-3.14 Mb/s"),
        (0, "pps", "0 p/s"),
        (1234, "short", "1.23 k"),
        (17, "short", "17"),
        (2.456, "none", "2.46"),
        (86400 * 41, "dtdurations", "41 d"),
        (250, "ms", "250 ms"),
        (5.5, "h", "5.5 h"),
        (7, "furlongs", "7 furlongs"),
        (-0.0001, "none", "0.00"),
        (math.inf, "h", "inf"),
        (math.nan, "percent", "-"),
        (None, "percent", "-"),
    ],
)
def test_a_value_is_told_with_its_unit(value: float | None, unit: str, text: str) -> None:
    assert format_value(value, unit) == text


def test_the_decimals_of_the_catalogue_are_kept() -> None:
    assert format_value(91.4, "percent", 0) == "91 %"
    assert format_value(0.1234, "none", 2) == "0.12"
    assert format_value(3_141_592, "short", 0) == "3.14 M"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (4, "4 s"), (89, "89 s"), (180, "3 min"), (5400, "1.5 h"), (86400 * 2, "2.0 d"), (0.02, "20 ms")],
)
def test_a_time_is_told_in_the_unit_that_fits(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text

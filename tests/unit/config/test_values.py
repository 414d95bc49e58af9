"""Values with their units: prefixes, decimals, times, and what is no number."""

from __future__ import annotations

import math

import pytest

from aresmon.config.values import format_limit, format_seconds, format_value
from tests.unit.conftest import VIEWS


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


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (90, "percent", "90 %"),
        (0.5, "percentunit", "50 %"),
        (1_209_600, "dtdurations", "14 days"),
        (24, "h", "24 hours"),
        (3600, "s", "60 min"),
        (90, "s", "90 s"),
        (1, "s", "1 s"),
        (1500, "ms", "1.5 s"),
        (200, "ms", "200 ms"),
        (10, "ops", "10 per second"),
        (0.5, "mps", "0.5 per second"),
        (10_000_000, "Bps", "10 MB/s"),
        (1_000_000, "short", "1,000,000"),
        (2.5, "none", "2.5"),
    ],
)
def test_a_threshold_is_told_exactly_and_in_words(value: float, unit: str, text: str) -> None:
    assert format_limit(value, unit) == text


def test_every_unit_of_the_catalogue_is_known() -> None:
    views = VIEWS.values()
    units = {panel.unit for view in views for panel in view.panels}
    units |= {column.unit for view in views for column in view.columns}
    units |= {alert.unit for view in views for alert in view.alerts}

    unknown = {unit for unit in units if unit and unit in format_value(1.5, unit)} - {"h", "ms", "ns", "s"}

    assert unknown == set()


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

"""The month of a report, by this machine's clock."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from aresmon.report import period
from aresmon.system.errors import AresmonError

HOUR = 3600.0


@pytest.fixture(autouse=True)
def _paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def local(*when: int) -> float:
    return time.mktime((*when, *(0,) * (6 - len(when)), 0, 0, -1))  # type: ignore[arg-type]


NOW = local(2026, 11, 29, 12)


def test_without_a_month_it_is_the_last_whole_one() -> None:
    found = period.month(None, NOW)

    assert (found.name, found.title, found.is_whole) == ("2026-10", "October 2026", True)
    assert (found.start, found.end) == (local(2026, 10, 1), local(2026, 11, 1))
    assert period.month(None, local(2026, 1, 9)).name == "2025-12"


def test_the_present_month_ends_where_its_points_are_downsampled() -> None:
    found = period.month("2026-11", NOW + 61)

    assert (found.end, found.is_whole) == (NOW - 600, False)
    assert found.days[-1] == (local(2026, 11, 29), NOW - 600)


def test_days_begin_at_midnight_also_when_the_clock_is_changed() -> None:
    days = period.month("2026-10", NOW).days

    assert len(days) == 31
    assert {start: end - start for start, end in days}[local(2026, 10, 25)] == 25 * HOUR
    assert all(end == start for (_, end), (start, _) in zip(days, days[1:], strict=False))


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "october", "2026-1", "2026-10-01", ""])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(AresmonError, match="not a month"):
        period.month(text, NOW)


def test_a_month_that_has_not_begun_is_refused() -> None:
    with pytest.raises(AresmonError, match="December 2026 has not begun"):
        period.month("2026-12", NOW)


def test_the_present_month_is_none_before_its_first_points_are_downsampled() -> None:
    found = period.present(NOW)

    assert found is not None
    assert (found.name, found.is_whole) == ("2026-11", False)
    assert period.present(local(2026, 11, 1) + 300) is None

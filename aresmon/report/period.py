"""The time that a report is of: a month of this machine's calendar."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from aresmon.system.errors import AresmonError, ExitCode

_MONTH = re.compile(r"(\d{4})-(\d{2})")
_DOWNSAMPLED_AFTER = 600  # seconds; continuous queries run every five minutes
_STEP = 300


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` until `end`, where the downsampled points end, in seconds since 1970. `name` is as in `2026-10`,
    `title` as in `October 2026`; `is_whole` is false for a month that has not ended. `until` is the month's end or now:
    what is not downsampled, such as deployments, is known until then."""

    start: float
    end: float
    name: str
    title: str
    is_whole: bool
    until: float

    @property
    def within(self) -> str:
        """The time of the downsampled points as a condition of InfluxQL."""
        return f"time >= {int(self.start)}s AND time < {int(self.end)}s"

    @property
    def so_far(self) -> str:
        """All of the time as a condition of InfluxQL."""
        return f"time >= {int(self.start)}s AND time < {int(self.until)}s"

    @property
    def days(self) -> list[tuple[float, float]]:
        """The days, each from its start until its end or until that of the period."""
        first, days = time.localtime(self.start), []
        for day in range(31):
            start, end = (_local(first.tm_year, first.tm_mon, first.tm_mday + day + after) for after in (0, 1))
            if start >= self.end:
                break
            days.append((start, min(end, self.end)))
        return days


def month(text: str | None, now: float) -> Period:
    """The month `2026-10`, or the last whole one. The present one ends where its points are downsampled.

    Raises AresmonError for text that is no month, and for a month that has not begun.
    """
    if text is None:
        today = time.localtime(now)
        year, number = (today.tm_year, today.tm_mon - 1) if today.tm_mon > 1 else (today.tm_year - 1, 12)
    else:
        found = _MONTH.fullmatch(text)
        year, number = (int(found[1]), int(found[2])) if found else (0, 0)
        if not (1 <= number <= 12 and year >= 1970):
            raise AresmonError(
                f"--month {text}: not a month", hint="write it as in --month 2026-10", code=ExitCode.USAGE
            )
    name, start, end = f"{year}-{number:02}", _local(year, number, 1), _local(year, number + 1, 1)
    title = time.strftime("%B %Y", time.localtime(start))
    until = (now - _DOWNSAMPLED_AFTER) // _STEP * _STEP
    if start >= until:
        raise AresmonError(f"--month {name}: {title} has not begun, or has no points yet", code=ExitCode.USAGE)
    return Period(start, min(end, until), name, title, end <= until, min(end, now))


def month_of(at: float) -> str:
    """The month of a time, as `--month` takes it."""
    return time.strftime("%Y-%m", time.localtime(at))


def present(now: float) -> Period | None:
    """The present month; None as long as no point of it can be downsampled."""
    try:
        return month(month_of(now), now)
    except AresmonError:
        return None


def _local(year: int, month: int, day: int) -> float:
    """Midnight of a day by this machine's clock, in seconds since 1970. Months and days may be beyond their last."""
    return time.mktime((year, month, day, 0, 0, 0, 0, 0, -1))

"""Which archives stay and which go: decided on their names alone, so that every machine decides the same.

As restic and borg count: of the newest days, weeks and months that have an archive at all, the last one of each. Days
begin at midnight UTC and weeks on Monday. No clock is asked: a gap, or a clock that jumps, makes nothing go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from aresmon.archives.store import Stored, in_order
from aresmon.archiving import Rules

_PERIODS: Mapping[str, Callable[[Stored], object]] = {
    "last": lambda one: one.name,
    "daily": lambda one: one.at.date(),
    "weekly": lambda one: one.at.isocalendar()[:2],
    "monthly": lambda one: (one.at.year, one.at.month),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """An archive and the rules that want it to stay; without any, it goes."""

    archive: Stored
    wanted: tuple[str, ...]

    @property
    def stays(self) -> bool:
        return bool(self.wanted)


def select(archives: Iterable[Stored], rules: Rules, *, verified: str = "") -> list[Verdict]:
    """A verdict on each archive, the newest last. `verified` is the name of the last one that was proven.

    The newest one stays whatever the rules say, and so does the proven one.
    """
    ordered = in_order(archives)
    wanted: dict[str, list[str]] = {one.name: [] for one in ordered}
    for rule, most in (
        ("last", rules.last),
        ("daily", rules.daily),
        ("weekly", rules.weekly),
        ("monthly", rules.monthly),
    ):
        for number, name in enumerate(_last_of_each(ordered, _PERIODS[rule])[:most], start=1):
            wanted[name].append(f"{rule} {number}")
    if ordered:
        wanted[ordered[-1].name] = wanted[ordered[-1].name] or ["newest"]
    if verified in wanted:
        wanted[verified].append("verified")
    return [Verdict(one, tuple(wanted[one.name])) for one in ordered]


def _last_of_each(ordered: Iterable[Stored], period: Callable[[Stored], object]) -> list[str]:
    """The name of the last archive of each period, the newest first."""
    last = {period(one): one.name for one in ordered}
    return list(reversed(last.values()))

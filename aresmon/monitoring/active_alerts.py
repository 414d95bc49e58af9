"""An alert that fires or is about to. Apart from what evaluates the rules, which takes longer to load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aresmon.config.views import SEVERITIES, Severity


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """An instance of an alert whose condition holds. It is pending until that has lasted for long enough. `since` is in
    seconds since 1970, 0 where it held before anybody looked; `place` are its labels beside the host."""

    uid: str
    alert: str
    severity: Severity
    state: Literal["firing", "pending"]
    host: str
    place: tuple[str, ...]
    value: float | None
    since: float
    summary: str
    next: str


def worst(alerts: Sequence[ActiveAlert]) -> Severity | None:
    """The worst severity of those that fire; None if none does."""
    firing = [SEVERITIES.index(one.severity) for one in alerts if one.state == "firing"]
    return SEVERITIES[max(firing)] if firing else None

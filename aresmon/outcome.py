"""How a push ends for a host."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """How a push ended for one host."""

    PROVEN = "proven"
    UNCHANGED = "unchanged"
    UNVERIFIED = "unverified"
    REFUSED = "refused"
    DRIFTED = "drifted"
    UNREACHABLE = "unreachable"
    SILENT = "silent"
    SKIPPED = "skipped"
    ROLLED_BACK = "rolled back"
    BROKEN = "broken"
    UNKNOWN = "unknown"


GOOD = frozenset({Outcome.PROVEN, Outcome.UNCHANGED, Outcome.UNVERIFIED})
"""Nothing is left to do."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one host. `live` is the configuration that was found there, `seconds` how long it took; `notes`
    are worth knowing though it went well."""

    host: str
    outcome: Outcome
    why: str = ""
    next: str = ""
    mark: str = ""
    commit: str = ""
    seconds: float = 0.0
    silent: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    live: bytes | None = field(default=None, repr=False)

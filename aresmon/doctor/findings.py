"""What a check finds, what is known of each kind of finding, and all of them together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from aresmon.system.errors import ExitCode

Severity = Literal["bad", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("bad", "warning", "note")
"""What the words mean: something does not work or is open; it will not, or not for long; good to know."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding. `good` is what is true where there is none, `next` what mends it in general."""

    name: str
    group: str
    severity: Severity
    good: str
    why: str
    next: str


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind of finding, in the order they are told."""
    described = yaml.safe_load(Path(__file__).with_name("kinds.yml").read_text(encoding="utf-8"))
    return {name: Kind(name, **about) for name, about in described.items()}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be. `next` and `severity` are those of its kind where they are not given."""

    kind: str
    what: str
    next: str = ""
    severity: Severity | None = None

    @property
    def weight(self) -> Severity:
        return self.severity or kinds()[self.kind].severity

    @property
    def remedy(self) -> str:
        return self.next or kinds()[self.kind].next


@dataclass(frozen=True, slots=True)
class Unmade:
    """What could not be looked at, and why. `is_expected`: not from this machine, so nothing is wrong with that."""

    what: str
    why: str
    is_expected: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What an examination found. `passed` are the kinds that were looked for and not found."""

    site: str
    findings: tuple[Finding, ...]
    passed: tuple[str, ...]
    unmade: tuple[Unmade, ...]

    @property
    def code(self) -> ExitCode:
        """Notes are no trouble; a check that should have been made and could not be is."""
        is_wrong = any(one.weight != "note" for one in self.findings)
        return ExitCode.DEGRADED if is_wrong or any(not one.is_expected for one in self.unmade) else ExitCode.DONE

    def counts(self) -> dict[Severity, int]:
        """How many findings there are of each severity."""
        counted = Counter(one.weight for one in self.findings)
        return {severity: counted[severity] for severity in SEVERITIES}

    def as_json(self) -> dict[str, Any]:
        """Plain data, for scripts."""
        return {
            "ok": self.code == ExitCode.DONE,
            "site": self.site,
            "counts": self.counts(),
            "findings": [_as_json(one) for one in self.findings],
            "passed": list(self.passed),
            "not_looked_at": [{"what": one.what, "why": one.why, "expected": one.is_expected} for one in self.unmade],
        }


def report(site: str, findings: Iterable[Finding], looked_for: Iterable[str], unmade: Sequence[Unmade]) -> Report:
    """A report whose findings stand in the order of their kinds, the worst of each kind first."""
    order = {name: position for position, name in enumerate(kinds())}
    found = sorted(set(findings), key=lambda one: (order[one.kind], SEVERITIES.index(one.weight), one.remedy, one.what))
    seen = {one.kind for one in found}
    passed = sorted(set(looked_for) - seen, key=order.__getitem__)
    return Report(site, tuple(found), tuple(passed), tuple(unmade))


def _as_json(finding: Finding) -> dict[str, str]:
    kind = kinds()[finding.kind]
    return {
        "kind": finding.kind,
        "group": kind.group,
        "severity": finding.weight,
        "what": finding.what,
        "why": kind.why,
        "next": finding.remedy,
    }

"""Findings of `doctor`, the kinds of findings (kinds.yml), and the report that holds them."""

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
"""bad: something does not work or is exposed. warning: it will stop working, or differs from aresmon.yml. note: for
information."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding. `good` states the healthy state, `next` the general fix."""

    name: str
    group: str
    severity: Severity
    good: str
    why: str
    next: str


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind of finding by name, in the order in which reports list them."""
    described = yaml.safe_load(Path(__file__).with_name("kinds.yml").read_text(encoding="utf-8"))
    return {name: Kind(name, **about) for name, about in described.items()}


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem. `next` and `severity` default to those of its kind."""

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
class SkippedCheck:
    """Something that was not checked, and why. `is_expected`: it does not apply to this run, so it is not a fault."""

    what: str
    why: str
    is_expected: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run of `doctor`. `passed` are the kinds that were checked for and not found."""

    site: str
    findings: tuple[Finding, ...]
    passed: tuple[str, ...]
    skipped: tuple[SkippedCheck, ...]

    @property
    def code(self) -> ExitCode:
        """DEGRADED for any finding above a note, and for an applicable check that could not run."""
        is_wrong = any(one.weight != "note" for one in self.findings)
        return ExitCode.DEGRADED if is_wrong or any(not one.is_expected for one in self.skipped) else ExitCode.DONE

    def counts(self) -> dict[Severity, int]:
        """Return the number of findings of each severity."""
        counted = Counter(one.weight for one in self.findings)
        return {severity: counted[severity] for severity in SEVERITIES}

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data, for `doctor --json`."""
        return {
            "ok": self.code == ExitCode.DONE,
            "site": self.site,
            "counts": self.counts(),
            "findings": [_as_json(one) for one in self.findings],
            "passed": list(self.passed),
            "not_looked_at": [{"what": one.what, "why": one.why, "expected": one.is_expected} for one in self.skipped],
        }


def report(
    site: str, findings: Iterable[Finding], checked_kinds: Iterable[str], skipped: Sequence[SkippedCheck]
) -> Report:
    """Return a report with the findings sorted by kind, the most severe of each kind first."""
    order = {name: position for position, name in enumerate(kinds())}
    found = sorted(set(findings), key=lambda one: (order[one.kind], SEVERITIES.index(one.weight), one.remedy, one.what))
    found_kinds = {one.kind for one in found}
    passed = sorted(set(checked_kinds) - found_kinds, key=order.__getitem__)
    return Report(site, tuple(found), tuple(passed), tuple(skipped))


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

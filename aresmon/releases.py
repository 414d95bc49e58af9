"""What was brought to each host, kept at the controller: to go back to, and to hold the live file against."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from aresmon import files
from aresmon.errors import AresmonError

KEPT = 50
"""Releases of one host that stay; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Release:
    """One configuration of a host, without its mark. `number` counts from 1; 0 is what was there before the first
    push. `commit` is that of the `configs` repository, `at` in seconds since 1970."""

    number: int
    mark: str
    by: str
    at: float
    commit: str = ""


@dataclass(frozen=True, slots=True)
class Releases:
    """The releases of one host, in a folder of their own."""

    folder: Path

    def all(self) -> list[Release]:
        """Every release that is kept, the oldest first."""
        return sorted(self._read(), key=lambda one: one.number)

    def newest(self) -> Release | None:
        """The one that was proven last."""
        found = self.all()
        return found[-1] if found else None

    def body(self, number: int) -> str:
        """The configuration of a release. Raises AresmonError where it is not kept."""
        try:
            return self._conf(number).read_bytes().decode()  # the line ends as they were
        except (OSError, UnicodeDecodeError):
            known = ", ".join(str(one.number) for one in self.all()) or "none"
            raise AresmonError(
                f"no release {number} of {self.folder.name} is kept",
                hint=f"there are: {known}; `aresmon history` tells more",
            ) from None

    def add(self, body: str, release: Release) -> None:
        """Keep a configuration, and let the oldest go."""
        files.write(self._conf(release.number), body.encode(), mode=0o600)
        files.write(self._about(release.number), (json.dumps(asdict(release)) + "\n").encode(), mode=0o600)
        for old in self.all()[:-KEPT]:
            self._about(old.number).unlink(missing_ok=True)
            self._conf(old.number).unlink(missing_ok=True)

    def next_number(self) -> int:
        """The number of the next release."""
        newest = self.newest()
        return newest.number + 1 if newest else 1

    def _read(self) -> Iterator[Release]:
        for path in self.folder.glob("*.json"):
            try:
                yield Release(**json.loads(path.read_bytes()))
            except (OSError, ValueError, TypeError):
                continue  # written by a version that knew more, or by hand: not a release of ours

    def _conf(self, number: int) -> Path:
        return self.folder / f"{number:05}.conf"

    def _about(self, number: int) -> Path:
        return self.folder / f"{number:05}.json"

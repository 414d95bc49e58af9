"""What an archive says of itself: its members with their hashes, and what the points in it add up to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from aresmon.errors import AresmonError
from aresmon.fingerprint import Fingerprint, Key, Mark

FORMAT = 1
NAME = "manifest.json"


class UnreadableError(AresmonError):
    """What stands where the manifest should is none, or is not what it was."""

    def __init__(self) -> None:
        super().__init__("its manifest cannot be read: this is no archive of aresmon's, or a damaged one")


Days = Mapping[Key, tuple[Mark, Mark]]
"""Of each day what its points added up to before the snapshot, and after. The same twice: what is restored must be
the same too. Else points came in meanwhile, and it must have as many as something in between."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in the archive; `sha256` in hexadecimal digits."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made the archive, of what, and when (seconds since 1970). `images` are by service, `influxdb` is the version
    that wrote the points, `keep` the hours that each policy kept them, 0 for ever."""

    site: str
    host: str
    aresmon: str
    influxdb: str
    begun: float
    ended: float
    images: Mapping[str, str]
    keep: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Manifest:
    """All of it. `windows` are the seconds by which sums were taken, by policy."""

    origin: Origin
    members: tuple[Member, ...]
    windows: Mapping[str, int]
    days: Days

    @property
    def size(self) -> int:
        """Bytes of all members."""
        return sum(member.size for member in self.members)

    def size_of(self, part: str) -> int:
        """Bytes of the members of a part: `influxdb`, `grafana`, `site`."""
        return sum(member.size for member in self.members if member.name.startswith(f"{part}/"))

    def has(self, part: str) -> bool:
        """Whether anything of this part is in the archive."""
        return any(member.name.startswith(f"{part}/") for member in self.members)


@dataclass(frozen=True, slots=True)
class Difference:
    """A day whose points are not what the manifest says; numbers are of values, fields of points."""

    policy: str
    measurement: str
    day: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.policy} {self.measurement} {self.day}: expected {self.expected}, found {self.found}"


def differences(days: Days, found: Fingerprint) -> list[Difference]:
    """What does not agree; nothing where a restored database holds what it should."""
    return list(_differences(days, found))


def _differences(days: Days, found: Fingerprint) -> Iterator[Difference]:
    for key in sorted({*days, *found}):
        before, after = days.get(key, (Mark(), Mark()))
        is_now = found.get(key, Mark())
        least, most = sorted((before.values, after.values))
        told = f"{is_now.values} values"
        if before == after and is_now == before:
            continue
        if before != after and least <= is_now.values <= most:
            continue
        if before != after:
            yield _difference(key, f"{least} to {most} values", told)
        elif before.values == is_now.values:
            yield _difference(key, f"{told} with the mark {before.mark:016x}", f"other values ({is_now.mark:016x})")
        else:
            yield _difference(key, f"{before.values} values", told)


def write(manifest: Manifest) -> bytes:
    """As JSON."""
    told: dict[str, Any] = {"format": FORMAT, **asdict(manifest.origin)}
    told |= {"members": [asdict(member) for member in manifest.members], "windows": dict(manifest.windows)}
    points: dict[str, dict[str, dict[str, list[Any]]]] = {}
    for (policy, measurement, day), marks in sorted(manifest.days.items()):
        kept = marks[:1] if marks[0] == marks[1] else marks
        row = [part for mark in kept for part in (mark.values, f"{mark.mark:016x}")]
        points.setdefault(policy, {}).setdefault(measurement, {})[_date(day)] = row
    told["points"] = points
    return _json({**told, "sha256": _digest(told)})


def read(content: bytes) -> Manifest:
    """Raises UnreadableError for what is no manifest or not what it was, AresmonError for one of a newer format than
    this aresmon knows, whose digest is made in the same way."""
    try:
        data = json.loads(content)
        newest, digest = int(data["format"]), data.pop("sha256")
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UnreadableError from None
    if _digest(data) != digest:
        raise UnreadableError
    if newest > FORMAT:
        raise AresmonError(
            f"the archive has the format {newest}, and this aresmon knows those up to {FORMAT}",
            hint="restore it with the aresmon that made it, or a newer one",
        )
    try:
        return Manifest(
            origin=Origin(**{name: data[name] for name in Origin.__dataclass_fields__}),
            members=tuple(Member(**member) for member in data["members"]),
            windows={str(policy): int(window) for policy, window in data["windows"].items()},
            days=dict(_days(data["points"])),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UnreadableError from None


def _json(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


def _digest(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(_json(data)).hexdigest()


def _days(points: Mapping[str, Mapping[str, Mapping[str, Sequence[Any]]]]) -> Iterator[tuple[Key, tuple[Mark, Mark]]]:
    for policy, measurements in points.items():
        for measurement, days in measurements.items():
            for date, row in days.items():
                before, after = Mark(int(row[0]), int(row[1], 16)), Mark(int(row[-2]), int(row[-1], 16))
                yield (policy, measurement, _second(date)), (before, after)


def _difference(key: Key, expected: str, found: str) -> Difference:
    policy, measurement, day = key
    return Difference(policy, measurement, _date(day), expected, found)


def _date(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d")


def _second(date: str) -> int:
    return int(datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())

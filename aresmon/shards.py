"""Shards that InfluxDB cannot read: the days that they hold are missing from every answer, without a word in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aresmon import tsm
from aresmon.influxdb import InfluxDB, Series
from aresmon.render.telegraf import DATABASE

_WITHIN = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Place:
    """A shard: its policy, its number, and its span in seconds since 1970."""

    policy: str
    number: int
    start: float
    end: float

    @property
    def path(self) -> str:
        """Where it is, from the data folder."""
        return f"data/{DATABASE}/{self.policy}/{self.number}"

    @property
    def days(self) -> str:
        """`2026-11-22`, `2026-11-16 to 2026-11-22`; days of UTC, as shards are cut."""
        first = datetime.fromtimestamp(self.start, UTC).date()
        last = datetime.fromtimestamp(max(self.start, self.end - 1), UTC).date()
        return f"{first}" if first == last else f"{first} to {last}"


@dataclass(frozen=True, slots=True)
class Damage:
    """What of a shard cannot be read: one of its files, from the data folder, or with `file` empty all of it."""

    place: Place
    file: str = ""
    what: str = ""


def closed(influxdb: InfluxDB, folder: Path | None, *, now: float) -> list[Damage]:
    """The shards that InfluxDB knows of at `now` (seconds since 1970) and could not open.

    Such a one has no statistics. Neither has one that nothing was written into yet: it is left out as long as its time
    is to come, and afterwards where `folder`, the data folder, shows that it is not on the disk. None is a data folder
    that cannot be seen from here.
    """
    places, statistics = _ask(influxdb)
    opened = {int(one.tags["id"]) for one in statistics if one.tags.get("database") == DATABASE}
    left = [one for one in places if one.number not in opened and one.start <= now]
    return [Damage(one) for one in left if folder is None or _may_be_there(folder / one.path)]


def put_aside(folder: Path, places: Iterable[Place]) -> list[Damage]:
    """The files of these shards that InfluxDB put aside as `.bad` since it could not read them.

    `folder` is the data folder. Raises OSError where it cannot be looked into.
    """
    return [
        Damage(place, str(path.relative_to(folder)))
        for place in places
        for path in sorted((folder / place.path).glob("*.bad"))
    ]


def changed(folder: Path, places: Sequence[Place]) -> Iterator[Damage]:
    """The files of these shards whose points are not what was written. Reads all of them, which takes its time.

    Files that InfluxDB removes meanwhile, since it made one of several, are passed over.
    """
    for place in places:
        for path in sorted((folder / place.path).glob("*.tsm")):
            try:
                bad = tsm.bad_blocks(path)
            except FileNotFoundError:
                continue
            if bad:
                yield Damage(place, str(path.relative_to(folder)), _told(bad))


def places(influxdb: InfluxDB) -> list[Place]:
    """All shards of the database, the oldest first."""
    return _ask(influxdb)[0]


def _may_be_there(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True  # not ours to look into
    return True


def _told(bad: Sequence[tsm.BadBlock]) -> str:
    first = bad[0]
    more = f", and {len(bad) - 1} more blocks" if bad[1:] else ""
    return f"{first.what}{f' ({first.key})' if first.key else ''}{more}"


def _ask(influxdb: InfluxDB) -> tuple[list[Place], Sequence[Series]]:
    shards, statistics = influxdb.query("SHOW SHARDS", "SHOW STATS FOR 'shard'", within=_WITHIN)
    found = [
        Place(row["retention_policy"], int(row["id"]), _seconds(row["start_time"]), _seconds(row["end_time"]))
        for one in shards
        if one.name == DATABASE
        for row in one.rows
    ]
    return sorted(found, key=lambda one: (one.start, one.number)), statistics


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()

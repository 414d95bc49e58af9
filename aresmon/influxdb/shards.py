"""Damaged shards: InfluxDB leaves their days out of query results without reporting an error.

`list_unopened` finds shards that InfluxDB could not open, `list_quarantined` files that it renamed to `.bad`, and
`find_corrupt` files whose checksums do not match. The last reads InfluxDB's TSM files itself.

Source: InfluxDB 1.x, tsdb/engine/tsm1/DESIGN.md (the TSM file format).
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aresmon.config.names import DATABASE
from aresmon.influxdb.client import InfluxDB, Series

_WITHIN = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class ShardLocation:
    """A shard: its policy, its number, and its time range in seconds since 1970."""

    policy: str
    number: int
    start: float
    end: float

    @property
    def path(self) -> str:
        """Its path, relative to the data folder."""
        return f"data/{DATABASE}/{self.policy}/{self.number}"

    @property
    def days(self) -> str:
        """`2026-11-22`, `2026-11-16 to 2026-11-22`; days of UTC, on whose boundaries shards begin."""
        first = datetime.fromtimestamp(self.start, UTC).date()
        last = datetime.fromtimestamp(max(self.start, self.end - 1), UTC).date()
        return f"{first}" if first == last else f"{first} to {last}"


@dataclass(frozen=True, slots=True)
class ShardDamage:
    """A damaged shard: what is wrong with it, in which file, relative to the data folder; empty for a whole shard."""

    place: ShardLocation
    file: str = ""
    what: str = ""


def list_unopened(influxdb: InfluxDB, folder: Path | None, *, now: float) -> list[ShardDamage]:
    """Return the shards that InfluxDB lists but could not open. `now` is in seconds since 1970.

    Such a shard has no statistics. Neither has a shard without any points: one in the future is left out, and a past
    one if `folder`, the data folder, does not contain it. `folder` is None if it cannot be read from here.
    """
    places, statistics = _query_shards(influxdb)
    opened = {int(one.tags["id"]) for one in statistics if one.tags.get("database") == DATABASE}
    unopened = [one for one in places if one.number not in opened and one.start <= now]
    return [ShardDamage(one) for one in unopened if folder is None or _may_exist(folder / one.path)]


def list_quarantined(folder: Path, places: Iterable[ShardLocation]) -> list[ShardDamage]:
    """Return the files of these shards that InfluxDB could not read and renamed to `.bad`.

    `folder` is the data folder. Raises OSError if it cannot be read.
    """
    return [
        ShardDamage(place, str(path.relative_to(folder)))
        for place in places
        for path in sorted((folder / place.path).glob("*.bad"))
    ]


def find_corrupt(folder: Path, places: Sequence[ShardLocation]) -> Iterator[ShardDamage]:
    """Yield the files of these shards whose checksums do not match. Reads all files, which takes long.

    Files that InfluxDB deletes meanwhile, because it compacted them into another, are skipped.
    """
    for place in places:
        for path in sorted((folder / place.path).glob("*.tsm")):
            try:
                bad = find_bad_blocks(path)
            except FileNotFoundError:
                continue
            if bad:
                yield ShardDamage(place, str(path.relative_to(folder)), _describe_blocks(bad))


def list_locations(influxdb: InfluxDB) -> list[ShardLocation]:
    """All shards of the database, oldest first."""
    return _query_shards(influxdb)[0]


def _may_exist(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True  # no permission to look
    return True


def _describe_blocks(bad: Sequence[BadBlock]) -> str:
    first = bad[0]
    more = f", and {len(bad) - 1} more blocks" if bad[1:] else ""
    return f"{first.what}{f' ({first.key})' if first.key else ''}{more}"


def _query_shards(influxdb: InfluxDB) -> tuple[list[ShardLocation], Sequence[Series]]:
    shards, statistics = influxdb.query("SHOW SHARDS", "SHOW STATS FOR 'shard'", within=_WITHIN)
    found = [
        ShardLocation(row["retention_policy"], int(row["id"]), _seconds(row["start_time"]), _seconds(row["end_time"]))
        for one in shards
        if one.name == DATABASE
        for row in one.rows
    ]
    return sorted(found, key=lambda one: (one.start, one.number)), statistics


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


_MAGIC = b"\x16\xd1\x16\xd1\x01"
_FOOTER = struct.Struct(">Q")
_KEY = struct.Struct(">H")
_ENTRIES = struct.Struct(">cH")
_ENTRY = struct.Struct(">qqQI")  # first and last time in nanoseconds, offset, size
_SUM = struct.Struct(">I")
_NANO = 10**9


@dataclass(frozen=True, slots=True)
class BadBlock:
    """A block of points that is corrupt or missing: its series and field, and its time range in seconds since 1970.
    A file whose index cannot be read has one such block, without a key and without times."""

    key: str
    since: float
    until: float
    what: str


def find_bad_blocks(path: Path) -> list[BadBlock]:
    """Return the bad blocks of a TSM file; reads all of it. Raises OSError if it cannot be read."""
    if path.stat().st_size <= len(_MAGIC) + _FOOTER.size:
        return [BadBlock("", 0, 0, "the file is truncated")]
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[: len(_MAGIC)] != _MAGIC:
            return [BadBlock("", 0, 0, "the file does not begin with the TSM header")]
        try:
            return list(_bad_blocks(content))
        except (struct.error, ValueError):
            return [BadBlock("", 0, 0, "its index cannot be read")]


def _bad_blocks(content: mmap.mmap) -> Iterator[BadBlock]:
    (begin,) = _FOOTER.unpack_from(content, len(content) - _FOOTER.size)
    if not len(_MAGIC) <= begin < len(content) - _FOOTER.size:
        raise ValueError("the index is not within the file")
    for key, since, until, offset, size in _entries(content, begin):
        if offset < len(_MAGIC) or size < _SUM.size or offset + size > begin or since > until:
            raise ValueError("a block is not within the file")
        (expected,) = _SUM.unpack_from(content, offset)
        if zlib.crc32(content[offset + _SUM.size : offset + size]) != expected:
            name = key.decode(errors="replace").replace("#!~#", " ")
            yield BadBlock(name, since / _NANO, until / _NANO, "checksum mismatch")


def _entries(content: mmap.mmap, begin: int) -> Iterator[tuple[bytes, int, int, int, int]]:
    at, end = begin, len(content) - _FOOTER.size
    while at < end:
        (length,) = _KEY.unpack_from(content, at)
        key = content[at + _KEY.size : at + _KEY.size + length]
        at += _KEY.size + length
        _, count = _ENTRIES.unpack_from(content, at)
        at += _ENTRIES.size
        for _ in range(count):
            yield (key, *_ENTRY.unpack_from(content, at))
            at += _ENTRY.size
    if at != end:
        raise ValueError("the index does not end where it should")

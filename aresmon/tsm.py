"""InfluxDB's files of points, held against their own checksums, which InfluxDB itself does not do when it reads.

Source: influxdb 1.x, tsdb/engine/tsm1/DESIGN.md and writer.go: a header of five bytes, blocks of a CRC-32 and the
points it is of, an index of where they are, and in the last eight bytes where the index begins; big-endian.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"\x16\xd1\x16\xd1\x01"
_FOOTER = struct.Struct(">Q")
_KEY = struct.Struct(">H")
_ENTRIES = struct.Struct(">cH")
_ENTRY = struct.Struct(">qqQI")  # first and last time in nanoseconds, offset, size
_SUM = struct.Struct(">I")
_NANO = 10**9


@dataclass(frozen=True, slots=True)
class BadBlock:
    """Points that are not what was written, or cannot be found: of which series and field, from when to when (seconds
    since 1970). A file whose index cannot be read has one, without a key, and without times."""

    key: str
    since: float
    until: float
    what: str


def bad_blocks(path: Path) -> list[BadBlock]:
    """What is damaged in a file; reads all of it. Raises OSError where it cannot be read."""
    if path.stat().st_size <= len(_MAGIC) + _FOOTER.size:
        return [BadBlock("", 0, 0, "it is cut short")]
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[: len(_MAGIC)] != _MAGIC:
            return [BadBlock("", 0, 0, "it does not begin as a file of points does")]
        try:
            return list(_bad(content))
        except (struct.error, ValueError):
            return [BadBlock("", 0, 0, "its index cannot be read")]


def _bad(content: mmap.mmap) -> Iterator[BadBlock]:
    (begin,) = _FOOTER.unpack_from(content, len(content) - _FOOTER.size)
    if not len(_MAGIC) <= begin < len(content) - _FOOTER.size:
        raise ValueError("the index is not within the file")
    for key, since, until, offset, size in _entries(content, begin):
        if offset < len(_MAGIC) or size < _SUM.size or offset + size > begin or since > until:
            raise ValueError("a block is not within the file")
        (told,) = _SUM.unpack_from(content, offset)
        if zlib.crc32(content[offset + _SUM.size : offset + size]) != told:
            name = key.decode(errors="replace").replace("#!~#", " ")
            yield BadBlock(name, since / _NANO, until / _NANO, "its points are not what was written")


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

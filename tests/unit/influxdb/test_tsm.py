"""A file of points that was changed behind InfluxDB's back is found, and says where."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from aresmon.influxdb.shards import BadBlock, find_bad_blocks

BLOCKS = {b"cpu,host=biere#!~#usage": [b"first points", b"more points"], b"mem,host=biere#!~#used": [b"others"]}


def file_of(path: Path) -> bytes:
    """A file laid out as the format says; what is in its blocks nobody reads here."""
    content, index = bytearray(b"\x16\xd1\x16\xd1\x01"), bytearray()
    for number, (key, blocks) in enumerate(BLOCKS.items()):
        index += struct.pack(">H", len(key)) + key + struct.pack(">cH", b"\0", len(blocks))
        for points in blocks:
            index += struct.pack(">qqQI", number * 10**9, (number + 60) * 10**9, len(content), 4 + len(points))
            content += struct.pack(">I", zlib.crc32(points)) + points
    whole = bytes(content + index + struct.pack(">Q", len(content)))
    path.write_bytes(whole)
    return whole


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "000000001-000000001.tsm"


def test_a_whole_file_has_nothing_bad(path: Path) -> None:
    file_of(path)

    assert find_bad_blocks(path) == []


def test_a_flipped_bit_names_the_series_and_the_time(path: Path) -> None:
    content = bytearray(file_of(path))
    content[content.index(b"others")] ^= 1
    path.write_bytes(content)

    assert find_bad_blocks(path) == [
        BadBlock("mem,host=biere usage".replace("usage", "used"), 1, 61, find_bad_blocks(path)[0].what)
    ]
    assert "checksum mismatch" in find_bad_blocks(path)[0].what


def test_no_byte_of_a_file_can_be_changed_unseen_but_those_of_names_and_times(path: Path) -> None:
    content = file_of(path)
    names = range(content.index(b"cpu,host"), len(content) - 8)
    unseen = []
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x40]) + content[at + 1 :])
        if not find_bad_blocks(path):
            unseen.append(at)

    assert set(unseen) <= set(names)


def test_a_file_cut_at_any_byte_is_bad(path: Path) -> None:
    content = file_of(path)

    for length in range(len(content)):
        path.write_bytes(content[:length])
        assert find_bad_blocks(path), length

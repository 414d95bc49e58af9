"""What an archive says of itself, and what of a restored database agrees with it."""

from __future__ import annotations

import hashlib
import json

import pytest

from aresmon.backup import archive
from aresmon.backup.archive import ArchiveMember, ArchiveOrigin, Manifest, UnreadableError
from aresmon.backup.checksums import DAY, Checksum, ShardSpan, days, shard_windows
from aresmon.system.errors import AresmonError

KEY = ("raw", "cpu", 20_000 * DAY)
SEALED = (Checksum(10, 0xFEED), Checksum(10, 0xFEED))
OPEN = (Checksum(10, 1), Checksum(14, 2))


def said(**changes: object) -> Manifest:
    origin = ArchiveOrigin("ares", "biere", "0.3.0", "1.13.1", 1.5, 2.5, {"influxdb": "influxdb:1.13.1"}, {"raw": 168})
    fixed: dict[str, object] = {
        "origin": origin,
        "members": (ArchiveMember("site/aresmon.yml", 3, "ab"), ArchiveMember("influxdb/x.s1.tar.gz", 7, "cd")),
        "windows": {"raw": DAY},
        "days": {KEY: SEALED, ("1m", "mém 'ory", 20_001 * DAY): OPEN},
    }
    return Manifest(**(fixed | changes))  # type: ignore[arg-type]


def test_what_was_written_is_read() -> None:
    assert archive.decode_manifest(archive.encode_manifest(said())) == said()


def test_any_change_of_a_manifest_is_seen() -> None:
    content = archive.encode_manifest(said())

    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1
        with pytest.raises(AresmonError):
            archive.decode_manifest(bytes(changed))


def test_a_newer_format_is_refused_with_what_to_do() -> None:
    data = json.loads(archive.encode_manifest(said())) | {"format": archive.FORMAT + 1}
    del data["sha256"]
    data["sha256"] = hashlib.sha256(json.dumps(data, separators=(",", ":")).encode()).hexdigest()

    with pytest.raises(AresmonError, match="supports formats up to") as refused:
        archive.decode_manifest(json.dumps(data).encode())

    assert "newer" in refused.value.hint


def test_a_damaged_number_of_the_format_is_no_newer_one() -> None:
    damaged = json.dumps(json.loads(archive.encode_manifest(said())) | {"format": archive.FORMAT + 1}).encode()

    with pytest.raises(UnreadableError):
        archive.decode_manifest(damaged)


def test_the_same_points_have_no_difference() -> None:
    assert archive.compare({KEY: SEALED}, {KEY: Checksum(10, 0xFEED)}) == []


def test_a_day_that_was_still_filling_may_have_anything_in_between() -> None:
    for values in (10, 12, 14):
        assert archive.compare({KEY: OPEN}, {KEY: Checksum(values, 77)}) == []


@pytest.mark.parametrize(
    ("expected", "found", "told"),
    [
        (SEALED, {KEY: Checksum(9, 0xFEED)}, "expected 10 values, found 9 values"),
        (SEALED, {KEY: Checksum(10, 0xBEEF)}, "checksum 000000000000feed, found other values (000000000000beef)"),
        (SEALED, {}, "expected 10 values, found 0 values"),
        (OPEN, {KEY: Checksum(15, 2)}, "expected 10 to 14 values, found 15 values"),
        (OPEN, {KEY: Checksum(9, 1)}, "expected 10 to 14 values, found 9 values"),
    ],
)
def test_a_difference_names_the_day_and_both_sides(
    expected: tuple[Checksum, Checksum], found: dict[tuple[str, str, int], Checksum], told: str
) -> None:
    (one,) = archive.compare({KEY: expected}, found)

    assert str(one).startswith("raw cpu 2024-10-04: ")
    assert told in str(one)


def test_points_that_nobody_told_of_are_a_difference() -> None:
    (one,) = archive.compare({}, {KEY: Checksum(1, 1)})

    assert (one.expected, one.found) == ("0 values", "1 values")


def test_sums_cover_no_more_than_a_shard_does() -> None:
    """Across shards the order of adding up is not told."""
    hourly, daily = ShardSpan(1, "raw", 0, 3600), ShardSpan(2, "1m", 0, DAY)

    assert shard_windows([hourly, daily, ShardSpan(3, "1h", 0, 7 * DAY)]) == {"raw": 3600, "1m": DAY, "1h": DAY}
    assert days([hourly, ShardSpan(4, "raw", 3600, 7200)]) == {("raw", 0)}
    assert days([ShardSpan(5, "1h", DAY, 3 * DAY)]) == {("1h", DAY), ("1h", 2 * DAY)}

"""Which shards count as such that InfluxDB could not open."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from aresmon.influxdb import shards
from aresmon.influxdb.capacity import ShardSize
from aresmon.influxdb.client import InfluxDB, Series
from tests.unit.shards import answers

DAY = 86400.0
MONDAY = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
LATE_ON_SUNDAY, EARLY_ON_MONDAY = MONDAY - 600, MONDAY + 2.5 * 3600


class FakeInfluxDB(InfluxDB):
    """Knows two weeks of `forever`; the second was made ahead by its precreator, and nothing was written into it."""

    def query(self, *statements: str, database: str = "", within: float = 60.0) -> list[list[Series]]:
        assert statements == ("SHOW SHARDS", "SHOW STATS FOR 'shard'")
        weeks = [
            ShardSize("forever", MONDAY - 7 * DAY, MONDAY, 1000),
            ShardSize("forever", MONDAY, MONDAY + 7 * DAY, 0),
        ]
        _, known, opened, _ = answers(weeks)
        return [known, [one for one in opened if one.tags["id"] != "2"]]


@pytest.fixture
def influxdb(tmp_path: Path) -> InfluxDB:
    return FakeInfluxDB(tmp_path / "socket")


@pytest.mark.parametrize("now", [LATE_ON_SUNDAY, EARLY_ON_MONDAY], ids=["on Sunday", "on Monday"])
def test_a_shard_that_nothing_was_written_into_yet_is_not_closed(
    influxdb: InfluxDB, tmp_path: Path, now: float
) -> None:
    (tmp_path / "data/telegraf/forever/1").mkdir(parents=True)

    assert shards.list_unopened(influxdb, tmp_path, now=now) == []


def test_a_shard_that_is_on_the_disk_and_not_open_is_closed(influxdb: InfluxDB, tmp_path: Path) -> None:
    (tmp_path / "data/telegraf/forever/2").mkdir(parents=True)

    (only,) = shards.list_unopened(influxdb, tmp_path, now=EARLY_ON_MONDAY)

    assert only.place.path == "data/telegraf/forever/2"


def test_where_the_disk_cannot_be_seen_a_shard_without_statistics_is_closed(influxdb: InfluxDB, tmp_path: Path) -> None:
    assert [one.place.number for one in shards.list_unopened(influxdb, None, now=EARLY_ON_MONDAY)] == [2]
    assert shards.list_unopened(influxdb, None, now=LATE_ON_SUNDAY) == []
    (tmp_path / "data").touch()  # not a folder: nobody can look into it
    assert [one.place.number for one in shards.list_unopened(influxdb, tmp_path, now=EARLY_ON_MONDAY)] == [2]

"""How much the data takes, and where its growth ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aresmon.influxdb import capacity
from aresmon.influxdb.capacity import Capacity, PolicySize, ShardSize
from aresmon.influxdb.client import InfluxDB, Series
from aresmon.site.preflight import LEAST_ROOM
from tests.unit.shards import answers

DAY = 86400.0
NOW = 20_000 * DAY
MB, GB = 10**6, 10**9


class FakeInfluxDB(InfluxDB):
    """Tells of these shards."""

    told: list[list[Series]]

    def query(self, *statements: str, database: str = "", within: float = 60.0) -> list[list[Series]]:
        assert [one.split()[0] for one in statements] == ["SHOW"] * 4
        return self.told


def measure(shards: list[ShardSize], *, free: int | None = 100 * GB, series: int = 0) -> Capacity:
    influxdb = FakeInfluxDB(Path("influxdb.sock"))
    object.__setattr__(influxdb, "told", answers(shards, series=series))
    return capacity.measure(influxdb, now=NOW + 3600, free=free)


def day(policy: str, ago: int, size: int) -> ShardSize:
    return ShardSize(policy, NOW - ago * DAY, NOW - (ago - 1) * DAY, size)


def room(policy: str = "raw", **changes: float | int | None) -> PolicySize:
    values = {"keep": 168, "span": 24, "shards": 2, "bytes": GB, "bytes_a_day": GB} | changes
    return PolicySize(policy, **values)  # type: ignore[arg-type]


def test_a_shard_that_is_over_tells_the_bytes_a_day_without_any_history() -> None:
    found = measure(
        [day("raw", 3, 1), day("raw", 2, 90 * MB), day("raw", 1, 110 * MB), day("raw", 0, 5 * MB)], series=9
    )

    assert (found.bytes_a_day, found.bytes, found.series) == (100 * MB, 205 * MB + 1, 9)


def test_a_longer_shard_counts_by_its_days() -> None:
    week = ShardSize("1h", NOW - 7 * DAY, NOW, 70 * MB)

    found = measure([day("raw", 1, MB), week])

    assert {one.policy: one.bytes_a_day for one in found.policies if one.shards} == {"raw": MB, "1h": 10 * MB}


def test_nothing_is_said_of_growth_before_a_day_is_whole() -> None:
    found = measure([day("raw", 0, 5 * MB)])

    assert (found.bytes, found.bytes_a_day, found.settles, found.days_left) == (5 * MB, None, None, None)
    assert capacity.describe(found) == ("Data: 5.0 MB, 0 series; growth rate available after 24 hours; 100 GB free")


def test_a_day_on_which_hardly_anything_came_does_not_change_the_pace() -> None:
    usual = [day("raw", ago, 100 * MB) for ago in range(2, 8)]

    assert measure([*usual, day("raw", 1, MB)]).bytes_a_day == 100 * MB


def test_a_policy_that_is_as_old_as_it_gets_grows_no_more() -> None:
    found = capacity.estimate([room(bytes=8 * GB)], series=0, free=LEAST_ROOM + 1)

    assert (found.settles, found.days_left) == (8 * GB, None)
    assert "grows to 8.0 GB" in capacity.describe(found)


def test_the_growth_ends_when_the_oldest_shard_goes_with_all_that_is_in_it() -> None:
    assert capacity.estimate([room(bytes=0)], series=0, free=100 * GB).settles == 8 * GB


def test_the_room_is_used_up_by_all_policies_together_each_as_long_as_it_grows() -> None:
    short, long = room(bytes=6 * GB), room("1m", keep=2160, bytes=0)

    found = capacity.estimate([short, long], series=0, free=LEAST_ROOM + 10 * GB)

    assert found.days_left == pytest.approx(8)  # two days at 2 GB, then 6 at 1 GB
    assert capacity.describe(found).endswith("disk full in 8 days, 10 GB free")


def test_what_is_kept_for_ever_fills_any_disk_and_what_is_ten_years_off_is_never() -> None:
    soon = capacity.estimate([room(keep=0)], series=0, free=LEAST_ROOM + 50 * GB)
    never = capacity.estimate([room(keep=0, bytes_a_day=1000)], series=0, free=LEAST_ROOM + 50 * GB)

    assert soon.days_left == pytest.approx(50)
    assert never.days_left is None


def test_less_room_than_influxdb_needs_is_no_room() -> None:
    assert capacity.estimate([room()], series=0, free=LEAST_ROOM - 1).days_left == 0


def test_a_filesystem_elsewhere_is_not_judged() -> None:
    found = measure([day("raw", 1, 100 * MB)], free=None)

    assert (found.days_left, found.free) == (None, None)
    assert capacity.describe(found).endswith("100 MB a day; grows to 800 MB")


sizes = st.integers(0, 10**12)
rooms = st.builds(
    PolicySize,
    st.sampled_from(["raw", "1m"]),
    keep=st.integers(0, 20_000),
    span=st.sampled_from([1, 24, 168]),
    shards=st.just(1),
    bytes=sizes,
    bytes_a_day=st.none() | st.floats(0, 10**11),
)


@given(st.lists(rooms, max_size=4), sizes)
def test_it_is_full_exactly_where_what_it_comes_to_does_not_fit(policies: list[PolicySize], free: int) -> None:
    found = capacity.estimate([room(), *policies], series=0, free=free + LEAST_ROOM)

    assert found.settles is not None
    growth = found.settles - found.bytes
    if abs(growth - free) > 1e-6 * (growth + free) + 2:
        assert (found.days_left is not None) == (growth > free)
    assert found.days_left is None or 0 <= found.days_left <= capacity.HORIZON


def test_free_room_is_that_of_the_nearest_folder_that_is_there(tmp_path: Path) -> None:
    assert capacity.free_bytes(tmp_path / "not" / "yet") == pytest.approx(capacity.free_bytes(tmp_path), rel=0.1)

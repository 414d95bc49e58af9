"""Coarser points of what is there: which times can be filled, in which pieces, and what is remembered of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from aresmon.config.model import Config
from aresmon.influxdb import backfill, capacity, downsampling
from aresmon.influxdb.backfill import BackfillOptions, BackfillResult, BackfillTask
from aresmon.influxdb.capacity import ShardSize
from aresmon.influxdb.client import InfluxDB, InfluxDBError, Series
from aresmon.system.errors import AresmonError
from aresmon.system.progress import NoProgress
from tests.unit.conftest import VIEWS, load

HOUR, DAY = 3600, 86400
NOW = 20_000 * DAY + 10 * HOUR + 1234
_FILL = re.compile(r'INTO "telegraf"\."(\w+)"\."(\w+)" .* WHERE time >= (\d+)s AND time < (\d+)s')
_FIRST = re.compile(r'SELECT \* FROM "(\w+)"\."(\w+)" WHERE time >= (\d+)s AND time < (\d+)s ORDER BY time LIMIT 1')


def config(keep: str = "{raw: 7d, 1m: 90d, 1h: 2y}") -> Config:
    return load(f"storage: {{keep: {keep}}}\nhosts: {{a: }}\n")


def shards(*policies: tuple[str, int]) -> list[ShardSize]:
    """Daily ones, for so many days back."""
    today = NOW // DAY * DAY
    return [
        ShardSize(policy, today - day * DAY, today - (day - 1) * DAY, 1000)
        for policy, days in policies
        for day in range(days + 1)
    ]


@dataclass(frozen=True)
class Points(InfluxDB):
    """Has points at known times, by policy; answers what filling asks and fails on any other statement."""

    there: dict[str, tuple[int, ...]] = field(default_factory=dict)
    made: list[BackfillTask] = field(default_factory=list)
    trouble: Callable[[BackfillTask], str] = lambda _: ""

    def query(self, *statements: str, database: str = "", within: float = 60.0) -> list[list[Series]]:
        assert database == "telegraf"
        return [self._answer(statement) for statement in statements]

    def _answer(self, statement: str) -> list[Series]:
        if statement == "SHOW MEASUREMENTS":
            return [Series("measurements", {}, ({"name": "cpu"}, {"name": "mem"}, {"name": "other"}))]
        if found := _FIRST.fullmatch(statement):
            times = [at for at in self.there.get(found[1], ()) if int(found[3]) <= at < int(found[4])]
            return [Series(found[2], {}, ({"time": min(times)},))] if times else []
        asked = _FILL.search(statement)
        assert asked, f"nobody expected: {statement}"
        task = BackfillTask(asked[1], asked[2], int(asked[3]), int(asked[4]))
        if told := self.trouble(task):
            raise InfluxDBError(told)
        self.made.append(task)
        return [Series("result", {}, ({"time": 0, "written": 10},))]


@pytest.fixture
def fill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., BackfillResult]:
    """Fill these tasks of a database that has points in all of these shards."""
    monkeypatch.setattr(time, "time", lambda: float(NOW))

    def fill(influxdb: Points, tasks: list[BackfillTask], there: list[ShardSize], **more: Any) -> BackfillResult:
        monkeypatch.setattr(capacity, "list_shards", lambda _: there)
        journal = tmp_path / backfill.JOURNAL
        return backfill.run(influxdb, config(**more), VIEWS, tasks, journal=journal, progress=NoProgress())

    return fill


def points(**there: Any) -> Points:
    return Points(Path("/nonexistent"), **there)


def covered(
    options: BackfillOptions = BackfillOptions(),  # noqa: B008
    there: list[ShardSize] | None = None,
    keep: str = "{raw: 7d, 1m: 90d, 1h: 2y}",
) -> Any:
    known = shards(("raw", 7), ("1m", 20)) if there is None else there
    return backfill.fillable_spans(config(keep), known, options, now=NOW)


def test_only_what_the_finer_policy_keeps_as_a_whole_can_be_made() -> None:
    spans = covered()

    assert spans["1m"] == (20_000 * DAY + 11 * HOUR - 7 * DAY, 20_000 * DAY + 10 * HOUR + 1200)
    assert spans["1h"] == (19_980 * DAY, 20_000 * DAY + 10 * HOUR)


def test_nothing_is_made_that_its_own_policy_would_not_keep() -> None:
    spans = covered(keep="{raw: 7d, 1m: 7d, 1h: 7d}")

    assert spans["1h"][0] == 20_000 * DAY + 11 * HOUR - 7 * DAY


def test_what_is_kept_for_ever_begins_with_its_first_shard() -> None:
    assert covered(keep="{raw: forever, 1m: forever, 1h: forever}")["1m"][0] == 19_993 * DAY


def test_hours_are_made_of_the_minutes_that_the_same_run_makes() -> None:
    spans = covered(there=shards(("raw", 3)))

    assert spans["1h"][0] == spans["1m"][0] == 19_997 * DAY
    assert covered(BackfillOptions(policies=("1h",)), there=shards(("raw", 3))) == {}


def test_a_wish_is_widened_to_whole_hours_and_never_beyond_what_is_there() -> None:
    begin = 19_999 * DAY + 3 * HOUR

    assert covered(BackfillOptions(begin + 100, begin + 200))["1m"] == (begin, begin + HOUR)
    assert covered(BackfillOptions(0, None))["1m"] == covered()["1m"]
    assert covered(BackfillOptions(NOW + DAY, None)) == {}


def test_each_measurement_that_has_points_is_planned_the_finer_policy_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "list_shards", lambda _: shards(("raw", 3)))
    ones = downsampling.downsamplings(VIEWS)

    tasks = backfill.plan(points(), config(), ones, BackfillOptions(), now=NOW)
    some = backfill.plan(points(), config(), ones, BackfillOptions(measurements=("mem",), policies=("1m",)), now=NOW)

    assert [(one.policy, one.measurement) for one in tasks] == [
        ("1m", "cpu"),
        ("1m", "mem"),
        ("1h", "cpu"),
        ("1h", "mem"),
    ]
    assert [(one.policy, one.measurement) for one in some] == [("1m", "mem")]


def test_every_task_is_filled_from_its_beginning_to_its_end(
    fill: Callable[..., BackfillResult], tmp_path: Path
) -> None:
    tasks = [BackfillTask("1m", name, 19_998 * DAY, 20_000 * DAY) for name in ("cpu", "mem")]
    influxdb = points(there={"raw": (19_998 * DAY,)})

    filled = fill(influxdb, tasks, shards(("raw", 3)))

    for name in ("cpu", "mem"):
        spans = [(one.since, one.until) for one in influxdb.made if one.measurement == name]
        assert (spans[0][0], spans[-1][1]) == (19_998 * DAY, 20_000 * DAY)
        assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]
    assert filled.points == {"1m": 10 * len(influxdb.made)}
    assert not (tmp_path / backfill.JOURNAL).exists()


def test_a_piece_that_takes_too_long_is_halved_until_it_does_not(fill: Callable[..., BackfillResult]) -> None:
    def trouble(task: BackfillTask) -> str:
        return "query-timeout limit exceeded" if task.until - task.since > 1000 else ""

    influxdb = points(there={"raw": (19_999 * DAY,)}, trouble=trouble)

    fill(influxdb, [BackfillTask("1m", "cpu", 19_999 * DAY, 19_999 * DAY + 6 * HOUR)], shards(("raw", 3)))

    assert sum(one.until - one.since for one in influxdb.made) == 6 * HOUR
    assert all(one.since % 60 == one.until % 60 == 0 for one in influxdb.made)


def test_what_is_too_much_even_for_one_bucket_is_told_and_stays_owed(
    fill: Callable[..., BackfillResult], tmp_path: Path
) -> None:
    influxdb = points(there={"raw": (19_999 * DAY,)}, trouble=lambda _: "query-timeout limit exceeded")
    task = BackfillTask("1m", "cpu", 19_999 * DAY, 19_999 * DAY + HOUR)

    with pytest.raises(AresmonError, match=r"cpu of 2024-10-03 00:00 UTC into 1m") as caught:
        fill(influxdb, [task], shards(("raw", 3)))

    assert "data backfill" in caught.value.hint
    assert backfill.read_journal(tmp_path / backfill.JOURNAL) == [task]


def test_an_interrupted_run_leaves_what_it_did_not_do(fill: Callable[..., BackfillResult], tmp_path: Path) -> None:
    def trouble(task: BackfillTask) -> str:
        if task.measurement == "mem":
            raise KeyboardInterrupt
        return ""

    tasks = [
        BackfillTask(policy, name, 19_999 * DAY, 20_000 * DAY) for policy in ("1m", "1h") for name in ("cpu", "mem")
    ]

    with pytest.raises(KeyboardInterrupt):
        fill(points(there={"raw": (19_999 * DAY,)}, trouble=trouble), tasks, shards(("raw", 3), ("1m", 3)))

    assert backfill.read_journal(tmp_path / backfill.JOURNAL) == [tasks[1], *tasks[2:]]


def test_a_field_of_another_type_is_told_and_the_rest_is_filled(fill: Callable[..., BackfillResult]) -> None:
    influxdb = points(
        there={"raw": (19_999 * DAY,)},
        trouble=lambda task: "partial write: field type conflict: x dropped=3" if task.measurement == "cpu" else "",
    )
    tasks = [BackfillTask("1m", name, 19_999 * DAY, 20_000 * DAY) for name in ("cpu", "mem")]

    filled = fill(influxdb, tasks, shards(("raw", 3)))

    assert filled.rejected == ["cpu into 1m: InfluxDB: partial write: field type conflict: x"]
    assert {one.measurement for one in influxdb.made} == {"mem"}


@pytest.mark.parametrize(
    ("minutes", "hours", "begins"),
    [
        ((37 * 60,), (0,), HOUR),
        ((37 * 60,), (), 0),
        ((0, 60), (0,), 0),
        ((60,), (0,), 0),
    ],
    ids=["known already", "not known yet", "whole", "whole, with one a minute"],
)
def test_an_hour_of_which_the_beginning_is_lost_replaces_no_other(
    fill: Callable[..., BackfillResult], minutes: tuple[int, ...], hours: tuple[int, ...], begins: int
) -> None:
    day = 19_999 * DAY
    influxdb = points(there={"1m": tuple(day + at for at in minutes), "1h": tuple(day + at for at in hours)})

    fill(influxdb, [BackfillTask("1h", "cpu", day, day + 6 * HOUR)], shards(("1m", 3), ("1h", 3)))

    assert influxdb.made[0].since == day + begins


def test_times_that_no_shard_has_are_passed_over(fill: Callable[..., BackfillResult]) -> None:
    there = [one for one in shards(("raw", 6)) if one.start != 19_998 * DAY]
    influxdb = points(there={"raw": (19_997 * DAY,)})

    fill(influxdb, [BackfillTask("1m", "cpu", 19_997 * DAY, 20_000 * DAY)], there)

    assert not any(19_998 * DAY <= one.since < 19_999 * DAY for one in influxdb.made[1:])
    assert influxdb.made[-1].until == 20_000 * DAY


def test_what_leaves_the_retention_meanwhile_is_left_alone(fill: Callable[..., BackfillResult]) -> None:
    influxdb = points(there={"raw": (19_990 * DAY,)})

    fill(influxdb, [BackfillTask("1m", "cpu", 19_990 * DAY, 20_000 * DAY)], shards(("raw", 12)))

    assert influxdb.made[0].since == 20_000 * DAY + 11 * HOUR - 7 * DAY


def test_what_is_owed_and_what_is_asked_for_is_done_once() -> None:
    owed = [BackfillTask("1m", "cpu", 100, 200), BackfillTask("1h", "mem", 0, 50)]

    joined = backfill.merge_tasks(owed, [BackfillTask("1h", "cpu", 0, 300), BackfillTask("1m", "cpu", 150, 300)])

    assert joined == [
        BackfillTask("1m", "cpu", 100, 300),
        BackfillTask("1h", "cpu", 0, 300),
        BackfillTask("1h", "mem", 0, 50),
    ]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"tasks": [["1m", "cpu", "x", 3]]}', '{"tasks": [[1]]}'])
def test_a_journal_that_cannot_be_read_owes_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "journal").write_text(content)

    assert backfill.read_journal(tmp_path / "journal") == []


def test_a_collector_that_is_gone_is_owed_nothing(fill: Callable[..., BackfillResult], tmp_path: Path) -> None:
    assert fill(points(), [BackfillTask("1m", "gone", 0, DAY)], shards(("raw", 3))).points == {}
    assert backfill.read_journal(tmp_path / backfill.JOURNAL) == []


def test_what_could_be_filled_further_back_is_known() -> None:
    there = shards(("raw", 7), ("1m", 60))
    tasks = [BackfillTask("1h", "cpu", NOW - 31 * DAY, NOW), BackfillTask("1m", "cpu", NOW - 31 * DAY, NOW)]

    assert backfill.unfilled_before(tasks, there, config(), now=NOW) == {"1h": 19_940 * DAY}

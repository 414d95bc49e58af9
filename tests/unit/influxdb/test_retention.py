"""A retention that gets shorter: what is told of it, and who is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from aresmon.cli import common, data
from aresmon.influxdb import capacity, retention, service
from aresmon.influxdb.capacity import ShardSize
from aresmon.influxdb.client import InfluxDB, InfluxDBError, Series
from aresmon.influxdb.retention import Loss, PointCount
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.system.errors import AresmonError
from tests.unit.conftest import VIEWS, load

DAY = 86400
NOW = 20_000 * DAY + 3600.0
FLEET = load("storage: {keep: {raw: 2d}}\nhosts: {a: }\n")
LOSS = Loss(
    "raw",
    168,
    48,
    (ShardSize("raw", 0, DAY, 1_000_000), ShardSize("raw", DAY, 2 * DAY, 500_000)),
    PointCount(5000, 2, 3),
)


class Kept(InfluxDB):
    """Says how long its policies keep, and fails on any other statement."""

    def query(self, *statements: str, database: str = "", within: float = 60.0) -> list[list[Series]]:
        rows: dict[str, tuple[dict[str, Any], ...]] = {
            "SHOW DATABASES": ({"name": "telegraf"},),
            'SHOW RETENTION POLICIES ON "telegraf"': (
                {"name": "raw", "duration": "168h0m0s"},
                {"name": "1m", "duration": "2160h0m0s"},
                {"name": "1h", "duration": "17520h0m0s"},
                {"name": "forever", "duration": "0s"},
            ),
            "SHOW FIELD KEYS": (),
        }
        return [[Series("", {}, rows[statement])] if rows[statement] else [] for statement in statements]


@pytest.fixture
def shards(monkeypatch: pytest.MonkeyPatch) -> list[ShardSize]:
    found = [
        ShardSize(policy, (19_994 + day) * DAY, (19_995 + day) * DAY, 10)
        for policy in ("raw", "1m")
        for day in range(7)
    ]
    monkeypatch.setattr(capacity, "list_shards", lambda _: found)
    return found


def test_what_goes_are_the_groups_of_which_all_is_too_old(
    shards: list[ShardSize], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = [Series("cpu", {"host": "a"}, ({"count": 30},)), Series("cpu", {"host": "b"}, ({"count": 12},))]
    monkeypatch.setattr(retention, "query_fields", lambda *_: iter(counted))

    (loss,) = retention.measure_losses(Kept(Path("/nonexistent")), FLEET, VIEWS, now=NOW)

    assert (loss.policy, loss.kept, loss.wanted) == ("raw", 168, 48)
    assert loss.shards == tuple(shards[:4]), "the fifth has an hour of the last two days"
    assert loss.points == PointCount(42, 2, 1)


def test_points_that_cannot_be_counted_in_time_are_not(
    shards: list[ShardSize], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise InfluxDBError("query-timeout limit exceeded")

    monkeypatch.setattr(retention, "query_fields", refuse)

    (loss,) = retention.measure_losses(Kept(Path("/nonexistent")), FLEET, VIEWS, now=NOW)

    assert loss.points is None
    assert "too many points to count" in retention.describe(loss)


def test_all_of_it_is_told() -> None:
    assert retention.describe(LOSS) == (
        "storage.keep.raw changes from 7d to 2d: InfluxDB would permanently delete the points in between. "
        "Deleted at once: 2 shards, from 1970-01-01 00:00 to 1970-01-03 00:00 UTC, with about 5,000 points of 2 hosts "
        "in 3 measurements, 1.5 MB on disk; each later shard is deleted when all of its points are that old"
    )


def test_what_is_not_that_old_yet_is_told_too() -> None:
    assert "No shard is that old yet" in retention.describe(Loss("1h", 0, 48, ()))
    assert retention.describe(Loss("1h", 0, 48)).endswith(
        "from forever to 2d: InfluxDB would permanently delete the points in between"
    )


def test_without_a_database_what_was_remembered_tells(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.state.mkdir()

    assert service.find_losses(Project(site, FLEET)) == ()
    (site.state / "retention.json").write_text('{"raw": 168, "1m": 2160, "1h": 17520}')
    assert service.find_losses(Project(site, FLEET)) == (Loss("raw", 168, 48),)
    assert service.find_losses(Project(site, load("hosts: {a: }\n"))) == ()


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let `up` meet a retention that gets shorter; at a terminal, a person types this."""
    common.the_console.cache_clear()

    def ask(typed: str | None, *, meant: bool = False, dry_run: bool = False) -> bool:
        monkeypatch.setattr(service, "find_losses", lambda *_: (LOSS,))
        monkeypatch.setattr("sys.stdin.isatty", lambda: typed is not None, raising=False)
        monkeypatch.setattr(typer, "prompt", lambda *_, **__: typed)
        return data.let_shorten(Project(Site(tmp_path), FLEET), meant=meant, dry_run=dry_run)

    return ask


def test_at_a_terminal_the_site_s_name_lets_it_happen(ask: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(FLEET.site)
    assert "about 5,000 points of 2 hosts" in capsys.readouterr().err


def test_another_word_does_not(ask: Any) -> None:
    with pytest.raises(AresmonError, match="nothing was changed"):
        ask("yes")


def test_without_a_terminal_nobody_is_asked_and_up_refuses(ask: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert not ask(None)
    assert capsys.readouterr().err == "", "up says it"
    assert retention.describe(LOSS) in retention.shortening_error([LOSS]).message
    assert "--shorten-retention" in retention.shortening_error([LOSS]).hint


def test_what_is_meant_is_told_and_not_asked(ask: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(None, meant=True)
    assert "about 5,000 points" in capsys.readouterr().err


def test_a_dry_run_tells_and_does_not_ask(ask: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("", dry_run=True)
    told = capsys.readouterr()
    assert "about 5,000 points" in told.err
    assert "asks for confirmation first" in told.out

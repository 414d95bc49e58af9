"""What happened to hosts, as points: whatever their texts hold, they are one point each and come back as they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aresmon.config import builtin_alerts
from aresmon.influxdb import events
from aresmon.influxdb.client import InfluxDB, InfluxDBError, InfluxDBUnreachableError
from aresmon.influxdb.events import HostEvent
from aresmon.system.errors import AresmonError
from tests.unit.lines import points


@dataclass(frozen=True)
class Writing(InfluxDB):
    """Keeps what is written, or fails as it is told."""

    written: list[tuple[str, str, str]] = field(default_factory=list)
    trouble: Callable[[], AresmonError] | None = None

    def write(self, lines: str, *, database: str, policy: str, within: float = 60.0) -> None:
        assert within < 10, "a push must not wait for what is only told"
        if self.trouble:
            raise self.trouble()
        self.written.append((lines, database, policy))


def influxdb(trouble: Callable[[], AresmonError] | None = None) -> Writing:
    return Writing(Path("/nonexistent"), trouble=trouble)


def test_a_stored_archive_is_a_point_that_is_kept_for_ever() -> None:
    database = influxdb()

    events.record_backup(database, "biere", "made", "ares-2026-01-01T000000Z.tar")

    ((lines, name, policy),) = database.written
    (point,) = points(lines)
    assert (name, policy, point.measurement) == ("telegraf", builtin_alerts.FOREVER, builtin_alerts.BACKUP)
    assert point.tags == {"host": "biere", "kind": "made"}
    assert point.fields == {"archive": "ares-2026-01-01T000000Z.tar"}


def test_a_database_that_is_away_is_no_reason_for_a_backup_to_fail() -> None:
    events.record_backup(influxdb(lambda: InfluxDBUnreachableError("away")), "biere", "proven", "a.tar")


@pytest.mark.parametrize(
    "text",
    [
        "4f1c9ab by ada",
        'it said "no"',
        "C:\\telegraf\\",
        '\\"',
        "a, b = c",
        "${host} $timeFilter",
        "' OR 1=1; DROP DATABASE telegraf --",
        "é ☃",
        "",
    ],
)
def test_a_text_comes_back_as_it_was(text: str) -> None:
    (point,) = points(HostEvent("lewi.x", "push", text, text).line(1_700_000_000))

    assert point.measurement == "aresmon_event"
    assert point.tags == {"host": "lewi.x", "kind": "push"}
    assert point.fields == {"title": text, "text": text}
    assert point.time == 1_700_000_000


@given(st.text(), st.text())
def test_whatever_is_said_is_one_point(title: str, text: str) -> None:
    (point,) = points(HostEvent("lewi", "push", title, text).line(1))

    flat = [one.replace("\n", " ") for one in (title, text)]
    assert [point.fields["title"], point.fields["text"]] == flat


def test_several_are_written_at_once_where_they_are_kept_for_ever() -> None:
    database = influxdb()

    events.record_events(database, [HostEvent("a", "push", "x", "one\ntwo"), HostEvent("b", "push", "y", "")])

    ((lines, name, policy),) = database.written
    assert (name, policy) == ("telegraf", "forever")
    assert [(one.tags["host"], one.fields["text"]) for one in points(lines)] == [("a", "one two"), ("b", "")]


def test_nothing_that_happened_is_not_written() -> None:
    database = influxdb()

    events.record_events(database, [])

    assert database.written == []


@pytest.mark.parametrize(
    "trouble",
    [lambda: InfluxDBUnreachableError("no answer"), lambda: InfluxDBError("retention policy not found", status=404)],
)
def test_a_database_that_does_not_take_it_fails_no_push(trouble: Callable[[], AresmonError]) -> None:
    events.record_events(influxdb(trouble), [HostEvent("a", "push", "x", "y")])


def test_a_text_that_is_no_text_fails_no_push() -> None:
    database = influxdb()

    events.record_events(database, [HostEvent("a", "push", "x", "bytes \udcff of a host")])

    assert database.written[0][0].encode()

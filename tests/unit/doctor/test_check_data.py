"""What the doctor concludes of the database, its series, the agents, their clocks and versions."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest

from aresmon.config.model import Config
from aresmon.doctor import probe_database
from aresmon.doctor.check_data import clocks, database, error_of, hosts, log, pushes, series, versions
from aresmon.doctor.checks import _status_findings
from aresmon.doctor.facts import DatabaseFacts, DataFacts, HostFacts, PushFacts, SeriesCount
from aresmon.doctor.problems import Kind, Problem
from aresmon.doctor.status import Status
from aresmon.influxdb import downsampling
from aresmon.influxdb.capacity import Capacity
from aresmon.influxdb.client import InfluxDB, InfluxDBError, Series
from aresmon.site import folder
from aresmon.site import secrets as site_secrets
from aresmon.site.folder import Site
from aresmon.site.project import Project
from tests.unit.conftest import load
from tests.unit.shards import answers


def kinds(found: Any) -> list[tuple[str, str]]:
    return [(one.kind, one.weight) for one in found]


def seen(*counts: SeriesCount, total: int = 0, **changes: Any) -> DataFacts:
    taken = Capacity(5, None, total or sum(one.count for one in counts), None, None, None, ())
    given: dict[str, Any] = {"capacity": taken, "series": counts, "tags": {}, "clock_offsets": {}, "versions": {}}
    return DataFacts(**(given | changes))


USUAL = tuple(SeriesCount(f"host{number}", "cpu", 300) for number in range(5))


# Series ----------------------------------------------------------------------------------------------


def test_hosts_that_are_alike_are_no_find() -> None:
    assert kinds(series(seen(*USUAL))) == []


def test_a_host_with_far_more_than_the_others_is_named_with_its_measurement_and_its_tag() -> None:
    flood = SeriesCount("lewi", "requests", 9000, before=100, now=9000)

    (one,) = series(seen(*USUAL, SeriesCount("lewi", "cpu", 300), flood, tags={"host": 1, "id": 9000, "path": 3}))

    assert (one.kind, one.weight) == ("series-host", "bad")
    assert "lewi has 9000 series in requests; its tag id has 9000 values" in one.what
    assert "9000 in the last hour and 100 in the same hour yesterday" in one.what
    assert 'tagexclude = ["id"]' in one.remedy
    assert "aresmon hosts block lewi" in one.remedy


def test_a_count_that_influxdb_gave_up_is_told_as_the_least() -> None:
    (many, one) = series(seen(*USUAL, SeriesCount("lewi", "requests", 100_000, is_minimum=True), total=150_000))

    assert (many.kind, many.weight) == ("series-many", "warning")
    assert "lewi requests: 100000" in many.remedy
    assert "lewi has at least 100000 series" in one.what


def test_a_site_of_many_alike_hosts_is_not_blamed_on_one() -> None:
    many = tuple(SeriesCount(f"host{number}", "cpu", 6000) for number in range(200))

    assert kinds(series(seen(*many))) == [("series-many", "bad")]


def test_a_lone_host_may_have_many_and_not_any_number() -> None:
    assert kinds(series(seen(SeriesCount("biere", "docker", 8000)))) == []
    assert kinds(series(seen(SeriesCount("biere", "docker", 30_000)))) == [("series-host", "bad")]


@pytest.mark.parametrize(
    ("before", "now", "found"), [(1000, 2000, 1), (1000, 1100, 0), (10, 100, 0), (0, 600, 1), (None, None, 0)]
)
def test_series_that_grow_are_told_before_they_are_a_flood(before: int | None, now: int | None, found: int) -> None:
    counts = [*USUAL, SeriesCount("lewi", "docker", 400, before=before, now=now)]

    assert kinds(series(seen(*counts))) == [("series-growing", "warning")] * found


# Clocks, versions, pushes, hosts ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "found"), [(2.0, []), (20.0, ["warning"]), (3600.0, ["bad"]), (-90.0, ["warning"]), (-3.0, [])]
)
def test_a_host_of_another_time_is_found(ahead: float, found: list[str]) -> None:
    assert [one.weight for one in clocks(seen(clock_offsets={"lewi": ahead}))] == found


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"a": "1.39.3", "b": "1.39.3"}, []),
        ({"a": "1.39.3", "b": "1.38.4"}, [("agents-differ", "note")]),
        ({"a": "1.21.4"}, [("agent-old", "warning")]),
        ({"a": "1.39.3-1"}, []),
        ({}, []),
    ],
)
def test_agents_that_are_old_or_differ_are_found(told: Mapping[str, str], found: list[tuple[str, str]]) -> None:
    assert kinds(versions(told)) == found


def test_the_last_push_that_did_not_hold_is_found(ares: Config) -> None:
    last = {"ronflex": ("rolled back", "no data arrived"), "lewi": ("verified", ""), "biere": ("proven", "")}

    (one,) = pushes(PushFacts(last), ares)

    assert one.what == "the last push to ronflex did not succeed (rolled back): no data arrived"
    assert one.remedy == "`aresmon push-config ronflex`"


def test_a_host_that_was_never_pushed_to_is_a_note_and_the_sidecar_none(ares: Config) -> None:
    assert kinds(pushes(PushFacts({}), ares)) == [("push-never", "note"), ("push-never", "note")]


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (HostFacts("lewi", active="active"), []),
        (HostFacts("lewi", error="lewi cannot be reached"), [("host-unreachable", "warning")]),
        (HostFacts("lewi", active="failed"), [("host-agent", "bad")]),
        (HostFacts("lewi"), [("host-agent", "bad")]),
        (HostFacts("lewi", active="active", drifted=("a.conf",)), [("host-drift", "warning")]),
        (HostFacts("lewi", active="active", pending="tx"), [("host-drift", "warning")]),
        (HostFacts("lewi", active="active", damaged="/var/x/pending"), [("host-drift", "warning")]),
        (HostFacts("lewi", active="active", clock_offset=-30), [("clock-host", "warning")]),
    ],
)
def test_what_a_visit_found_is_judged(host: HostFacts, found: list[tuple[str, str]], ares: Config) -> None:
    assert kinds(hosts([host], ares)) == found


def test_up_and_not_a_push_is_advised_for_the_servers_own_agent(ares: Config) -> None:
    seen = [HostFacts("biere", active="exited"), HostFacts("biere", active="active", restarts="it restarted 5 times")]

    found = list(hosts(seen, ares))

    assert [one.remedy for one in found] == ["`aresmon up`", "`aresmon logs telegraf`"]


def test_what_up_would_change_in_the_database_is_found() -> None:
    given = DatabaseFacts(("create the user agent-x",), ("downsample 3 measurements into 1m",), ("own_query",))

    assert [one for one, _ in kinds(database(given))] == ["database-differs", "downsampling", "downsampling-unknown"]


# InfluxDB's log --------------------------------------------------------------------------------------

STAMP = "2026-11-24T13:24:27.080411123Z "


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f'{STAMP}ts=2026-11-24T13:24:27.08Z lvl=info msg="Opened shard" log_id=1', ""),
        (
            f'{STAMP}ts=2026-11-24T13:24:27.08Z lvl=error msg="Failed to open shard" log_id=1 service=store '
            'db_shard_id=7 error="[shard 7] invalid \\"magic\\""',
            'Failed to open shard: 7: [shard 7] invalid "magic"',
        ),
        ("panic: runtime error: index out of range", "panic: runtime error: index out of range"),
        (f"{STAMP}fatal error: out of memory", "fatal error: out of memory"),
        ("lvl=error something else", "lvl=error something else"),
        ("", ""),
    ],
)
def test_an_error_of_influxdb_is_read_from_its_log(line: str, told: str) -> None:
    assert error_of(line) == told


def test_the_same_error_is_told_once_with_how_often_and_a_corrupt_shard_is_bad() -> None:
    lines = ['lvl=error msg="query failed" error="timeout"'] * 3 + ['lvl=error msg="Failed to open shard" error="x"']

    found = list(log(lines))

    assert found[0].what == "InfluxDB logged (3 times): query failed: timeout"
    assert [one.weight for one in found] == ["warning", "bad"]


@pytest.mark.parametrize("kind", get_args(Kind))
def test_what_status_finds_is_a_finding_unless_there_is_a_check_of_its_own(kind: Kind) -> None:
    seen = Status("ares", "biere", 1e9, (), (), (Problem("lewi", "is not well", "do this", kind),))
    own = {"backup", "capacity", "clock", "database"}
    named = {"release": "unfinished"}

    found = [(one.kind, one.what, one.next) for one in _status_findings(seen)]

    assert found == ([] if kind in own else [(named.get(kind, kind), "is not well", "do this")])


# The questions to InfluxDB ---------------------------------------------------------------------------

Answer = Callable[[str], list[Series]]


class FakeInfluxDB(InfluxDB):
    """Answers by the beginning of a statement; refuses any other."""

    told: list[tuple[str, Any]]

    def query(self, *statements: str, database: str = "", within: float = 60.0) -> list[list[Series]]:
        if len(statements) == 4:
            return answers([], series=7)
        return [self._one(statement) for statement in statements]

    def _one(self, statement: str) -> list[Series]:
        for begin, answer in self.told:
            if statement.startswith(begin):
                given = answer.pop(0) if isinstance(answer, list) else answer
                if isinstance(given, Exception):
                    raise given
                return list(given)
        pytest.fail(f"asked {statement}")


LAST = 'SELECT last("metrics_gathered") FROM "internal_agent" WHERE time'
CURRENT, FUTURE, VERSIONS = f"{LAST} <= ", f"{LAST} > 10030s", f"{LAST} > now()"
LIMIT = InfluxDBError("max-select-series limit exceeded: (100001/100000)")
FLEET = load("hosts: {biere: {collect: [disk]}, lewi: }\n")


def rows(name: str = "", /, **columns: Any) -> Series:
    tags: dict[str, str] = {key: str(columns.pop(key)) for key in ("host", "version") if key in columns}
    return Series(name, tags, (columns,))


def newest(**times: float) -> tuple[Series, ...]:
    return tuple(rows("internal_agent", host=host, time=time, last=1) for host, time in times.items())


def look(*told: tuple[str, Any], now: float = 10_000.0, wait: Callable[[float], None] | None = None) -> DataFacts:
    influxdb = FakeInfluxDB(Path("influxdb.sock"))
    current = newest(biere=now, lewi=now)
    usual: list[tuple[str, Any]] = [("SHOW MEASUREMENTS", ()), (FUTURE, ()), (CURRENT, current), (VERSIONS, ())]
    object.__setattr__(influxdb, "told", [*told, *usual])
    return probe_database.look(influxdb, FLEET, free=None, wait=wait or (lambda _: pytest.fail("waited")))


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands at 10 000 seconds."""
    monkeypatch.setattr(time, "time", lambda: 10_000.0)


@pytest.mark.usefixtures("still")
def test_a_flood_that_no_query_may_count_is_found_host_by_host() -> None:
    found = look(
        ("SHOW MEASUREMENTS", [(rows(name="requests"),)]),
        ('SHOW SERIES EXACT CARDINALITY FROM "requests" GROUP BY', LIMIT),
        ('SHOW TAG VALUES FROM "requests" WITH KEY = "host"', [(rows(value="biere"), rows(value="lewi"))]),
        ('SHOW SERIES EXACT CARDINALITY FROM "requests" WHERE "host" = \'biere\'', (rows(count=3),)),
        ('SHOW SERIES EXACT CARDINALITY FROM "requests" WHERE "host" = \'lewi\'', LIMIT),
        ("SHOW TAG KEYS", (rows(tagKey="id"), rows(tagKey="path"))),
        ("SHOW TAG VALUES EXACT", LIMIT),
        (
            'SHOW TAG VALUES FROM "requests" WITH KEY = "id"',
            (Series("", {}, tuple({"value": n} for n in range(1000))),),
        ),
        ('SHOW TAG VALUES FROM "requests" WITH KEY = "path"', (rows(value="/"),)),
    )

    assert found.series == (SeriesCount("biere", "requests", 3), SeriesCount("lewi", "requests", 100_000, True))
    assert found.tags == {"id": 1000, "path": 1}
    assert [one for one, _ in kinds(series(found))] == ["series-host"]


@pytest.mark.usefixtures("still")
def test_growth_is_the_last_hour_against_the_same_one_a_day_before() -> None:
    found = look(
        ("SHOW MEASUREMENTS", [(rows(name="cpu"),)]),
        ("SHOW SERIES EXACT", (rows("cpu", host="lewi", count=30),)),
        ("SHOW FIELD KEYS", (rows(fieldKey="usage"),)),
        ("SELECT count(x)", [(rows(host="lewi", count=10),), (rows(host="lewi", count=30),)]),
        ("SHOW TAG KEYS", ()),
    )

    assert found.series == (SeriesCount("lewi", "cpu", 30, before=10, now=30),)


@pytest.mark.usefixtures("still")
def test_a_host_of_the_future_is_seen_at_once() -> None:
    now, ahead = newest(biere=9_990, lewi=10_020), newest(biere=10_300)

    assert look((CURRENT, now)).clock_offsets == {"lewi": 20.0}
    assert look((CURRENT, newest(lewi=9_990)), (FUTURE, ahead)).clock_offsets == {"biere": 300.0}


@pytest.mark.usefixtures("still")
def test_a_clock_that_was_wrong_once_is_none_now() -> None:
    assert look((FUTURE, newest(lewi=11_000))).clock_offsets == {}


@pytest.mark.usefixtures("still")
def test_a_late_host_is_behind_if_it_moves_on_and_silent_if_it_does_not() -> None:
    waited: list[float] = []
    looks = [newest(biere=9_900, lewi=9_900), newest(biere=9_900, lewi=9_910)]

    assert look((CURRENT, looks), wait=waited.append).clock_offsets == {"lewi": -90.0}
    assert len(waited) == 1


@pytest.mark.usefixtures("still")
def test_the_version_that_a_host_sent_last_counts() -> None:
    told = (
        rows("internal_agent", host="lewi", version="1.39.3", time=9_000, last=1),
        rows("internal_agent", host="lewi", version="1.38.4", time=8_000, last=1),
    )

    assert look((VERSIONS, told)).versions == {"lewi": "1.39.3"}


@pytest.mark.usefixtures("still")
def test_another_refusal_is_not_taken_for_a_flood() -> None:
    with pytest.raises(InfluxDBError, match="not allowed"):
        look(("SHOW MEASUREMENTS", [(rows(name="cpu"),)]), ("SHOW SERIES", InfluxDBError("not allowed")))


# What `up` would change ------------------------------------------------------------------------------


class Knowing(InfluxDB):
    """Has the policies of a site and these users, each with the right that it needs."""

    users: Mapping[str, str]

    def check_credentials(self, credentials: Sequence[tuple[str, str]]) -> list[bool]:
        return [True for _ in credentials]

    def query(self, *statements: str, database: str = "", within: float = 60.0) -> list[list[Series]]:
        return [[Series("", {}, tuple(self._rows(statement)))] for statement in statements]

    def _rows(self, statement: str) -> list[dict[str, str]]:
        if statement.startswith("SHOW GRANTS FOR"):
            return [{"database": "telegraf", "privilege": self.users[statement.split('"')[1]]}]
        kept = {"raw": "168h0m0s", "1m": "2160h0m0s", "1h": "17520h0m0s"}
        return {
            "SHOW DATABASES": [{"name": "telegraf"}],
            "SHOW USERS": [{"user": name} for name in self.users],
            'SHOW RETENTION POLICIES ON "telegraf"': [{"name": a, "duration": b} for a, b in kept.items()],
            "SHOW CONTINUOUS QUERIES": [],
        }[statement]


def test_a_blocked_host_and_a_rotation_under_way_are_no_difference_and_a_new_host_is_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.file.write_text("hosts: {biere: , lewi: , new: }\n")
    site.create_state_folder()
    monkeypatch.setattr(downsampling, "plan", lambda *_: [])
    secrets = {
        name: "password"
        for name in site_secrets.owners(Project.load(site).config, folder.service_user_ids())
        if name != "agent-new"
    }
    secrets[site_secrets.next_name("agent-biere")] = "2~password"
    for name, password in secrets.items():
        site_secrets.replace(site.secrets, name, password, os.getuid())
    influxdb = Knowing(site.socket_folder)
    users = {"aresmon": "ALL", "grafana": "READ", "agent-biere": "WRITE", "agent-biere~2": "WRITE"}
    object.__setattr__(influxdb, "users", users)
    (site.state / "blocked.json").write_text('{"lewi": "2026-11-24T13:24:27+00:00"}')

    found = probe_database.differences(influxdb, Project(site, Project.load(site).config))

    assert found == DatabaseFacts(("create the user agent-new", "grant WRITE to agent-new"), (), ())

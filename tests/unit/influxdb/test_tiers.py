"""What the dashboards find in the database: what is missing or different, and what is sent for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aresmon.config.model import Config
from aresmon.influxdb import downsampling
from aresmon.influxdb.client import InfluxDB, Series
from aresmon.influxdb.downsampling import SERVED_SPANS
from aresmon.influxdb.users import DatabaseChange
from tests.unit.conftest import VIEWS, load
from tests.unit.lines import points

FLEET = load("hosts: {biere: , lewi.x: }\n")
WANTED = {one.name: one.create_statement() for one in downsampling.continuous_queries(VIEWS)}
HOSTS = {"biere": "host-biere", "lewi.x": "host-lewi_x"}


@dataclass(frozen=True)
class FakeInfluxDB(InfluxDB):
    """Answers what the plan asks, and fails on any other statement unless it was planned."""

    policies: tuple[str, ...] = ("raw", "1m", "1h", "forever")
    queries: tuple[str, ...] = tuple(WANTED)
    told: tuple[tuple[str, int, int], ...] = SERVED_SPANS
    hosts: Mapping[str, str] = field(default_factory=lambda: dict(HOSTS))
    measurements: tuple[str, ...] = ()
    planned: frozenset[str] = frozenset()
    sent: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)

    def query(self, *statements: str, database: str = "", within: float = 60.0) -> list[list[Series]]:
        return [self._answer(statement, database) for statement in statements]

    def write(self, lines: str, *, database: str, policy: str, within: float = 60.0) -> None:
        assert (database, policy) == ("telegraf", "forever")
        self.written.extend(lines.split("\n"))

    def _answer(self, statement: str, database: str) -> list[Series]:
        if statement == 'SHOW RETENTION POLICIES ON "telegraf"':
            return [Series("", {}, tuple({"name": name} for name in self.policies))]
        if statement == "SHOW CONTINUOUS QUERIES":
            own = tuple({"name": name} for name in self.queries)
            return [Series("_internal", {}, ({"name": "1m_theirs"},)), Series("telegraf", {}, own)]
        if statement.startswith("SELECT "):
            assert "forever" in self.policies, "InfluxDB refuses a policy that is not there"
        assert database == "telegraf"
        if statement == 'SELECT "rp", "start", "end" FROM "forever"."aresmon_tier"':
            rows = tuple({"rp": rp, "start": start, "end": end} for rp, start, end in self.told)
            return [Series("aresmon_tier", {}, rows)] if rows else []
        if statement == 'SELECT "uid" FROM "forever"."aresmon_host" GROUP BY "host"':
            return [Series("aresmon_host", {"host": host}, ({"uid": uid},)) for host, uid in self.hosts.items()]
        if statement == "SHOW MEASUREMENTS":
            return [Series("measurements", {}, tuple({"name": name} for name in self.measurements))]
        assert statement in self.planned or " INTO " in statement, f"nobody planned {statement}"
        self.sent.append(statement)
        return []


def influxdb(**there: Any) -> FakeInfluxDB:
    return FakeInfluxDB(Path("/nonexistent"), **there)


def plan(config: Config = FLEET, **there: Any) -> list[DatabaseChange]:
    return downsampling.plan(influxdb(**there), config, VIEWS)


def told(changes: list[DatabaseChange]) -> list[str]:
    return [change.description for change in changes]


def test_a_database_that_is_as_wanted_needs_nothing() -> None:
    assert plan() == []


def test_a_new_database_gets_everything_and_is_asked_of_no_policy_that_is_not_there() -> None:
    changes = plan(policies=("raw", "1m", "1h"), queries=(), told=(), hosts={})

    number = len(WANTED) // 3
    assert told(changes) == [
        "create the retention policy forever",
        f"downsample {number} measurements into 1m",
        f"downsample {number} measurements into 1h",
        f"downsample {number} measurements into 1m, including late points",
        "register for the dashboards which retention policy serves which time range",
        "register hosts biere, lewi.x for the dashboards",
    ]
    assert [one for change in changes for one in change.statement.split("; ") if one][1:] == list(WANTED.values())
    assert changes[0].statement == 'CREATE RETENTION POLICY "forever" ON "telegraf" DURATION INF REPLICATION 1'


def test_what_is_no_longer_wanted_ends_and_what_others_made_stays() -> None:
    (change,) = plan(queries=(*WANTED, "1m_gone_00000000", "1h_gone_00000000", "theirs", "1d_theirs"))

    assert change.description == "drop 2 outdated continuous queries"
    assert change.statement == (
        'DROP CONTINUOUS QUERY "1h_gone_00000000" ON "telegraf"; DROP CONTINUOUS QUERY "1m_gone_00000000" ON "telegraf"'
    )


def test_a_measurement_with_another_field_ends_the_former_query_before_its_own() -> None:
    (name,) = (one for one in WANTED if one.startswith("1h_swap_"))
    queries = tuple(one for one in WANTED if one != name)

    assert told(plan(queries=(*queries, "1h_swap_00000000"))) == [
        "drop 1 outdated continuous queries",
        "downsample 1 measurements into 1h",
    ]


def test_other_tiers_than_before_are_told_anew() -> None:
    (change,) = plan(told=(("raw", 0, 1), *SERVED_SPANS[1:]))

    assert [one.fields["rp"] for one in points(change.lines)] == [policy for policy, _, _ in SERVED_SPANS]


def test_a_host_that_is_new_and_one_with_another_uid_are_told() -> None:
    (change,) = plan(hosts={"biere": "another"})

    assert change.description == "register hosts biere, lewi.x for the dashboards"
    assert {one.tags["host"]: one.fields["uid"] for one in points(change.lines)} == HOSTS


def test_a_host_that_is_gone_is_forgotten() -> None:
    (change,) = plan(hosts={**HOSTS, "old": "host-old", "it's": "x"})[:1]

    assert change.description == "unregister host it's from the dashboards"
    assert change.statement == 'DROP SERIES FROM "aresmon_host" WHERE "host" = \'it\\\'s\''


def test_many_hosts_are_told_in_a_few_words() -> None:
    many = load("hosts:\n" + "".join(f"  h{number}:\n" for number in range(9)))

    (change,) = plan(many, hosts={})

    assert change.description == "register hosts h0, h1, h2, h3, h4 and 4 more for the dashboards"
    assert len(points(change.lines)) == 9


def test_a_plan_is_carried_out_statements_first() -> None:
    there = influxdb(policies=("raw", "1m", "1h"), queries=(), told=(), hosts={})
    changes = downsampling.plan(there, FLEET, VIEWS)
    database = influxdb(planned=frozenset(change.statement for change in changes))

    downsampling.apply(database, changes)

    assert database.sent == [change.statement for change in changes if change.statement]
    assert len(points("\n".join(database.written))) == len(SERVED_SPANS) + len(HOSTS)


def test_a_plan_without_points_writes_none() -> None:
    database = influxdb(planned=frozenset({"DROP x"}))

    downsampling.apply(database, [DatabaseChange("end", "DROP x")])

    assert database.written == []


def test_points_that_are_there_already_are_due_only_for_what_is_new_and_has_any() -> None:
    changes = plan(queries=tuple(name for name in WANTED if not name.startswith(("1h_disk_", "1h_cpu_"))))

    due = downsampling.added_with_points(influxdb(measurements=("cpu", "mem")), changes, VIEWS)

    assert [(one.tier.policy, one.measurement.name) for one in due] == [("1h", "cpu")]


def test_a_plan_without_anything_new_asks_for_no_measurements() -> None:
    assert downsampling.added_with_points(InfluxDB(Path("/nonexistent")), plan(hosts={}), VIEWS) == []


def test_everything_is_due_in_a_database_that_had_no_downsampling() -> None:
    due = downsampling.added_with_points(influxdb(measurements=("cpu",)), plan(queries=()), VIEWS)

    assert [one.tier.policy for one in due] == ["1m", "1h"]

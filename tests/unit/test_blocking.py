"""A host that was cut off stays so until it is let in again, wherever a command was interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from aresmon import blocking, database
from aresmon.influxdb import InfluxDB, Series, UnreachableError
from aresmon.site import Site


class FakeInfluxDB(InfluxDB):
    """Knows users, and drops, makes and grants; refuses anything else."""

    known: set[str]
    away: bool

    def query(self, *statements: str, database: str = "", within: float = 60.0) -> list[list[Series]]:
        if self.away:
            raise UnreachableError("InfluxDB does not answer")
        return [self._answer(statement) for statement in statements]

    def knows(self, credentials: Sequence[tuple[str, str]]) -> list[bool]:
        return [True for _ in credentials]

    def _answer(self, statement: str) -> list[Series]:
        verb, rest = statement.split(" ", 1)
        name = rest.split('"')[-2] if '"' in rest else ""
        if statement == "SHOW USERS":
            return [Series("", {}, tuple({"user": user, "admin": False} for user in sorted(self.known)))]
        if verb == "DROP":
            self.known.discard(name)
        elif verb == "CREATE":
            self.known.add(rest.split('"')[1])
        else:
            assert verb in ("GRANT", "SHOW", "SET"), statement
        return []


@pytest.fixture
def influxdb(tmp_path: Path) -> FakeInfluxDB:
    made = FakeInfluxDB(tmp_path / "socket")
    object.__setattr__(made, "known", {"agent-lewi", "agent-lewi~2", "agent-biere"})
    object.__setattr__(made, "away", False)
    return made


@pytest.fixture
def two(site: Site) -> Site:
    site.file.write_text("hosts: {biere: {collect: [disk]}, lewi: {collect: [disk]}}\n")
    site.make_state()
    return site


def test_both_users_of_a_blocked_host_go_and_no_other(two: Site, influxdb: FakeInfluxDB) -> None:
    assert blocking.block(two, influxdb, "lewi")
    assert not blocking.block(two, influxdb, "lewi")

    assert influxdb.known == {"agent-biere"}
    assert list(blocking.blocked(two)) == ["lewi"]


def test_up_does_not_want_the_users_of_a_blocked_host(two: Site, influxdb: FakeInfluxDB) -> None:
    blocking.block(two, influxdb, "lewi")

    wanted = database.users(blocking.admitted(two, two.fleet()), {"influxdb-grafana": "a", "agent-biere": "b"})

    assert {one.name for one in wanted} == {"grafana", "agent-biere"}


def test_a_block_that_did_not_reach_the_database_is_remembered_for_the_next_up(
    two: Site, influxdb: FakeInfluxDB
) -> None:
    object.__setattr__(influxdb, "away", True)

    with pytest.raises(UnreachableError):
        blocking.block(two, influxdb, "lewi")

    assert list(blocking.blocked(two)) == ["lewi"]


def test_an_unblock_that_did_not_reach_the_database_leaves_the_host_blocked(two: Site, influxdb: FakeInfluxDB) -> None:
    blocking.block(two, influxdb, "lewi")
    object.__setattr__(influxdb, "away", True)
    with pytest.raises(UnreachableError):
        blocking.unblock(two, influxdb, {"agent-lewi": "secret"}, "lewi")
    assert list(blocking.blocked(two)) == ["lewi"]
    object.__setattr__(influxdb, "away", False)

    assert blocking.unblock(two, influxdb, {"agent-lewi": "secret"}, "lewi")

    assert influxdb.known == {"agent-biere", "agent-lewi"}
    assert blocking.blocked(two) == {}

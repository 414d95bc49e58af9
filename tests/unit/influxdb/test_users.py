"""The database's policies, users and rights: what is missing or different, and the statements for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aresmon.config.model import Config
from aresmon.influxdb import users as influxdb_users
from aresmon.influxdb.client import InfluxDB, InfluxDBError, Series
from aresmon.system.errors import AresmonError
from tests.unit.conftest import load

FLEET = load("hosts: {biere: , lewi: }\n")
SECRETS = {name: f"pw-of-{name}" for name in ("influxdb-admin", "influxdb-grafana", "agent-biere", "agent-lewi")}
GOOD_POLICIES = {"raw": "168h0m0s", "1m": "2160h0m0s", "1h": "17520h0m0s"}
GOOD_USERS = {"aresmon": {}, "grafana": {"telegraf": "READ"}} | {
    f"agent-{name}": {"telegraf": "WRITE"} for name in ("biere", "lewi")
}


@dataclass(frozen=True)
class FakeInfluxDB(InfluxDB):
    """Answers `SHOW …`, and fails on any other statement unless it is to be carried out."""

    policies: dict[str, str] | None = field(default_factory=lambda: dict(GOOD_POLICIES))
    users: dict[str, dict[str, str]] = field(default_factory=lambda: dict(GOOD_USERS))
    wrong: frozenset[str] = frozenset()
    admins: frozenset[str] = frozenset({"aresmon"})

    def query(self, *statements: str, database: str = "", within: float = 60.0) -> list[list[Series]]:
        return [self._answer(statement) for statement in statements]

    def check_credentials(self, credentials: Sequence[tuple[str, str]]) -> list[bool]:
        assert all(password.startswith("pw-of-") for _, password in credentials)
        return [user not in self.wrong for user, _ in credentials]

    def _answer(self, statement: str) -> list[Series]:
        rows: list[dict[str, object]] = []
        if statement == "SHOW DATABASES":
            rows = [{"name": name} for name in ("_internal", *(["telegraf"] if self.policies is not None else []))]
        elif statement == "SHOW USERS":
            rows = [{"user": name, "admin": name in self.admins} for name in self.users]
        elif statement == 'SHOW RETENTION POLICIES ON "telegraf"':
            rows = [{"name": name, "duration": told} for name, told in (self.policies or {}).items()]
        else:
            name = statement.removeprefix('SHOW GRANTS FOR "').removesuffix('"')
            rights = self.users[name]  # KeyError: a statement that nobody expected
            rows = [{"database": where, "privilege": right} for where, right in rights.items()]
        return [Series("", {}, tuple(rows))] if rows else []


def plan(config: Config = FLEET, *, shorten: bool = False, **there: object) -> list[influxdb_users.DatabaseChange]:
    influxdb = FakeInfluxDB(Path("/nonexistent"), **there)  # type: ignore[arg-type]
    return influxdb_users.plan(influxdb, config, SECRETS, shorten=shorten)


def told(changes: list[influxdb_users.DatabaseChange]) -> list[str]:
    return [change.description for change in changes]


def test_users_that_may_not_write_are_named() -> None:
    rights = {
        "a": {"telegraf": "WRITE"},
        "b": {},
        "c": {"telegraf": "READ", "x": "WRITE"},
        "f": {"telegraf": "NO PRIVILEGES"},
    }
    users = {**rights, "d": {"telegraf": "ALL PRIVILEGES"}, "aresmon": {}}
    influxdb = FakeInfluxDB(Path("/nonexistent"), users=users)

    found = influxdb_users.without_write_permission(influxdb, ["a", "b", "c", "d", "e", "f", "aresmon"])

    assert found == {"b", "c", "f"}


def test_a_database_that_is_as_wanted_needs_nothing() -> None:
    assert plan() == []


def test_an_empty_influxdb_gets_everything() -> None:
    assert told(plan(policies=None, users={"aresmon": {}})) == [
        "create the database telegraf",
        "create the retention policy 1m",
        "create the retention policy 1h",
        "create the user grafana",
        "create the user agent-biere",
        "create the user agent-lewi",
        "grant READ to grafana",
        "grant WRITE to agent-biere",
        "grant WRITE to agent-lewi",
    ]


def test_the_words_of_a_change_never_hold_its_password() -> None:
    changes = plan(users={"aresmon": {}}, wrong=frozenset({"grafana"}))

    assert any("pw-of-" in change.statement for change in changes)
    assert [change.description for change in changes if "pw-of-" in change.description] == []


@pytest.mark.parametrize(
    ("keep", "change"),
    [
        ("raw: 14d", "set the retention of raw to 14d, from 7d"),
        ("1h: forever", "set the retention of 1h to forever, from 2y"),
    ],
)
def test_a_longer_retention_is_simply_set(keep: str, change: str) -> None:
    assert told(plan(load(f"storage: {{keep: {{{keep}}}}}\nhosts: {{biere: , lewi: }}"))) == [change]


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ({"raw": "336h0m0s"}, "storage.keep.raw changes from 14d to 7d"),
        ({"1h": "0s"}, "storage.keep.1h changes from forever to 2y"),
    ],
)
def test_a_shorter_retention_is_refused_until_it_is_meant(policies: dict[str, str], message: str) -> None:
    there = {**GOOD_POLICIES, **policies}

    with pytest.raises(AresmonError, match=message) as caught:
        plan(policies=there)

    assert "--shorten-retention" in caught.value.hint
    assert len(plan(policies=there, shorten=True)) == 1


def test_another_password_and_another_right_are_put_right() -> None:
    users = {**GOOD_USERS, "agent-lewi": {"telegraf": "ALL PRIVILEGES", "other": "READ", "third": "NO PRIVILEGES"}}

    assert told(plan(users=users, wrong=frozenset({"agent-biere"}))) == [
        "set the password of agent-biere",
        "revoke all privileges on other from agent-lewi",
        "grant WRITE to agent-lewi",
    ]


def test_users_of_ours_that_were_made_admins_are_no_longer_and_unmanaged_users_are_kept() -> None:
    users = {**GOOD_USERS, "boss": {}}
    admins = frozenset({"aresmon", "grafana", "agent-lewi", "boss"})

    changes = plan(users=users, admins=admins)

    assert told(changes) == [
        "revoke admin privileges from grafana",
        "revoke admin privileges from agent-lewi",
    ]
    assert [change.statement for change in changes] == [
        'REVOKE ALL PRIVILEGES FROM "grafana"',
        'REVOKE ALL PRIVILEGES FROM "agent-lewi"',
    ]
    there = FakeInfluxDB(Path("/nonexistent"), users=users, admins=admins)
    assert told(influxdb_users.plan_user(there, "agent-lewi", "pw-of-agent-lewi")) == [
        "revoke admin privileges from agent-lewi"
    ]
    assert influxdb_users.list_other_admins(there) == ["agent-lewi", "boss", "grafana"]


def test_the_agent_of_a_host_that_is_gone_loses_its_user_and_unmanaged_users_are_kept() -> None:
    users = {**GOOD_USERS, "agent-old": {"telegraf": "WRITE"}, "alice": {"telegraf": "READ"}}

    assert [change.statement for change in plan(users=users)] == ['DROP USER "agent-old"']


def test_an_admin_with_another_password_is_told_apart_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: InfluxDB, *__: str, **___: str) -> list[list[Series]]:
        raise InfluxDBError("authorization failed", status=401)

    monkeypatch.setattr(InfluxDB, "query", refuse)

    with pytest.raises(influxdb_users.AdminUnknownError, match="rejects the admin password"):
        influxdb_users.connect_as_admin(InfluxDB(Path("/nonexistent")), SECRETS)


def test_an_influxdb_without_any_admin_gets_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    def first(one: InfluxDB, *statements: str, database: str = "") -> list[list[Series]]:
        if one.user:
            raise InfluxDBError("create admin user first", status=403)
        sent.extend(statements)
        return []

    monkeypatch.setattr(InfluxDB, "query", first)
    monkeypatch.setattr(InfluxDB, "has_no_admin", lambda _: True)

    ours = influxdb_users.connect_as_admin(InfluxDB(Path("/nonexistent")), SECRETS)

    assert sent == ["CREATE USER \"aresmon\" WITH PASSWORD 'pw-of-influxdb-admin' WITH ALL PRIVILEGES"]
    assert ours.user == "aresmon"
    assert "pw-of" not in repr(ours)


@pytest.mark.parametrize(("said", "is_full"), [("engine: write 1.wal: no space left on device", True), ("no", False)])
def test_a_database_without_room_names_the_remedy(said: str, is_full: bool) -> None:
    assert ("df -h" in InfluxDBError(said).hint) == is_full

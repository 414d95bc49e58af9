"""A host that was cut off stays so until it is let in again, wherever a command was interrupted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from aresmon.config import package_data
from aresmon.influxdb import users
from aresmon.influxdb.client import InfluxDB, InfluxDBUnreachableError, Series
from aresmon.push import enroll, rotate_passwords, run
from aresmon.push.order import PushOptions, Target
from aresmon.push.result import PushOutcome, PushResult
from aresmon.push.rollout import RolloutPace
from aresmon.push.session import Session
from aresmon.render.telegraf import TelegrafTemplates
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.ssh.transport import Local
from aresmon.stack.remote import RemoteStack
from aresmon.system.errors import AresmonError
from tests.unit.conftest import load
from tests.unit.scripted import Observed


class FakeInfluxDB(InfluxDB):
    """Knows users, and drops, makes and grants; refuses anything else."""

    known: set[str]
    away: bool

    def query(self, *statements: str, database: str = "", within: float = 60.0) -> list[list[Series]]:
        if self.away:
            raise InfluxDBUnreachableError("InfluxDB does not answer")
        return [self._answer(statement) for statement in statements]

    def check_credentials(self, credentials: Sequence[tuple[str, str]]) -> list[bool]:
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
    site.create_state_folder()
    return site


def test_both_users_of_a_blocked_host_go_and_no_other(two: Site, influxdb: FakeInfluxDB) -> None:
    assert users.block_host(two, influxdb, "lewi")
    assert not users.block_host(two, influxdb, "lewi")

    assert influxdb.known == {"agent-biere"}
    assert list(users.blocked_hosts(two)) == ["lewi"]


def test_up_does_not_want_the_users_of_a_blocked_host(two: Site, influxdb: FakeInfluxDB) -> None:
    users.block_host(two, influxdb, "lewi")

    wanted = users.wanted_users(
        users.without_blocked_hosts(Project.load(two)), {"influxdb-grafana": "a", "agent-biere": "b"}
    )

    assert {one.name for one in wanted} == {"grafana", "agent-biere"}


def test_a_block_that_did_not_reach_the_database_is_remembered_for_the_next_up(
    two: Site, influxdb: FakeInfluxDB
) -> None:
    object.__setattr__(influxdb, "away", True)

    with pytest.raises(InfluxDBUnreachableError):
        users.block_host(two, influxdb, "lewi")

    assert list(users.blocked_hosts(two)) == ["lewi"]


def test_an_unblock_that_did_not_reach_the_database_leaves_the_host_blocked(two: Site, influxdb: FakeInfluxDB) -> None:
    users.block_host(two, influxdb, "lewi")
    object.__setattr__(influxdb, "away", True)
    with pytest.raises(InfluxDBUnreachableError):
        users.unblock_host(two, influxdb, {"agent-lewi": "secret"}, "lewi")
    assert list(users.blocked_hosts(two)) == ["lewi"]
    object.__setattr__(influxdb, "away", False)

    assert users.unblock_host(two, influxdb, {"agent-lewi": "secret"}, "lewi")

    assert influxdb.known == {"agent-biere", "agent-lewi"}
    assert users.blocked_hosts(two) == {}


# From elsewhere: the list is the server's ---------------------------------------------------------------

FLEET = load("site: ares\nserver: biere\nhosts:\n  biere: {agent: systemd, ssh: biere}\n  lewi: {agent: systemd}\n")
SINCE = "2026-11-24T10:00:00+00:00"
BLOCKED = json.dumps({"lewi": SINCE, "ronflex": SINCE}).encode()


class NoSecretStack(RemoteStack):
    async def write_secret(self, name: str, value: str) -> None:
        pytest.fail(f"{name} is written for a blocked host")


class Elsewhere:
    """A workstation's site, which knows of no block, and the folder of its server."""

    def __init__(self, site: Site, influxdb: FakeInfluxDB, server: Path, *, listed: bytes | None = BLOCKED) -> None:
        self.list = server / ".aresmon" / "blocked.json"
        if listed is not None:
            self.list.parent.mkdir(parents=True)
            self.list.write_bytes(listed)
            self.list.chmod(0o640)
        known = {"agent-lewi": "secret"}
        stack = NoSecretStack(str(server), "", Local("biere"), influxdb, server / "docker.sock", {}, known)
        site.create_state_folder()
        templates = TelegrafTemplates.of(package_data.package_files())
        self.session = Session(Project(site, FLEET), templates, stack, self._reached)

    def _reached(self, _: object) -> NoReturn:
        pytest.fail("a blocked host is reached for")

    def push(self) -> list[PushResult]:
        return asyncio.run(run.push(self.session, [Target(FLEET.host("lewi"), "")], **self._how))

    def rotate(self) -> list[PushResult]:
        return asyncio.run(rotate_passwords.rotate(self.session, [FLEET.host("lewi")], **self._how))

    @property
    def _how(self) -> dict[str, Any]:
        return {"options": PushOptions("ada", verify=False), "pace": RolloutPace(), "observer": Observed()}


@pytest.mark.parametrize("command", [Elsewhere.push, Elsewhere.rotate])
def test_neither_a_push_nor_another_password_lets_in_a_host_that_the_server_has_blocked(
    site: Site, influxdb: FakeInfluxDB, tmp_path: Path, command: Any
) -> None:
    influxdb.known.clear()

    (result,) = command(Elsewhere(site, influxdb, tmp_path / "server"))

    assert result.outcome is PushOutcome.REFUSED
    assert result.why.startswith(("it has been blocked since 2026-11-24", "it is blocked, and a new password"))
    assert result.next == "on biere: `aresmon hosts unblock lewi`, then run the same command again"
    assert influxdb.known == set()


def test_nor_is_it_let_in_by_being_added_again(site: Site, influxdb: FakeInfluxDB, tmp_path: Path) -> None:
    elsewhere = Elsewhere(site, influxdb, tmp_path / "server")
    influxdb.known.clear()

    with pytest.raises(AresmonError, match=f"lewi has been blocked since {SINCE[:10]}") as raised:
        asyncio.run(enroll.make_credentials(elsewhere.session, "lewi"))

    assert raised.value.hint.startswith("on biere: `aresmon hosts unblock lewi`")
    assert influxdb.known == set()


def test_another_machine_of_a_removed_host_s_name_is_not_blocked_on_the_server(
    site: Site, influxdb: FakeInfluxDB, tmp_path: Path
) -> None:
    elsewhere = Elsewhere(site, influxdb, tmp_path / "server")

    for _ in range(2):
        asyncio.run(enroll.revoke(elsewhere.session, "lewi"))

    assert json.loads(elsewhere.list.read_bytes()) == {"ronflex": SINCE}
    assert elsewhere.list.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in elsewhere.list.parent.iterdir()] == ["blocked.json"]


def test_where_nobody_was_ever_blocked_nobody_is(site: Site, influxdb: FakeInfluxDB, tmp_path: Path) -> None:
    elsewhere = Elsewhere(site, influxdb, tmp_path / "server", listed=None)
    state = tmp_path / "server" / ".aresmon"
    state.mkdir(parents=True)

    assert asyncio.run(elsewhere.session.stack.blocked_hosts()) == {}
    asyncio.run(enroll.revoke(elsewhere.session, "lewi"))
    assert list(state.iterdir()) == []


@pytest.mark.parametrize("listed", [b"", b"{", b"[]"])
def test_a_list_without_sense_lets_nobody_in(site: Site, influxdb: FakeInfluxDB, tmp_path: Path, listed: bytes) -> None:
    elsewhere = Elsewhere(site, influxdb, tmp_path / "server", listed=listed)

    with pytest.raises(AresmonError, match=r"blocked\.json on biere, the list of blocked hosts, cannot be read"):
        elsewhere.push()
    with pytest.raises(AresmonError, match="cannot be read"):
        elsewhere.rotate()

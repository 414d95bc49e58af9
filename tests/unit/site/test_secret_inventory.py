"""Secrets rotated: wherever it is cut off, the host writes with a password that is valid, and the next run ends it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from aresmon.config.model import Host
from aresmon.influxdb import users
from aresmon.influxdb.client import InfluxDB, Series
from aresmon.push import rotate_passwords
from aresmon.push.order import PushOptions, Target
from aresmon.push.result import PushOutcome, PushResult
from aresmon.push.rollout import RolloutPace
from aresmon.push.session import Session
from aresmon.render.telegraf import TelegrafTemplates
from aresmon.site import secret_inventory
from aresmon.site import secrets as site_secrets
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.stack.local import LocalStack
from aresmon.system.errors import AresmonError, ExitCode
from tests.unit.conftest import load
from tests.unit.scripted import Observed

FLEET = load("site: ares\nserver: biere\nhosts:\n  biere: {agent: systemd}\n  lewi: {agent: systemd}\n")
SETS = re.compile(r"""(?:CREATE USER|SET PASSWORD FOR) "(?P<user>[^"]+)" (?:WITH PASSWORD|=) '(?P<password>[^']+)'""")
POLICIES = {"raw": "168h0m0s", "1m": "2160h0m0s", "1h": "17520h0m0s", "forever": "0s"}


class Cut(BaseException):
    """The end of the program, as SIGKILL brings it."""


@dataclass
class Power:
    """Ends the program before its step of this number; 0: never."""

    at: int = 0
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            raise Cut


@dataclass(frozen=True)
class Users(InfluxDB):
    """An InfluxDB at the level of its users: fails on a statement that it does not know."""

    socket: Path = Path("/nonexistent")
    passwords: dict[str, str] = field(default_factory=dict)
    power: Power = field(default_factory=Power)

    def query(self, *statements: str, database: str = "", within: float = 60.0) -> list[list[Series]]:
        return [self._answer(statement) for statement in statements]

    def check_credentials(self, credentials: Sequence[tuple[str, str]]) -> list[bool]:
        return [self.passwords.get(user) == password for user, password in credentials]

    def _answer(self, statement: str) -> list[Series]:
        if statement == "SHOW DATABASES":
            return _rows([{"name": "telegraf"}])
        if statement == "SHOW USERS":
            return _rows([{"user": name} for name in self.passwords])
        if statement.startswith("SHOW RETENTION POLICIES"):
            return _rows([{"name": name, "duration": told} for name, told in POLICIES.items()])
        if statement.startswith("SHOW GRANTS FOR"):
            right = "READ" if '"grafana' in statement else "WRITE"
            return _rows([{"database": "telegraf", "privilege": right}])
        self.power.step()
        if found := SETS.match(statement):
            self.passwords[found["user"]] = found["password"]
        elif statement.startswith('DROP USER "'):
            del self.passwords[statement.split('"')[1]]
        else:
            assert statement.startswith(("GRANT", "CREATE RETENTION POLICY")), statement
        return []


def _rows(rows: list[dict[str, str]]) -> list[Series]:
    return [Series("", {}, tuple(rows))]


@dataclass(frozen=True)
class CutStack(LocalStack):
    """The stack here; each change of its files is a step at which the power may go."""

    power: Power = field(default_factory=Power)

    async def swap_file(self, path: str, expected: bytes | None, content: bytes, *, mode: int | None = None) -> bool:
        self.power.step()
        return await LocalStack.swap_file(self, path, expected, content, mode=mode)

    async def delete_file(self, path: str) -> None:
        self.power.step()
        await LocalStack.delete_file(self, path)


class World:
    """A site, its InfluxDB, and one host, which writes with what the last push brought it."""

    def __init__(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        self.site, self.power = site, Power()
        self.outcome = PushOutcome.VERIFIED
        site.create_state_folder()
        for name in ("agent-biere", "agent-lewi", "influxdb-grafana", "influxdb-admin", "site-key"):
            site_secrets.replace(site.secrets, name, f"first-{name}", site.root.stat().st_uid)
        self.influxdb = Users(power=self.power, passwords={"grafana": "first-influxdb-grafana"})
        self.influxdb.passwords.update({name: f"first-{name}" for name in ("agent-biere", "agent-lewi")})
        self.host = ("agent-lewi", "first-agent-lewi")
        monkeypatch.setattr(rotate_passwords, "_running_target", self._running_target)
        monkeypatch.setattr("aresmon.push.run.push", self._push)

    @property
    def session(self) -> Session:
        templates = TelegrafTemplates("", "", "", "", "")
        stack = CutStack(self.site, str(self.site.root), {}, self.influxdb, power=self.power)
        return Session(Project(self.site, FLEET), templates, stack, lambda _: pytest.fail("nobody is reached here"))

    async def _running_target(self, session: Session, host: Host) -> Target:
        return Target(host, "[[inputs.cpu]]\n")

    async def _push(self, session: Session, wanted: Sequence[Target], **_: Any) -> list[PushResult]:
        self.power.step()  # before the switch
        (password,) = [target.password for target in wanted]
        if self.outcome is PushOutcome.VERIFIED:
            self.host = (site_secrets.database_user("agent-lewi", password), password)
            assert self.is_valid
        self.power.step()  # switched and proven, and nobody here knows it
        return [PushResult(target.host.name, self.outcome) for target in wanted]

    # What a person does, and what must be true -----------------------------------------------------------

    @property
    def is_valid(self) -> bool:
        return self.influxdb.check_credentials([self.host]) == [True]

    def rotate(self) -> PushOutcome:
        async def run() -> list[PushResult]:
            return await rotate_passwords.rotate(
                self.session,
                [FLEET.host("lewi")],
                options=PushOptions("ada"),
                pace=RolloutPace(),
                observer=Observed(),
            )

        (result,) = asyncio.run(run())
        return result.outcome

    def up(self) -> list[str]:
        """What `up` does about the users; it is done."""
        names = ("agent-biere", "agent-lewi", "influxdb-grafana")
        secrets = {name: site_secrets.read(self.site.secrets, name) for name in names}
        secrets |= site_secrets.read_next_values(self.site.secrets, names)
        changes = users.plan(self.influxdb, FLEET, secrets)
        users.apply(self.influxdb, changes)
        return [change.description for change in changes]

    def is_settled(self) -> bool:
        """Whether the host writes with the one password that there is."""
        password = site_secrets.read(self.site.secrets, "agent-lewi")
        mine = {name for name in self.influxdb.passwords if name.startswith("agent-lewi")}
        alone = not list(self.site.secrets.glob("*~next")) and mine == {self.host[0]}
        return alone and self.is_valid and self.host[1] == password


@pytest.fixture
def world(site: Site, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(site, monkeypatch)


STEPS = range(1, 10)
"""A rotation has eight; what is beyond is a run that ends by itself."""


@pytest.mark.parametrize("between", ["rotate", "up, rotate"])
@pytest.mark.parametrize("at", STEPS)
def test_wherever_it_is_cut_off_the_host_can_write_and_the_next_run_ends_it(
    world: World, at: int, between: str
) -> None:
    world.power.at = at
    try:
        world.rotate()
        assert at == STEPS[-1], "a step that is no longer there is cut off"
    except Cut:
        assert at < STEPS[-1], "more steps than are cut off here"
    world.power.at = 0

    assert world.is_valid
    if between.startswith("up"):
        world.up()
        assert world.is_valid
        assert world.up() == []
    assert world.rotate() is PushOutcome.VERIFIED
    assert world.is_settled()
    assert world.up() == []


@pytest.mark.parametrize("at", STEPS)
def test_a_second_cut_finds_it_no_less_valid(world: World, at: int) -> None:
    for number in (at, at + 1):
        world.power.at, world.power.steps = number, 0
        with suppress(Cut):
            world.rotate()
        world.up() if world.power.at < world.power.steps else None
        assert world.is_valid
    world.power.at = 0

    assert world.rotate() is PushOutcome.VERIFIED
    assert world.is_settled()


@pytest.mark.parametrize(
    "outcome", [PushOutcome.UNREACHABLE, PushOutcome.ROLLED_BACK, PushOutcome.UNKNOWN, PushOutcome.SILENT]
)
def test_a_host_that_does_not_end_well_keeps_its_password_until_it_does(world: World, outcome: PushOutcome) -> None:
    before, world.outcome = world.host, outcome

    assert world.rotate() is outcome

    assert world.host == before
    assert world.up() == []
    assert world.is_valid
    world.outcome = PushOutcome.VERIFIED
    assert world.rotate() is PushOutcome.VERIFIED
    assert world.is_settled()
    assert not world.influxdb.check_credentials([before])[0]


def test_rotating_again_and_again_goes_to_and_fro_between_two_users(world: World) -> None:
    seen = []
    for _ in range(3):
        assert world.rotate() is PushOutcome.VERIFIED
        seen.append(world.host)

    assert [user for user, _ in seen] == ["agent-lewi~2", "agent-lewi", "agent-lewi~2"]
    assert len({password for _, password in seen}) == 3
    assert world.is_settled()


def test_a_next_password_for_the_same_user_is_not_used(world: World) -> None:
    """It would shut out who writes with the present one."""
    site_secrets.replace(world.site.secrets, "agent-lewi~next", "by-hand", world.site.root.stat().st_uid)

    assert world.rotate() is PushOutcome.VERIFIED

    assert world.host[0] == "agent-lewi~2"
    assert world.is_settled()


def test_the_history_says_what_was_rotated_and_no_value(world: World) -> None:
    world.rotate()

    (line,) = world.site.history("secrets rotate")
    assert (line["host"], line["secret"], line["outcome"]) == ("lewi", "agent-lewi", "rotated")
    assert not any(world.host[1] in str(value) for value in line.values())


def test_a_user_whose_host_is_gone_is_removed_whichever_of_the_two_it_is(world: World) -> None:
    world.influxdb.passwords.update({"agent-gone": "x", "agent-left~2": "y", "somebody": "z"})

    assert world.up() == [
        "drop the user agent-gone: its host is no longer in aresmon.yml",
        "drop the user agent-left~2: its host is no longer in aresmon.yml",
    ]
    assert "somebody" in world.influxdb.passwords


# What is told of them ----------------------------------------------------------------------------------


def test_every_secret_of_a_site_is_listed_without_its_value(world: World) -> None:
    site_secrets.replace(world.site.secrets, "agent-lewi~next", "2~next-value", world.site.root.stat().st_uid)
    site_secrets.replace(world.site.secrets, "left-over", "left-value", world.site.root.stat().st_uid)

    found = list(secret_inventory.list_files(world.site.secrets, secret_inventory.list_secrets(FLEET)))

    told = {one.name: one for one in found}
    assert {path.name for path in world.site.secrets.glob("*") if path.is_file()} <= {*told, "agent-lewi~next"}
    assert [one.name for one in found if one.is_under_way] == ["agent-lewi"]
    assert told["left-over"].kind == told["grafana-secret-key"].kind == "fixed"
    assert (told["agent-lewi"].made[:2], told["grafana-secret-key"].made) == ("20", "")
    assert not any(value in str(found) for value in ("first-", "next-value", "left-value"))


def test_all_is_every_secret_that_can_be_rotated() -> None:
    chosen = secret_inventory.select(secret_inventory.list_secrets(FLEET), [], every=True)

    names = [one.name for one in chosen]
    assert names == [
        *("agent-biere", "agent-lewi", "influxdb-admin"),
        *("grafana-admin", "influxdb-grafana", "site-key"),
    ]


@pytest.mark.parametrize(
    ("names", "every", "said", "code"),
    [
        (["agent-lewy"], False, "did you mean 'agent-lewi'", ExitCode.REFUSED),
        (["grafana-secret-key"], False, "cannot be rotated: Grafana could not decrypt", ExitCode.REFUSED),
        ([], False, "no secrets named", ExitCode.USAGE),
        (["agent-lewi"], True, "cannot be combined", ExitCode.USAGE),
    ],
)
def test_what_cannot_be_rotated_is_refused_with_the_reason(
    names: list[str], every: bool, said: str, code: ExitCode
) -> None:
    with pytest.raises(AresmonError, match=re.escape(said)) as raised:
        secret_inventory.select(secret_inventory.list_secrets(FLEET), names, every=every)

    assert raised.value.code is code
    assert raised.value.hint


def test_a_secret_that_others_gave_is_taken_in_by_alerts_secret() -> None:
    config = replace(FLEET, alerts=load("hosts: {biere: }\nalerts: {send_to: [{discord: {secret: discord}}]}\n").alerts)

    with pytest.raises(AresmonError) as raised:
        secret_inventory.select(secret_inventory.list_secrets(config), ["alerts/discord"], every=False)

    assert "`aresmon alerts secret discord`" in raised.value.hint


def test_what_killed_writes_left_among_the_secrets_is_swept_away(world: World) -> None:
    (world.site.secrets / ".agent-lewi.x1y2").write_text("half")

    site_secrets.delete_temporary_files(world.site.secrets)

    assert not list(world.site.secrets.glob(".*"))
    assert site_secrets.read(world.site.secrets, "agent-lewi") == "first-agent-lewi"

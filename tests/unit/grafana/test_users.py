"""Grafana's users: brought to what aresmon.yml says by a plan, again and again, on new and old data folders."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aresmon.grafana import users
from aresmon.grafana.answers import GrafanaError, GrafanaUnreachableError
from aresmon.grafana.client import Account
from aresmon.grafana.users import UserSpec, plan
from aresmon.site import secrets as site_secrets
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.progress import NoProgress
from tests.grafana.fakes import GrafanaEngine
from tests.grafana.standin import StandIn, serving
from tests.grafana.state import State, User
from tests.unit.conftest import errors, load

pytestmark = pytest.mark.own_sockets("the stand-in for Grafana answers over HTTP")

ADMIN = UserSpec("Ares", "Admin", "", "", True, "admin-password")
GUEST = UserSpec("Guest", "Viewer", "Guest", "", False, "guest", is_guest=True)
MARIE = UserSpec("marie", "Editor", "", "", False, "marie-password")
THERE = [
    Account(1, "u1", "ares", "", "admin@localhost", True, False, "Admin"),
    Account(2, "u2", "guest", "Guest", "guest", False, False, "Viewer"),
]
TAKES = {"ares": True, "guest": True}


# The file ---------------------------------------------------------------------------------------------


def test_guests_and_people_are_read() -> None:
    config = load(
        "grafana: {admin: Ares, guests: [{login: Guest, password: guest}],\n"
        "  users: [{login: marie, role: editor, name: Marie, email: m@x.org}, {login: bob}]}\nhosts: {a: }\n"
    )

    assert config.notices == ()
    assert [(one.login, one.role, one.name, one.password) for one in config.grafana.guests] == [
        ("Guest", "viewer", "Guest", "guest")
    ]
    assert [(one.login, one.role, one.name, one.email) for one in config.grafana.users] == [
        ("marie", "editor", "Marie", "m@x.org"),
        ("bob", "viewer", "", ""),
    ]
    assert "guest'" not in repr(config.grafana.guests).partition("name=")[2].partition("email")[2]


@pytest.mark.parametrize(
    ("grafana", "told"),
    [
        ("guests: [{login: Admin, password: guest}]", "guests[0].login: 'Admin' is a login of grafana.admin already"),
        (
            "guests: [{login: guest, password: guest}], users: [{login: GUEST}]",
            "users[0].login: 'GUEST' is a login of grafana.guests already",
        ),
        ("users: [{login: a1}, {login: A1}]", "users[1].login: 'A1' is a login of grafana.users already"),
        (
            "users: [{login: a1, email: x@y}, {login: a2, email: X@y}]",
            "users[1].email: 'X@y' is an address of grafana.users already",
        ),
    ],
)
def test_logins_that_grafana_takes_for_one_another_are_refused(grafana: str, told: str) -> None:
    assert errors(f"grafana: {{{grafana}}}\nhosts: {{a: }}\n") == (f"aresmon.yml:1 grafana.{told}",)


def test_somebody_whose_address_is_their_login_is_one_person() -> None:
    assert load("grafana: {users: [{login: m@x.org, email: m@x.org}]}\nhosts: {a: }\n").grafana.users


@pytest.mark.parametrize(
    "grafana",
    [
        "guests: [{login: 'a b', password: guest}]",
        "guests: [{login: '../a', password: guest}]",
        "guests: [{login: a, password: abc}]",
        "users: [{login: 'a:b'}]",
        "users: [{login: a, role: emperor}]",
        "users: [{login: a, password: mine}]",
        "users: [{login: a, email: nobody}]",
    ],
)
def test_logins_passwords_and_roles_have_a_form(grafana: str) -> None:
    (told,) = errors(f"grafana: {{{grafana}}}\nhosts: {{a: }}\n")

    assert told.startswith("aresmon.yml:1 grafana.")


# The plan ---------------------------------------------------------------------------------------------


def what(people: list[UserSpec], accounts: list[Account], **changes: object) -> list[str]:
    given = {"takes": TAKES, "remembered": {}} | changes
    return [change.what for change in plan(people, accounts, **given)]  # type: ignore[arg-type]


def account(**changes: object) -> Account:
    return Account(**{**{name: getattr(THERE[1], name) for name in Account.__slots__}, **changes})


def test_where_all_is_as_wanted_nothing_is_to_be_done() -> None:
    assert what([ADMIN, GUEST], THERE) == []


def test_who_is_missing_is_added() -> None:
    assert what([ADMIN, GUEST, MARIE], THERE[:1]) == ["add Guest (viewer)", "add marie (editor)"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (account(role="Editor"), ["make Guest viewer instead of editor"]),
        (account(role=""), ["add Guest to the organisation as viewer"]),
        (account(name="Party"), ["restore the name Guest of Guest"]),
        (account(is_server_admin=True), ["revoke server administration from Guest"]),
        (account(email="own@example.org"), ["remove the address own@example.org of Guest"]),
    ],
)
def test_what_a_guest_changed_is_put_back(changed: Account, told: list[str]) -> None:
    assert what([ADMIN, GUEST], [THERE[0], changed]) == told


def test_a_password_that_is_not_taken_is_set() -> None:
    assert what([ADMIN, GUEST], THERE, takes={**TAKES, "guest": False}) == ["set the password of Guest"]


def test_who_was_disabled_is_enabled_with_the_password_set_anew() -> None:
    there = [THERE[0], account(is_disabled=True)]

    assert what([ADMIN, GUEST], there, takes={"ares": True}) == ["enable Guest", "set the password of Guest"]


def test_a_name_and_an_address_that_the_file_does_not_say_are_people_s_own() -> None:
    own = Account(3, "u3", "marie", "Marie Curie", "marie@example.org", False, False, "Editor")

    assert what([ADMIN, MARIE], [THERE[0], own], takes={"ares": True, "marie": True}) == []


def test_who_gave_itself_another_login_is_found_again() -> None:
    there = [THERE[0], account(login="party")]

    assert what([ADMIN, GUEST], there, remembered={"guest": "u2"}) == ["restore the login Guest of party"]
    assert what([ADMIN, GUEST], there, remembered={"guest": "of another data folder"}) == ["add Guest (viewer)"]


def test_who_is_wanted_under_its_login_is_not_taken_for_somebody_else() -> None:
    there = [THERE[0], account(login="marie", name="", role="Editor")]

    assert what([ADMIN, GUEST, MARIE], there, takes={"ares": True, "marie": True}, remembered={"guest": "u2"}) == [
        "add Guest (viewer)"
    ]


def test_who_left_the_file_is_disabled_once_and_unmanaged_users_are_kept() -> None:
    stranger = Account(9, "u9", "stranger", "", "", False, False, "Admin")

    assert what([ADMIN], [*THERE, stranger], remembered={"guest": "u2"}) == [
        "disable guest, which is no longer in aresmon.yml"
    ]
    assert what([ADMIN], [THERE[0], account(is_disabled=True), stranger], remembered={"guest": "u2"}) == []


def test_a_plan_shows_no_password() -> None:
    assert "password'" not in repr(plan([ADMIN, MARIE], [], takes={}, remembered={}))


# The whole, on the stand-in ---------------------------------------------------------------------------

Ensure = Callable[..., tuple[str, ...]]
PEOPLE = "admin: Ares, guests: [{login: guest, password: guest}], users: [{login: Marie, role: editor}]"


@pytest.fixture
def standin(tmp_path: Path) -> StandIn:
    (tmp_path / "data" / "grafana").mkdir(parents=True)
    return StandIn(State(tmp_path / "data" / "grafana", clock=lambda: 0.0))


@pytest.fixture
def engine(standin: StandIn) -> GrafanaEngine:
    return GrafanaEngine(standin)


@pytest.fixture
def ensure(site: Site, standin: StandIn, engine: GrafanaEngine) -> Iterator[Ensure]:
    """Bring the stand-in to these settings of Grafana's; it has an administrator already, or gets this site's."""
    site.create_state_folder()
    with serving(standin) as address:

        def ensure(grafana: str = PEOPLE) -> tuple[str, ...]:
            edge = f"edge: {{grafana: '{address.removeprefix('http://')}'}}"
            site.file.write_text(f"{edge}\ngrafana: {{{grafana}}}\nhosts: {{a: }}\n")
            config = Project.load(site).config
            secrets = site_secrets.ensure(site.secrets, site_secrets.owners(config, {"grafana": 0, "telegraf": 0}))
            standin.state.begin(config.grafana.admin, secrets["grafana-admin"])
            return users.ensure(Project(site, config), engine, secrets, NoProgress())

        yield ensure


def by_login(standin: StandIn, login: str) -> User:
    found = standin.state.find(login)
    assert found is not None
    return found


def test_users_are_made_and_a_second_run_sends_nothing(ensure: Ensure, standin: StandIn, site: Site) -> None:
    assert ensure() == ("add guest (viewer)", "add Marie (editor)")
    told = {one.login: (one.role, one.is_admin) for one in standin.state.users.values()}
    assert told == {"ares": ("Admin", True), "guest": ("Viewer", False), "marie": ("Editor", False)}
    secret = site.secrets / "grafana-user-marie"
    assert by_login(standin, "marie").password == secret.read_text()
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    standin.sent.clear()

    assert ensure() == ()
    assert standin.sent == []


def test_everything_that_a_guest_could_change_is_put_back(ensure: Ensure, standin: StandIn) -> None:
    ensure()
    guest = by_login(standin, "guest")
    guest.login, guest.name, guest.password = "party", "Party", "party"
    guest.role, guest.is_admin = "Admin", True

    told = ensure()

    assert (guest.login, guest.name, guest.password) == ("guest", "guest", "guest")
    assert (guest.role, guest.is_admin) == ("Viewer", False)
    assert "restore the login guest of party" in told
    assert ensure() == ()


@pytest.mark.parametrize("preference", ["theme", "homeDashboardUID", "timezone", "language"])
def test_a_guests_address_and_preferences_are_put_back_and_those_of_people_are_not(
    ensure: Ensure, standin: StandIn, preference: str
) -> None:
    ensure()
    guest, marie = by_login(standin, "guest"), by_login(standin, "marie")
    guest.preferences, guest.email = {preference: "x"}, "party@example.org"
    marie.preferences, marie.email = {preference: "x"}, "marie@example.org"

    told = ensure()

    again = by_login(standin, "guest")
    assert told == ("recreate guest, which deletes its preferences",)
    assert (again.preferences, again.email, again.role, again.password) == ({}, "guest", "Viewer", "guest")
    assert (marie.preferences, marie.email) == ({preference: "x"}, "marie@example.org")
    assert ensure() == ()


def test_a_guest_that_others_locked_may_log_in_again(ensure: Ensure, standin: StandIn) -> None:
    ensure()
    standin.state.wrong["guest"] = [0.0] * 5

    assert ensure() == ("set the password of guest",)
    assert standin.state.enter("guest", "guest").login == "guest"


def test_our_own_checks_never_lock_a_login(ensure: Ensure, standin: StandIn) -> None:
    ensure()
    for number in range(8):
        by_login(standin, "guest").password = f"other{number}"
        assert ensure() == ("set the password of guest",)

    assert standin.state.enter("guest", "guest").login == "guest"


def test_many_wrong_passwords_at_once_do_not_shut_us_out(ensure: Ensure, standin: StandIn) -> None:
    people = ", ".join(f"{{login: user{number}}}" for number in range(12))
    ensure(f"users: [{people}]")
    for user in standin.state.users.values():
        user.password = "other" if user.login != "admin" else user.password

    told = ensure(f"users: [{people}]")

    assert len(told) == 12
    assert standin.state.refused == 5
    assert ensure(f"users: [{people}]") == ()


def test_who_leaves_is_disabled_and_who_comes_back_is_enabled(ensure: Ensure, standin: StandIn, site: Site) -> None:
    ensure()
    stranger = standin.state.create("stranger", "password")

    assert ensure("admin: Ares") == (
        "disable guest, which is no longer in aresmon.yml",
        "disable marie, which is no longer in aresmon.yml",
    )
    assert not (site.secrets / "grafana-user-marie").exists()
    assert not stranger.is_disabled
    assert ensure("admin: Ares") == ()
    assert ensure() == ("enable guest", "set the password of guest", "enable Marie", "set the password of Marie")
    assert by_login(standin, "marie").password == (site.secrets / "grafana-user-marie").read_text()


def test_an_old_folder_with_another_password_gets_ours(
    ensure: Ensure, standin: StandIn, engine: GrafanaEngine, site: Site
) -> None:
    standin.state.begin("Ares", "forgotten")

    assert ensure("admin: Ares") == ("reset the password of ares",)

    password = (site.secrets / "grafana-admin").read_text()
    assert by_login(standin, "ares").password == password
    assert [word for command in engine.commands for word in command if password in word] == []
    assert ensure("admin: Ares") == ()
    assert len(engine.commands) == 1


def test_an_old_folder_with_another_administrator_gets_ours(ensure: Ensure, standin: StandIn) -> None:
    standin.state.begin("root", "forgotten")

    told = ensure("admin: Ares")

    assert told == ("reset the password of root", "rename the administrator root to Ares")
    assert by_login(standin, "ares").id == 1


def test_an_administrator_who_is_not_the_first_user_is_found(
    ensure: Ensure, standin: StandIn, engine: GrafanaEngine
) -> None:
    standin.state.begin("root", "forgotten")
    second = standin.state.create("boss", "forgotten")
    second.is_admin, second.role = True, "Admin"
    standin.state.delete(standin.state.users[1])

    ensure("admin: Ares")

    assert by_login(standin, "ares").id == second.id
    assert engine.commands[0][-1] == str(second.id)


def test_another_login_in_the_file_renames_without_a_new_password(
    ensure: Ensure, standin: StandIn, engine: GrafanaEngine
) -> None:
    ensure("admin: Ares")

    assert ensure("admin: Chef") == ("rename the administrator ares to Chef",)
    assert engine.commands == []


def test_a_user_who_has_the_administrator_s_login_becomes_it(ensure: Ensure, standin: StandIn) -> None:
    standin.state.begin("root", "forgotten")
    standin.state.create("ares", "own-password")

    told = ensure("admin: Ares")

    assert told[1].startswith("make ares the administrator; root, which was used for that, has the same password")
    assert by_login(standin, "ares").is_admin
    assert by_login(standin, "ares").role == "Admin"
    assert ensure("admin: Ares") == ()


def test_an_administrator_who_lost_the_care_of_grafana_gets_it_back(ensure: Ensure, standin: StandIn) -> None:
    ensure("admin: Ares")
    root = standin.state.create("root", "forgotten")
    root.is_admin, root.role = True, "Admin"
    by_login(standin, "ares").is_admin = False
    standin.state.keep()

    ensure("admin: Ares")

    assert by_login(standin, "ares").is_admin
    assert ensure("admin: Ares") == ()


def test_without_its_database_the_administrator_is_found_by_trying(ensure: Ensure, standin: StandIn) -> None:
    standin.state.folder = None
    standin.state.begin("admin", "forgotten")

    assert ensure("admin: Ares") == ("reset the password of admin", "rename the administrator admin to Ares")


def test_a_locked_administrator_is_told_and_mends_itself_later(ensure: Ensure, standin: StandIn) -> None:
    ensure()
    now = [0.0]
    standin.state.clock = lambda: now[0]
    standin.state.wrong["ares"] = [0.0] * 5

    with pytest.raises(AresmonError, match="rejects its administrator") as caught:
        ensure()

    assert caught.value.code == ExitCode.BROKEN
    assert "five minutes" in caught.value.hint
    now[0] = 301.0
    assert ensure() == ()


def test_a_refusal_names_what_was_tried_and_a_second_run_goes_on(ensure: Ensure, standin: StandIn) -> None:
    standin.refuse["PATCH", "/orgs/{org_id}/users/{user_id}"] = (500, "database is locked")

    with pytest.raises(GrafanaError, match=r"add Marie \(editor\): database is locked") as caught:
        ensure()

    assert caught.value.hint
    standin.refuse.clear()
    assert ensure() == ("make Marie editor instead of viewer",)
    assert ensure() == ()


def test_a_grafana_that_ended_is_told(site: Site, ensure: Ensure, standin: StandIn, engine: GrafanaEngine) -> None:
    ensure()
    standin.mode = "edge"
    engine.given.update(GrafanaEngine(standin, runs=False).given)

    with pytest.raises(GrafanaUnreachableError, match="cannot reach Grafana"):
        ensure()

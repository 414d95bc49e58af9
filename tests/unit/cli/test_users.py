"""`aresmon users` on the command line, against the stand-in for Grafana."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from aresmon.cli import common, main, users
from aresmon.site.folder import Site
from aresmon.stack import location
from tests.grafana.fakes import GrafanaEngine
from tests.grafana.standin import StandIn, serving
from tests.grafana.state import State, User
from tests.unit.conftest import FakeEngine

pytestmark = pytest.mark.own_sockets("the stand-in for Grafana answers over HTTP")

Run = Callable[..., Result]
GRAFANA = "grafana:\n  admin: Ares\n  guests: [{login: guest, password: guest}]\n  users:\n    - {login: marie}\n"


@pytest.fixture
def standin(tmp_path: Path) -> StandIn:
    (tmp_path / "data" / "grafana").mkdir(parents=True)
    return StandIn(State(tmp_path / "data" / "grafana", clock=lambda: 0.0))


@pytest.fixture
def run(tmp_path: Path, standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run `aresmon users …` in a site whose Grafana is the stand-in; with an aresmon.yml that was applied once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(users, "the_engine", lambda: GrafanaEngine(standin))
    monkeypatch.setattr(location, "require_local", lambda project: None)
    common.the_console.cache_clear()
    with serving(standin) as address:
        edge = f"edge: {{grafana: '{address.removeprefix('http://')}'}}\n"
        (tmp_path / "aresmon.yml").write_text(f"# Ours.\n{edge}{GRAFANA}hosts: {{a: }}\n")
        standin.state.begin("Ares", "forgotten")

        def run(*arguments: str, given: str = "") -> Result:
            return CliRunner().invoke(main.app, ["users", *arguments], input=given)

        assert run("apply").exit_code == 0
        standin.sent.clear()
        yield run


def secret(folder: Path, name: str) -> str:
    return (folder / ".aresmon" / "secrets" / name).read_text()


def test_list_shows_everybody_and_where_they_come_from(run: Run, standin: StandIn) -> None:
    standin.state.create("stranger", "password")

    listed = {
        one["login"]: (one["kind"], one["role"], one["state"]) for one in json.loads(run("list", "--json").stdout)
    }

    assert listed == {
        "ares": ("admin", "server admin", "active"),
        "guest": ("guest", "viewer", "active"),
        "marie": ("user", "viewer", "active"),
        "stranger": ("own", "viewer", "active"),
    }
    assert "stranger" in run("list").stdout
    assert standin.sent == []


def test_apply_puts_back_and_says_what_then_has_nothing_to_do(run: Run, standin: StandIn) -> None:
    guest = standin.state.find("guest")
    assert guest is not None
    guest.role = "Admin"

    tried = run("apply", "--dry-run")
    assert (tried.exit_code, standin.sent) == (0, [])
    assert "grafana: make guest viewer instead of admin" in tried.stdout
    assert "Nothing was changed." in tried.stdout

    assert "grafana: make guest viewer instead of admin" in run("apply").stdout
    assert guest.role == "Viewer"
    assert "Nothing to do" in run("apply").stdout
    assert run("apply", "--dry-run").stdout == "Nothing to do.\n"


def test_add_writes_the_file_and_makes_the_user(run: Run, standin: StandIn, tmp_path: Path) -> None:
    result = run("add", "Bob", "--role", "editor", "--name", "Bob B.")

    assert result.exit_code == 0, result.output
    text = (tmp_path / "aresmon.yml").read_text()
    assert text.startswith("# Ours.\n")
    assert yaml.safe_load(text)["grafana"]["users"][-1] == {"login": "Bob", "role": "editor", "name": "Bob B."}
    bob = standin.state.find("bob")
    assert bob is not None
    assert (bob.role, bob.name) == ("Editor", "Bob B.")
    assert bob.password == secret(tmp_path, "grafana-user-bob")
    assert bob.password not in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("MARIE",), 1, "is already in aresmon.yml"),
        (("guest",), 1, "is already in aresmon.yml"),
        (("a b",), 1, "must be a login"),
        (("bob", "--role", "emperor"), 2, "--role must be viewer, editor or admin"),
    ],
)
def test_add_refuses_what_would_not_be_sound(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    before = (tmp_path / "aresmon.yml").read_bytes()

    result = run("add", *arguments)

    assert result.exit_code == code
    assert words in result.stderr
    assert (tmp_path / "aresmon.yml").read_bytes() == before


def test_add_without_grafana_says_that_the_file_has_it(run: Run, standin: StandIn) -> None:
    standin.refuse["POST", "/admin/users"] = (500, "database is locked")

    result = run("add", "bob")

    assert result.exit_code == 1
    assert "database is locked" in result.stderr
    assert "bob is in aresmon.yml; `aresmon up` creates it" in result.stderr


def test_remove_takes_out_of_file_grafana_and_secrets(run: Run, standin: StandIn, tmp_path: Path) -> None:
    assert run("remove", "marie").exit_code == 1, "no terminal is available for a prompt"
    assert standin.state.find("marie") is not None

    result = run("remove", "Marie", "--yes")

    assert result.exit_code == 0, result.output
    assert standin.state.find("marie") is None
    assert "users" not in yaml.safe_load((tmp_path / "aresmon.yml").read_text())["grafana"]
    assert not (tmp_path / ".aresmon/secrets/grafana-user-marie").exists()
    assert "Nothing to do" in run("apply").stdout


def took_another_login(standin: StandIn) -> User:
    """Marie, who has another login in Grafana now."""
    marie = standin.state.find("marie")
    assert marie is not None
    marie.login = "party"
    return marie


def test_who_took_another_login_is_still_the_one_that_is_removed(run: Run, standin: StandIn, tmp_path: Path) -> None:
    took_another_login(standin)

    result = run("remove", "marie", "--yes")

    assert result.exit_code == 0, result.output
    assert "did not have it" not in result.output
    assert {one.login for one in standin.state.users.values()} == {"ares", "guest"}
    assert "marie" not in json.loads((tmp_path / ".aresmon/grafana-users.json").read_text())


def test_set_password_reaches_who_took_another_login(run: Run, standin: StandIn, tmp_path: Path) -> None:
    marie = took_another_login(standin)

    result = run("set-password", "marie", "--generate")

    assert result.exit_code == 0, result.output
    assert marie.password == secret(tmp_path, "grafana-user-marie")


def test_remove_deletes_unmanaged_users_but_not_guest_and_administrator(run: Run, standin: StandIn) -> None:
    standin.state.create("stranger", "password")

    assert run("remove", "stranger", "--yes").exit_code == 0
    assert standin.state.find("stranger") is None
    for login in ("guest", "ares", "nobody"):
        result = run("remove", login, "--yes")
        assert result.exit_code == 1
        assert "next: " in result.stderr


def test_set_password_reads_standard_input_and_keeps_the_secret(run: Run, standin: StandIn, tmp_path: Path) -> None:
    result = run("set-password", "marie", given="polonium-210\n")

    assert result.exit_code == 0, result.output
    assert "polonium" not in result.output
    assert standin.state.enter("marie", "polonium-210")
    assert secret(tmp_path, "grafana-user-marie") == "polonium-210"
    assert stat.S_IMODE((tmp_path / ".aresmon/secrets/grafana-user-marie").stat().st_mode) == 0o600
    assert "Nothing to do" in run("apply").stdout


def test_set_password_serves_for_the_administrator(run: Run, standin: StandIn, tmp_path: Path) -> None:
    assert run("set-password", "ares", "--generate").exit_code == 0

    assert standin.state.enter("ares", secret(tmp_path, "grafana-admin"))
    assert "Nothing to do" in run("apply").stdout


@pytest.mark.parametrize(
    ("login", "given", "words"),
    [
        ("marie", "abc\n", "4 to 256"),
        ("marie", "\n", "4 to 256"),
        ("guest", "another-one\n", "is set in aresmon.yml, grafana.guests"),
        ("nobody", "another-one\n", "there is no user nobody"),
    ],
)
def test_set_password_refuses_and_repeats_no_password(
    run: Run, standin: StandIn, login: str, given: str, words: str
) -> None:
    result = run("set-password", login, given=given)

    assert result.exit_code == 1
    assert words in result.stderr
    assert "another-one" not in result.output
    assert standin.sent == []


def test_a_grafana_that_does_not_answer_is_told_with_what_to_do(run: Run, standin: StandIn) -> None:
    standin.mode = "edge"

    result = run("list")

    assert result.exit_code == 4
    assert "cannot reach Grafana" in result.stderr
    assert "next: `aresmon status`" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("apply",),
        ("apply", "--dry-run"),
        ("add", "bob"),
        ("remove", "marie"),
        ("remove", "marie", "--yes"),
        ("set-password", "marie"),
    ],
    ids=" ".join,
)
def test_without_a_container_each_says_the_same_and_changes_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr(users, "the_engine", FakeEngine)
    before = (tmp_path / "aresmon.yml").read_bytes()

    result = run(*arguments, given="polonium-210\n")

    assert result.exit_code == 1
    assert "Grafana is not running here" in result.stderr
    assert "`aresmon status` shows why, and what starts it" in " ".join(result.stderr.split())
    assert (tmp_path / "aresmon.yml").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "by_hand"),
    [
        (("add", "bob"), "or add bob to grafana.users in aresmon.yml by hand, and `aresmon up` does the rest"),
        (("remove", "marie", "--yes"), "or remove marie from grafana.users in aresmon.yml by hand, and `aresmon up`"),
    ],
)
@pytest.mark.parametrize("code", [1, 4], ids=["absent", "ended"])
def test_the_file_is_changed_only_where_grafana_answers_and_the_way_by_hand_is_told(
    run: Run, standin: StandIn, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], by_hand: str, code: int
) -> None:
    standin.mode = "edge"
    engine = GrafanaEngine(standin, runs=False) if code == 4 else FakeEngine()
    monkeypatch.setattr(users, "the_engine", lambda: engine)
    before = Path("aresmon.yml").read_bytes()

    result = run(*arguments)

    told = " ".join(result.stderr.split())
    assert (result.exit_code, "next: nothing was changed; " in told, by_hand in told) == (code, True, True), told
    assert Path("aresmon.yml").read_bytes() == before
    assert standin.sent == []


def test_nothing_that_was_recorded_has_a_password(run: Run, tmp_path: Path) -> None:
    run("set-password", "marie", given="polonium-210\n")

    history = (tmp_path / ".aresmon" / "history.jsonl").read_text()
    assert [event["command"] for event in map(json.loads, history.splitlines())] == [
        "users apply",
        "users set-password",
    ]
    assert "polonium" not in history
    assert Site(tmp_path).history("users set-password")[0]["login"] == "marie"

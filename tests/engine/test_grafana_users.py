"""Grafana's users by `up`, on a whole stack with the stand-in in Grafana's place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.engine.door import basic, knock
from tests.engine.grafanas import Grafanas, grafana_for
from tests.engine.sites import Result, Site, site_in
from tests.grafana.state import User

GRAFANA = {
    "admin": "Ares",
    "guests": [{"login": "guest", "password": "guest"}],
    "users": [{"login": "Marie", "role": "editor"}],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grafanas]:
    """A running site with the stand-in. Each test takes it as it finds it and leaves it as the file says."""
    with site_in(tmp_path_factory.mktemp("people"), grafana=GRAFANA) as site, grafana_for(site) as grafanas:
        result = site.run("up")
        assert result.code == 0, result
        assert people(result) == ["add guest (viewer)", "add Marie (editor)"]
        yield grafanas


@pytest.fixture
def site(made: Grafanas) -> Site:
    return made.site


def people(result: Result) -> list[str]:
    """What was changed of Grafana's users."""
    return re.findall(r"^grafana: (.*)$", result.out, re.MULTILINE)


def status(site: Site, login: str, password: str) -> int:
    """How the edge answers who asks Grafana who they are."""
    return knock(site.grafana, "GET", "/api/user", body=b"", authorization=[basic(login, password)]).status


def user(made: Grafanas, login: str) -> User:
    found = made.standin.state.find(login)
    assert found is not None, made.standin.state.users
    return found


def test_everybody_whom_the_file_names_may_log_in(site: Site) -> None:
    assert status(site, "Ares", site.secret("grafana-admin")) == 200
    assert status(site, "guest", "guest") == 200
    assert status(site, "marie", site.secret("grafana-user-marie")) == 200
    assert status(site, "marie", "guess") == 401


def test_a_second_up_has_nothing_to_do_and_sends_no_change(made: Grafanas) -> None:
    made.standin.sent.clear()

    result = made.site.run("up")

    assert result.code == 0, result
    assert "Nothing to do" in result.out
    map_only = {("POST", "/api/dashboards/db")}  # which is drawn anew as soon as a part has another state
    assert set(made.standin.sent) <= map_only


def test_what_a_guest_changed_is_put_back(made: Grafanas) -> None:
    guest = user(made, "guest")
    guest.login, guest.name, guest.password, guest.role = "party", "Party", "party", "Editor"

    result = made.site.run("up")

    assert result.code == 0, result
    assert people(result) == [
        "restore the login guest of party",
        "set the password of guest",
        "make guest viewer instead of editor",
    ]
    assert (guest.login, guest.name, guest.role) == ("guest", "guest", "Viewer")
    assert status(made.site, "guest", "guest") == 200


def test_a_forgotten_administrator_s_password_is_set_in_the_container(made: Grafanas) -> None:
    user(made, "ares").password = "forgotten"

    result = made.site.run("up")

    assert result.code == 0, result
    assert people(result) == ["reset the password of ares"]
    password = made.site.secret("grafana-admin")
    assert status(made.site, "Ares", password) == 200
    assert password not in result.out + result.err


def test_another_administrator_in_the_file_is_the_same_one_under_another_login(made: Grafanas) -> None:
    made.site.configure(grafana={**GRAFANA, "admin": "Chef"})
    result = made.site.run("up")
    made.site.configure(grafana=GRAFANA)

    assert result.code == 0, result
    assert people(result) == ["rename the administrator ares to Chef"]
    assert people(made.site.run("up")) == ["rename the administrator chef to Ares"]


def test_who_leaves_the_file_may_not_log_in_any_more(made: Grafanas) -> None:
    password = made.site.secret("grafana-user-marie")
    made.site.configure(grafana={**GRAFANA, "users": []})
    result = made.site.run("up")
    made.site.configure(grafana=GRAFANA)

    assert people(result) == ["disable marie, which is no longer in aresmon.yml"]
    assert status(made.site, "marie", password) == 401
    assert people(made.site.run("up")) == ["enable Marie", "set the password of Marie"]
    assert status(made.site, "marie", made.site.secret("grafana-user-marie")) == 200


def test_a_grafana_that_refuses_fails_up_and_a_second_run_mends_it(made: Grafanas) -> None:
    guest = user(made, "guest")
    guest.role = "Editor"
    made.standin.refuse["PATCH", "/orgs/{org_id}/users/{user_id}"] = (500, "database is locked")

    result = made.site.run("up")
    made.standin.refuse.clear()

    assert result.code == 1, result
    assert "make guest viewer instead of editor: database is locked" in result.err
    assert "next: " in result.err
    assert people(made.site.run("up")) == ["make guest viewer instead of editor"]


def test_a_grafana_that_starts_slowly_is_waited_for(made: Grafanas) -> None:
    made.standin.mode = "starting"
    process = made.site.start("up")
    try:
        for line in process.stdout or ():
            if "configuring Grafana: users" in line:
                made.standin.mode = "well"
                break
        out, err = process.communicate(timeout=120)
    finally:
        made.standin.mode = "well"
        process.kill()

    assert process.returncode == 0, (out, err)


def test_the_edge_says_so_where_grafana_is_gone_and_up_brings_it_back(made: Grafanas) -> None:
    made.site.containers()["grafana"].stop(timeout=1)

    result = made.site.run("up")

    assert result.code == 0, result
    assert result.steps == [("recreate", "grafana")] or result.steps == [("start", "grafana")], result
    assert people(result) == []
    assert status(made.site, "guest", "guest") == 200


def test_a_grafana_that_ends_while_it_is_waited_for_is_told_at_once(made: Grafanas) -> None:
    made.standin.mode = "edge"
    process = made.site.start("up")
    try:
        for line in process.stdout or ():
            if "configuring Grafana: users" in line:
                made.site.containers()["grafana"].stop(timeout=1)
                break
        out, err = process.communicate(timeout=120)
    finally:
        made.standin.mode = "well"
        process.kill()

    assert process.returncode == 4, (out, err)
    assert "cannot reach Grafana" in err
    assert "next: `aresmon status`" in err
    assert made.site.run("up").code == 0


def test_a_password_set_by_command_lasts(made: Grafanas) -> None:
    before = made.site.secret("grafana-user-marie")

    result = made.site.run("users", "set-password", "marie", "--generate")

    assert result.code == 0, result
    after = made.site.secret("grafana-user-marie")
    assert (status(made.site, "marie", before), status(made.site, "marie", after)) == (401, 200)
    assert after not in result.out + result.err
    assert people(made.site.run("up")) == []


def test_users_and_dashboards_go_through_the_edge(made: Grafanas) -> None:
    made.standin.state.put_dashboard("beer", {"title": "Beer"}, "")

    listed = json.loads(made.site.run("users", "list", "--json").out)
    exported = made.site.run("dashboards", "export")

    assert [(one["login"], one["role"]) for one in listed] == [
        ("ares", "server admin"),
        ("guest", "viewer"),
        ("marie", "editor"),
    ]
    assert exported.code == 0, exported
    assert (made.site.folder / "dashboards/general/beer.json").exists()
    assert made.site.run("dashboards", "import").out.startswith("Nothing to do")


def test_no_password_is_in_what_was_logged_or_recorded(made: Grafanas) -> None:
    secrets = [made.site.secret(name) for name in ("grafana-admin", "grafana-user-marie")]
    history = (made.site.state / "history.jsonl").read_text()
    kept = (made.site.state / "grafana-users.json").read_text()
    logs = "".join(text for _, text in made.site.logs())

    assert [secret for secret in secrets if secret in history + kept + logs] == []
    assert json.loads(kept).keys() == {"ares", "guest", "marie"}


def test_where_visitors_need_no_login_up_is_as_quick_and_users_are_kept(made: Grafanas) -> None:
    """Grafana then leaves its version out of what it says to everybody."""
    site = made.site
    site.configure(grafana={**GRAFANA, "anonymous": True})
    made.standin.is_anonymous = True
    try:
        result = site.run("up")

        assert result.code == 0, result
        assert people(result) == []
        assert site.run("up").out.count("Nothing to do") == 1
        assert site.run("users", "list").code == 0
        assert site.run("dashboards", "export").code == 0
    finally:
        made.standin.is_anonymous = False
        site.configure(grafana=GRAFANA)
        assert site.run("up").code == 0

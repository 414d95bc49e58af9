"""The client of Grafana's API against the stand-in, and against everything that is no Grafana yet."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from aresmon.config import package_data
from aresmon.config.access import KeyPair
from aresmon.grafana import client as grafana_client
from aresmon.grafana import trials
from aresmon.grafana.answers import GrafanaError, GrafanaUnreachableError
from aresmon.grafana.client import Grafana, Health, wait_until_ready
from aresmon.site import certificates
from aresmon.system import poll
from aresmon.system.errors import ExitCode
from tests import certificates as made
from tests.grafana.openapi import EXTENSIONS, ViolationError, description
from tests.grafana.reduce import references
from tests.grafana.routes import ROUTES
from tests.grafana.standin import Mode, StandIn, serving
from tests.grafana.state import State

pytestmark = pytest.mark.own_sockets("the stand-in for Grafana answers over HTTP")


@pytest.fixture
def standin() -> StandIn:
    made = StandIn(State(clock=lambda: 0.0))
    made.state.begin("Ares", "first-password")
    return made


@pytest.fixture
def client(standin: StandIn) -> Iterator[Grafana]:
    with serving(standin) as address:
        yield Grafana(address, "Ares", "first-password")


# What is served ---------------------------------------------------------------------------------------


def test_health_tells_the_version_without_a_password(client: Grafana) -> None:
    health = client.as_user("nobody", "nothing").health()

    assert (health.version, health.database) == ("12.4.5", "ok")


def test_where_visitors_need_no_login_the_version_is_asked_as_a_user(client: Grafana, standin: StandIn) -> None:
    standin.is_anonymous = True

    assert client.health() == Health("12.4.5", "ok")


def test_a_hidden_version_is_checked_too(client: Grafana, standin: StandIn) -> None:
    standin.is_anonymous, standin.version = True, "11.6.0"

    with pytest.raises(GrafanaError, match=r"Grafana 11\.6\.0 is running"):
        client.health()


def test_a_version_that_stays_hidden_from_a_wrong_password_does_not_hold_anybody_up(
    client: Grafana, standin: StandIn
) -> None:
    standin.is_anonymous = True

    assert wait_until_ready(client.as_user("Ares", "wrong"), within=0.0) == Health("", "ok")


def test_we_are_who_logged_in(client: Grafana) -> None:
    me = client.me()

    assert (me.login, me.is_server_admin, me.is_disabled) == ("ares", True, False)


def test_a_user_s_life(client: Grafana) -> None:
    user = client.create("Marie", "radium", name="Marie", email="m@example.org")
    client.set_role(user, "Editor")
    client.set_server_admin(user, True)
    client.set_password(user, "polonium")
    (account,) = [one for one in client.accounts() if one.id == user]
    assert (account.login, account.name, account.email, account.role) == ("marie", "Marie", "m@example.org", "Editor")
    assert account.is_server_admin
    assert client.accepts("marie", "polonium")
    assert not client.accepts("marie", "radium")

    client.update(account, login="curie", name="M. C.", email=account.email)
    client.enable(user, False)

    (account,) = [one for one in client.accounts() if one.id == user]
    assert (account.login, account.name, account.is_disabled) == ("curie", "M. C.", True)
    client.enable(user, True)
    assert client.accepts("curie", "polonium")
    client.delete(user)
    assert [one.login for one in client.accounts()] == ["ares"]


def test_more_users_than_a_page_holds_are_all_seen(client: Grafana, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grafana_client, "_PAGE", 2)
    for number in range(4):
        client.create(f"user{number}", "password")

    assert [one.login for one in client.accounts()] == ["ares", "user0", "user1", "user2", "user3"]


def test_five_wrong_passwords_lock_a_login_until_an_administrator_sets_it(client: Grafana) -> None:
    user = client.create("guest", "guest")
    assert [client.accepts("guest", "wrong") for _ in range(5)] == [False] * 5
    assert not client.accepts("guest", "guest")

    client.set_password(user, "guest")

    assert client.accepts("guest", "guest")


def test_folders_and_dashboards(client: Grafana) -> None:
    client.create_folder("ours", "Ours")
    client.create_folder("within", "Within", parent="ours")
    folder = client.folder("within")
    assert folder is not None
    assert [one["uid"] for one in folder["parents"]] == ["ours"]
    assert client.folder("nowhere") is None

    dashboard = {"uid": "beer", "title": "Beer"}
    assert client.save_dashboard(dashboard, folder="within", message="", overwrite=False) == 1
    found = client.dashboard("beer")
    assert found is not None
    assert (found["dashboard"]["version"], found["meta"]["folderUid"]) == (1, "within")
    with pytest.raises(GrafanaError, match="changed by someone else") as caught:
        client.save_dashboard(dashboard, folder="within", message="", overwrite=False)
    assert caught.value.status == 412
    assert client.save_dashboard(dashboard, folder="within", message="", overwrite=True) == 2
    assert [one["uid"] for one in client.search_dashboards()] == ["beer"]
    assert client.dashboard("wine") is None


@pytest.mark.parametrize("what", ["dashboards", "datasources", "alerting"])
def test_provisioned_files_are_read_again(client: Grafana, standin: StandIn, what: str) -> None:
    client.reload(what)

    assert standin.reloads == [what]


ALERT = {"labels": {"alertname": "Test"}, "annotations": {"summary": "A test."}}


def test_alert_rules(client: Grafana, standin: StandIn) -> None:
    standin.state.rules = [{"name": "hosts", "rules": []}]

    assert client.rules() == [{"name": "hosts", "rules": []}]


@pytest.mark.parametrize(
    ("version", "way"),
    [
        ("12.4.5", "/api/alertmanager/grafana/config/api/v1/receivers/test"),
        ("13.2.1", "/apis/notifications.alerting.grafana.app/v1beta1/namespaces/default/receivers/dXMgPj8-/test"),
    ],
)
def test_a_notification_is_tried_in_the_way_of_each_version(
    client: Grafana, standin: StandIn, version: str, way: str
) -> None:
    standin.version = version
    integration = {"uid": "mail", "type": "email", "settings": {"addresses": "a@example.org"}}

    tried = trials.try_receiver(client, "us >?>", integration, ALERT, ["url"])

    assert tried.is_taken
    assert standin.sent[-1] == ("POST", way)


def test_templates_are_rendered(client: Grafana) -> None:
    rendered = client.render_templates("us", '{{ define "us.title" }}x{{ end }}', [ALERT])

    assert rendered == {"us.title": "<us.title>"}


# What is refused --------------------------------------------------------------------------------------


def test_a_wrong_password_is_told_with_grafana_s_words_and_what_to_do(client: Grafana) -> None:
    with pytest.raises(GrafanaError, match="rejects the login of Ares: Invalid username or password") as caught:
        client.as_user("Ares", "wrong-password").me()

    assert caught.value.status == 401
    assert caught.value.hint
    assert "wrong-password" not in str(caught.value)


def test_a_guest_may_not_look_at_users(client: Grafana) -> None:
    client.create("guest", "guest")

    with pytest.raises(GrafanaError, match="additional permissions") as caught:
        client.as_user("guest", "guest").accounts()

    assert caught.value.status == 403


def test_a_taken_login_is_refused_with_grafana_s_words(client: Grafana) -> None:
    client.create("guest", "guest")

    with pytest.raises(GrafanaError, match="'guest' already exists"):
        client.create("Guest", "other")


def test_a_password_is_never_in_the_client_s_own_words() -> None:
    assert "secret" not in repr(Grafana("http://127.0.0.1:1", "a", "secret"))


# What is no Grafana, or not yet -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("starting", "still starting"),
        ("edge", "cannot reach Grafana"),
        ("ending", "cannot reach Grafana"),
        ("failing", "does not serve on .* yet: database is locked"),
        ("elsewhere", "sends elsewhere"),
    ],
)
def test_what_does_not_serve_is_told_as_silence(client: Grafana, standin: StandIn, mode: Mode, words: str) -> None:
    standin.mode = mode

    with pytest.raises(GrafanaUnreachableError, match=words) as caught:
        client.health()

    assert caught.value.code == ExitCode.BROKEN
    assert caught.value.hint


def test_json_of_something_else_is_no_grafana(client: Grafana, standin: StandIn) -> None:
    standin.mode = "garbled"

    with pytest.raises(GrafanaError, match="unexpected answer"):
        client.health()


def test_the_edge_s_limit_is_told(client: Grafana, standin: StandIn) -> None:
    standin.mode = "crowded"

    with pytest.raises(GrafanaError, match="too many requests") as caught:
        client.me()

    assert caught.value.status == 429


def test_nobody_there_is_told_with_the_address() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{probe.getsockname()[1]}"

        with pytest.raises(GrafanaUnreachableError, match=f"does not answer on {base}"):
            Grafana(base).health()


def test_a_slow_one_is_told_with_the_time(client: Grafana, standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grafana_client, "_READ", 0.2)
    standin.mode, standin.delay = "slow", 1.0

    with pytest.raises(GrafanaUnreachableError, match=r"does not answer on .* within"):
        client.me()


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("version", ["11.6.0", "14.0.0"])
def test_another_major_version_is_refused_at_once(client: Grafana, standin: StandIn, version: str) -> None:
    standin.version = version

    with pytest.raises(GrafanaError, match=f"Grafana {version} is running"):
        grafana_client.wait_until_ready(client)


def test_no_proxy_and_no_password_file_of_the_caller_is_used(
    client: Grafana, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login nobody password nothing\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    assert client.me().login == "ares"


def test_a_post_is_sent_once_even_if_it_fails(client: Grafana, standin: StandIn) -> None:
    standin.refuse["POST", "/admin/users"] = (500, "failed to create user")

    with pytest.raises(GrafanaError, match="failed to create user"):
        client.create("guest", "guest")

    assert standin.sent == [("POST", "/api/admin/users")]


# Waiting ----------------------------------------------------------------------------------------------


def _clock(monkeypatch: pytest.MonkeyPatch, *, monotonic: Callable[[], float], sleep: Callable[[float], None]) -> None:
    monkeypatch.setattr(poll, "time", SimpleNamespace(monotonic=monotonic, sleep=sleep))


def test_a_grafana_that_starts_is_waited_for(
    client: Grafana, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[Mode] = ["edge", "starting", "failing"]
    standin.mode = "edge"

    def sleep(_: float) -> None:
        modes.pop(0)
        standin.mode = modes[0] if modes else "well"

    _clock(monkeypatch, monotonic=lambda: 0.0, sleep=sleep)

    assert grafana_client.wait_until_ready(client).version == "12.4.5"
    assert modes == []


def test_waiting_ends_with_the_reason(client: Grafana, standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    standin.mode = "starting"
    times = iter([0.0, 1.0, 200.0])
    _clock(monkeypatch, monotonic=lambda: next(times), sleep=lambda _: None)

    with pytest.raises(GrafanaUnreachableError, match="still starting"):
        grafana_client.wait_until_ready(client)


@pytest.mark.usefixtures("no_pauses")
def test_what_runs_no_more_is_not_waited_for(client: Grafana, standin: StandIn) -> None:
    standin.mode = "edge"

    with pytest.raises(GrafanaUnreachableError):
        grafana_client.wait_until_ready(client, is_running=lambda: False)


# TLS --------------------------------------------------------------------------------------------------


def test_our_own_certificate_is_known_whatever_its_name_and_no_other_is(standin: StandIn, tmp_path: Path) -> None:
    pair = KeyPair("certificate.pem", "key.pem")
    made.write(tmp_path)
    ours = certificates.fingerprint(tmp_path, pair)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    made.write(tmp_path)
    other = certificates.fingerprint(tmp_path, pair)

    with serving(standin, context=context) as address:
        client = Grafana(address, "Ares", "first-password", ours)
        assert client.me().login == "ares"
        assert client.accepts("ares", "first-password")
        for fingerprint in (other, ""):
            with pytest.raises(GrafanaUnreachableError, match="certificate that is not trusted"):
                Grafana(address, "Ares", "first-password", fingerprint).me()


# The description itself -------------------------------------------------------------------------------


def test_the_reduced_description_lacks_nothing_that_it_refers_to() -> None:
    document = description().document
    components = document["components"]

    assert {
        one for one in references(document) if one.partition("/")[2] not in components[one.partition("/")[0]]
    } == set()


def test_the_stand_in_serves_nothing_that_is_not_described() -> None:
    paths = description().paths

    assert [key for key in ROUTES if key[0].lower() not in paths.get(key[1], {})] == []
    assert not set(EXTENSIONS) & set(description().document["paths"])


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("GET", "/api/nowhere", {}, None),
        ("GET", "/elsewhere", {}, None),
        ("PATCH", "/api/admin/users", {}, {}),
        ("GET", "/api/users", {"colour": "red"}, None),
        ("GET", "/api/users", {"page": "first"}, None),
        ("PUT", "/api/users/me", {}, {"login": "a"}),
        ("POST", "/api/admin/users", {}, {"login": "a", "rank": "general"}),
        ("POST", "/api/admin/users", {}, {"login": 5}),
        ("POST", "/api/admin/users", {}, None),
        ("PATCH", "/api/orgs/1/users/1", {}, {"role": "Emperor"}),
        ("POST", "/api/admin/users/1/disable", {}, {"really": True}),
    ],
)
def test_a_request_that_is_not_described_is_a_violation(
    method: str, path: str, query: dict[str, str], body: Any
) -> None:
    about = description()

    with pytest.raises(ViolationError):
        about.check_request(about.operation(method, path), query, body)


@pytest.mark.parametrize(
    ("status", "body"), [(418, {}), (200, {"message": "User created", "colour": "red"}), (200, {"id": "one"})]
)
def test_an_answer_that_is_not_described_is_a_violation(status: int, body: Any) -> None:
    about = description()

    with pytest.raises(ViolationError):
        about.check_answer(about.operation("POST", "/api/admin/users"), status, body)


def test_a_violation_fails_the_test_that_caused_it(standin: StandIn) -> None:
    def ask() -> None:
        with serving(standin) as address, pytest.raises(GrafanaError, match="not in the description"):
            Grafana(address, "Ares", "first-password")._send("GET", "/api/users", query={"colour": "red"})

    with pytest.raises(AssertionError, match="has no parameter colour"):
        ask()


# Grafana 13 ---------------------------------------------------------------------------------------------

# What its upgrade guide lists as removed, switched off or restricted.
GONE = (
    r"/datasources/(\{\w+\}|\d+)(/.*)?",  # by number; `/datasources/uid/…` and `/datasources/name/…` stay
    r"/datasources/proxy/(\{\w+\}|\d+)(/.*)?",
    r"/alertmanager/grafana/config/(api/v1/alerts|history(/.*)?)",
)


def test_nothing_is_asked_for_that_grafana_13_no_longer_serves() -> None:
    asked = [template for _, template in ROUTES]

    assert [one for one in asked if any(re.fullmatch(pattern, one) for pattern in GONE)] == []


def test_no_plugin_is_installed_or_updated_at_the_start_of_grafana() -> None:
    """Grafana 13 stops its InfluxDB data source for an update that cannot succeed on a read-only file system."""
    compose = yaml.safe_load((package_data.COMPOSE / "compose.yml").read_text(encoding="utf-8"))

    settings = compose["services"]["grafana"]["environment"]
    assert settings["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert settings["GF_PLUGINS_PREINSTALL_AUTO_UPDATE"] == "false"

"""What whoever shares a login can reach through the edge, and what not, however it is spelled."""

from __future__ import annotations

import itertools
import json
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aresmon.system.errors import ExitCode
from tests.engine import echo
from tests.engine.door import Answer, basic, knock, raw
from tests.engine.sites import Site, site_in

FOLDER = "/Grafana-1.x"
GUEST = basic("guest", "guest")
_numbers = itertools.count(1)


def somebody() -> str:
    """An address that asked for nothing yet."""
    number = next(_numbers)
    return f"198.18.{number >> 8}.{number & 255}"


def ask(
    site: Site, method: str, target: str, *, body: bytes = b"{}", headers: tuple[tuple[str, str], ...] = ()
) -> Answer:
    """Send a request as a guest with a session, from an address of its own."""
    given = {name.lower() for name, _ in headers}
    usual = [("Content-Type", "application/json"), ("Cookie", "grafana_session=0"), ("X-Forwarded-For", somebody())]
    return knock(
        site.grafana,
        method,
        target,
        body=body,
        headers=[*headers, *(one for one in usual if one[0].lower() not in given)],
    )


def reached(answer: Answer) -> bool:
    return "x-echo" in answer.headers


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a guest, behind a proxy on this machine, and the echo in Grafana's place."""
    settings: dict[str, Any] = {"guests": [{"login": "guest", "password": "guest"}], "behind": ["127.0.0.1"]}
    with site_in(tmp_path_factory.mktemp("shared"), **_without_grafana(settings)) as made:
        result = made.run("up")
        assert result.code == ExitCode.DEGRADED, result
        with echo.behind(made):
            yield made


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same in a folder of its own."""
    settings = {"url": f"http://grafana.example.org{FOLDER}", "guests": [{"login": "guest", "password": "guest"}]}
    with site_in(tmp_path_factory.mktemp("below"), **_without_grafana(settings | {"behind": ["127.0.0.1"]})) as made:
        made.run("up")
        with echo.behind(made):
            yield made


def _without_grafana(grafana: dict[str, Any]) -> dict[str, Any]:
    """Settings with a Grafana whose image nobody has."""
    hosts = {"box": {"agent": "systemd"}}
    return {"grafana": grafana, "images": {"grafana": "aresmon-test/no-grafana:0"}, "hosts": hosts}


# What stays closed -------------------------------------------------------------------------------------

PROFILE = [
    ("PUT", "/api/user"),
    ("PUT", "/api/user/password"),
    ("PUT", "/api/user/preferences"),
    ("PATCH", "/api/user/preferences"),
    ("POST", "/api/user/using/1"),
    ("POST", "/api/user/revoke-auth-token"),
    ("GET", "/api/user/auth-tokens"),
    ("PUT", "/api/user/helpflags/1"),
    ("GET", "/api/user/helpflags/clear"),
    ("POST", "/api/user/stars/dashboard/uid/x"),
    ("DELETE", "/api/user/stars/dashboard/uid/x"),
    ("POST", "/api/user/stars/dashboard/1"),
    ("POST", "/api/user/email/start-verify"),
    ("POST", "/api/user/password/reset"),
    ("POST", "/api/user/password/send-reset-email"),
    ("POST", "/api/user/signup"),
    ("GET", "/user/email/update"),
    ("GET", "/profile/switch-org/2"),
    ("POST", "/api/preferences/set-home-dash"),
    ("PUT", "/apis/preferences.grafana.app/v1alpha1/namespaces/default/preferences/user-x"),
    ("PATCH", "/apis/iam.grafana.app/v0alpha1/namespaces/default/users/x"),
    ("POST", "/apis/userstorage.grafana.app/v0alpha1/namespaces/default/user-storage"),
    ("PUT", "/apis/collections.grafana.app/v1alpha1/namespaces/default/stars/user-x/update/dashboard"),
    ("POST", "/apis/dashboard.grafana.app/v0alpha1/namespaces/default/snapshots"),
]
CLOSED = [
    ("GET", "/api/datasources/proxy/1/query"),
    ("POST", "/api/datasources/proxy/uid/influxdb/write"),
    ("GET", "/api/datasources/proxy/uid/influxdb/debug/vars"),
    ("GET", "/apis/influxdb.datasource.grafana.app/v0alpha1/namespaces/default/datasources/x/proxy"),
    ("GET", "/metrics"),
    ("GET", "/debug/pprof/heap"),
    ("GET", "/swagger"),
    ("GET", "/render/d-solo/x"),
    ("GET", "/api/live/ws"),
    ("POST", "/api/live/publish"),
    ("POST", "/api/live/push/x"),
    ("POST", "/api/snapshots"),
    ("GET", "/public-dashboards/x"),
    ("POST", "/api/public/dashboards/x/panels/2/query"),
    ("GET", "/api/dashboards/public-dashboards"),
    ("POST", "/api/dashboards/uid/x/public-dashboards"),
    ("GET", "/api/snapshots-delete/x"),
    ("GET", "/api/gnet/dashboards/1"),
]

SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda path: path,
    "a slash after it": lambda path: f"{path}/",
    "two slashes after it": lambda path: f"{path}//",
    "two slashes before it": lambda path: f"/{path}",
    "two slashes in it": lambda path: path.replace("/", "//"),
    "upper case": lambda path: path.upper(),
    "a letter in percents": lambda path: path[:2] + f"%{ord(path[2]):02x}" + path[3:],
    "the last letter in percents": lambda path: path[:-1] + f"%{ord(path[-1]):02X}",
    "its slashes in percents": lambda path: "/" + path[1:].replace("/", "%2f"),
    "a slash in percents after it": lambda path: f"{path}%2F",
    "percents in percents": lambda path: path[:2] + f"%25{ord(path[2]):02x}" + path[3:],
    "a dot before it": lambda path: f"/.{path}",
    "a dot after it": lambda path: f"{path}/.",
    "two dots before it": lambda path: f"/x/..{path}",
    "two dots in percents before it": lambda path: f"/x/%2e%2e{path}",
    "a backslash": lambda path: "/" + path[1:].replace("/", "\\"),
    "a query": lambda path: f"{path}?x=/login",
    "a token in the query": lambda path: f"{path}?auth_token=x",
    "a fragment": lambda path: f"{path}#/login",
    "an end": lambda path: f"{path}%00",
    "percents that say nothing": lambda path: f"{path}/%zz",
}
MANNERS: dict[str, tuple[tuple[str, str], ...]] = {
    "session": (),
    "password": (("Authorization", GUEST),),
    "token": (("Authorization", "Bearer glsa_x"),),
    "somebody's name": (("X-WEBAUTH-USER", "admin"),),
    "another method": (("X-HTTP-Method-Override", "GET"), ("X-Method-Override", "GET")),
    "another address": (("X-Original-URL", "/login"), ("X-Rewrite-URL", "/login")),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(("method", "path"), PROFILE + CLOSED)
def test_no_spelling_of_it_reaches_grafana(shared: Site, method: str, path: str, spelling: str) -> None:
    answer = ask(shared, method, SPELLINGS[spelling](path))

    assert not reached(answer), answer
    assert answer.status in (400, 403)


@pytest.mark.parametrize(("method", "path"), PROFILE + CLOSED)
def test_no_spelling_of_it_in_the_site_s_folder_reaches_grafana(below: Site, method: str, path: str) -> None:
    """Grafana takes the folder's letters off, whatever follows them, and misses no slash."""
    ways = [f"{FOLDER}{way}" for said in SPELLINGS.values() for way in (said(path), said(path)[1:])]

    answers = {way: ask(below, method, way) for way in (path, *ways)}

    assert {way: one.status for way, one in answers.items() if reached(one) or one.status not in (400, 403)} == {}


def test_logins_in_the_site_s_folder_are_counted_however_they_are_spelled(below: Site) -> None:
    for login in ("/login", f"{FOLDER}/login", f"{FOLDER}login", f"{FOLDER}//login/"):
        who, wrong = (("X-Forwarded-For", somebody()),), b"password=wrong"

        statuses = [ask(below, "POST", login, body=wrong, headers=who).status for _ in range(11)]

        assert statuses == [401] * 10 + [429], login


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize(("method", "path"), PROFILE + CLOSED)
def test_no_way_of_saying_who_one_is_helps(shared: Site, method: str, path: str, manner: str) -> None:
    answer = ask(shared, method, path, headers=MANNERS[manner])

    assert (answer.status, reached(answer)) == (403, False), answer


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST", "DELETE"])
@pytest.mark.parametrize("path", sorted({path for method, path in PROFILE if method != "GET"}))
def test_no_method_that_changes_a_profile_reaches_grafana(shared: Site, method: str, path: str) -> None:
    assert ask(shared, method, path).status == 403


@pytest.mark.parametrize("method", ["put", "CONNECT", "TRACE", "PROPFIND", "XPUT"])
def test_no_odd_method_reaches_grafana(shared: Site, method: str) -> None:
    assert not reached(ask(shared, method, "/api/user"))


def test_the_refusal_speaks_grafana_s_language_and_says_who_to_ask(shared: Site) -> None:
    answer = ask(shared, "PUT", "/api/user/password")

    assert answer.headers["content-type"] == "application/json"
    assert "aresmon users set-password" in json.loads(answer.body)["message"]


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_no_connection_is_upgraded(shared: Site, protocol: str) -> None:
    upgrade = (("Connection", "Upgrade"), ("Upgrade", protocol))

    answer = ask(shared, "GET", "/api/health", body=b"", headers=upgrade)

    assert answer.status == 400 or echo.saw(answer)["upgrade"] == ""


def test_no_request_is_smuggled_behind_another(shared: Site) -> None:
    inner = b"PUT /api/user HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    head = b"POST /api/ds/query HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"

    answer = raw(shared.grafana, head + inner)

    assert b"PUT" not in answer


def test_an_absolute_address_is_judged_by_its_path(shared: Site) -> None:
    request = f"PUT http://{shared.grafana}/api/user HTTP/1.1\r\nHost: {shared.grafana}\r\nContent-Length: 0\r\n\r\n"

    assert b" 403 " in raw(shared.grafana, request.encode()).partition(b"\r\n")[0]


# What stays open ---------------------------------------------------------------------------------------

OPEN = [
    *(("GET", "/"), ("GET", "/login"), ("POST", "/login"), ("GET", "/logout"), ("GET", "/api/login/ping")),
    *(
        ("GET", "/api/health"),
        ("GET", "/api/frontend/settings"),
        ("GET", "/public/build/app.3f.js"),
        ("GET", "/api/user"),
    ),
    *(("GET", "/api/user/orgs"), ("GET", "/api/user/preferences"), ("POST", "/api/user/auth-tokens/rotate")),
    *(("GET", "/d/x/public-dashboards"), ("GET", "/public/dashboards/x.json")),
    *(("GET", "/d/x/metrics"), ("GET", "/d/x/debug?orgId=1&var-host=a%2Fb"), ("GET", "/dashboards/f/x/api-user")),
    *(("POST", "/api/ds/query?ds_type=influxdb"), ("GET", "/api/search?query=a%20b&limit=30"), ("GET", "/profile")),
    *(("GET", "/api/dashboards/uid/x"), ("POST", "/api/dashboards/db"), ("DELETE", "/api/dashboards/uid/x")),
    *(
        ("GET", "/api/annotations?from=1"),
        ("POST", "/api/annotations"),
        ("POST", "/api/short-urls"),
        ("GET", "/goto/x"),
    ),
    *(("GET", "/api/prometheus/grafana/api/v1/rules"), ("GET", "/api/ruler/grafana/api/v1/rules/a%20b/50%25%20CPU")),
    *(("GET", "/api/datasources/name/a%2Fb%20(c)"), ("GET", "/api/datasources/uid/x/resources/tags/a%2Fb%3Dc%26d")),
    *(("POST", "/api/admin/users"), ("PUT", "/api/admin/users/2/password"), ("PATCH", "/api/org/users/2")),
    *(
        ("PUT", "/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards/x"),
        ("POST", "/api/frontend-metrics"),
    ),
    *(("GET", "/apis/userstorage.grafana.app/v0alpha1/namespaces/default/user-storage/x:y"), ("GET", "/alerting/list")),
    *(
        ("POST", "/api/admin/provisioning/dashboards/reload"),
        ("GET", "/api/plugins?embedded=0"),
        ("GET", "/explore"),
        ("POST", "/apis/features.grafana.app/v0alpha1/namespaces/default/ofrep/v1/evaluate/flags"),
    ),
]


@pytest.mark.parametrize("target", ["", "/", "/d/x/metrics", "/public/build/app.3f.js", "/api/health", "/metricsx"])
def test_what_is_open_is_open_in_the_site_s_folder_too(below: Site, target: str) -> None:
    assert reached(ask(below, "GET", f"{FOLDER}{target}"))
    assert reached(ask(below, "GET", target or "/"))


@pytest.mark.parametrize(("method", "target"), OPEN)
def test_what_the_web_interface_asks_for_reaches_grafana_as_it_was_sent(shared: Site, method: str, target: str) -> None:
    answer = ask(shared, method, target)

    assert reached(answer), answer
    seen = echo.saw(answer)
    assert (seen["method"], urllib.parse.unquote(seen["path"])) == (method, target.partition("?")[0])


def test_grafana_is_told_who_asks_by_the_proxy_and_nothing_by_clients(shared: Site) -> None:
    told = (("X-Forwarded-For", "203.0.113.9, 198.51.100.7"), ("X-Forwarded-Proto", "https"))
    lies = (("X-Real-IP", "1.2.3.4"), ("Forwarded", "for=1.2.3.4"), ("X-WEBAUTH-USER", "admin"), ("X-Grafana-Id", "x"))

    seen = echo.saw(ask(shared, "GET", "/api/health", headers=(*told, *lies, ("X-JWT-Assertion", "x"))))

    assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == ("198.51.100.7", "https")
    stripped = ("x-real-ip", "forwarded", "x-webauth-user", "x-grafana-id", "x-jwt-assertion")
    assert {seen[name] for name in stripped} == {""}


def test_every_answer_has_the_headers_that_browsers_heed(shared: Site) -> None:
    for target in ("/api/health", "/metrics"):
        headers = ask(shared, "GET", target).headers

        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "camera=()" in headers["permissions-policy"]
        assert "strict-transport-security" not in headers, "this site has no https"
        assert "server" not in headers


# Logins ------------------------------------------------------------------------------------------------


def log_in(site: Site, address: str, *, form: bool, password: str = "wrong") -> Answer:  # noqa: S107
    """Try to log in from this address, by the form or with a header."""
    who = ("X-Forwarded-For", address)
    if form:
        return ask(
            site, "POST", "/login", body=json.dumps({"user": "guest", "password": password}).encode(), headers=(who,)
        )
    return ask(site, "GET", "/api/user", headers=(who, ("Authorization", basic("guest", password))))


@pytest.mark.parametrize("form", [True, False], ids=["form", "header"])
def test_ten_wrong_passwords_are_heard_then_none_and_whoever_is_in_goes_on_looking(shared: Site, form: bool) -> None:
    address = somebody()

    heard = [log_in(shared, address, form=form).status for _ in range(10)]
    last = log_in(shared, address, form=form)
    right = log_in(shared, address, form=form, password="guest")

    assert heard == [401] * 10
    assert (last.status, last.headers["retry-after"]) == (429, "60")
    assert "Wait a minute" in json.loads(last.body)["message"]
    assert right.status == 429, "else a guess would tell itself by another answer"
    assert ask(shared, "POST", "/api/ds/query", headers=(("X-Forwarded-For", address),)).status == 200


def test_wrong_passwords_of_one_address_lock_no_other_out(shared: Site) -> None:
    attacker = somebody()
    for _ in range(12):
        log_in(shared, attacker, form=True)

    assert log_in(shared, somebody(), form=True, password="guest").status == 200
    # aresmon's own calls come from this machine, without a proxy.
    assert (
        knock(shared.grafana, "GET", "/api/admin/users", body=b"", authorization=[basic("admin", "right")]).status
        == 200
    )


def test_an_address_that_makes_itself_up_is_none(shared: Site) -> None:
    """Only the last address is the proxy's own word."""
    mine = somebody()

    statuses = [log_in(shared, f"{somebody()}, {mine}", form=True).status for _ in range(11)]

    assert statuses == [401] * 10 + [429]


def test_twenty_logins_in_a_minute_are_enough_for_an_address(shared: Site) -> None:
    address = somebody()

    statuses = [log_in(shared, address, form=True, password="guest").status for _ in range(21)]

    assert statuses == [200] * 20 + [429]


def test_what_a_guest_may_leave_behind_is_limited(shared: Site) -> None:
    who = (("X-Forwarded-For", somebody()),)

    statuses = [ask(shared, "POST", "/api/short-urls", headers=who).status for _ in range(31)]

    assert statuses == [200] * 30 + [429]


# Sites of other kinds ----------------------------------------------------------------------------------


def test_where_every_login_is_one_person_s_profiles_are_their_own(site: Site) -> None:
    site.configure(**_without_grafana({"url": "http://grafana.example.org/Grafana"}))
    site.run("up")
    with echo.behind(site):
        assert reached(knock(site.grafana, "PUT", "/api/user/password"))
        assert reached(knock(site.grafana, "PUT", "/grafana/api/user"))
        assert knock(site.grafana, "GET", "/api/datasources/proxy/1/query").status == 403
        assert knock(site.grafana, "GET", "/Grafanametrics").status == 403
        assert knock(site.grafana, "GET", "/Grafana/metrics/").status == 403
        assert reached(knock(site.grafana, "GET", "/grafana/d/x/metrics"))
        # Nobody is believed here: a made-up address does not hide who tries.
        tries = [
            knock(site.grafana, "POST", "/login", body=b"wrong", headers=[("X-Forwarded-For", somebody())]).status
            for _ in range(11)
        ]
        assert tries == [401] * 10 + [429]

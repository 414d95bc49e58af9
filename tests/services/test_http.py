"""Web pages as they are asked from a host: nginx and a server that takes its time, compared with curl."""

from __future__ import annotations

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import only, select, tags_of

WELL, BROKEN, SLOW, NOBODY = (f"http://127.0.0.1:{port}/" for port in (80, 81, 82, 83))
LOGIN, MOVED = f"{WELL}login", f"{WELL}moved"
_NGINX = """\
events {}
http {
  server {
    listen 127.0.0.1:80;
    location = / { return 200 "<h1>Accueil</h1>"; }
    location = /moved { return 302 /; }
    location = /login { auth_basic wiki; auth_basic_user_file /etc/nginx/passwords; try_files /nothing @in; }
    location @in { return 200 "Bonjour"; }
  }
  server { listen 127.0.0.1:81; return 500 "Accueil"; }
}
"""
_SLOW = """\
import http.server, time
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(2.5)
        self.send_response(200)
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", 82), Page).serve_forever()
"""


@pytest.fixture(scope="module")
def web(host: Host) -> Host:
    host.write("/etc/nginx/nginx.conf", _NGINX)
    host.run("echo monitoring:$(openssl passwd -apr1 hunter2-test) > /etc/nginx/passwords")
    host.write("/srv/slow.py", _SLOW)
    host.start("nginx", "nginx -g 'daemon off;'", ready=f"curl -s {WELL}")
    host.start("slow", "python3 /srv/slow.py", ready=f"curl -s {SLOW}")
    return host


def told_by_curl(host: Host, url: str) -> tuple[int, int]:
    """The status of a page, where redirects lead to, and how long it is."""
    code, length = host.run(f"curl -sL -o /dev/null -w '%{{http_code}} %{{size_download}}' {url}").split()
    return int(code), int(length)


@pytest.mark.parametrize("url", [WELL, BROKEN, MOVED, LOGIN])
def test_what_is_read_of_a_page_is_what_curl_tells(web: Host, url: str) -> None:
    points = gather(web, collect({"http": {"urls": [url]}}), of="http_response")

    read = only(points, "http_response", server=url)
    assert (read["http_response_code"], read["content_length"]) == told_by_curl(web, url)
    assert read["result_code"] == 0
    assert 0 < read["response_time"] < 1
    assert tags_of(points, "http_response") == {"server"}


@pytest.mark.parametrize(
    ("url", "options", "result"),
    [
        (WELL, {"status": 200, "contains": "Accueil"}, 0),
        (WELL, {"contains": "<h1>Acc.*l</h1>"}, 0),
        (WELL, {"contains": "Bienvenue"}, 1),
        (BROKEN, {"status": 200, "contains": "Accueil"}, 6),
        (MOVED, {"status": 302, "follow": False}, 0),
        (NOBODY, {}, 3),
        (SLOW, {"timeout": "1s"}, 4),
        ("http://nobody.invalid/", {}, 5),
        (LOGIN, {"status": 200, "contains": "Bonjour", "user": "monitoring", "password": {"secret": "wiki"}}, 0),
        (LOGIN, {"status": 200}, 6),
    ],
)
def test_a_page_that_is_not_as_it_should_be_is_a_number(
    web: Host, url: str, options: dict[str, object], result: int
) -> None:
    setup = collect({"http": {"urls": [url], **options}}, secrets={"wiki": "hunter2-test"})

    points = gather(web, setup, of="http_response", readings=1)

    assert only(points, "http_response", server=url)["result_code"] == result
    assert "hunter2-test" not in setup.text


def test_each_fault_fires_its_rule_and_a_page_that_is_well_none(web: Host, alerts: Alerts) -> None:
    setup = collect(
        {"http": {"urls": [WELL, BROKEN, NOBODY], "every": "10s"}}, {"http": {"urls": [SLOW], "every": "10s"}}
    )
    with agent(web, setup, pace=20) as running:
        points = running.read(40)
        fired = {url: alerts.firing(running, select(points, "http_response", server=url)) for url in (WELL, SLOW)}
        fired |= {url: alerts.firing(running, select(points, "http_response", server=url)) for url in (BROKEN, NOBODY)}

    assert fired == {
        WELL: set(),
        SLOW: {"http-slow-warning"},
        BROKEN: {"http-status-critical"},
        NOBODY: {"http-down-critical"},
    }


def test_a_server_that_is_stopped_fires_within_minutes_and_ends_when_it_is_back(web: Host, alerts: Alerts) -> None:
    with agent(web, collect({"http": {"urls": [WELL], "every": "10s"}}), pace=20) as running:
        running.read(10)
        well = alerts.firing(running)
        with web.stopped("nginx"):
            running.read(25)
            stopped = alerts.firing(running)
        running.read(10)

        assert (well, stopped, alerts.firing(running)) == (set(), {"http-down-critical"}, set())


def test_an_error_that_is_expected_is_none(web: Host, alerts: Alerts) -> None:
    setup = collect({"http": {"urls": [LOGIN], "status": 401}}, {"http": {"urls": [BROKEN], "status": 401}})
    with agent(web, setup, pace=50) as running:
        points = running.read(12, of="http_response")
        private = alerts.firing(running, select(points, "http_response", server=LOGIN))

    assert only(points, "http_response", server=LOGIN)["http_response_code"] == 401
    assert tags_of(points, "http_response") == {"server", "expected"}
    assert (private, alerts.firing(running)) == (set(), {"http-down-critical"})

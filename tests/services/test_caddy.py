"""Caddy, and what is read of its own metrics."""

from __future__ import annotations

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import Labels, by_labels, exposed, fields_of, tags_of

READ = collect("caddy")
_CONFIGURATION = """\
{
  admin localhost:2019
  auto_https off
  servers {
    metrics
  }
}
http://127.0.0.1:8000 {
  handle /app/* {
    reverse_proxy 127.0.0.1:9001 {
      health_uri /health
      health_interval 500ms
    }
  }
  handle {
    respond "hello"
  }
}
"""
_SERVER = """\
import http.server
class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if "broken" in self.path else 200)
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", 9001), Server).serve_forever()
"""


@pytest.fixture(scope="module")
def caddy(host: Host) -> Host:
    host.write("/etc/caddy/Caddyfile", _CONFIGURATION)
    host.write("/srv/server.py", _SERVER)
    host.start("server", "python3 /srv/server.py", ready="nc -z 127.0.0.1 9001")
    told = "caddy run --config /etc/caddy/Caddyfile --adapter caddyfile"
    host.start("caddy", f"env HOME=/root {told}", ready="curl -fs 127.0.0.1:8000/")
    return host


def told_by_caddy(host: Host) -> dict[str, dict[Labels, float]]:
    """What its own page says."""
    return exposed(host.run("curl -fs http://localhost:2019/metrics"))


def test_what_is_read_is_what_caddy_tells(caddy: Host) -> None:
    caddy.run("for n in {1..3}; do curl -s 127.0.0.1:8000/; curl -s 127.0.0.1:8000/app/; done")
    caddy.run("curl -s 127.0.0.1:8000/app/broken")
    # It looks at the servers behind it every ten seconds.
    caddy.wait("curl -fs http://localhost:2019/metrics | grep -q upstreams_healthy")
    points = gather(caddy, READ, of="caddy")
    told = told_by_caddy(caddy)

    assert tags_of(points, "caddy") == {"server", "handler", "code", "method", "upstream"}
    for field in sorted(fields_of(points, "caddy")):
        assert by_labels(points, "caddy", field) == pytest.approx(told[field]), field
    codes = {dict(tags)["code"] for tags in by_labels(points, "caddy", "caddy_http_request_duration_seconds_count")}
    assert codes == {"200", "500"}


def test_a_name_that_a_visitor_asked_for_does_not_become_the_host_of_the_data(host: Host) -> None:
    page = """\
# TYPE caddy_http_requests_in_flight gauge
caddy_http_requests_in_flight{handler="subroute",host="biere",server="srv0"} 3
caddy_http_requests_in_flight{handler="subroute",server="srv0"} 4
"""
    host.write("/srv/pages/metrics", page)
    host.start("pages", "python3 -m http.server --directory /srv/pages 8123", ready="nc -z 127.0.0.1 8123")

    points = gather(host, collect({"caddy": {"url": "http://127.0.0.1:8123/metrics"}}), of="caddy")

    assert {point.tags["host"] for point in points} == {"lewi"}
    assert {point["caddy_http_requests_in_flight"] for point in points if point.measurement == "caddy"} == {4}


def test_a_server_behind_it_that_stops_is_an_alert_and_its_requests_fail(caddy: Host, alerts: Alerts) -> None:
    with agent(caddy, READ, pace=10) as running:
        running.read(15, of="caddy")
        assert alerts.firing(running) == set()
        with caddy.stopped("server"):
            for _ in range(10):
                caddy.run("for n in {1..8}; do curl -s -o /dev/null 127.0.0.1:8000/app/; done")
                running.read(3)

        assert alerts.firing(running) == {"caddy-upstream-critical", "caddy-failing-critical"}


def test_errors_of_a_server_behind_it_are_an_alert(caddy: Host, alerts: Alerts) -> None:
    with agent(caddy, READ, pace=20) as running:
        for _ in range(8):
            caddy.run("for n in {1..8}; do curl -s -o /dev/null 127.0.0.1:8000/app/broken; done")
            running.read(2)

        assert "caddy-errors-warning" in alerts.firing(running)


def test_a_caddy_that_stops_is_an_error_of_its_input_and_an_alert(caddy: Host, alerts: Alerts) -> None:
    with agent(caddy, READ, pace=20) as running:
        running.read(10)
        with caddy.stopped("caddy"):
            running.read(20)

    assert any("connection refused" in one for one in running.errors()), running.log()
    assert alerts.firing(running) == {"input-fails-warning"}

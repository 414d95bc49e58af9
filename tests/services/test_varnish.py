"""Varnish, and what is read of its counters."""

from __future__ import annotations

import json

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import only, tags_of

READ = collect("varnish")
_COUNTERS = (
    "cache_hit",
    "cache_miss",
    "client_req",
    "sess_dropped",
    "backend_fail",
    "backend_unhealthy",
    "n_lru_nuked",
)
_VARNISH = (
    "varnishd -F -a 127.0.0.1:6081 -b 127.0.0.1:8090 -s malloc,1m -p thread_pools=1 -p thread_pool_min=10 "
    "-p thread_pool_max=12"
)
_SERVER = """\
import http.server, time
class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if "slow" in self.path:
            time.sleep(12)
        body = b"x" * (100_000 if "big" in self.path else 5)
        self.send_response(200)
        self.send_header("Cache-Control", "max-age=60")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", 8090), Server).serve_forever()
"""


@pytest.fixture(scope="module")
def varnish(host: Host) -> Host:
    host.write("/srv/server.py", _SERVER)
    host.run("usermod -aG varnish telegraf")
    host.start("server", "python3 /srv/server.py", ready="nc -z 127.0.0.1 8090")
    host.start("varnish", _VARNISH, ready="curl -fs 127.0.0.1:6081/ready")
    return host


def ask(*paths: str) -> str:
    """Ask for pages, one after another."""
    return "; ".join(f"curl -s -o /dev/null 127.0.0.1:6081/{one}" for one in paths)


def told_by_varnish(host: Host) -> dict[str, int]:
    """What varnishstat says."""
    counters = json.loads(host.run("varnishstat -1 -j"))["counters"]
    return {name: counters[f"MAIN.{name}"]["value"] for name in (*_COUNTERS, "thread_queue_len")}


def test_what_is_read_is_what_varnishstat_tells(varnish: Host) -> None:
    varnish.run(ask("one", "one", "one", "two", *(f"big{number}" for number in range(15))))
    told = told_by_varnish(varnish)

    points = gather(varnish, READ, of="varnish")

    assert dict(only(points, "varnish").fields) == told
    assert told["cache_hit"] >= 2
    assert told["cache_miss"] >= 17
    assert told["n_lru_nuked"] > 0
    assert tags_of(points, "varnish") == set()


def test_another_instance_is_another_varnish(varnish: Host) -> None:
    varnish.start(
        "other",
        "varnishd -F -n /var/lib/varnish/other -a 127.0.0.1:6082 -b 127.0.0.1:8090 -s malloc,1m",
        ready="curl -fs 127.0.0.1:6082/ready",
    )
    try:
        points = gather(varnish, collect({"varnish": {"instance": "/var/lib/varnish/other"}}), of="varnish")
    finally:
        varnish.stop("other")

    assert only(points, "varnish")["client_req"] == 1


def test_counters_need_the_group(varnish: Host) -> None:
    varnish.run("gpasswd -d telegraf varnish")
    try:
        with agent(varnish, READ, longest=5) as running:
            running.until(lambda points: any("inputs.varnish" in one for one in running.errors()))
    finally:
        varnish.run("usermod -aG varnish telegraf")

    assert any("varnishstat" in one for one in running.errors())


def test_a_server_behind_it_that_stops_is_an_alert(varnish: Host, alerts: Alerts) -> None:
    with agent(varnish, READ, pace=20) as running:
        running.read(10, of="varnish")
        assert alerts.firing(running) == set()
        with varnish.stopped("server"):
            varnish.run(ask(*(f"gone{number}" for number in range(3))))
            points = running.read(8, of="varnish")

    assert only(points, "varnish")["backend_fail"] >= 3
    assert alerts.firing(running, points) == {"varnish-backend-warning"}


def test_more_visitors_than_threads_wait_and_are_an_alert(varnish: Host, alerts: Alerts) -> None:
    with agent(varnish, READ, pace=50) as running:
        varnish.run("for n in {1..40}; do curl -s -o /dev/null -m 10 127.0.0.1:6081/slow$n & done; sleep 1")
        points = running.read(40, of="varnish")

        assert only(points, "varnish")["thread_queue_len"] > 0
        assert "varnish-queue-warning" in alerts.firing(running)
    varnish.wait("! pgrep curl")


def test_a_varnish_that_stops_is_an_error_of_its_input_and_an_alert(varnish: Host, alerts: Alerts) -> None:
    with agent(varnish, READ, pace=10) as running:
        running.read(6)
        with varnish.stopped("varnish"):
            running.read(40, within=90)

    assert alerts.firing(running) == {"input-fails-warning"}

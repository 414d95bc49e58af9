"""nginx, and what is read of its stub_status."""

from __future__ import annotations

import re

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import only, tags_of

STATUS = "http://127.0.0.1/basic_status"
NAMES = ("active", "accepts", "handled", "requests", "reading", "writing", "waiting")
READ = collect("nginx")
_CONFIGURATION = """\
events { worker_connections 8; }
http {
  server {
    listen 127.0.0.1:80;
    location = /basic_status { stub_status; allow 127.0.0.1; deny all; }
  }
}
"""


@pytest.fixture(scope="module")
def nginx(host: Host) -> Host:
    host.write("/etc/nginx/nginx.conf", _CONFIGURATION)
    host.start("nginx", "nginx -g 'daemon off;'", ready=f"curl -fs {STATUS}")
    return host


def told_by_nginx(host: Host) -> dict[str, int]:
    """What its own page says."""
    page = host.run(f"curl -fs {STATUS}")
    numbers = [int(one) for one in re.findall(r"\d+", page)]
    return dict(zip(NAMES, numbers, strict=True))


def test_what_is_read_is_what_nginx_tells(nginx: Host) -> None:
    before = told_by_nginx(nginx)
    points = gather(nginx, READ, of="nginx")
    after = told_by_nginx(nginx)

    read = only(points, "nginx").fields
    assert read.keys() == before.keys()
    assert tags_of(points, "nginx") == {"server", "port"}
    for counter in ("accepts", "handled", "requests"):
        assert before[counter] < read[counter] < after[counter], (counter, before, read, after)
    for gauge in ("active", "reading", "writing", "waiting"):
        assert read[gauge] == before[gauge]


def test_connections_that_are_dropped_are_an_alert(nginx: Host, alerts: Alerts) -> None:
    with agent(nginx, READ, pace=20) as running:
        running.read(10, of="nginx")
        well = alerts.firing(running)
        # Requests that take long, on every place that a worker has. Connections that are idle give way to new ones.
        nginx.run(
            r"for n in {1..20}; do (printf 'GET / HTTP/1.1\r\n'; sleep 3) | timeout 4 nc 127.0.0.1 80 & done; wait"
        )
        points = running.read(8, of="nginx")

    last = only(points, "nginx")
    assert last["accepts"] - last["handled"] > 0
    # Its page is dropped at times, too.
    assert well == set()
    assert alerts.firing(running) >= {"nginx-dropped-warning"}


def test_a_server_that_is_stopped_is_an_error_of_its_input_and_an_alert(nginx: Host, alerts: Alerts) -> None:
    with agent(nginx, READ, pace=20) as running:
        running.read(10)
        well = alerts.firing(running)
        with nginx.stopped("nginx"):
            points = running.read(20)

    assert only(points, "internal_gather", input="nginx")["errors"] > 0
    assert "connection refused" in running.errors()[0]
    assert (well, alerts.firing(running)) == (set(), {"input-fails-warning"})

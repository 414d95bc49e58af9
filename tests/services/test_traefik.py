"""What is read of Traefik's metrics: of pages that Traefik 3.7.15 wrote, with a service of two servers and one without
a health check. One was written while all was well, the other after a server was stopped and pages failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import by_labels, exposed, fields_of, only, tags_of

RECORDED = Path(__file__).with_name("recorded") / "traefik"
PAGE = "/srv/traefik/metrics"
READ = collect({"traefik": {"url": "http://127.0.0.1:8082/metrics"}})


@pytest.fixture(scope="module")
def traefik(host: Host) -> Host:
    show(host, "well")
    host.start(
        "traefik",
        "python3 -m http.server --bind 127.0.0.1 --directory /srv/traefik 8082",
        ready="curl -fs 127.0.0.1:8082/metrics",
    )
    return host


def show(host: Host, name: str) -> None:
    """Let the page be one that was recorded."""
    host.write(PAGE, recorded(name))


def recorded(name: str) -> str:
    return (RECORDED / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["well", "ill"])
def test_what_is_read_is_what_traefik_wrote(traefik: Host, name: str) -> None:
    show(traefik, name)
    points = gather(traefik, READ, of="traefik")

    fields = fields_of(points, "traefik")
    assert len(fields) == 5
    for field in fields:
        assert by_labels(points, "traefik", field) == exposed(recorded(name))[field], field
    assert tags_of(points, "traefik") == {"service", "code", "method", "protocol", "entrypoint", "url"}


def test_each_server_of_a_service_is_a_series(traefik: Host) -> None:
    show(traefik, "ill")
    points = [one for one in gather(traefik, READ, of="traefik") if "traefik_service_server_up" in one.fields]

    assert only(points, "traefik", url="http://127.0.0.1:9101")["traefik_service_server_up"] == 1
    assert only(points, "traefik", url="http://127.0.0.1:9102")["traefik_service_server_up"] == 0


def test_a_server_that_is_down_is_an_alert(traefik: Host, alerts: Alerts) -> None:
    show(traefik, "well")
    with agent(traefik, READ, pace=20) as running:
        running.read(12, of="traefik")
        assert alerts.firing(running) == set()
        show(traefik, "ill")
        running.read(20, of="traefik")
        # Nine errors are too few for an alert.
        assert alerts.firing(running) == {"traefik-server-critical"}


def test_a_traefik_that_stops_is_an_error_of_its_input_and_an_alert(traefik: Host, alerts: Alerts) -> None:
    traefik.stop("traefik")
    with agent(traefik, READ, pace=20) as running:
        running.read(25)

    assert "connection refused" in running.errors()[0]
    assert alerts.firing(running) == {"input-fails-warning"}

"""Grafana's door speaks otherwise than aresmon.yml says, since `grafana.tls` was changed: that is told at once."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from aresmon.grafana import client as grafana_client
from aresmon.grafana.client import Grafana
from aresmon.system.errors import AresmonError, ExitCode
from tests.grafana.standin import StandIn, serving

pytestmark = pytest.mark.own_sockets("the stand-in for Grafana answers over HTTP")


@pytest.mark.usefixtures("no_pauses")
def test_an_edge_without_the_certificate_that_the_file_names_is_told_from_a_wrong_certificate() -> None:
    with serving(StandIn()) as address:
        client = Grafana(address.replace("http://", "https://"), "Ares", "first-password", "00" * 32)

        with pytest.raises(AresmonError, match="does not use https") as caught:
            grafana_client.wait_until_ready(client)

    assert (caught.value.code, "`aresmon up`" in caught.value.hint) == (ExitCode.BROKEN, True)


class Secure(BaseHTTPRequestHandler):
    """Sends those who come without TLS to https, as the edge does."""

    def do_GET(self) -> None:
        self.send_response(308)
        self.send_header("Location", f"https://{self.headers['Host']}{self.path}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.usefixtures("no_pauses")
def test_an_edge_that_still_has_a_certificate_is_told_and_not_waited_for() -> None:
    with HTTPServer(("127.0.0.1", 0), Secure) as server:
        serve = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serve.start()
        client = Grafana(f"http://127.0.0.1:{server.server_port}", "Ares", "first-password")
        try:
            with pytest.raises(AresmonError, match=r"speaks https \(308\), and aresmon.yml names no cert") as caught:
                grafana_client.wait_until_ready(client)
        finally:
            server.shutdown()
            serve.join()

    assert (caught.value.code, "`aresmon up`" in caught.value.hint) == (ExitCode.BROKEN, True)

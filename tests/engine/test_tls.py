"""The edge speaks https with the certificate it is given, and a proxy in front of it does with our snippet."""

from __future__ import annotations

import http.client
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aresmon.engine.images import pins
from aresmon.system.errors import ExitCode
from tests import certificates
from tests.engine import echo
from tests.engine.door import knock
from tests.engine.grafanas import grafana_for
from tests.engine.sites import ADDRESS, Site, client, eventually, free_address

TLS = {"certificate": "certificate.pem", "key": "key.pem"}


def settings(**grafana: Any) -> dict[str, Any]:
    """A site with a Grafana whose image nobody has."""
    return {"grafana": grafana, "images": {"grafana": "aresmon-test/no-grafana:0"}}


def get(address: str, target: str, certificate: Path, **headers: str) -> tuple[int, dict[str, str], str]:
    """Ask by https, and trust nobody but this certificate."""
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context(cafile=str(certificate))
    connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=20)
    # The name in the certificate is what people type; the address is this machine's.
    connection.connect = lambda: _connect(connection, context)  # type: ignore[method-assign]
    try:
        connection.request("GET", target, headers={"Host": certificates.NAME, **headers})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
    finally:
        connection.close()


def _connect(connection: http.client.HTTPSConnection, context: ssl.SSLContext) -> None:
    http.client.HTTPConnection.connect(connection)
    connection.sock = context.wrap_socket(connection.sock, server_hostname=certificates.NAME)


@pytest.fixture
def secure(site: Site) -> Site:
    """A running site whose edge has a certificate."""
    certificates.write(site.folder)
    site.configure(**settings(url=f"https://{certificates.NAME}", tls=TLS))
    result = site.run("up")
    assert result.code == ExitCode.DEGRADED, result
    return site


def test_the_edge_speaks_https_and_sends_those_who_come_without(secure: Site) -> None:
    with echo.behind(secure, scheme="https"):
        status, headers, body = get(secure.grafana, "/api/health", secure.folder / "certificate.pem")
        clear = knock(secure.grafana, "GET", "/d/x?y=1", body=b"")

    assert (status, '"x-forwarded-proto": "https"' in body) == (200, True)
    assert headers["strict-transport-security"] == "max-age=15768000"
    assert (clear.status, clear.headers["location"]) == (308, f"https://{secure.grafana}/d/x?y=1")


def test_the_key_is_for_the_edge_alone_and_in_no_bundle(secure: Site) -> None:
    key = (secure.folder / "key.pem").read_bytes().splitlines()[1]
    pair = secure.state / "tls" / "grafana.pem"

    assert pair.stat().st_mode & 0o777 == 0o600
    others = [path for path in secure.state.rglob("*") if path.is_file() and path != pair]
    assert [path for path in others if key in path.read_bytes()] == []


def test_a_renewed_certificate_is_taken_in_and_the_same_one_changes_nothing(secure: Site) -> None:
    assert secure.run("up").steps == []
    before = secure.ids()
    certificates.write(secure.folder)

    result = secure.run("up")

    assert result.steps == [("recreate", "edge")]
    assert secure.ids()["influxdb"] == before["influxdb"]
    assert get(secure.grafana, "/", secure.folder / "certificate.pem")[0] == 503


def test_a_pair_that_does_not_belong_together_stops_up_before_anything_is_touched(secure: Site) -> None:
    before = secure.ids()
    certificates.write(secure.folder / "other")
    (secure.folder / "other" / "key.pem").replace(secure.folder / "key.pem")

    result = secure.run("up")

    assert result.code == ExitCode.REFUSED
    assert "grafana.tls.key: key.pem is not the key of certificate.pem" in result.err
    assert secure.ids() == before


def test_a_change_of_the_certificate_s_setting_without_up_is_told_with_up_as_the_next_step(site: Site) -> None:
    certificates.write(site.folder, ends=timedelta(days=5))
    plain: dict[str, Any] = {"url": f"https://{certificates.NAME}", "behind": ["127.0.0.1"]}
    site.configure(grafana={**plain, "tls": TLS})
    with grafana_for(site):
        up = site.run("up")
        assert up.code == 0, up
        assert "grafana.tls.certificate: certificate.pem expires on" in up.err
        status = site.run("status")
        assert (status.code, "certificate.pem expires on" in status.out) == (ExitCode.DEGRADED, True), status
        assert site.run("users", "list").code == 0

        site.configure(grafana=plain)
        without = site.run("users", "apply")
        assert site.run("up").code == 0
        site.configure(grafana={**plain, "tls": TLS})
        added = site.run("users", "apply")

    for result, words in ((without, "speaks https (308)"), (added, "does not use https")):
        assert result.code == ExitCode.BROKEN, result
        assert words in result.err
        assert "next: if grafana.tls was changed in aresmon.yml, `aresmon up`" in " ".join(result.err.split())


def test_the_snippet_for_haproxy_brings_people_to_grafana_under_their_own_address(site: Site, tmp_path: Path) -> None:
    site.configure(**settings(url=f"https://{certificates.NAME}", behind=["127.0.0.1"]))
    site.run("up")
    snippet = site.run("snippet", "haproxy").out
    clear, secure = free_address(), free_address()
    certificates.write(tmp_path)
    pair = (tmp_path / "certificate.pem").read_bytes() + (tmp_path / "key.pem").read_bytes()
    configuration = snippet.replace("bind :80\n", f"bind {clear}\n").replace("bind :443 ", f"bind {secure} ")
    assert configuration.count(ADDRESS) >= 3, "the edge's address and both of the proxy's"
    proxy = client().containers.create(
        pins()["edge"].build,
        entrypoint=["haproxy"],
        command=["-db", "-f", "/tmp/proxy.cfg"],
        name=f"{site.name}-proxy",
        network_mode="host",
        user="0",
    )
    try:
        proxy.put_archive("/tmp", echo.archive("proxy.cfg", configuration.encode()))
        proxy.put_archive("/etc/haproxy", echo.archive(f"certs/{certificates.NAME}.pem", pair))
        with echo.behind(site):
            proxy.start()
            certificate = tmp_path / "certificate.pem"
            answers = lambda: get(secure, "/api/health", certificate)[0] == 200  # noqa: E731
            assert eventually(lambda: _quietly(answers)), proxy.logs().decode()
            status, _, body = get(secure, "/api/user", certificate, **{"X-Forwarded-For": "203.0.113.1"})

            assert status == 200
            assert '"x-forwarded-for": "127.0.' in body
            assert '"x-forwarded-proto": "https"' in body
            assert f'"host": "{certificates.NAME}"' in body
            assert knock(clear, "GET", "/", body=b"").status == 308
    finally:
        proxy.remove(force=True)


def _quietly(ask: Any) -> bool:
    try:
        return bool(ask())
    except (OSError, http.client.HTTPException):
        return False


def test_anonymous_visitors_view_without_a_login_where_the_site_says_so(site: Site) -> None:
    site.configure(**settings(anonymous=True))
    site.run("up")

    environment = (site.bundle / ".env").read_text()

    assert "GRAFANA_ANONYMOUS='true'" in environment
    assert "GRAFANA_PROFILES='fixed'" in environment, "who looks without a login leaves nothing either"

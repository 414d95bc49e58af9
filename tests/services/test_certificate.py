"""Certificates that are valid for long, end soon, have ended, or are for somebody else: of servers and in files."""

from __future__ import annotations

import time

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import only, select, tags_of

_DAY = 86400
_AUTHORITY = """\
[ca]
default_ca = here
[here]
database = /etc/tls/index
new_certs_dir = /etc/tls
serial = /etc/tls/serial
default_md = sha256
policy = anything
copy_extensions = copy
unique_subject = no
[anything]
commonName = supplied
"""
_MAKE_AUTHORITY = """\
cd /etc/tls && touch index && echo 01 > serial
openssl req -x509 -newkey rsa:2048 -nodes -days 99 -subj /CN=Authority -keyout ca.key -out ca.pem
openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr
"""
_SIGN = (
    "cd /etc/tls && openssl req -new -key server.key -subj /CN={name} -addext subjectAltName=DNS:{name} "
    "-out {file}.csr && openssl ca -batch -config authority.cnf -cert ca.pem -keyfile ca.key -in {file}.csr "
    "-out {file}.pem -notext -startdate {start} -enddate {end} && chmod 644 {file}.pem"
)
_SERVERS = {"good": 8401, "soon": 8402, "ended": 8403, "other": 8404}
_CONFIGURATION = "\n".join(
    (
        "events {} http { ssl_certificate_key /etc/tls/server.key;",
        *(
            f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate /etc/tls/{name}.pem; }}"
            for name, port in _SERVERS.items()
        ),
        "}",
    )
)
CA = "/etc/tls/ca.pem"


def address(name: str) -> str:
    return f"https://localhost:{_SERVERS[name]}"


def sign(host: Host, file: str, *, days: float, name: str = "localhost") -> None:
    end = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * _DAY))
    host.run(_SIGN.format(file=file, name=name, start="20200101000000Z", end=end))


def renew(host: Host, name: str, *, days: float) -> None:
    """Sign another certificate, and wait until the server shows it."""
    sign(host, name, days=days)
    served = (
        f"openssl s_client -connect localhost:{_SERVERS[name]} < /dev/null 2> /dev/null | openssl x509 -noout -serial"
    )
    host.run("nginx -s reload")
    host.wait(f"[[ $({served}) = $(openssl x509 -in /etc/tls/{name}.pem -noout -serial) ]]")


@pytest.fixture(scope="module")
def servers(host: Host) -> Host:
    host.write("/etc/tls/authority.cnf", _AUTHORITY)
    host.run(_MAKE_AUTHORITY)
    for file, days in (("good", 90), ("soon", 2), ("ended", -1)):
        sign(host, file, days=days)
    sign(host, "other", days=90, name="elsewhere.example.org")
    host.write("/etc/nginx/nginx.conf", _CONFIGURATION)
    host.start("nginx", "nginx -g 'daemon off;'", ready="nc -z localhost 8404")
    return host


def told_by_openssl(host: Host, file: str) -> float:
    """How many seconds it is still valid."""
    end = host.run(f'date +%s -d "$(openssl x509 -in /etc/tls/{file}.pem -noout -enddate | cut -d= -f2)"')
    return int(end) - time.time()


@pytest.mark.parametrize("name", _SERVERS)
def test_what_is_read_is_what_openssl_tells(servers: Host, name: str) -> None:
    verified = servers.attempt(
        f"openssl s_client -connect localhost:{_SERVERS[name]} -CAfile {CA} -verify_hostname localhost "
        "-verify_return_error < /dev/null"
    )

    points = gather(servers, collect({"certificate": {"sources": [address(name)], "ca": CA}}), of="x509_cert")

    read = only(points, "x509_cert")
    assert read["expiry"] == pytest.approx(told_by_openssl(servers, name), abs=10)
    assert (read["verification_code"] == 0) == (verified.code == 0) == (name in ("good", "soon"))
    reasons = {"ended": "has expired", "other": "certificate is valid for elsewhere.example.org, not localhost"}
    assert reasons.get(name, "") in read.fields.get("verification_error", "")
    assert tags_of(points, "x509_cert") == {"source"}


def test_a_file_is_read_too_and_a_name_of_another_is_accepted_where_it_is_wanted(servers: Host) -> None:
    options = {"sources": ["/etc/tls/oth*.pem", address("other")], "ca": CA, "name": "elsewhere.example.org"}

    points = gather(servers, collect({"certificate": options}), of="x509_cert")

    sources = {one.tags["source"] for one in select(points, "x509_cert")}
    assert sources == {"file:///etc/tls/other.pem", address("other")}
    assert {only(points, "x509_cert", source=one)["verification_code"] for one in sources} == {0}


def test_certificates_that_end_are_alerts_until_they_are_renewed(servers: Host, alerts: Alerts) -> None:
    renew(servers, "soon", days=10)
    names = [address(one) for one in ("good", "soon")]
    with agent(servers, collect({"certificate": {"sources": names, "ca": CA}}), pace=100) as running:
        running.read(4, of="x509_cert")
        assert alerts.firing(running) == {"certificate-ends-warning"}
        for days, firing in ((2, {"certificate-ends-warning", "certificate-ends-critical"}), (90, set())):
            renew(servers, "soon", days=days)
            running.read(4, of="x509_cert")
            assert alerts.firing(running) == firing


def test_a_certificate_for_another_name_is_an_alert(servers: Host, alerts: Alerts) -> None:
    with agent(servers, collect({"certificate": {"sources": [address("other")], "ca": CA}}), pace=100) as running:
        running.read(20, of="x509_cert")
        assert alerts.firing(running) == {"certificate-invalid-warning"}


def test_a_server_that_does_not_answer_is_an_error_of_the_input_and_an_alert(servers: Host, alerts: Alerts) -> None:
    with agent(servers, collect({"certificate": {"sources": ["https://localhost:8499"]}}), pace=100) as running:
        running.read(150)
        assert alerts.firing(running) == {"input-fails-warning"}

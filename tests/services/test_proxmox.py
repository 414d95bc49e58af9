"""What is read of Proxmox VE: of answers in the form that its API documents, over TLS with a certificate authority of
its own, about a container, two virtual machines and a template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.services.agent import Setup, agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import only, select, tags_of

RECORDED = Path(__file__).with_name("recorded") / "proxmox"
_TOKEN = "telegraf@pve!aresmon=3b1c"
_SERVER = f"""\
import http.server, json, ssl
class API(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        known = self.headers.get("Authorization") == "PVEAPIToken={_TOKEN}"
        answers = json.load(open("/srv/proxmox.json"))
        found = answers.get(self.path.removeprefix("/api2/json")) if known else None
        body = json.dumps(found).encode() if found else b""
        self.send_response(200 if found else 501 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8006), API)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/etc/pve/server.pem", "/etc/pve/server.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
_CERTIFY = """\
cd /etc/pve
openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj '/CN=Proxmox Virtual Environment' -keyout ca.key -out ca.pem
openssl req -newkey rsa:2048 -nodes -subj /CN=pve1 -keyout server.key -out server.csr
printf 'subjectAltName=IP:127.0.0.1\n' > names
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 9 -extfile names -out server.pem
chmod 644 ca.pem
"""


def read(token: str) -> Setup:
    options = {"node": "pve1", "token": {"secret": "pve"}, "guests": ["mail", "wi*"], "ca": "/etc/pve/ca.pem"}
    return collect({"proxmox": options}, secrets={"pve": token})


READ = read(_TOKEN)


@pytest.fixture(scope="module")
def proxmox(host: Host) -> Host:
    host.run("mkdir -p /etc/pve")
    host.run(_CERTIFY)
    show(host, "well")
    host.write("/srv/server.py", _SERVER)
    host.start("proxmox", "python3 /srv/server.py", ready="nc -z 127.0.0.1 8006")
    return host


def show(host: Host, name: str) -> None:
    """Let the answers be those of a node whose guests are well or ill."""
    host.write("/srv/proxmox.json", (RECORDED / f"{name}.json").read_text(encoding="utf-8"))


def told(name: str, guest: str) -> dict[str, Any]:
    """What the API answers about a guest, as `lxc/101`."""
    answers = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = answers[f"/nodes/pve1/{guest}/status/current"]["data"]
    return found


@pytest.mark.parametrize(("name", "guest"), [("well", "lxc/101"), ("well", "qemu/200"), ("ill", "qemu/200")])
def test_what_is_read_is_what_proxmox_answers(proxmox: Host, name: str, guest: str) -> None:
    show(proxmox, name)
    points = gather(proxmox, READ, of="proxmox", readings=8)

    answer = told(name, guest)
    assert only(points, "proxmox", vm_id=str(answer["vmid"]), vm_name=answer["name"]).fields == {
        "uptime": answer["uptime"],
        "cpuload": answer["cpu"],
        "mem_used": answer["mem"],
        "mem_total": answer["maxmem"],
        "mem_used_percentage": pytest.approx(100 * answer["mem"] / answer["maxmem"]),
        "disk_used_percentage": pytest.approx(100 * answer["disk"] / answer["maxdisk"]),
        "swap_used": answer.get("swap", 0),
    }


def test_templates_are_no_guests_and_those_that_must_run_are_known(proxmox: Host) -> None:
    show(proxmox, "well")
    points = gather(proxmox, READ, of="proxmox", readings=8)

    assert {(one.tags["vm_name"], one.tags.get("needed", "no")) for one in select(points, "proxmox")} == {
        *(("wiki", "yes"), ("mail", "yes"), ("spare", "no"))
    }
    assert tags_of(points, "proxmox") == {"vm_name", "vm_id", "vm_type", "needed"}


def test_guests_that_stop_or_fill_up_are_alerts(proxmox: Host, alerts: Alerts) -> None:
    show(proxmox, "well")
    with agent(proxmox, READ, pace=60) as running:
        running.read(4, of="proxmox")
        assert alerts.firing(running) == set()
        show(proxmox, "ill")
        running.until(lambda points: only(points, "proxmox", vm_name="mail")["uptime"] == 0)
        running.read(3 * 34, of="proxmox")  # each guest is read at a time of its own
        firing = alerts.firing(running)

    assert firing == {
        *("proxmox-guest-down-critical", "proxmox-container-memory-warning", "proxmox-guest-processors-warning"),
        *("proxmox-container-disk-warning", "proxmox-container-disk-critical"),
    }


def test_a_wrong_token_is_an_error_of_its_input_that_does_not_show_it(proxmox: Host, alerts: Alerts) -> None:
    with agent(proxmox, read("telegraf@pve!aresmon=wrong-one"), pace=60) as running:
        running.read(60)

    assert "inputs.proxmox" in running.errors()[0]
    assert "wrong-one" not in running.log()
    assert "input-fails-warning" in alerts.firing(running)

"""With an image for each service, everything is well: exit code 0, and nothing to do the second time.

What stands in for Grafana here answers its health check and proves nothing about Grafana.
"""

from __future__ import annotations

import io
import json
import secrets
import tarfile
from collections.abc import Iterator

import pytest

from aresmon.pins import pins
from tests.engine.conftest import MakeSite
from tests.engine.door import knock
from tests.engine.sites import client, eventually

CONFIGURATION = """\
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
frontend stand_in
  bind :3000
  http-request return status 200 content-type text/plain string "stand-in" if { path /api/health }
  http-request return status 404
"""


@pytest.fixture
def stand_in() -> Iterator[str]:
    """An image that answers where Grafana would."""
    context = io.BytesIO()
    recipe = f'FROM {pins()["edge"].build}\nCOPY c.cfg /c.cfg\nENTRYPOINT ["haproxy", "-db", "-f", "/c.cfg"]\n'
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name, content in (("Dockerfile", recipe), ("c.cfg", CONFIGURATION)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content.encode()))
    context.seek(0)
    reference = f"aresmon-test/{secrets.token_hex(4)}:1"
    client().images.build(fileobj=context, custom_context=True, tag=reference, rm=True)
    yield reference
    client().images.remove(reference, force=True)


def test_four_services_run_and_a_second_up_has_nothing_to_do(make_site: MakeSite, stand_in: str) -> None:
    site = make_site(hosts={"box": {"collect": ["system"]}}, images={"grafana": stand_in})

    first = site.run("up")

    assert first.code == 0, first
    states = {name: container.status for name, container in site.containers().items()}
    assert states == dict.fromkeys(("influxdb", "grafana", "edge", "telegraf"), "running")
    assert knock(site.grafana, "GET", "/api/health", body=b"").body == "stand-in"
    before = site.ids()

    second = site.run("up")

    assert second.code == 0, second
    assert "Nothing to do" in second.out
    assert site.ids() == before
    assert site.run("up", "--dry-run").out.strip().endswith("Nothing to do.")
    assert eventually(lambda: json.loads(site.run("status", "--json").out)["ok"] is True, within=90, every=2)
    assert site.run("status").code == 0


def test_a_new_secret_of_grafana_s_reaches_it(make_site: MakeSite, stand_in: str) -> None:
    site = make_site(images={"grafana": stand_in})
    assert site.run("up").code == 0
    before = site.ids()
    (site.state / "secrets/influxdb-grafana").write_text("another-password-than-before\n")

    result = site.run("up")

    assert result.code == 0, result
    assert result.steps == [("recreate", "grafana")]
    assert result.statements == ["set the password of grafana"]
    code, seen = site.containers()["grafana"].exec_run(["cat", "/run/secrets/influxdb-grafana"])
    assert (code, seen) == (0, b"another-password-than-before")
    assert {name: one for name, one in site.ids().items() if name != "grafana"} == {
        name: one for name, one in before.items() if name != "grafana"
    }

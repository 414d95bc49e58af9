"""With an image for each service, everything is well: exit code 0, and nothing to do the second time.

What stands in for Grafana here is held against Grafana's description of its API, and proves no more about it.
"""

from __future__ import annotations

import json

from tests.engine.conftest import MakeSite
from tests.engine.door import knock
from tests.engine.grafanas import grafana_for
from tests.engine.sites import eventually


def test_four_services_run_and_a_second_up_has_nothing_to_do(make_site: MakeSite) -> None:
    site = make_site(hosts={"box": {"collect": ["system"]}})

    with grafana_for(site):
        first = site.run("up")

        assert first.code == 0, first
        states = {name: container.status for name, container in site.containers().items()}
        assert states == dict.fromkeys(("influxdb", "grafana", "edge", "telegraf"), "running")
        assert json.loads(knock(site.grafana, "GET", "/api/health", body=b"").body)["database"] == "ok"
        before = site.ids()

        second = site.run("up")

        assert second.code == 0, second
        assert "Nothing to do" in second.out
        assert site.ids() == before
        assert site.run("up", "--dry-run").out.strip().endswith("Nothing to do.")
        assert eventually(lambda: json.loads(site.run("status", "--json").out)["ok"] is True, within=90, every=2)
        assert site.run("status").code == 0


def test_a_new_secret_of_grafana_s_reaches_it(make_site: MakeSite) -> None:
    site = make_site()

    with grafana_for(site):
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

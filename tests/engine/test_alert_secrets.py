"""The secrets of `alerts` on the way to Grafana's container."""

from __future__ import annotations

import os
import stat

from aresmon.site import external_secrets
from aresmon.system.dotenv import variables
from tests.engine.conftest import MakeSite

SECRET = "https://discord.com/api/webhooks/1/very-secret"
TOLD = {"send_to": [{"discord": {"secret": "ops"}}], "smtp": {"host": "mail.example.org:587", "from": "a@example.org"}}


def test_up_asks_for_a_missing_secret_before_it_touches_anything(make_site: MakeSite) -> None:
    site = make_site(alerts=TOLD)

    result = site.run("up")

    assert result.code == 1
    assert "alerts: the secret ops is not set" in result.err
    assert "`aresmon alerts secret ops`" in result.err
    assert site.containers() == {}
    assert not site.bundle.exists()


def test_up_refuses_an_address_that_would_end_grafana_before_it_touches_anything(make_site: MakeSite) -> None:
    site = make_site(alerts=TOLD)
    external_secrets.write_alert_secret(site.state / "secrets", "ops", f'<"{SECRET}">', owner=os.getuid())

    result = site.run("up")

    assert result.code == 1
    assert "alerts/ops does not begin with https:// or http://" in result.err
    assert "very-secret" not in result.out + result.err
    assert site.containers() == {}
    assert not site.bundle.exists()


def test_a_secret_reaches_grafanas_folder_and_nothing_else(make_site: MakeSite) -> None:
    site = make_site(alerts=TOLD)
    external_secrets.write_alert_secret(site.state / "secrets", "ops", SECRET, owner=os.getuid())
    site.up()
    folder = site.state / "secrets" / "alerts"
    user = int(variables((site.bundle / ".env").read_text())["GRAFANA_USER"].partition(":")[0])

    assert {(path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) for path in (folder, folder / "ops")} == {
        (user, 0o700),
        (user, 0o600),
    }
    assert not [path for path in site.bundle.rglob("*") if path.is_file() and b"very-secret" in path.read_bytes()]
    assert "very-secret" not in str([container.attrs for container in site.containers().values()])
    assert (site.bundle / "mail.yml").exists()


def test_another_secret_makes_another_grafana_and_no_other_service(make_site: MakeSite) -> None:
    site = make_site(alerts=TOLD)
    external_secrets.write_alert_secret(site.state / "secrets", "ops", SECRET, owner=os.getuid())
    site.up()
    before = (site.bundle / ".env").read_text().splitlines()
    external_secrets.write_alert_secret(site.state / "secrets", "ops", f"{SECRET}2", owner=os.getuid())
    site.up()
    after = (site.bundle / ".env").read_text().splitlines()

    assert [line.partition("=")[0] for line in after if line not in before] == ["GRAFANA_CONFIGURATION"]


def test_a_host_that_leaves_takes_its_rule_along_even_where_the_bundle_was_deleted(make_site: MakeSite) -> None:
    site = make_site(hosts={"box": {"agent": "systemd"}, "gone": {}})
    site.up()
    for path in sorted(site.bundle.rglob("rules.json")):
        path.unlink()
    site.configure(hosts={"box": {"agent": "systemd"}})
    site.up()

    assert '"uid": "agent-silent-gone"' in (site.bundle / "grafana/provisioning/alerting/rules.json").read_text()
    assert site.run("up").steps == []

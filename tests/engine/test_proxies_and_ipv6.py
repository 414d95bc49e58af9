"""What the machine is like around a stack: proxies that its Docker client hands out, and IPv6 in place of IPv4."""

from __future__ import annotations

import json
from pathlib import Path

from tests.engine.conftest import MakeSite
from tests.engine.sites import free_address


def test_the_proxies_of_the_docker_client_reach_no_container(make_site: MakeSite, tmp_path: Path) -> None:
    """The client puts them into every container, with their login; here, data would go through them."""
    proxy = "http://user:geheim@127.0.0.1:9"
    proxies = dict.fromkeys(("httpProxy", "httpsProxy", "allProxy", "ftpProxy", "noProxy"), proxy)
    (tmp_path / "config.json").write_text(json.dumps({"proxies": {"default": proxies}}))
    own_plugins = Path.home() / ".docker" / "cli-plugins"
    if own_plugins.is_dir():
        (tmp_path / "cli-plugins").symlink_to(own_plugins)
    site = make_site(hosts={"box": {"collect": ["system"]}})

    site.check_up(site.run("up", env={"DOCKER_CONFIG": str(tmp_path)}))

    for service, container in site.containers().items():
        variables = dict(one.split("=", 1) for one in container.attrs["Config"]["Env"])
        named = {name: value for name, value in variables.items() if name.lower().endswith("_proxy")}
        assert set(named.values()) == {""}, (service, named)
        assert "geheim" not in json.dumps(container.attrs), service


def test_a_site_on_ipv6_addresses_gets_its_data(make_site: MakeSite) -> None:
    site = make_site(hosts={"box": {"collect": ["system"]}})
    site.agents, site.grafana = (f"[::1]:{free_address().rpartition(':')[2]}" for _ in range(2))
    site.configure(edge={"agents": site.agents, "grafana": site.grafana, "url": f"http://{site.agents}"})

    site.up()

    assert site.up().steps == []
    environment = (site.state / "bundle" / "agent-environment.yml").read_text(encoding="utf-8")
    assert f'ARESMON_URL: "http://{site.agents}"' in environment

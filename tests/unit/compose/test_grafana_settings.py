"""The settings of Grafana's container: what it contacts outside, and which page is its first."""

from __future__ import annotations

import pytest
import yaml

from aresmon.render.grafana.dashboards import dashboards
from tests.unit.conftest import ARES, REPOSITORY, VIEWS, load

GRAFANA = yaml.safe_load((REPOSITORY / "compose" / "compose.yml").read_text(encoding="utf-8"))["services"]["grafana"]
HOME = "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"

# By section and key of Grafana's conf/defaults.ini, the value that ends it, and who is contacted otherwise.
CALLS = {
    "analytics reporting_enabled": ("false", "the server, each day: stats.grafana.org"),
    "analytics check_for_updates": ("false", "the server: grafana.com, for Grafana's newest version"),
    "analytics check_for_plugin_updates": ("false", "the server: grafana.com, for those of plug-ins"),
    "analytics feedback_links_enabled": ("false", "visitors, by links in the pages: forms of Grafana's maker"),
    "cloud_migration enabled": ("false", "the server: Grafana Cloud"),
    "news news_feed_enabled": ("false", "each visitor's browser: grafana.com/blog/news.xml"),
    "plugins plugin_admin_enabled": ("false", "the server, for who opens the catalogue: grafana.com"),
    "plugins preinstall_auto_update": ("false", "the server, at each start: grafana.com"),
    "plugins preinstall_disabled": ("true", "the server, at its first start: grafana.com"),
    "plugins public_key_retrieval_disabled": ("true", "the server: grafana.com, for keys of signatures"),
    "security disable_gravatar": ("true", "the server or the browser: gravatar.com, with hashes of e-mail addresses"),
    "snapshots external_enabled": ("false", "the browser of who shares one: snapshots.raintank.io"),
}


@pytest.mark.parametrize("setting", CALLS)
def test_nothing_outside_is_contacted(setting: str) -> None:
    section, key = setting.split()
    value, _ = CALLS[setting]

    assert GRAFANA["environment"].get(f"GF_{section.upper()}_{key.upper()}") == value


def test_grafana_has_time_to_write_down_which_messages_it_has_sent() -> None:
    """It takes up to 30 seconds to end (pkg/cmd/grafana-server/commands/cli.go), and is killed after 10 by default."""
    assert int(GRAFANA["stop_grace_period"].removesuffix("s")) > 30


def test_the_home_page_is_the_fleet_for_everybody() -> None:
    """Grafana reads the file `[dashboards] default_home_dashboard_path` at each visit."""
    folder = next(one for one in GRAFANA["volumes"] if one["target"] == "/etc/grafana/dashboards")
    rendered = dashboards(load(ARES.read_text(encoding="utf-8")), VIEWS)

    source = GRAFANA["environment"][HOME].replace(folder["target"], folder["source"].removeprefix("./"))

    assert source in rendered
    assert source.endswith("/fleet.json")

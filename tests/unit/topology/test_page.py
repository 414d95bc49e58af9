"""The page with the map in Grafana, on the stand-in."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path

import pytest

from aresmon.grafana import dashboard_files
from aresmon.grafana.client import Grafana
from aresmon.topology import page
from aresmon.topology.site_map import State
from tests.grafana import schema
from tests.grafana.standin import StandIn
from tests.unit.topology.maps import host, many, site

pytestmark = pytest.mark.own_sockets("the stand-in for Grafana answers over HTTP")

SVG = '<svg xmlns="http://www.w3.org/2000/svg"/>'


def test_the_page_is_a_dashboard_with_the_picture_and_a_link_to_each_host() -> None:
    built = page.page(many(30), SVG)

    (panel,) = built["panels"]
    content = panel["options"]["content"]
    image = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', content)
    assert schema.problems(built) == []
    assert image is not None
    assert base64.b64decode(image[1]).decode() == SVG
    assert re.findall(r'<a href="d/(host-\w+)">', content) == [f"host-host{n}" for n in range(30)]
    assert "<script" not in content


def test_it_is_saved_again_when_a_part_has_another_state(grafana: Grafana, standin: StandIn) -> None:
    well = site(host("biere"), host("lewi"))
    later = replace(well, at=well.at + 3600, hosts=tuple(replace(one, age=9.0, points=7) for one in well.hosts))
    ill = site(host("biere"), host("lewi", State.CRITICAL, words="silent for 5 min"))

    saved = [page.publish(grafana, one, lambda: SVG) for one in (well, later, ill, ill, well)]

    assert saved == [True, False, True, False, True]
    assert [path for _, path in standin.sent] == ["/api/folders", *["/api/dashboards/db"] * 3]
    assert (grafana.dashboard(page.UID) or {})["meta"]["folderUid"] == "aresmon"


def test_it_is_nobodys_own_dashboard(grafana: Grafana, tmp_path: Path) -> None:
    page.publish(grafana, site(host("biere")), lambda: SVG)

    assert dashboard_files.export(tmp_path, grafana).written == ()

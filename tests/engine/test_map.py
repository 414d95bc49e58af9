"""The map of a site that runs: the file that `aresmon map` writes, and the page in Grafana."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest

from aresmon.topology import page
from tests.engine.grafanas import Grafanas, grafana_for
from tests.engine.sites import eventually, site_in

GRAFANA = {"admin": "Ares", "url": "https://grafana.example.org/ares/"}
HOSTS = {"box": {"agent": "docker", "collect": ["system"]}, "lewi": {"collect": ["system"]}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grafanas]:
    """A site whose server sends data, and which has a host that never did."""
    folder = tmp_path_factory.mktemp("map")
    with site_in(folder, grafana=GRAFANA, hosts=HOSTS) as site, grafana_for(site) as grafanas:
        result = site.run("up")
        assert (result.code, "was not updated" in result.err) == (0, False), result
        yield grafanas


def texts(picture: str) -> list[str]:
    root = ET.fromstring(picture)  # noqa: S314 (our own picture)
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_picture_shows_each_host_as_it_is(made: Grafanas) -> None:
    file = made.site.folder / "fleet.svg"

    result = made.site.run("map", "--output", str(file))

    words = texts(file.read_text())
    assert result.code == 0, result
    assert "2 hosts, as of" in result.out
    assert (words.count("box"), words.count("lewi")) == (1, 1)
    assert "no data" in words
    assert "nothing arrives" in words
    assert [word for word in words if re.fullmatch(r"[\d,]+ points/min, \d+ s ago", word)] != []
    assert {"Edge (HAProxy)", "InfluxDB", "Grafana"} <= set(words)
    assert "https://grafana.example.org/ares/d/host-lewi" in file.read_text()


def test_up_puts_the_picture_on_a_page_and_again_only_after_a_change(made: Grafanas) -> None:
    site, pages = made.site, made.standin.state.dashboards
    assert page.UID in pages, "which the first `up` put there"
    assert eventually(
        lambda: "box" not in {one["about"] for one in json.loads(site.run("status", "--json").out)["problems"]}
    )

    first = site.run("up")
    shown = pages[page.UID]
    again = site.run("up")

    assert (first.code, again.code) == (0, 0), (first, again)
    assert pages[page.UID] is shown
    assert 'href="d/host-lewi"' in shown["dashboard"]["panels"][0]["options"]["content"]

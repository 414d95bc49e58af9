"""The picture, as the real `dot` draws it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest

from aresmon.system.errors import AresmonError
from aresmon.topology import drawing, graph
from aresmon.topology.site_map import Backend, Part, SiteMap, State
from tests.unit.topology.maps import host, many, site

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"


def link(name: str) -> str:
    return f"https://biere.example.org/grafana/d/host-{name}"


def drawn(one: SiteMap) -> ET.Element:
    return ET.fromstring(drawing.svg(graph.dot(one, link)))  # noqa: S314 (our own picture)


def texts(picture: ET.Element) -> list[str]:
    """What a person reads, line by line."""
    return [element.text or "" for element in picture.iter(f"{_SVG}text")]


@pytest.mark.parametrize("number", [1, 3, 12, 13, 30, 100])
def test_each_host_is_there_once_with_a_link_to_its_dashboard(number: int) -> None:
    one = many(number)

    picture = drawn(one)

    words = Counter(texts(picture))
    links = {element.get(_HREF) for element in picture.iter(f"{_SVG}a")}
    for each in one.hosts:
        assert words[each.name] == 1, each.name
        assert link(each.name) in links


def test_a_hundred_hosts_fit_on_a_page_the_worst_at_the_top() -> None:
    picture = drawn(many(100))

    width, height = (float(picture.attrib[side].removesuffix("pt")) for side in ("width", "height"))
    tops = {
        element.text: float(element.attrib["y"])
        for element in picture.iter(f"{_SVG}text")
        if re.match(r"(critical|warning|ok): \d+$", element.text or "")
    }
    assert width < 2000
    assert height < 1100
    assert list(dict(sorted(tops.items(), key=lambda one: one[1]))) == ["critical: 11", "warning: 13", "ok: 76"]


def test_a_host_shows_its_containers_those_with_problems_first() -> None:
    containers = [Part(f"web{n}", State.OK, "running") for n in range(11)]
    containers.append(Part("wiki", State.WARNING, "running, unhealthy"))

    words = texts(drawn(site(host("biere", containers=containers))))

    assert words.index("wiki: running, unhealthy") < words.index("web0: running")
    assert "and 2 more containers" in words
    assert "web9: running" not in words


def test_a_server_of_haproxy_that_is_a_host_of_the_site_is_that_host() -> None:
    servers = (Part("lewi", State.OK, "up"), Part("web2", State.CRITICAL, "down"))

    picture = drawn(site(host("biere", backends=[Backend("wiki", servers)]), host("lewi")))

    words = texts(picture)
    titles = {element.text for element in picture.iter(f"{_SVG}title")}
    assert Counter(words)["lewi"] == 1
    assert {"HAProxy on biere", "1 of 2 servers up", "web2", "down"} <= set(words)
    assert "backend-biere-0->host-lewi" in titles


def test_of_many_servers_only_some_are_drawn_those_that_are_down_among_them() -> None:
    servers = [Part(f"web{n}", State.OK, "up") for n in range(20)] + [Part("old", State.CRITICAL, "down")]

    words = texts(drawn(site(host("biere", backends=[Backend("wiki", tuple(servers))]))))

    assert {"old", "and 11 more servers", "20 of 21 servers up"} <= set(words)


@pytest.mark.parametrize("name", [r"a\Nb", "<b>bold</b>", 'quo"te', "a & b", "-->", "$x"])
def test_a_name_is_drawn_as_it_is(name: str) -> None:
    containers = [Part(name, State.OK, "running")]
    contact = Part(name, State.OK, "nothing firing")

    words = texts(drawn(site(host("biere", containers=containers), contact_points=[contact])))

    assert f"{name}: running" in words
    assert name in words


def test_nothing_but_shapes_texts_and_links_to_pages_is_left_in_a_picture() -> None:
    hostile = """<?xml version="1.0"?><!DOCTYPE svg>
    <svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="alert(1)" width="9pt">
      <style>@import url(http://elsewhere/)</style><script>alert(1)</script><image xlink:href="http://elsewhere/"/>
      <g style="background: url(x)"><a xlink:href="javascript:alert(1)" target="_top"><text x="1">biere</text></a></g>
      <foreignObject><body xmlns="http://www.w3.org/1999/xhtml"/></foreignObject>
    </svg>"""

    left = drawing.sanitised(hostile)

    for gone in ("script", "style", "import", "elsewhere", "onload", "javascript", "foreignObject", "DOCTYPE"):
        assert gone not in left
    assert "biere" in left
    assert 'width="9pt"' in left


def test_a_picture_in_png_replaces_the_file_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "map.png"
    file.write_text("the last one")

    drawing.write_png(graph.dot(many(3), link), file)
    before = file.read_bytes()
    with pytest.raises(AresmonError, match="syntax error"):
        drawing.write_png("digraph {", file)

    assert before.startswith(b"\x89PNG")
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_without_graphviz_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(drawing.NoGraphvizError, match="without Graphviz") as caught:
        drawing.svg("digraph {}")

    assert "apt install graphviz" in (caught.value.hint or "")


def test_the_same_site_gives_the_same_description() -> None:
    assert graph.dot(many(30), link) == graph.dot(many(30), link)
    assert graph.MARK in graph.dot(many(30), link).splitlines()[0]

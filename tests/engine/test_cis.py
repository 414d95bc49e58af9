"""The containers held against the CIS Docker Benchmark; docs/hardening.md says the same, with the reasons."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from aresmon.config import package_data
from tests.engine.cis import POINTS, Point, Seen
from tests.engine.grafanas import grafana_for
from tests.engine.sites import Site, client, eventually, site_in

PAGE = Path(__file__).parents[2] / "docs/hardening.md"
SERVICES = {"influxdb", "edge", "grafana", "telegraf"}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Seen]]:
    """Every container of a whole stack, each healthy."""
    with (
        site_in(tmp_path_factory.mktemp("cis"), hosts={"box": {"collect": ["system", "docker"]}}) as site,
        grafana_for(site),
    ):
        result = site.run("up")
        assert result.code == 0, result
        assert eventually(lambda: _is_healthy(site)), {n: c.attrs["State"] for n, c in site.containers().items()}
        yield [_seen(site, service) for service in site.containers()]


def test_every_service_is_looked_at(seen: list[Seen]) -> None:
    assert {one.service for one in seen} == SERVICES


@pytest.mark.parametrize("point", [one for one in POINTS if one.holds], ids=lambda one: one.number)
def test_a_point_holds_but_where_it_is_said_that_it_does_not(seen: list[Seen], point: Point) -> None:
    assert point.holds is not None
    assert {one.service for one in seen if not point.holds(one)} == set(point.but)


def test_the_page_has_every_point_and_says_of_each_what_is_true() -> None:
    rows = re.findall(r"^\| (\d\.\d+) \| (.+?) \| (.+?) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    told = {
        number: (title, held == "yes" or held.startswith("yes, but"), set(re.findall(r"`(\w+)`", held)))
        for number, title, held, _ in rows
    }

    assert list(told) == [point.number for point in POINTS]
    for point in POINTS:
        title, holds, but = told[point.number]
        assert title == point.title
        if point.holds is not None:
            assert holds == (set(point.but) != SERVICES), point
            assert but == (set(point.but) if set(point.but) != SERVICES else set()), point
    assert all(reason.strip() for _, _, _, reason in rows)


def test_no_recipe_adds_what_copy_would_do() -> None:
    recipes = [path.read_text(encoding="utf-8") for path in (package_data.COMPOSE / "images").rglob("Dockerfile")]

    assert recipes
    assert not [line for text in recipes for line in text.splitlines() if line.startswith("ADD ")]


def test_no_command_in_a_container_asks_for_more_than_the_container_has() -> None:
    """`docker exec` of ours is in one place."""
    code = {path.name: path.read_text(encoding="utf-8") for path in package_data.ROOT.glob("aresmon/**/*.py")}
    execs = [re.search(r'\["docker", "exec"[^\]]*\]', text) for text in code.values()]

    assert any(execs)
    assert not [found[0] for found in execs if found and ("--privileged" in found[0] or "--user" in found[0])]


def _is_healthy(site: Site) -> bool:
    return all(one.attrs["State"].get("Health", {}).get("Status") == "healthy" for one in site.containers().values())


def _seen(site: Site, service: str) -> Seen:
    container = site.containers()[service]
    history = json.dumps(client().images.get(container.attrs["Image"]).history())
    return Seen(service, container.attrs, history, json.dumps(container.top()))

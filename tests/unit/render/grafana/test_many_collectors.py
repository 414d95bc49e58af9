"""A host with fifteen collectors stays readable: what is wrong comes first, and all else is folded and found."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from aresmon.config.views import Board, View
from aresmon.render.grafana.host_page import host_dashboard
from aresmon.render.grafana.nearest import Figure
from tests.grafana import schema
from tests.unit.conftest import VIEWS
from tests.unit.dashboard_lint import FIRST_SCREEN, LINT
from tests.unit.dashboard_rules import RULES, every

BASE = ("system", "disk", "diskio", "net")
SERVICES = (
    *("PostgreSQL", "Redis", "NGINX", "Systemd units", "Certificates", "Web pages", "Temperature", "Mail queue"),
    *("MariaDB", "Name servers", "UPS"),
)
SHIPPED_PANEL = next(one for one in VIEWS["docker"].panels if one.title == "Memory by container")


def service(title: str, *, has_page: bool) -> View:
    """One with four panels in its row and four in its details, as the shipped ones have."""
    name = title.lower().replace(" ", "_")
    several = tuple(
        replace(SHIPPED_PANEL, title=f"{title} {part} {number}", formerly="", place=place)
        for place, part in (("main", "load"), ("detail", "detail"))
        for number in range(4)
    )
    board = Board(title) if has_page else None
    return View(name, title, VIEWS["docker"].measurements, several, (), (), board)


def host(number: int = len(SERVICES)) -> Any:
    views = [VIEWS[name] for name in BASE]
    views += [service(title, has_page=bool(index % 2)) for index, title in enumerate(SERVICES[:number])]
    limits = [Figure(f"{one} memory", "SELECT 1", 1) for one in SERVICES for _ in range(4)]
    return host_dashboard("biere", views, limits=limits)


PAGE = host()


@pytest.mark.parametrize("rule", [*RULES, *LINT])
def test_it_looks_as_it_should(rule: Any) -> None:
    assert list(rule(PAGE)) == []
    assert schema.problems(PAGE) == []


def test_the_first_screen_is_that_of_any_host_with_an_index_below_what_is_wrong() -> None:
    shown = [one for one in PAGE["panels"] if one["type"] != "row"]

    assert [one["title"] for one in shown[:5]] == [
        *("How full", "Nearest to its limit", "Now", "Alerts here", "Services"),
    ]
    graphs = [one for one in shown if one["title"] in ("CPU usage", "Network traffic")]
    assert max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in graphs) <= FIRST_SCREEN


def test_the_index_leads_to_each_service_by_its_name() -> None:
    (index,) = (one for one in PAGE["panels"] if one["title"] == "Services")
    links = dict(re.findall(r"\[([^\]]+)\]\((\S+)\)", index["options"]["content"]))

    assert list(links) == sorted(SERVICES, key=str.casefold)
    shown = {one["id"] for one in every(PAGE)}
    for title, link in links.items():
        found = re.fullmatch(r"/d/host-biere\?viewPanel=(\d+)&\$\{__url_time_range\}", link)
        if found:
            assert int(found[1]) in shown
        else:
            name = title.lower().replace(" ", "_")
            assert link == f"/d/aresmon-{name}?var-host=${{host}}&${{__url_time_range}}"


def test_nothing_of_a_service_is_asked_before_its_row_is_opened() -> None:
    rows = [one for one in PAGE["panels"] if one["type"] == "row"]

    assert all(row["collapsed"] for row in rows)
    titles = {one["title"] for one in PAGE["panels"]}
    assert {row["title"] for row in rows} >= set(SERVICES)
    assert not [title for title in titles if re.search(r" (load|detail) \d$", title)]


def test_a_host_with_few_services_has_no_index() -> None:
    assert "Services" not in {one["title"] for one in host(4)["panels"]}


def test_a_title_is_a_title_whatever_markdown_makes_of_its_letters() -> None:
    odd = [service(f"{one} [a]*b*", has_page=False) for one in "abcde"]

    (index,) = (one for one in host_dashboard("biere", odd)["panels"] if one["title"] == "Services")

    assert json.dumps(index).count(r"\\[a\\]\\*b\\*") == 5

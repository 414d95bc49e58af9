"""What the benchmark of the dashboards asks: the same as Grafana would."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from aresmon.config import collectors, model, view_files
from aresmon.render.grafana.dashboards import PATH, dashboards
from bench.asking import Board, policy_for, read_board, statement, step_for

HOUR, DAY = 3600, 86400
SITE = "site: bench\nhosts:\n  one: {collect: [system, disk, diskio, net, docker]}\n"


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return dashboards(model.load(SITE, collectors.load()), view_files.load())


def board(files: dict[str, bytes], path: str) -> Board:
    return read_board(path, files[f"{PATH}/{path}.json"], "one" if path.startswith("hosts/") else ".*")


@pytest.mark.parametrize(
    ("span", "points", "step"),
    [(900, 500, 10), (6 * HOUR, 500, 30), (DAY, 500, 120), (7 * DAY, 500, 1200), (30 * DAY, 500, 3600)],
)
def test_a_step_is_as_long_as_grafana_would_make_it(span: int, points: int, step: int) -> None:
    assert step_for(span, points) == step * 1000


def test_a_panel_asks_for_no_shorter_steps_than_its_own(files: dict[str, bytes]) -> None:
    one = board(files, "fleet")
    (reported,) = (query for query in one.queries if query.panel == "When each host reported")

    assert "GROUP BY time(60s)" in statement(reported, one, policy="raw", since=1_000_000, until=1_000_000 + HOUR)


def test_a_longer_range_never_has_shorter_steps() -> None:
    steps = [step_for(span, 500) for span in range(60, 400 * DAY, 3571)]

    assert all(before <= after for before, after in pairwise(steps))


def test_a_range_is_served_by_the_policy_that_the_dashboards_choose() -> None:
    assert [policy_for(span) for span in (12 * HOUR, 12 * HOUR + 1, 21 * DAY, 22 * DAY)] == ["raw", "1m", "1m", "1h"]


@pytest.mark.parametrize("path", ["hosts/one", "docker", "internal", "fleet"])
def test_no_variable_is_left_in_what_is_asked(files: dict[str, bytes], path: str) -> None:
    one = board(files, path)

    asked = [statement(query, one, policy="1m", since=1_000_000, until=1_021_600) for query in one.queries]

    assert asked
    assert not [text for text in asked if "$" in text.replace("$/", "")]


def test_a_folded_row_is_not_among_what_is_shown(files: dict[str, bytes]) -> None:
    one = board(files, "hosts/one")
    rows = [panel for panel in json.loads(files[f"{PATH}/hosts/one.json"])["panels"] if panel["type"] == "row"]
    folded = {panel["title"] for row in rows for panel in row["panels"]}

    assert folded
    assert {query.panel for query in one.queries} > folded
    assert not folded & {query.panel for query in one.shown()}

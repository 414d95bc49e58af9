"""`aresmon top` on a real stack: once without a terminal, live in one, and while the database is away."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from aresmon.influxdb.client import Series
from aresmon.monitoring import evaluation
from aresmon.monitoring.alerts import AlertWatch
from aresmon.site import folder
from aresmon.site.project import Project
from tests.engine.sites import DATABASE, Site, eventually, site_in
from tests.harness.terminal import Terminal

HOSTS = {"box": {"collect": ["system", "disk", "net"]}, "lewi": {"agent": "systemd", "collect": ["system", "disk"]}}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose server sends, and whose other host never did."""
    with site_in(tmp_path_factory.mktemp("top") / "site", hosts=HOSTS) as made:
        made.up()
        counted = 'SELECT count("metrics_gathered") FROM "internal_agent"'
        assert eventually(lambda: made.query(counted)[0].rows[0]["count"] >= 8, within=150)
        yield made


@pytest.fixture
def terminal(site: Site) -> Iterator[Terminal]:
    opened = Terminal([sys.executable, "-m", "aresmon", "-C", str(site.folder), "top"])
    yield opened
    opened.close()


def test_without_a_terminal_the_fleet_is_printed_once(site: Site) -> None:
    shown = site.run("top", env={"COLUMNS": "100"})

    assert shown.code == 5, shown
    title, heading, *hosts = shown.out.partition("\n\n")[0].splitlines()
    box, lewi = sorted(hosts)
    assert site.name in title
    # What else is critical is up to the machine that the tests run on.
    assert re.search(r"2 hosts, 1 never, \d critical", title)
    assert heading.startswith("HOST")
    assert lewi.startswith("lewi     never")
    assert box.split()[:2] in (["box", "ok"], ["box", "notice"], ["box", "warning"], ["box", "critical"])
    assert "%" in box
    assert "Nothing has arrived from lewi for three minutes." in shown.out.partition("\n\n")[2]
    assert "\x1b" not in shown.out
    assert max(map(len, shown.out.splitlines())) <= 100


def test_the_panels_of_a_host_are_printed_once(site: Site) -> None:
    shown = site.run("top", "box", "--once")

    assert shown.code == 5, shown
    assert "CPU usage" in shown.out
    assert "no data" not in shown.out.partition("CPU usage")[2].partition("\n\n")[0]


def test_scripts_get_numbers(site: Site) -> None:
    shown = json.loads(site.run("top", "box", "--json").out)
    box = next(one for one in shown["hosts"] if one["host"] == "box")

    assert box["age"] < 60
    assert 0 < box["values"]["Memory"]["value"] < 100
    assert [one["host"] for one in shown["alerts"] if one["alert"] == "agent-silent"] == ["lewi"]
    curves = {panel["title"]: panel["curves"] for panel in shown["panels"]}
    assert len([curve for curve in curves["Load"] if any(curve["points"])]) >= 3


def test_an_unknown_host_is_refused(site: Site) -> None:
    shown = site.run("top", "biox")

    assert shown.code == 1
    assert "no host 'biox' in aresmon.yml" in shown.err


def test_what_fires_is_what_each_rule_says_by_itself(site: Site) -> None:
    project, now = Project.load(folder.Site(site.folder)), time.time() - 1

    def ask_all(texts: Sequence[str]) -> list[list[Series]]:
        return site.influxdb.query(*texts, database=DATABASE)

    watch = AlertWatch(project.config, project.views, ask_all)
    together = {(one.uid, one.host, one.place) for one in watch.look(now) if one.state == "firing"}
    alone = set()
    for rule in watch.rules:
        for labels in evaluation.firing(rule, site.query, now):
            told = {key: value for key, value in labels if key not in rule["labels"] and key != "host"}
            place = tuple(value for _, value in sorted(told.items()))
            alone.add((rule["uid"], dict(labels).get("host", ""), place))

    assert watch.unknown == ()
    assert together <= alone
    # Of two severities of one fact only the worse is told.
    assert {uid.rpartition("-")[0] for uid, _, _ in alone} == {uid.rpartition("-")[0] for uid, _, _ in together}


def test_it_is_live_in_a_terminal(terminal: Terminal) -> None:
    terminal.wait_for("lewi     never")
    terminal.press("s\r")  # by name, and the first
    terminal.wait_for("CPU usage")
    terminal.press("\r")
    terminal.wait_for("mean        max")
    terminal.press("\x1b")
    terminal.wait_for("d details")
    terminal.press("a")
    terminal.wait_for("agent-silent, firing")
    terminal.press("q")

    assert terminal.end() == 0


def test_it_stays_while_influxdb_is_away_and_goes_on_afterwards(site: Site, terminal: Terminal) -> None:
    terminal.wait_for("lewi     never")
    influxdb = site.containers()["influxdb"]
    influxdb.stop(timeout=10)
    try:
        terminal.press("2")
        terminal.wait_for("InfluxDB does not answer")
        assert "lewi     never" in terminal.screen
        refused = site.run("top")
        assert (refused.code, refused.out) == (1, "")
        assert "`aresmon up` starts it" in refused.err
    finally:
        influxdb.start()
    terminal.wait_until(lambda: "does not answer" not in terminal.screen)
    terminal.press("q")

    assert terminal.end() == 0


def test_without_a_stack_it_says_what_to_do(tmp_path: Path) -> None:
    made = Site(tmp_path / "site")
    made.configure(hosts=HOSTS)

    shown = made.run("top")

    assert shown.code == 1
    assert "aresmon up" in shown.err

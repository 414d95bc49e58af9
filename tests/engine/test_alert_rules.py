"""Each alert rule on a real InfluxDB: it fires on the data that it is for, and not on data beside it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aresmon.config import view_files
from aresmon.config.collectors import ALWAYS
from aresmon.influxdb.client import Series
from aresmon.monitoring import evaluation
from aresmon.render.grafana import alert_rules
from aresmon.system.errors import AresmonError
from tests.engine.alert_cases import CASES
from tests.engine.alert_cases.shapes import Case
from tests.engine.sites import Site, site_in
from tests.harness import catalogue
from tests.unit.conftest import load

Query = Callable[[str], list[Series]]
NAMES = sorted(CASES)


def fires_on(name: str) -> str:
    return f"fires-{name}"


def quiet_on(name: str, index: int) -> str:
    return f"quiet-{index}-{name}"


def young(name: str) -> str:
    return f"young-{name}"


def fleet_of(*hosts: str, more: str = "") -> Any:
    collect = catalogue.entries(catalogue.SHIPPED.keys() - {ALWAYS})
    one = json.dumps({"agent": "systemd", "collect": collect, "env": catalogue.ENV})
    lines = "".join(f"  {host}: {one}\n" for host in hosts)
    return load(f"hosts:\n{lines}{more}")


def rules_of(fleet: Any) -> list[dict[str, Any]]:
    files = alert_rules.render(fleet, view_files.load())
    return [rule for group in json.loads(files[alert_rules.RULES])["groups"] for rule in group["rules"]]


def built_in() -> dict[str, dict[str, Any]]:
    """The rules by their uid; those of each host under the name that they have for all."""
    silent = [fires_on("agent-silent-critical"), quiet_on("agent-silent-critical", 0)]
    found = {rule["uid"]: rule for rule in rules_of(fleet_of(*silent))}
    return {uid: rule for uid, rule in found.items() if not uid.startswith("agent-silent-")} | {
        f"agent-silent-critical/{rule['labels']['host']}": rule
        for rule in found.values()
        if rule["uid"].startswith("agent-silent-")
    }


RULES = built_in()
WINDOWED = [name for name in NAMES if any(node["refId"] == "F" for node in RULES.get(name, {}).get("data", ()))]
"""The rules whose value is one of a window that must be filled."""


def back(name: str) -> int:
    """How far a rule looks back from the first of the evaluations that count, in seconds."""
    rule = next(rule for uid, rule in RULES.items() if uid.startswith(name))
    longest: int = max(node["relativeTimeRange"]["from"] for node in rule["data"])
    return longest + int(rule["for"].removesuffix("s")) + 120


@pytest.fixture(scope="module")
def now() -> int:
    """When all is evaluated; in a moment that is no edge of a minute, as most are."""
    return int(time.time()) // 60 * 60 - 23


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, now: int) -> Iterator[Site]:
    """A site whose database holds every case, each on hosts of its own."""
    with site_in(tmp_path_factory.mktemp("alerts") / "site") as made:
        made.up()
        for name, case in CASES.items():
            made.write("\n".join(lines(name, case, now)) or "none value=0")
        yield made


def lines(name: str, case: Case, now: int) -> Iterator[str]:
    begin = now - back(name)
    hosts = {fires_on(name): case.fires} | {quiet_on(name, index): one for index, one in enumerate(case.quiet)}
    for host, several in hosts.items():
        for one in several:
            yield from one.lines(host, begin=begin, now=now)
    if name in WINDOWED:
        for one in case.fires:
            yield from one.lines(young(name), begin=now - window(name) // 2, now=now)


def window(name: str) -> int:
    """The seconds that the value of a rule is of."""
    return int(RULES[name]["data"][0]["relativeTimeRange"]["from"])


@pytest.fixture(scope="module")
def ask(site: Site) -> Query:
    return site.query


def hosts_that_fire(rule: dict[str, Any], ask: Query, now: float) -> set[str]:
    return {dict(labels).get("host", "") for labels in evaluation.firing(rule, ask, now)}


def test_every_rule_has_data_that_must_fire_it_and_data_that_must_not() -> None:
    named = {uid.partition("/")[0] for uid in RULES}

    assert named == set(CASES)
    assert [name for name in NAMES if not CASES[name].quiet] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name.partition("/")[0] in RULES and CASES[name].fires])
def test_a_rule_fires_on_its_data_and_on_no_data_beside_it(name: str, ask: Query, now: int) -> None:
    fired = hosts_that_fire(RULES[name], ask, now)

    assert fires_on(name) in fired
    assert {quiet_on(name, index) for index in range(len(CASES[name].quiet))} & fired == set()


@pytest.mark.parametrize("name", WINDOWED)
def test_what_a_window_says_is_not_said_before_it_is_filled(name: str, ask: Query, now: int) -> None:
    short, late = window(name) // 2, window(name)

    assert young(name) not in hosts_that_fire(RULES[name], ask, now)
    assert fires_on(name) not in hosts_that_fire(RULES[name], ask, now - back(name) + short)
    assert fires_on(name) in hosts_that_fire(RULES[name], ask, now - back(name) + late + 120)


def test_a_host_is_called_silent_when_nothing_of_it_arrives_and_not_when_something_does(ask: Query, now: int) -> None:
    name = "agent-silent-critical"
    silent, alive = (RULES[f"{name}/{host}"] for host in (fires_on(name), quiet_on(name, 0)))

    assert hosts_that_fire(silent, ask, now) == {fires_on(name)}
    assert hosts_that_fire(alive, ask, now) == set()
    assert hosts_that_fire(alive, ask, now + 3600) == {quiet_on(name, 0)}


def test_the_database_is_called_unreachable_when_it_does_not_answer_and_not_when_it_does(ask: Query, now: int) -> None:
    def unreachable(_: str) -> list[Series]:
        raise AresmonError("nobody answers")

    rule = RULES["database-unreachable-critical"]

    assert evaluation.firing(rule, ask, now) == set()
    assert evaluation.firing(rule, ask, now + 10**7) == set()
    assert len(evaluation.firing(rule, unreachable, now)) == 1


@pytest.mark.parametrize("shift", range(0, 60, 10))
def test_growth_is_what_the_counter_grew_by_at_most_a_minute_off(shift: int, ask: Query, now: int) -> None:
    values = evaluation.values(RULES["oom-kill-warning"], ask, now - shift)
    out = evaluation.values(RULES["swapping-out-warning"], ask, now - shift)

    assert values[frozenset({("host", fires_on("oom-kill-warning"))})] == 1
    assert 60 <= out[frozenset({("host", fires_on("swapping-out-warning"))})] <= 62


def test_an_exception_takes_its_points_out_of_the_rule_and_into_one_of_its_own(ask: Query, now: int) -> None:
    name = "disk-full-warning"
    host = fires_on(name)
    exception = f"{{host: {host}, where: {{path: /srv}}, warning: 95}}"
    fleet = fleet_of("other", host, more=f"alerts: {{rules: {{disk-full: {{exceptions: [{exception}]}}}}}}\n")
    changed = {rule["uid"]: rule for rule in rules_of(fleet) if rule["uid"].startswith(name)}
    own = next(rule for uid, rule in changed.items() if uid != name)

    others = hosts_that_fire(RULES[name], ask, now) - {host}
    assert hosts_that_fire(changed[name], ask, now) == others != set()
    assert set(evaluation.values(own, ask, now).values()) == {91}
    assert hosts_that_fire(own, ask, now) == set()


def test_a_host_that_is_not_watched_is_left_out(ask: Query, now: int) -> None:
    name = "cpu-high-warning"
    host = fires_on(name)
    fleet = fleet_of(
        "other", host, more=f"alerts: {{rules: {{cpu-high: {{exceptions: [{{host: {host}, watch: off}}]}}}}}}\n"
    )
    changed = [rule for rule in rules_of(fleet) if rule["uid"].startswith(name)]

    assert len(changed) == 1
    assert changed[0]["data"][0]["model"]["rawQuery"] is False
    assert hosts_that_fire(changed[0], ask, now) == hosts_that_fire(RULES[name], ask, now) - {host}


def test_the_heartbeat_beats_while_the_servers_data_arrives_and_stops_with_it(ask: Query, now: int) -> None:
    server = quiet_on("database-unreachable-critical", 0)
    fleet = fleet_of(server, more="alerts: {heartbeat: {url: 'http://127.0.0.1:9/'}}\n")
    beat = next(rule for rule in rules_of(fleet) if rule["uid"] == alert_rules.HEARTBEAT)

    assert len(evaluation.firing(beat, ask, now)) == 1
    assert evaluation.firing(beat, ask, now + 600) == set()

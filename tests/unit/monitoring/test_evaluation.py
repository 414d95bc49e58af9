"""Alert rules evaluated: reduce, threshold, `for`, no data, errors, and many rules in one request."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from aresmon.config import view_files
from aresmon.influxdb.client import InfluxDBError, InfluxDBUnreachableError, Series
from aresmon.monitoring import evaluation
from aresmon.monitoring.expressions import UnknownExpressionError
from aresmon.render.grafana import alert_rules
from tests.unit.conftest import load

NOW = 1_000_000_000.0


def rules_of(*hosts: str) -> dict[str, Any]:
    collect = "[system, disk, net]"
    fleet = load("hosts:\n" + "".join(f"  {host}: {{agent: systemd, collect: {collect}}}\n" for host in hosts))
    groups = json.loads(alert_rules.render(fleet, view_files.load())[alert_rules.RULES])["groups"]
    return {rule["uid"]: rule for group in groups for rule in group["rules"]}


RULES = rules_of("biere", "lewi")


def series(value: float | None, **tags: str) -> Series:
    return Series("x", tags, ({"time": 0, "last": value},))


def answering(*found: Series) -> Callable[[str], Sequence[Series]]:
    return lambda _: found


def labels(rule: Any, **more: str) -> frozenset[tuple[str, str]]:
    return frozenset((rule["labels"] | more).items())


def test_an_instance_whose_value_is_over_the_threshold_fires_with_its_value() -> None:
    rule = RULES["disk-full-warning"]
    ask = answering(series(91, host="biere", path="/"), series(89, host="lewi", path="/"))

    assert evaluation.instances(rule, ask, NOW) == {labels(rule, host="biere", path="/"): 91}
    assert evaluation.firing(rule, ask, NOW) == {labels(rule, host="biere", path="/")}


def test_a_rule_with_a_time_fires_only_if_its_condition_has_held_all_the_while() -> None:
    rule = RULES["memory-low-warning"]

    def ask(text: str) -> Sequence[Series]:
        end = int(re.findall(r"time <= (\d+)ms", text)[0]) / 1000
        return [series(5, host="biere"), series(50 if end == NOW - 300 else 5, host="lewi")]

    assert evaluation.states(rule, ask, NOW) == {labels(rule, host="biere"), labels(rule, host="lewi")}
    assert evaluation.firing(rule, ask, NOW) == {labels(rule, host="biere")}


def test_no_data_fires_the_rule_of_a_host_and_no_other() -> None:
    silent, full = RULES["agent-silent-biere"], RULES["disk-full-warning"]

    found = evaluation.instances(silent, answering(), NOW)
    assert set(found) == {labels(silent)}
    assert all(map(math.isnan, found.values()))
    assert evaluation.states(full, answering(), NOW) == set()
    assert evaluation.states(full, answering(series(None, host="biere")), NOW) == set()


def test_without_a_database_one_rule_fires_and_not_all() -> None:
    def unreachable(_: str) -> Sequence[Series]:
        raise InfluxDBUnreachableError("nobody answers")

    fired = {uid for uid, rule in RULES.items() if evaluation.states(rule, unreachable, NOW)}

    assert fired == {"database-unreachable-critical"}


@pytest.mark.parametrize(
    ("kind", "limits", "fires"),
    [
        ("gt", [4], {5.0}),
        ("lt", [4], {3.0}),
        ("gte", [4], {4.0, 5.0}),
        ("lte", [4], {3.0, 4.0}),
        ("within_range", [3, 5], {4.0}),
        ("outside_range", [4, 4], {3.0, 5.0}),
    ],
)
def test_every_kind_of_threshold_of_grafana_is_known(kind: str, limits: list[float], fires: set[float]) -> None:
    rule = json.loads(json.dumps(RULES["disk-full-warning"]))
    for node in rule["data"]:
        if node["model"].get("type") == "threshold":
            node["model"]["conditions"] = [{"evaluator": {"type": kind, "params": limits}}]
    ask = answering(*(series(value, host=str(value)) for value in (3.0, 4.0, 5.0)))

    assert set(evaluation.instances(rule, ask, NOW).values()) == fires


def test_an_expression_that_is_not_known_is_an_error_and_not_silence() -> None:
    rule = json.loads(json.dumps(RULES["disk-full-warning"]))
    rule["data"][-1]["model"]["type"] = "sql"

    with pytest.raises(UnknownExpressionError, match="sql"):
        evaluation.states(rule, answering(series(1, host="biere")), NOW)


# Many rules in one request ---------------------------------------------------------------------------


class Database:
    """Answers every statement alike, and keeps what it was asked."""

    def __init__(self, *found: Series, refuses: str = "\0") -> None:
        self.found, self.refuses = found, refuses
        self.requests: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> list[Sequence[Series]]:
        self.requests.append(list(texts))
        if any(self.refuses in text for text in texts):
            raise InfluxDBError("max-select-series limit exceeded")
        return [self.found for _ in texts]


def ask_for(rules: dict[str, Any], database: Database) -> evaluation.Ask:
    return evaluation.ask_at_once([(rule, NOW) for rule in rules.values()], database)


def test_a_fleet_of_any_size_is_asked_for_with_the_same_number_of_statements() -> None:
    small, large = Database(), Database()

    ask_for(rules_of("biere"), small)
    ask_for(rules_of(*(f"h{number}" for number in range(30))), large)

    assert len(small.requests) == len(large.requests) == 1
    assert len(small.requests[0]) == len(large.requests[0]) < 40


def test_what_two_severities_ask_is_asked_once() -> None:
    database = Database()

    ask_for({uid: rule for uid, rule in RULES.items() if uid.startswith("disk-full")}, database)

    assert len(database.requests[0]) == 1


def test_the_rule_of_a_host_sees_its_own_part_of_the_answer() -> None:
    database = Database(series(3, host="biere"))

    ask = ask_for(RULES, database)

    assert evaluation.states(RULES["agent-silent-biere"], ask, NOW) == set()
    assert len(evaluation.states(RULES["agent-silent-lewi"], ask, NOW)) == 1
    assert not any("'biere'" in text for text in database.requests[0] if '"uptime"' in text)


def test_a_statement_that_is_rejected_fails_its_own_rules_alone() -> None:
    database = Database(series(91, host="biere", path="/"), refuses='"used_percent"')

    ask = ask_for(RULES, database)

    assert evaluation.states(RULES["disk-full-warning"], ask, NOW) == set()
    assert evaluation.states(RULES["cpu-high-warning"], ask, NOW) != set()


def test_without_any_answer_there_is_an_error() -> None:
    def unreachable(_: Sequence[str]) -> list[Sequence[Series]]:
        raise InfluxDBUnreachableError("nobody answers")

    with pytest.raises(InfluxDBUnreachableError):
        evaluation.ask_at_once([(RULES["disk-full-warning"], NOW)], unreachable)

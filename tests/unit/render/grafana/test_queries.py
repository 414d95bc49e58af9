"""Grafana's queries: the structured target, and the statement that Grafana makes of it.

The expectations of the statement are those of Grafana 12.2's own tests, pkg/tsdb/influxdb/models/query_test.go, as far
as they are about what a target of ours can have.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aresmon.config.views import Condition, SeriesSpec
from aresmon.render.grafana import queries
from aresmon.render.grafana.queries import Scope, host_is
from tests.grafana import influxql


def part(kind: str, *params: str) -> dict[str, Any]:
    return {"type": kind, "params": list(params)}


def built(**changes: Any) -> dict[str, Any]:
    plain = {
        "rawQuery": False,
        "policy": "default",
        "measurement": "cpu",
        "select": [[part("field", "value"), part("mean")]],
        "tags": [],
        "groupBy": [],
        "orderByTime": "ASC",
    }
    return plain | changes


def tag(operator: str, value: str, key: str = "key", **more: str) -> dict[str, str]:
    return {"key": key, "operator": operator, "value": value, **more}


@pytest.mark.parametrize(
    ("changes", "statement"),
    [
        pytest.param(
            {"policy": "policy", "groupBy": [part("time", "$__interval"), part("fill", "null")]},
            'SELECT mean("value") FROM "policy"."cpu" WHERE $timeFilter GROUP BY time($__interval) fill(null)',
            id="simple query",
        ),
        pytest.param(
            {
                "groupBy": [part("time", "$__interval"), part("tag", "datacenter"), part("fill", "null")],
                "tags": [tag("=", "server1", "hostname"), tag("=", "server2", "hostname", condition="OR")],
            },
            'SELECT mean("value") FROM "cpu" WHERE ("hostname" = \'server1\' OR "hostname" = \'server2\') '
            'AND $timeFilter GROUP BY time($__interval), "datacenter" fill(null)',
            id="group bys",
        ),
        pytest.param(
            {"tags": [tag("=", "server1", "hostname")]},
            'SELECT mean("value") FROM "cpu" WHERE "hostname" = \'server1\' AND $timeFilter',
            id="one condition has no brackets",
        ),
        pytest.param(
            {"select": [[part("field", "value"), part("mean"), part("math", "/ 100")]]},
            'SELECT mean("value") / 100 FROM "cpu" WHERE $timeFilter',
            id="math part",
        ),
        pytest.param(
            {"select": [[part("field", "value"), part("mean"), part("alias", "Used %")]]},
            'SELECT mean("value") AS "Used %" FROM "cpu" WHERE $timeFilter',
            id="alias part",
        ),
        pytest.param(
            {"select": [[part("field", "value"), part("mean")], [part("field", "idle"), part("last")]]},
            'SELECT mean("value"), last("idle") FROM "cpu" WHERE $timeFilter',
            id="two selections",
        ),
        pytest.param(
            {"select": [[part("field", "value::field"), part("last"), part("non_negative_derivative", "1s")]]},
            'SELECT non_negative_derivative(last("value"::field), 1s) FROM "cpu" WHERE $timeFilter',
            id="function with a parameter, typed field",
        ),
        pytest.param(
            {"groupBy": [part("tag", "host::tag"), part("tag", "path::tag")]},
            'SELECT mean("value") FROM "cpu" WHERE $timeFilter GROUP BY "host"::tag, "path"::tag',
            id="typed tags without time",
        ),
        pytest.param({"rawQuery": True, "query": "Raw query"}, "Raw query", id="raw query"),
    ],
)
def test_a_target_becomes_the_statement_that_grafana_makes(changes: dict[str, Any], statement: str) -> None:
    expected = statement if changes.get("rawQuery") else f"{statement} ORDER BY time ASC"

    assert queries.statement(built(**changes)) == expected


@pytest.mark.parametrize(
    ("condition", "written"),
    [
        (tag("=~", "/value/"), '"key" =~ /value/'),
        (tag("!~", "/value/"), '"key" !~ /value/'),
        (tag("=", "10001"), "\"key\" = '10001'"),
        (tag("<", "10001"), '"key" < 10001'),
        (tag(">", "10001"), '"key" > 10001'),
        (tag(">=", "10001"), '"key" >= 10001'),
        (tag("<=", "10001"), '"key" <= 10001'),
        (tag("Is", "false"), '"key" = false'),
        (tag("Is Not", "true"), '"key" != true'),
        (tag("Is", "False"), '"key" = false'),
        (tag("Is", "A string"), "\"key\" = 'A string'"),
        (tag("Is", "123"), '"key" = 123'),
        (tag("Is", "-123"), '"key" = -123'),
        (tag("Is", "1.23"), '"key" = 1.23'),
        (tag("Is", "-1.23"), '"key" = -1.23'),
        (tag("Is", "123", "key::tag"), "\"key\"::tag = '123'"),
        (tag("Is", "123", "key::field"), '"key"::field = 123'),
        (tag("=", "value"), "\"key\" = 'value'"),
        (tag("!=", "value"), "\"key\" != 'value'"),
        (tag("=", "C:\\test\\"), "\"key\" = 'C:\\\\test\\\\'"),
        (tag("=", "/^someValue$/"), "\"key\" = 'someValue'"),
        (tag(">", "/^12.2$/"), "\"key\" > '12.2'"),
    ],
)
def test_a_condition_is_written_as_grafana_writes_it(condition: dict[str, str], written: str) -> None:
    assert f"WHERE {written} AND $timeFilter" in queries.statement(built(tags=[condition]))


SCOPE = Scope("$rp", where=(host_is("$host"),))


def target(series: SeriesSpec, scope: Scope = SCOPE, form: str = "time_series") -> dict[str, Any]:
    """A target of ours, which also is what Grafana's builder takes."""
    made = queries.target(series, scope, ref="A", datasource="${datasource}", form=form)
    assert list(influxql.schema_problems(made, influxql.QUERY, "target")) == []
    return made


@pytest.mark.parametrize(
    ("series", "selected"),
    [
        (SeriesSpec("m", "f"), 'mean("f")'),
        (SeriesSpec("m", "f", aggregate="max"), 'max("f")'),
        (SeriesSpec("m", "f", rate=10), 'non_negative_derivative(last("f"), 10s)  + 0 * last("f")'),
        (SeriesSpec("m", "f", aggregate="max", rate=1), 'non_negative_derivative(max("f"), 1s)  + 0 * max("f")'),
        (SeriesSpec("m", "f", increase=True), 'non_negative_difference(last("f"))  + 0 * last("f")'),
        (SeriesSpec("m", "f", aggregate="distinct"), 'count(distinct("f"))'),
        (SeriesSpec("m", "f", math="* -1 + 100"), 'mean("f")  * -1 + 100'),
        (
            SeriesSpec("m", "f.5xx", rate=1, math="* 8"),
            'non_negative_derivative(last("f.5xx"), 1s)  * 8 + 0 * last("f.5xx")',
        ),
    ],
)
def test_a_series_selects_what_it_means(series: SeriesSpec, selected: str) -> None:
    assert queries.statement(target(series)) == (
        f'SELECT {selected} FROM "$rp"."m" WHERE "host"::tag = \'$host\' AND $timeFilter '
        "GROUP BY time($__interval) fill(null) ORDER BY time ASC"
    )


@pytest.mark.parametrize(
    ("series", "tells_gaps"),
    [
        (SeriesSpec("m", "f", increase=True), True),
        (SeriesSpec("m", "f", rate=1, by=("tag",)), True),
        (SeriesSpec("m", "f", increase=True, by=("tag",)), False),
    ],
)
def test_increases_of_several_series_of_many_hosts_are_asked_for_alone(series: SeriesSpec, tells_gaps: bool) -> None:
    text = queries.statement(target(series, replace(SCOPE, is_cheap=True)))

    assert ('+ 0 * last("f")' in text) is tells_gaps


@pytest.mark.parametrize(
    ("condition", "written"),
    [
        (Condition("mode", "=", "rw", True), "\"mode\"::tag = 'rw'"),
        (Condition("cpu", "=", 0, True), "\"cpu\"::tag = '0'"),
        (Condition("code", "=", 0, False), '"code"::field = 0'),
        (Condition("code", "!=", 0, False), '"code"::field != 0'),
        (Condition("code", "=", "0", False), "\"code\"::field = '0'"),
        (Condition("code", "=", 1_234_567_890, False), '"code"::field = 1234567890'),
        (Condition("code", ">", 1e20, False), '"code"::field > 100000000000000000000'),
        (Condition("code", ">", 0.000001, False), '"code"::field > 0.000001'),
        (Condition("code", "<", -1.5, False), '"code"::field < -1.5'),
        (Condition("name", "!~", "/^(lo|veth.*)$/", True), '"name"::tag !~ /^(lo|veth.*)$/'),
    ],
)
def test_a_condition_compares_with_the_type_that_the_key_has(condition: Condition, written: str) -> None:
    made = target(SeriesSpec("m", "f", where=(condition,)))

    assert f"AND {written}) AND $timeFilter" in queries.statement(made)
    assert queries.format_condition(condition) == written


def test_the_tags_of_the_scope_and_of_the_series_are_grouped_by_once_each() -> None:
    made = target(SeriesSpec("m", "f", by=("path", "host")), Scope(by=("host",), step="1m", fill="none"))

    assert queries.statement(made).endswith(
        ' FROM "m" WHERE $timeFilter GROUP BY time(1m), "host"::tag, "path"::tag fill(none) ORDER BY time ASC'
    )


def test_a_growth_of_which_steps_without_points_are_left_out_is_asked_plainly() -> None:
    made = target(SeriesSpec("m", "f", rate=1, math="* 8"), Scope(step="1m", fill="none"))

    assert queries.statement(made).startswith('SELECT non_negative_derivative(last("f"), 1s)  * 8 FROM "m"')


def test_without_steps_all_points_become_one() -> None:
    made = target(SeriesSpec("m", "f", by=("path",)), SCOPE.without_steps())

    assert queries.statement(made).endswith('$timeFilter GROUP BY "path"::tag ORDER BY time ASC')


def test_a_series_of_a_table_is_named_in_its_statement_and_one_over_time_in_the_legend() -> None:
    series = SeriesSpec("m", "f", name="Used %")

    table, lines = target(series, form="table"), target(SeriesSpec("m", "f", name="{path} on {host}"))

    assert 'mean("f") AS "Used %"' in queries.statement(table)
    assert "alias" not in table
    assert lines["alias"] == "$tag_path on $tag_host"
    assert " AS " not in queries.statement(lines)


def test_one_host_is_compared_and_several_are_matched() -> None:
    assert queries.format_condition(host_is("lewi")) == "\"host\"::tag = 'lewi'"
    assert queries.format_condition(host_is("$host", several=True)) == '"host"::tag =~ /^$host$/'


def test_a_formula_names_queries() -> None:
    assert queries.formula("100 * used_x / (total - used)", {"used_x": "A", "total": "B", "used": "AA"}) == (
        "100 * $A / ($B - $AA)"
    )


def test_a_statement_of_its_own_stays_as_it_is() -> None:
    made = queries.raw("SHOW SERIES CARDINALITY", ref="A", datasource="${datasource}", name="{host}")

    assert queries.statement(made) == "SHOW SERIES CARDINALITY"
    assert made["alias"] == "$tag_host"
    assert list(influxql.schema_problems(made, influxql.QUERY, "target")) == []

"""Cells of tables: which statement gives one value a row."""

from __future__ import annotations

from dataclasses import replace

from aresmon.config.views import Condition, SeriesSpec
from aresmon.render.grafana.cells import cell
from aresmon.render.grafana.queries import statement

RECENT = '"time" > ${__to}ms - 3m'


def text(series: SeriesSpec, *, falling: bool = False) -> str:
    return statement(cell(replace(series, name="Title"), rows=("host",), ref="A", falling=falling))


def test_one_series_a_row_is_a_query_that_the_builder_opens() -> None:
    series = SeriesSpec("mem", "available", "last", where=(Condition("kind", "=", "a", is_tag=True),))

    built = cell(replace(series, name="Memory"), rows=("host",), ref="A")

    assert not built["rawQuery"]
    assert statement(built) == (
        f'SELECT last("available") AS "Memory" FROM "raw"."mem" WHERE ({RECENT} AND "kind"::tag = \'a\') '
        'AND $timeFilter GROUP BY "host"::tag ORDER BY time ASC'
    )


def test_of_several_series_in_a_row_the_worst_counts() -> None:
    series = SeriesSpec("disk", "used_percent", "last", by=("path",))

    assert text(series) == (
        'SELECT max("value") AS "Title" FROM (SELECT last("used_percent") AS "value" FROM "raw"."disk" '
        f'WHERE {RECENT} AND $timeFilter GROUP BY "host"::tag, "path"::tag ORDER BY time ASC) '
        'WHERE $timeFilter GROUP BY "host"'
    )
    assert text(series, falling=True).startswith('SELECT min("value") AS "Title"')


def test_a_rate_is_the_median_of_its_steps_and_an_increase_their_sum() -> None:
    rate, increase = SeriesSpec("kernel", "forks", rate=1), SeriesSpec("kernel", "forks", increase=True)

    assert text(rate) == (
        'SELECT median("growth") AS "Title" FROM (SELECT non_negative_derivative(last("forks"), 1s) AS "growth" '
        f'FROM "raw"."kernel" WHERE {RECENT} AND $timeFilter GROUP BY time(30s), "host"::tag fill(none) '
        'ORDER BY time ASC) WHERE $timeFilter GROUP BY "host"'
    )
    assert text(increase).startswith('SELECT sum("growth") AS "Title" FROM (SELECT non_negative_difference("forks") AS')


def test_the_increase_of_many_series_in_a_row_is_read_in_steps() -> None:
    series = SeriesSpec("internal_gather", "errors", increase=True, by=("input",))

    assert text(series).startswith(
        'SELECT max("value") AS "Title" FROM (SELECT sum("growth") AS "value" FROM (SELECT '
        'non_negative_difference(last("errors")) AS "growth" FROM "raw"."internal_gather" '
        f'WHERE {RECENT} AND $timeFilter GROUP BY time(30s), "host"::tag, "input"::tag fill(none)'
    )


def test_a_ratio_of_two_fields_is_one_query() -> None:
    parts = (("load", SeriesSpec("system", "load15", "last")), ("cores", SeriesSpec("system", "n_cpus", "last")))

    assert 'SELECT last("load15")  / last("n_cpus") AS "Title"' in text(SeriesSpec(formula="load / cores", parts=parts))
    percent = SeriesSpec(formula="100 * load / cores", parts=parts)
    assert 'SELECT last("load15")  / last("n_cpus") * 100 AS "Title"' in text(percent)

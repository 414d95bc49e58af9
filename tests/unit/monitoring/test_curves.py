"""The catalogue's series as curves: ranges, few statements, counters, formulas, texts, and statements of its own."""

from __future__ import annotations

import pytest

from aresmon.config.views import Condition, SeriesSpec
from aresmon.monitoring.curves import Questions, Window, steps
from tests.unit.monitoring.databases import series

NOW = 1_000_000_000.0
WINDOW = Window(1000, 1301, 30, "raw")
BIERE = frozenset({("host", "biere")})
HOST_IS = (Condition("host", "=", "biere", is_tag=True),)


@pytest.mark.parametrize(
    ("span", "policy", "step"),
    [
        (900, "raw", 30),
        (3600, "raw", 120),
        (12 * 3600, "raw", 1800),
        (24 * 3600, "1m", 3600),
        (21 * 86400, "1m", 86400),
        (365 * 86400, "1h", 7 * 86400),
    ],
)
def test_a_range_is_asked_of_the_policy_that_serves_it_in_round_steps(span: int, policy: str, step: int) -> None:
    window = Window.ending(NOW, span, points=30)

    assert (window.policy, window.step) == (policy, step)
    assert window.since % step == 0
    assert NOW - span - step < window.since <= NOW - span
    assert window.until > NOW


def test_fields_of_one_measurement_share_a_statement() -> None:
    questions = Questions(WINDOW, HOST_IS)
    user = questions.add(SeriesSpec("cpu", "usage_user"))
    system = questions.add(SeriesSpec("cpu", "usage_system"))
    again = questions.add(SeriesSpec("cpu", "usage_user"))
    memory = questions.add(SeriesSpec("mem", "used"))

    first, second = questions.statements
    answers = [[series({1000: [1.0, 2.0], 1030: [3.0, None]})], [series({1000: 9.0})]]

    assert first.startswith('SELECT mean("usage_user"), mean("usage_system") FROM "raw"."cpu"')
    assert "time >= 960s AND time < 1301s" in first
    assert "GROUP BY time(30s)" in first
    assert '"mem"' in second
    assert user(answers) == again(answers) == {frozenset(): {1000: 1.0, 1030: 3.0}}
    assert system(answers) == {frozenset(): {1000: 2.0}}
    assert memory(answers) == {frozenset(): {1000: 9.0}}


def test_a_rate_leaves_out_the_step_that_is_not_complete_and_a_gauge_does_not() -> None:
    questions = Questions(WINDOW)
    rate = questions.add(SeriesSpec("net", "bytes", rate=1))
    gauge = questions.add(SeriesSpec("net", "speed"))
    told = series({970: 5.0, 1000: 5.0, 1240: 5.0, 1270: 1.0})

    answers = [[told], [told]]

    assert "non_negative_derivative" in questions.statements[0]
    assert set(rate(answers)[frozenset()]) == {1000, 1240}
    assert set(gauge(answers)[frozenset()]) == {1000, 1240, 1270}


def test_a_counter_that_grows_slowly_is_asked_in_longer_steps_each_of_which_stands_for_several() -> None:
    questions = Questions(WINDOW)
    rate = questions.add(SeriesSpec("internal", "points", rate=1, min_step=50))

    answers = [[series({1020: 5.0, 1080: 6.0, 1260: 7.0})]]

    assert "time(60s)" in questions.statements[0]
    assert rate(answers) == {frozenset(): {1020: 5.0, 1050: 5.0, 1080: 6.0, 1110: 6.0}}


def test_the_first_of_longer_steps_has_the_one_before_it_to_grow_from() -> None:
    questions = Questions(WINDOW)
    rate = questions.add(SeriesSpec("internal", "points", rate=1, min_step=60))

    answers = [[series({960: 5.0, 1020: 6.0})]]

    assert "time >= 900s AND time < 1301s" in questions.statements[0], "1000 lies in the step from 960 on"
    assert rate(answers) == {frozenset(): {1020: 6.0, 1050: 6.0}}


def test_a_series_follows_the_longest_step_of_its_panel() -> None:
    questions = Questions(WINDOW)
    gauge = questions.add(SeriesSpec("internal", "buffer_size"), 60)
    own = questions.add(SeriesSpec(influxql="SELECT x FROM m WHERE $timeFilter GROUP BY time($__interval)"), 60)

    answers = [[series({1020: 5.0, 1260: 7.0, 1320: 8.0})], [series({1020: 1.0})]]

    assert "time(60s)" in questions.statements[0]
    assert questions.statements[1] == "SELECT x FROM m WHERE time >= 900s AND time < 1301s GROUP BY time(60s)"
    assert gauge(answers) == {frozenset(): {1020: 5.0, 1050: 5.0, 1260: 7.0, 1290: 7.0}}
    assert own(answers) == {frozenset(): {1020: 1.0, 1050: 1.0}}


def test_the_parts_of_a_formula_have_the_same_steps() -> None:
    of = (("lost", SeriesSpec("internal", "lost", rate=1, min_step=60)), ("buffer", SeriesSpec("internal", "buffer")))
    questions = Questions(WINDOW)
    ratio = questions.add(SeriesSpec(formula="lost / buffer", parts=of))

    answers = [[series({1020: 6.0})], [series({1020: 2.0})]]

    assert all("time(60s)" in one for one in questions.statements)
    assert ratio(answers) == {frozenset(): {1020: 3.0, 1050: 3.0}}


def test_a_formula_is_worked_out_where_all_of_its_parts_are() -> None:
    of = (("used", SeriesSpec("disk", "used", by=("path",))), ("total", SeriesSpec("disk", "total", by=("path",))))
    questions = Questions(WINDOW, HOST_IS)
    share = questions.add(SeriesSpec(formula="100 * used / total", parts=of))

    answers = [[series({1000: [1.0, 4.0], 1030: [2.0, None]}, path="/"), series({1000: [3.0, 4.0]}, path="/srv")]]

    assert len(questions.statements) == 1
    assert share(answers) == {frozenset({("path", "/")}): {1000: 25.0}, frozenset({("path", "/srv")}): {1000: 75.0}}


def test_one_value_over_the_whole_range_has_no_steps() -> None:
    questions = Questions(WINDOW, whole=True)
    last = questions.add(SeriesSpec("docker", "n", aggregate="last"))

    assert "GROUP BY" not in questions.statements[0]
    assert last([[series({0: 7.0})]]) == {frozenset(): {0: 7.0}}


def test_texts_become_numbers_that_tell_which_text_it_was() -> None:
    questions = Questions(WINDOW)
    status = questions.add(SeriesSpec("haproxy", "status", aggregate="last"))

    found = status([[series({1000: "UP", 1030: "DOWN", 1060: "UP"})]])

    assert questions.words == ["UP", "DOWN"]
    assert found == {frozenset(): {1000: 0.0, 1030: 1.0, 1060: 0.0}}


def test_a_statement_of_the_catalogues_own_is_asked_with_its_variables_filled_in() -> None:
    questions = Questions(WINDOW, variables={"$host": "biere"})
    plain = questions.add(SeriesSpec("cpu", "idle"))
    raw = questions.add(
        SeriesSpec(
            influxql='SELECT x FROM $policy.m WHERE "host" =~ /^$host$/ AND $timeFilter GROUP BY time($__interval)'
        )
    )

    answers = [[series({1000: 1.0})], [series({1000: 2.0}, host="biere")]]

    assert questions.statements[1] == (
        'SELECT x FROM "raw".m WHERE "host" =~ /^biere$/ AND time >= 960s AND time < 1301s GROUP BY time(30s)'
    )
    assert plain(answers) == {frozenset(): {1000: 1.0}}
    assert raw(answers) == {BIERE: {1000: 2.0}}


def test_one_missing_step_is_bridged_and_two_are_a_gap() -> None:
    window = Window(0, 60, 10, "raw")

    assert steps({0: 1.0, 20: 3.0, 50: 5.0}, window) == (1.0, 1.0, 3.0, None, None, 5.0)

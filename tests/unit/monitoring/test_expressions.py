"""Grafana's math: signs, brackets, how two sets of labels are joined, and what is not understood."""

from __future__ import annotations

import math

import pytest

from aresmon.monitoring.expressions import Numbers, UnknownExpressionError, calculate

HOST = frozenset({("host", "biere")})
ROOT = HOST | {("path", "/")}
OTHER = frozenset({("host", "lewi"), ("path", "/")})


def value(text: str, **numbers: float) -> float:
    known: dict[str, Numbers] = {name: {HOST: number} for name, number in numbers.items()}
    return calculate(text, known)[HOST]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A + $B * 2", 16),
        ("($A + $B) * 2", 20),
        ("100 * $A / $B", 100 * 4 / 6),
        ("$A - $B", -2),
        ("$A > $B || $B > 5", 1),
        ("$A > $B && $B > 5", 0),
        ("$A / ($B - 6)", math.inf),
        ("$A != $B", 1),
        ("-$A + $B", 2),
        ("-1 * $A", -4),
        ("!$A", 0),
        ("!($A > $B)", 1),
        ("$A >= 4", 1),
    ],
)
def test_an_expression_comes_to_what_arithmetic_says(text: str, expected: float) -> None:
    assert value(text, A=4.0, B=6.0) == pytest.approx(expected)


def test_nothing_divided_by_nothing_is_no_number() -> None:
    assert math.isnan(value("$A / $B", A=0.0, B=0.0))


def test_numbers_are_joined_where_the_labels_of_one_are_among_those_of_the_other() -> None:
    known: dict[str, Numbers] = {"USED": {ROOT: 3.0, OTHER: 4.0}, "TOTAL": {HOST: 10.0}}

    assert calculate("$USED / $TOTAL", known) == {ROOT: 0.3}


@pytest.mark.parametrize("text", ["$A ^ 2", "abs($A)", "$A +", "($A", "$A)", "1 + 1", "$C"])
def test_what_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(UnknownExpressionError):
        calculate(text, {"A": {HOST: 1.0}})

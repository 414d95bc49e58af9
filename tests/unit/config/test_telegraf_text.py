"""How Telegraf reads a text, by examples; `tests/engine/test_lint_by_telegraf.py` asks the real one."""

from __future__ import annotations

import tomllib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aresmon.config import telegraf_text
from aresmon.config.telegraf_text import MissingVariableError

ENVIRONMENT = {"SET": "value", "EMPTY": "", "DOLLAR": "$SET"}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a = 1 # one\n", "a = 1 \n"),
        ("# one\n\n#two", "\n\n"),
        ("a = '#' # one\n", "a = '#' \n"),
        ('a = "#\\"#" # one\n', 'a = "#\\"#" \n'),
        ("a = '''\n# kept ' \"\n''' # one\n", "a = '''\n# kept ' \"\n''' \n"),
        ('a = """\n# kept \\""" "\n""" # one\n', 'a = """\n# kept \\""" "\n""" \n'),
        ("a = 1 # it's one\nb = 2 # two\n", "a = 1 \nb = 2 \n"),
        ("a = '\n# one\n", "a = '\n\n"),
    ],
)
def test_comments_go_and_what_only_looks_like_one_stays(text: str, left: str) -> None:
    assert telegraf_text.without_comments(text) == left


@given(st.text("ab\n#'\"\\= []"))
def test_every_line_keeps_its_number(text: str) -> None:
    assert telegraf_text.without_comments(text).count("\n") == text.count("\n")


@given(st.lists(st.sampled_from(["a = 1 # x", 'b = "#" # "', "c = '#'", "# [d]", "e = ['#', \"#\"] # '"]), unique=True))
def test_what_is_left_means_the_same(lines: list[str]) -> None:
    text = "\n".join(lines)

    assert tomllib.loads(telegraf_text.without_comments(text)) == tomllib.loads(text)


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("$SET ${SET} x${SET}y", "value value xvaluey"),
        ("$NONE ${NONE} $part '{print $NF}'", "$NONE ${NONE} $part '{print $NF}'"),
        ("pa$$word $$SET $$$SET", "pa$word $SET $value"),
        ("${NONE:-d} ${EMPTY:-d} ${SET:-d}", "d d value"),
        ("${NONE-d} | ${EMPTY-d}", "d | "),
        ("${SET:+d}${EMPTY:+d}${NONE+d}", "d"),
        ("${SET:?why}", "value"),
        ("${NONE:-${SET}} ${NONE:-$NONE}", "value "),
        ("${NONE:-d} $NONE ${SET}", "d  value"),  # behind a default, what is not set becomes nothing
        ("${1} $1 ${ $", "${1} $1 ${ $"),
        ("${NONE:-${1}}", "${NONE:-${1}}"),
        ("$DOLLAR", "$SET"),
        ("${SET", "${SET"),
    ],
)
def test_variables_are_replaced_as_telegraf_replaces_them(text: str, becomes: str) -> None:
    assert telegraf_text.substitute(text, ENVIRONMENT) == becomes
    assert telegraf_text.substitute({"a": [text, 1]}, ENVIRONMENT) == {"a": [becomes, 1]}


@pytest.mark.parametrize("text", ["${NONE:?put $SET here}", "${NONE?put value here}", "${EMPTY:?put value here}"])
def test_a_variable_that_is_required_and_missing_is_told(text: str) -> None:
    with pytest.raises(MissingVariableError) as caught:
        telegraf_text.substitute(text, ENVIRONMENT)

    assert (caught.value.name, caught.value.reason) == (text[2:].split("?")[0].rstrip(":"), "put value here")


def test_what_nobody_sets_is_found() -> None:
    text = "$SET ${NONE} ${NONE:-x} $other $$escaped ${NONE:?}"

    assert [found[0] for found in telegraf_text.find_unset(text, ENVIRONMENT)] == ["${NONE}", "$other"]


@given(st.text("$${}:-?+ABC ab1\n"))
def test_any_text_is_replaced_or_refused(text: str) -> None:
    with suppress(MissingVariableError):
        assert isinstance(telegraf_text.substitute(text, ENVIRONMENT), str)

    assert all(found[0] in text for found in telegraf_text.find_unset(text, ENVIRONMENT))

"""The dialect of TOML that Telegraf reads, by examples; `tests/engine/test_lint_by_telegraf.py` asks the real one."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aresmon.config import package_data, telegraf_toml
from aresmon.config.telegraf_toml import TelegrafTomlError


@pytest.mark.parametrize(
    ("text", "tables"),
    [
        ("a = 1\nb = -2.5e3 # c\n", {"a": 1, "b": -2500.0}),
        ("a = 1_000\r\nb = true\r\n\r\n", {"a": 1000, "b": True}),
        ("a = 'x\\y'\nb = \"x\\ty\\u00e9\"\n", {"a": "x\\y", "b": "x\tyé"}),
        ("a = '''\n\nx\n'y''\n'''\n", {"a": "x\n'y''\n"}),
        ('a = """\nx \\\n   y\n"""\n', {"a": "x y\n"}),
        ("a = [\n 1, # one\n 2,\n]\n", {"a": [1, 2]}),
        ("[a]\nb = 1\n[a.c]\nd = 2\n[[e]]\n[[e]]\nf = 3\n", {"a": {"b": 1, "c": {"d": 2}}, "e": [{}, {"f": 3}]}),
        ("[[a]]\n[a.b]\nc = 1\n[[a.d]]\n", {"a": [{"b": {"c": 1}, "d": [{}]}]}),
        ('[ "a b" . c ]\n', {"a b": {"c": {}}}),
        ("a = {b = 1, c = {d = 'e'}}\n", {"a": {"b": 1, "c": {"d": "e"}}}),
        ("a = [{b = 1}, {b = 2}]\n", {"a": [{"b": 1}, {"b": 2}]}),
        ("a = 2026-11-29T06:00:00Z\n", {"a": "2026-11-29T06:00:00Z"}),
        ("[a] b = 1 c = 2\n", {"a": {"b": 1, "c": 2}}),  # as Telegraf reads it, unlike TOML
        ("a = {b = 1,}\n", {"a": {"b": 1}}),
        ("\ufeffa = 1", {"a": 1}),
        ("", {}),
    ],
)
def test_what_telegraf_reads_is_read(text: str, tables: dict[str, Any]) -> None:
    assert telegraf_toml.parse(text) == tables


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("\na =\n", 2, "expected a value"),
        ("a = 1 b = 2\n", 1, "expected the end of the line"),
        ("[a] [b]\n", 1, "a heading must begin its line"),
        ("a.b = 1\n", 1, "Telegraf reads no names with dots; use a [a] heading"),
        ("a = 1\n\na = 2\n", 3, "a is there twice, first in line 1"),
        ("[a]\n[a]\n", 2, "[a] is there already, in line 1"),
        ("[a]\n[[a]]\n", 2, "[a] is there already, in line 1"),
        ("a = 1\n[a.b]\n", 2, "a is a setting in line 1, not a table"),
        ("[a\n", 1, "expected ] behind the name of a table"),
        ("[]\n", 1, "expected the name of a table"),
        ("a = [1 2]\n", 1, "expected , or ] in a list"),
        ("a = {b = 1 c = 2}\n", 1, "expected , or } in a table"),
        ("a = 0x10\n", 1, "expected the end of the line"),
        ("a = 10s\n", 1, "expected the end of the line"),
        ('a = "C:\\dir"\n', 1, "needs '...' quotes"),
        ('a = "x\ty"\n', 1, "needs '...' quotes"),
        ('a = """say "x" """\n', 1, "needs '...' quotes"),
        ('a = "x\n', 1, "Telegraf cannot read this text"),
        ("a = 'x\n", 1, "this text has no end"),
        ('a = "\\ud800"\n', 1, r"\ud800 is no character"),
        ("# x\n\n= 1\n", 3, "expected a setting"),
    ],
)
def test_what_telegraf_does_not_read_is_told_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(TelegrafTomlError) as caught:
        telegraf_toml.parse(text)

    assert caught.value.line == line
    assert words in caught.value.what


def test_plugins_go_with_what_belongs_to_them_and_lines_stay() -> None:
    text = "a = 1\n[agent]\n[[inputs.a]] # x\n  b = 1\n  [inputs.a.tags]\n    c = 2\n[[inputs.b]]\n[[inputs.a]]\n"

    left = telegraf_toml.without(text, {("inputs", "a")})

    assert left == "a = 1\n[agent]\n\n\n\n\n[[inputs.b]]\n\n"
    assert telegraf_toml.without("a = 1\n", {("inputs", "a")}) == "a = 1\n"


def test_every_table_and_setting_has_its_line() -> None:
    tables = telegraf_toml.parse(
        "# one\n\n[agent]\n  a = '''\n\n'''\n  b = 1 # two\n[[inputs.cpu]]\n[inputs.cpu.tags]\n  c = 'd'\n"
    )

    cpu = tables["inputs"]["cpu"][0]
    assert (tables["agent"].line, tables["agent"].lines) == (3, {"a": 4, "b": 7})
    assert (cpu.line, cpu["tags"].line, cpu["tags"].lines) == (8, 9, {"c": 10})


@pytest.mark.parametrize(
    "name", [name for name in package_data.package_files() if name.endswith(".conf") and name.startswith("telegraf/")]
)
def test_what_is_shipped_means_the_same_in_both_dialects(name: str) -> None:
    text = package_data.package_files()[name].decode()

    assert telegraf_toml.parse(text) == tomllib.loads(text)


@given(st.text("abc=[]{}.,'\"\\\n\t #1-e_:T"))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        telegraf_toml.parse(text)
    except TelegrafTomlError as error:
        line = error.line
    else:
        line = 1

    assert 1 <= line <= text.count("\n") + 1

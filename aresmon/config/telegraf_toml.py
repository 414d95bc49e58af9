"""The dialect of TOML that Telegraf reads, with the line of every table and setting.

Telegraf parses with github.com/influxdata/toml, which follows an early TOML: no keys with dots, no hexadecimal numbers,
no tab in "a string"; but several settings in a line, and values that end without a comma. `tomllib` would refuse what
runs, accept what does not, and knows no lines. The grammar is `parse.peg` of that module.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NoReturn

from aresmon.config import telegraf_text

_BLANKS, _SPACE = re.compile(r"[ \t]*"), re.compile(r"[ \t\r\n]*")
_ESCAPE = r'\\(?:[btnfr"/\\]|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})'
_KEY = re.compile(rf'[0-9A-Za-z_-]+|"(?:[^"\\\x00-\x1f]|{_ESCAPE})*"')
_HEADING = re.compile(rf"(?:{_KEY.pattern})(?:[ \t]*\.[ \t]*(?:{_KEY.pattern}))*")
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
_INTEGER = r"[+-]?(?:[1-9](?:_?[0-9])+|[0-9])"
_DIGITS = r"[0-9](?:_?[0-9])*"
_VALUE = re.compile(
    rf"""
      (?P<datetime>{_DATE}(?:T{_TIME}(?:Z|[+-][0-9]{{2}}:[0-9]{{2}})?)?|{_TIME})
    | (?P<float>{_INTEGER}(?:\.{_DIGITS}(?:[eE][+-]?{_DIGITS})?|[eE][+-]?{_DIGITS}))
    | (?P<integer>{_INTEGER})
    | '''(?P<several>(?:(?!''')[^\x00-\x08\x0b\x0c\x0e-\x1f])*)'''
    | '(?P<literal>[^'\x00-\x08\x0a-\x1f]*)'
    | \"\"\"(?P<lines>(?:[^"\\\x00-\x09\x0b\x0c\x0e-\x1f]|{_ESCAPE}|\\[\r\n]+[ \t\r\n]*)*)\"\"\"
    | "(?P<basic>(?:[^"\\\x00-\x1f]|{_ESCAPE})*)"
    | (?P<boolean>true|false)
    | (?P<array>\[)
    | (?P<table>\{{)
    """,
    re.VERBOSE,
)
_CONTINUED = re.compile(r"\\[\r\n]+[ \t\r\n]*")
_ESCAPED = re.compile(_ESCAPE)
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


class TelegrafTomlError(ValueError):
    """A text that Telegraf cannot parse. `line` counts from 1."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line, self.what = line, what


class TomlTable(dict[str, Any]):
    """A table: `line` is where it begins, `lines` where each of its keys is. `kind` is how it was made."""

    def __init__(self, line: int, kind: str = "implicit") -> None:
        super().__init__()
        self.line, self.kind, self.lines = line, kind, dict[str, int]()


def parse(text: str) -> TomlTable:
    """Parse a configuration. Raises TelegrafTomlError."""
    return _Parser(telegraf_text.without_comments(telegraf_text.without_bom(text))).run()


def without(text: str, plugins: Collection[tuple[str, str]]) -> str:
    """A configuration without the tables of these plug-ins, and without comments. Every line keeps its number."""
    parser = _Parser(telegraf_text.without_comments(telegraf_text.without_bom(text)))
    parser.run()
    ends = [*(begin for begin, _ in parser.headings[1:]), len(parser.text)]
    parts = [parser.text[: parser.headings[0][0]] if parser.headings else parser.text]
    for (begin, names), end in zip(parser.headings, ends, strict=False):
        part = parser.text[begin:end]
        parts.append("\n" * part.count("\n") if tuple(names[:2]) in plugins else part)
    return "".join(parts)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.at, self.in_array = text, 0, 0
        self.headings = list[tuple[int, list[str]]]()
        self.root = self.table = TomlTable(1)

    def run(self) -> TomlTable:
        is_first = True  # in its line; only below a heading may settings share one
        while True:
            blank = self.take(_SPACE)
            is_first = is_first or "\n" in blank or "\r" in blank
            if self.at == len(self.text):
                return self.root
            if self.text[self.at] == "[":
                self.heading() if is_first else self.fail("a heading must begin its line")
            elif is_first or self.table is not self.root:
                self.setting()
            else:
                self.fail("expected the end of the line")
            is_first = False

    # Syntax ----------------------------------------------------------------------------------------------

    def heading(self) -> None:
        begin, is_several = self.at, self.text.startswith("[[", self.at)
        self.at += 2 if is_several else 1
        self.take(_BLANKS)
        name = _HEADING.match(self.text, self.at)
        if name is None:
            self.fail("expected the name of a table")
        self.at = name.end()
        self.take(_BLANKS)
        if not self.text.startswith("]]" if is_several else "]", self.at):
            self.fail(f"expected {']]' if is_several else ']'} behind the name of a table")
        self.at += 2 if is_several else 1
        names = [self.key_of(found[0], begin) for found in _KEY.finditer(name[0])]
        self.headings.append((begin, names))
        self.table = self.open(self.root, names, begin, "several" if is_several else "table")

    def setting(self) -> None:
        begin = self.at
        found = _KEY.match(self.text, self.at)
        if found is None:
            self.fail("expected a setting, `name = value`, or a [heading]")
        key = self.key_of(found[0], begin)
        self.at = found.end()
        self.take(_BLANKS)
        if not self.text.startswith("=", self.at):
            dotted = self.text.startswith(".", self.at)
            self.fail(
                f"Telegraf reads no names with dots; use a [{key}] heading" if dotted else f"expected = after {key}"
            )
        self.at += 1
        self.take(_BLANKS)
        table, was_in_array = self.table, self.in_array
        value = self.value(key)
        self.table, self.in_array = table, was_in_array
        if value is not _PLACED:
            if key in table:
                self.fail(f"{key} is there twice, first in line {table.lines.get(key, table.line)}", begin)
            table[key], table.lines[key] = value, self.line(begin)

    def value(self, key: str) -> Any:
        """The value at this place; _PLACED if it is a table, or an array of tables, which is in its place already."""
        begin, found = self.at, _VALUE.match(self.text, self.at)
        if found is None or (not found[0].strip("\"'") and self.text.startswith(found[0][0], found.end())):
            self.fail(self.why_no_value())
        self.at = found.end()
        kind = str(found.lastgroup)
        if kind == "table":
            return self.inline(key, begin)
        return self.array(key) if kind == "array" else _scalar(kind, found[kind], self, begin)

    def array(self, key: str) -> Any:
        self.in_array += 1
        values: list[Any] = []
        self.take(_SPACE)
        while not self.text.startswith("]", self.at):
            values.append(self.value(key))
            self.take(_SPACE)
            if self.text.startswith(",", self.at):
                self.at += 1
                self.take(_SPACE)
            elif not self.text.startswith("]", self.at):
                self.fail("expected , or ] in a list")
        self.at += 1
        self.in_array -= 1
        return _PLACED if values and values[-1] is _PLACED else [one for one in values if one is not _PLACED]

    def inline(self, key: str, begin: int) -> Any:
        table = self.table
        self.table = self.open(table, [key], begin, "several" if self.in_array else "inline")
        was_in_array, self.in_array = self.in_array, self.in_array
        self.take(_BLANKS)
        while not self.text.startswith("}", self.at):
            self.setting()
            blank = self.at
            self.take(_BLANKS)
            if self.text.startswith(",", self.at):
                self.at += 1
                self.take(_BLANKS)
            elif blank != self.at and not self.text.startswith("}", self.at):
                self.fail("expected , or } in a table")
        self.at += 1
        self.table, self.in_array = table, was_in_array
        return _PLACED

    # Tables ----------------------------------------------------------------------------------------------

    def open(self, parent: TomlTable, names: list[str], begin: int, kind: str) -> TomlTable:
        """Make the table of this name, and those above it where they are missing."""
        line = self.line(begin)
        for name in names[:-1]:
            found = parent.setdefault(name, TomlTable(line))
            parent.lines.setdefault(name, line)
            if isinstance(found, list) and found and isinstance(found[-1], TomlTable):
                found = found[-1]
            if not isinstance(found, TomlTable):
                self.fail(f"{name} is a setting in line {parent.lines[name]}, not a table", begin)
            parent = found
        name, made = names[-1], TomlTable(line, kind)
        there = parent.get(name)
        parent.lines.setdefault(name, line)
        if kind == "several" and (there is None or (isinstance(there, _Tables))):
            parent.setdefault(name, _Tables()).append(made)
        elif kind != "several" and (there is None or (isinstance(there, TomlTable) and there.kind != "table")):
            if there is not None:
                made.update(there)
                made.lines.update(there.lines)
            parent[name] = made
        else:
            self.fail(f"[{'.'.join(names)}] is there already, in line {parent.lines[name]}", begin)
        return made

    # Helpers ---------------------------------------------------------------------------------------------

    def why_no_value(self) -> str:
        if self.text.startswith('"', self.at):
            return (
                "Telegraf cannot read this text: check its end; a backslash, a tab or a quote in it needs '...' quotes"
            )
        if self.text.startswith("'", self.at):
            return "this text has no end"
        return "expected a value: a text in quotes, a number, true, false or a list"

    def take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found[0] if found else ""

    def key_of(self, text: str, begin: int) -> str:
        return self.unescaped(text[1:-1], begin) if text.startswith('"') else text

    def unescaped(self, text: str, begin: int) -> str:
        def one(found: re.Match[str]) -> str:
            letter, digits = found[0][1], found[0][2:]
            if letter in "uU":
                code = int(digits, 16)
                if code > 0x10FFFF or 0xD800 <= code < 0xE000:
                    self.fail(f"{found[0]} is no character", begin)
                return chr(code)
            if letter == "/":
                self.fail(r"Telegraf does not read \/ in a text: write / alone", begin)
            return _ESCAPES[letter]

        return _ESCAPED.sub(one, text)

    def line(self, at: int) -> int:
        return self.text.count("\n", 0, at) + 1

    def fail(self, what: str, at: int | None = None) -> NoReturn:
        raise TelegrafTomlError(self.line(self.at if at is None else at), what)


class _Tables(list[TomlTable]):
    """Tables of one name, [[name]]."""


_PLACED = object()


def _scalar(kind: str, text: str, parser: _Parser, begin: int) -> Any:
    match kind:
        case "integer":
            return int(text)
        case "float":
            return float(text)
        case "boolean":
            return text == "true"
        case "basic":
            return parser.unescaped(text, begin)
        case "lines":
            return parser.unescaped(_CONTINUED.sub("", text).lstrip("\r\n"), begin)
        case "several":
            return text.lstrip("\r\n")
        case _:
            return text

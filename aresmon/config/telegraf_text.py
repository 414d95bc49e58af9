"""How Telegraf reads the text of a configuration: its byte order mark, its comments and its variables.

The same as `config/envvar.go` of Telegraf 1.39 in its strict mode, which is that of the service and of
`telegraf config check --strict-env-handling`: variables are replaced in strings, after the text was parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

BOM = "\ufeff"

# Strings are matched so that a # in them begins no comment. A string without its end reaches to the end of its line.
_COMMENT = re.compile(
    r"""
      \\.
    | '''.*?(?:'''|\Z)
    | '[^'\n]*['\n]?
    | \"\"\"(?:\\.|[^\\])*?(?:\"\"\"|\Z)
    | "(?:\\.|[^"\\\n])*["\n]?
    | (?P<comment>\#[^\n]*)
    """,
    re.DOTALL | re.VERBOSE,
)
# github.com/compose-spec/compose-go/template, whose ${NAME:-default} reaches to the last brace of the line.
_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<named>[_a-z][_a-z0-9]*)"
    r"|\{(?:(?P<braced>[_a-z][_a-z0-9]*)(?P<rest>:?[-+?].*)?\}|(?P<invalid>)))",
    re.IGNORECASE,
)
_BRACE = re.compile(r"\$\{|\}")


class MissingVariableError(Exception):
    """A variable that a configuration requires, `${NAME:?reason}`, has no value."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason


class _InvalidError(Exception):
    """Something that looks like a variable and is none, such as ${1}."""


def without_bom(text: str) -> str:
    """The text without a byte order mark at its beginning."""
    return text.removeprefix(BOM)


def without_comments(text: str) -> str:
    """The text without its comments; every line keeps its number."""
    return _COMMENT.sub(lambda found: "" if found["comment"] else found[0], text)


def substitute(value: Any, environment: Mapping[str, str]) -> Any:
    """A parsed value with the variables in its strings replaced. What is not set stays as it is written.

    Raises MissingVariableError for a variable that is required and has no value.
    """
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: _replaced(found[0], environment), value) if "$" in value else value
    if isinstance(value, dict):
        return {key: substitute(one, environment) for key, one in value.items()}
    if isinstance(value, list):
        return [substitute(one, environment) for one in value]
    return value


def find_unset(text: str, environment: Mapping[str, str]) -> Iterator[re.Match[str]]:
    """The references in a string whose variable nobody sets, and which have no word for that case.

    They stay as they are written; only behind a ${NAME:-default} they become nothing.
    """
    for found in _VARIABLE.finditer(text):
        if found["rest"]:
            yield from find_unset(found[0][_closing_brace(found[0]) + 1 or len(found[0]) :], environment)
        elif (name := found["named"] or found["braced"]) and name not in environment:
            yield found


def _replaced(reference: str, environment: Mapping[str, str]) -> str:
    try:
        value = _value(reference, environment)
    except _InvalidError:
        value = None
    return reference if value is None else value


def _value(reference: str, environment: Mapping[str, str]) -> str | None:
    """What a reference stands for; None where its variable is not set."""
    end = _closing_brace(reference)
    reference, behind = (reference, "") if end < 0 else (reference[: end + 1], reference[end + 1 :])
    found = _VARIABLE.match(reference)
    if found is None or found["invalid"] is not None:
        raise _InvalidError
    if found["escaped"]:
        return "$"
    if found["rest"]:
        return _with_operator(found["braced"], found["rest"], environment) + _nested(behind, environment)
    return environment.get(found["named"] or found["braced"])


def _with_operator(name: str, rest: str, environment: Mapping[str, str]) -> str:
    operator = rest[: 2 if rest[0] == ":" else 1]
    word, value = _nested(rest[len(operator) :], environment), environment.get(name)
    is_there = bool(value) if operator[0] == ":" else value is not None
    if operator[-1] == "+":
        return word if is_there else value or ""
    if operator[-1] == "?" and not is_there:
        raise MissingVariableError(name, word)
    return value or "" if is_there else word


def _nested(text: str, environment: Mapping[str, str]) -> str:
    """Replace the variables inside or behind a ${NAME:-default}. Here what is not set becomes nothing."""
    return _VARIABLE.sub(lambda found: _value(found[0], environment) or "", text)


def _closing_brace(text: str) -> int:
    """Where the first ${ of a text is closed, with the ones inside it; -1 if it is not."""
    depth = 0
    for found in _BRACE.finditer(text):
        depth += 1 if found[0] == "${" else -1
        if depth == 0 and found[0] == "}":
            return found.start()
    return -1

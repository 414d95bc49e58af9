"""Grafana's math on numbers with labels, such as `$A / $B * 100`.

Source: Grafana 12, pkg/expr/mathexp.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping

Labels = frozenset[tuple[str, str]]
Numbers = dict[Labels, float]

_TOKEN = re.compile(r"\s*(\$[A-Z][A-Z0-9]*|[0-9.]+|&&|\|\||[<>]=?|==|!=|[-+*/()!])")
_LEVELS = (("||",), ("&&",), ("<", ">", "<=", ">=", "==", "!="), ("+", "-"), ("*", "/"))
_SIGNS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "&&": lambda left, right: bool(left) and bool(right),
    "||": lambda left, right: bool(left) or bool(right),
}


class UnknownExpressionError(ValueError):
    """An expression that is not known here, so that its rule cannot be evaluated."""


def calculate(text: str, known: Mapping[str, Numbers]) -> Numbers:
    """The value of an expression. `known` are the numbers of each `$NAME`. Two numbers are joined where the labels of
    one are among those of the other.

    Raises UnknownExpressionError for what this arithmetic does not know.
    """
    tokens = [found[1] for found in _TOKEN.finditer(text)]
    if "".join(tokens) != text.replace(" ", ""):
        raise UnknownExpressionError(text)
    value = _binary(tokens, known, 0)
    if tokens or isinstance(value, float):
        raise UnknownExpressionError(text)
    return value


def _binary(tokens: list[str], known: Mapping[str, Numbers], level: int) -> Numbers | float:
    if level == len(_LEVELS):
        return _atom(tokens, known)
    left = _binary(tokens, known, level + 1)
    while tokens and tokens[0] in _LEVELS[level]:
        sign = tokens.pop(0)
        left = _joined(sign, left, _binary(tokens, known, level + 1))
    return left


def _atom(tokens: list[str], known: Mapping[str, Numbers]) -> Numbers | float:
    if not tokens:
        raise UnknownExpressionError("it ends too early")
    word = tokens.pop(0)
    if word == "(":
        inner = _binary(tokens, known, 0)
        if tokens[:1] != [")"]:
            raise UnknownExpressionError("a bracket is not closed")
        del tokens[0]
        return inner
    if word == "-":
        return _joined("*", -1.0, _atom(tokens, known))
    if word == "!":
        return _joined("==", 0.0, _atom(tokens, known))
    if word.startswith("$"):
        if word[1:] not in known:
            raise UnknownExpressionError(word)
        return known[word[1:]]
    try:
        return float(word)
    except ValueError:
        raise UnknownExpressionError(word) from None


def _joined(sign: str, left: Numbers | float, right: Numbers | float) -> Numbers | float:
    if isinstance(left, float):
        if isinstance(right, float):
            return _applied(sign, left, right)
        return {labels: _applied(sign, left, value) for labels, value in right.items()}
    if isinstance(right, float):
        return {labels: _applied(sign, value, right) for labels, value in left.items()}
    if len({len(labels) for labels in (*left, *right)}) == 1:  # of equal size, only the same are among each other
        return {labels: _applied(sign, value, right[labels]) for labels, value in left.items() if labels in right}
    return {
        mine | theirs: _applied(sign, value, other)
        for mine, value in left.items()
        for theirs, other in right.items()
        if mine <= theirs or theirs <= mine
    }


def _applied(sign: str, left: float, right: float) -> float:
    if sign != "/":
        return float(_SIGNS[sign](left, right))
    if right == 0:
        return math.nan if left == 0 else math.copysign(math.inf, left)
    return left / right

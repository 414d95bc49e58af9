"""Whether a text is a regular expression of Go, which Telegraf compiles when it starts.

The grammar is that of `regexp/syntax` with the flags of `regexp.Compile`: RE2's, without look-around and references.
Not looked at are the names of Unicode's classes, and how large an expression gets by repetitions in repetitions.
"""

from __future__ import annotations

import re

_MOST = 1000  # repetitions
_POSIX = "alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit"
_CHARACTER = r"\\(?:x(?:[0-9A-Fa-f]{2}|\{[0-9A-Fa-f]+\})|0[0-7]{0,2}|[1-7][0-7]{1,2}|[afnrtv]|[\x00-/:-@\[-`{-\x7f])"
_SET = r"\\(?:[dDsSwW]|[pP](?:\{\^?[A-Za-z_]+\}|[A-Za-z]))"
_CLASS = rf"\[\^?+\]?+(?:\[:\^?[a-z]+:\]|{_CHARACTER}|{_SET}|[^\]\\])*+\]"
_TOKEN = re.compile(
    rf"""
      (?P<quoted>\\Q.*?(?:\\E|\Z))
    | (?P<flags>\(\?[imsU]*(?:-[imsU]+)?\))
    | (?P<open>\((?:\?P?<(?P<name>[A-Za-z0-9_]+)>|\?[imsU]*(?:-[imsU]+)?:|(?!\?)))
    | (?P<close>\))
    | (?P<either>\|)
    | (?P<repeat>(?:[*+?]|\{{(?P<least>[0-9]+)(?P<comma>,(?P<most>[0-9]*))?\}})\??)
    | (?P<class>{_CLASS})
    | (?P<other>{_CHARACTER}|{_SET}|\\[AbBz]|[^\\\[()])
    """,
    re.DOTALL | re.VERBOSE,
)
_ITEM = re.compile(
    rf"\[:\^?(?P<name>[a-z]+):\]|{_SET}|(?P<low>{_CHARACTER}|.)(?:-(?:(?P<high>{_CHARACTER}|[^\]\\])|(?P<set>{_SET})))?",
    re.DOTALL,
)


def find_fault(expression: str) -> str:
    """Why Go does not compile it, as `has a ( without its )`; empty if it does."""
    reader = _Reader(expression)
    try:
        reader.run()
    except ValueError as error:
        return str(error)
    return ""


class _Reader:
    def __init__(self, expression: str) -> None:
        self.expression, self.open_groups, self.names = expression, 0, set[str]()
        self.has_operand = self.was_repeat = False  # whether a repetition may follow

    def run(self) -> None:
        """Raises ValueError with why it is wrong."""
        at = 0
        while at < len(self.expression):
            found = _TOKEN.match(self.expression, at)
            if found is None:
                raise ValueError(_why_unread(self.expression[at:]))
            self.take(found)
            at = found.end()
        if self.open_groups:
            raise ValueError("has a ( without its )")

    def take(self, found: re.Match[str]) -> None:
        kind = found.lastgroup
        match kind:
            case "repeat":
                self.check_repeat(found)
            case "open":
                self.open(found["name"])
            case "close":
                self.close()
            case "class":
                _check_class(found[0])
        if kind != "flags":
            self.has_operand = kind not in ("open", "either")
        self.was_repeat = kind == "repeat"

    def open(self, name: str | None) -> None:
        if name in self.names:
            raise ValueError(f"has two groups named {name}")
        self.names |= {name} if name else set()
        self.open_groups += 1

    def close(self) -> None:
        if not self.open_groups:
            raise ValueError("has a ) without its (")
        self.open_groups -= 1

    def check_repeat(self, found: re.Match[str]) -> None:
        if not self.has_operand:
            raise ValueError(f"has a {found[0]} with nothing before it that it repeats")
        if self.was_repeat:
            raise ValueError(f"has the repetition {found[0]} behind another one")
        least, most = int(found["least"] or 0), int(found["most"] or found["least"] or 0)
        if max(least, most) > _MOST or least > most:
            raise ValueError(f"has the repetition {found[0]}; the numbers rise, up to {_MOST}")


def _check_class(text: str) -> None:
    inside = text[2 if text.startswith("[^") else 1 : -1]
    for found in _ITEM.finditer(inside):
        if found["name"] and not re.fullmatch(_POSIX, found["name"]):
            raise ValueError(f"has the unknown class {found[0]}")
        if found["set"]:
            raise ValueError(f"has the range {found[0]}, which does not end at a character")
        if found["high"] and _code(found["low"]) > _code(found["high"]):
            raise ValueError(f"has the range {found[0]}, which falls")


def _code(character: str) -> int:
    """The number of a character that may be escaped."""
    if len(character) == 1:
        return ord(character)
    if character[1] == "x":
        return int(character[2:].strip("{}"), 16)
    if character[1].isdigit():
        return int(character[1:], 8)
    return {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}.get(character[1], ord(character[1]))


def _why_unread(rest: str) -> str:
    if rest == "\\":
        return "ends with a backslash"
    if rest.startswith("\\"):
        return f"has {rest[:2]}, which Go does not know"
    if rest.startswith("(?"):
        return f"has {rest[:4] if rest.startswith('(?<') else rest[:3]}, which Go does not know"
    return "has a [ without its ], or something in [ ] that Go does not know"

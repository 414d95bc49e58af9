"""InfluxDB's line protocol, read back as InfluxDB reads it: strictly, so that a slip in escaping is found.

Source: InfluxDB 1.x, "InfluxDB line protocol reference".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_KEY = r"(?:[^\\,= \n\"]|\\[,= ])+"
_TEXT = r"\"(?:[^\"\\\n]|\\\\|\\\")*\""
_VALUE = rf"(?:{_TEXT}|-?\d+i|-?\d+(?:\.\d+)?|true|false)"
_LINE = re.compile(
    rf"(?P<measurement>{_KEY})(?P<tags>(?:,{_KEY}={_KEY})*) "
    rf"(?P<fields>{_KEY}={_VALUE}(?:,{_KEY}={_VALUE})*) (?P<time>\d+)"
)


@dataclass(frozen=True)
class Line:
    """One point."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, str | int | float | bool]
    time: int


def points(text: str) -> list[Line]:
    """The points of these lines; AssertionError if InfluxDB would refuse one."""
    return [_point(line) for line in text.split("\n")]


def _point(line: str) -> Line:
    found = _LINE.fullmatch(line)
    assert found, f"not the line protocol: {line!r}"
    tags = dict(_pairs(found["tags"].removeprefix(","), _KEY))
    fields = {key: _read(value) for key, value in _pairs(found["fields"], _VALUE)}
    return Line(found["measurement"], tags, fields, int(found["time"]))


def _pairs(text: str, value: str) -> Iterator[tuple[str, str]]:
    for found in re.finditer(rf"({_KEY})=({value})(?:,|$)", text):
        yield found[1], found[2]


def _read(value: str) -> str | int | float | bool:
    if value.startswith('"'):
        return re.sub(r"\\([\\\"])", r"\1", value[1:-1])
    if value in ("true", "false"):
        return value == "true"
    return int(value[:-1]) if value.endswith("i") else float(value)

"""InfluxDB's line protocol, read. Source: InfluxDB 1.x, "Line protocol reference"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HEAD = re.compile(r"(?:\\.|[^ \\])+")
_TAG = re.compile(r"((?:\\.|[^,=\\])+)=((?:\\.|[^,\\])*)")
_FIELD = re.compile(r'((?:\\.|[^,= \\])+)=("(?:\\.|[^"\\])*"|[^, ]+)')


@dataclass(frozen=True, slots=True)
class Point:
    """One line. `series` is its measurement and tags as they stand, `time` is in nanoseconds since 1970."""

    line: str
    series: str
    measurement: str
    tags: tuple[tuple[str, str], ...]
    fields: tuple[tuple[str, str], ...]
    time: int


def parse(text: str) -> Iterator[Point]:
    """The points of a text that ends with a whole line or in the middle of one, which is left out."""
    for line in text.split("\n")[:-1]:
        head = _HEAD.match(line)
        body, _, stamp = line.rpartition(" ")
        if head is None or not stamp.lstrip("-").isdigit():
            raise ValueError(f"no line protocol: {line[:200]}")
        measurement, _, tags = head[0].partition(",")
        yield Point(
            line,
            head[0],
            measurement,
            tuple((name, value) for name, value in _TAG.findall(tags)),
            tuple((name, value) for name, value in _FIELD.findall(body[head.end() + 1 :])),
            int(stamp),
        )

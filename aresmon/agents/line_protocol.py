"""Points as Telegraf writes them to a file, in InfluxDB's line protocol.

https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

FieldValue = bool | int | float | str

_KEY = r"(?:\\.|[^\\,= ])+"
_STRING = r'"(?:\\.|[^\\"])*"'
_FIELDS = rf'{_KEY}=(?:{_STRING}|[^", ]+)'
_LINE = re.compile(
    rf"(?P<name>(?:\\.|[^\\, ])+)(?P<tags>(?:,{_KEY}={_KEY})*) (?P<fields>{_FIELDS}(?:,{_FIELDS})*) (?P<time>-?\d+)"
)
_TAG = re.compile(rf",({_KEY})=({_KEY})")
_FIELD = re.compile(rf'({_KEY})=({_STRING}|[^", ]+)')
_ESCAPED = re.compile(r'\\([,= \\"])')


@dataclass(frozen=True, slots=True)
class Point:
    """One point; `time` is in nanoseconds since 1970. An unsigned integer is an int too."""

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, FieldValue]
    time: int


def parse(text: str) -> Iterator[Point]:
    """The points among the lines of a text; other lines, as of a log, are left out."""
    for line in text.split("\n"):
        found = _LINE.fullmatch(line)
        if found is not None:
            tags = {_plain(key): _plain(value) for key, value in _TAG.findall(found["tags"])}
            fields = {_plain(key): _value(value) for key, value in _FIELD.findall(found["fields"])}
            yield Point(_plain(found["name"]), tags, fields, int(found["time"]))


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def _value(text: str) -> FieldValue:
    if text.startswith('"'):
        return _plain(text[1:-1])
    if text.lower() in ("t", "true", "f", "false"):
        return text[0].lower() == "t"
    return int(text[:-1]) if text[-1] in "iu" else float(text)

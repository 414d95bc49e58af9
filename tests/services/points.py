"""Points as Telegraf writes them, in InfluxDB's line protocol, and the pages for Prometheus that it reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aresmon.agents import line_protocol

_EXPOSED = re.compile(r"^(?P<name>\w+)\{(?P<labels>.*)\} (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="(.*?)"')

Labels = frozenset[tuple[str, str]]
"""The labels, or the tags besides the host's, of one series."""


@dataclass(frozen=True)
class Point:
    """One point; `time` is in seconds since 1970. `line` is what Telegraf wrote, with the types of its fields."""

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, Any]
    time: float
    line: str

    def __getitem__(self, field: str) -> Any:
        return self.fields[field]


def parse(text: str) -> list[Point]:
    """The points of such a text; a last line that is not whole yet is left out."""
    return [_point(line.rstrip("\n")) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def select(points: Iterable[Point], measurement: str, **tags: str) -> list[Point]:
    """The points of a measurement with these tags, the oldest first."""
    wanted = tags.items()
    return [one for one in points if one.measurement == measurement and wanted <= one.tags.items()]


def only(points: Iterable[Point], measurement: str, **tags: str) -> Point:
    """The newest point of the one series of a measurement that has these tags."""
    return max(_of_one_series(points, measurement, tags), key=lambda one: one.time)


def newest(points: Iterable[Point], measurement: str, **tags: str) -> dict[str, Any]:
    """The newest value of each field of such a series, where one reading is sent as several points."""
    found = sorted(_of_one_series(points, measurement, tags), key=lambda one: one.time)
    return {name: value for one in found for name, value in one.fields.items()}


def by_labels(points: Iterable[Point], measurement: str, field: str) -> dict[Labels, float]:
    """The newest value of a field in each series."""
    found = (one for one in select(points, measurement) if field in one.fields)
    return {frozenset((name, value) for name, value in one.tags.items() if name != "host"): one[field] for one in found}


def exposed(page: str) -> dict[str, dict[Labels, float]]:
    """What a page for Prometheus has of each metric with labels."""
    values: dict[str, dict[Labels, float]] = {}
    for one in _EXPOSED.finditer(page):
        values.setdefault(one["name"], {})[frozenset(_LABEL.findall(one["labels"]))] = float(one["value"])
    return values


def fields_of(points: Iterable[Point], measurement: str) -> set[str]:
    """The names of all fields of a measurement."""
    return {name for one in points if one.measurement == measurement for name in one.fields}


def tags_of(points: Iterable[Point], measurement: str) -> set[str]:
    """The names of all tags of a measurement, but for the host's."""
    return {name for one in points if one.measurement == measurement for name in one.tags} - {"host"}


def _of_one_series(points: Iterable[Point], measurement: str, tags: Mapping[str, str]) -> list[Point]:
    found = select(points, measurement, **tags)
    series = {tuple(sorted(one.tags.items())) for one in found}
    assert len(series) == 1, f"{measurement} {tags}: {sorted(series) or 'no series'}"
    return found


def _point(line: str) -> Point:
    found = next(line_protocol.parse(line), None)
    assert found, f"not line protocol: {line}"
    return Point(found.measurement, found.tags, found.fields, found.time / 1e9, line)

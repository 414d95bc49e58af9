"""Answers to statements by what they ask, as InfluxDB would give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aresmon.influxdb.client import InfluxDBUnreachableError, Series


class Answering:
    """The series for each statement that contains a key, the first that fits; nothing for others. Keeps what it was
    asked; `is_away` is a database that does not answer."""

    def __init__(self, found: Mapping[str, Sequence[Series]] | None = None) -> None:
        self.found = dict(found or {})
        self.requests: list[list[str]] = []
        self.is_away = False

    def __call__(self, texts: Sequence[str]) -> list[Sequence[Series]]:
        if self.is_away:
            raise InfluxDBUnreachableError("InfluxDB does not answer", hint="`aresmon up` starts it")
        self.requests.append(list(texts))
        return [next((series for key, series in self.found.items() if key in text), []) for text in texts]


def series(rows: Mapping[int, float | str | Sequence[float | None]], **tags: str) -> Series:
    """A series with these values, or several of them, by time."""
    told = []
    for at, value in rows.items():
        values = [value] if isinstance(value, int | float | str) else list(value)
        told.append({"time": at, **{f"v{number}": one for number, one in enumerate(values)}})
    return Series("x", tags, tuple(told))

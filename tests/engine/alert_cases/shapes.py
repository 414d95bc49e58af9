"""What the data of alert rules is made of. A value is a number, a text, or a function of the seconds since it was
measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

Value = float | str | Callable[[float], float]


@dataclass(frozen=True)
class Points:
    """One series, written every half minute for as long as the rule looks back."""

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, Value]

    def lines(self, host: str, *, begin: float, now: int, step: int = 30) -> Iterator[str]:
        tags = "".join(f",{key}={value}" for key, value in sorted(({"host": host} | dict(self.tags)).items()))
        for age in range(0, int(now - begin), step):
            fields = ",".join(f"{key}={_written(value, age)}" for key, value in self.fields.items())
            yield f"{self.measurement}{tags} {fields} {(now - age) * 10**9}"


@dataclass(frozen=True)
class Case:
    """`fires` is what a host that must be told of writes, `quiet` what several others do, each on its own."""

    fires: tuple[Points, ...]
    quiet: tuple[tuple[Points, ...], ...]


def points(measurement: str, _tags: str = "", **fields: Value) -> Points:
    """`points("disk", "path=/", free=3)`"""
    tags = dict(pair.split("=") for pair in _tags.split(",") if pair)
    return Points(measurement, tags, {name.replace("__", "."): value for name, value in fields.items()})


def grows(a_minute: float, *, since: float = 10**7) -> Callable[[float], float]:
    """A counter that grows so much a minute."""
    return lambda age: (since - age) / 60 * a_minute


def interrupted(value: float, *, by: float = 0, every: int = 60) -> Callable[[float], float]:
    """A value, but for one point each so many seconds, of those that are written each 30 s."""
    return lambda age: value if age % every else by


def case(fires: Points | tuple[Points, ...], *quiet: Points | tuple[Points, ...]) -> Case:
    every = [one if isinstance(one, tuple) else (one,) for one in (fires, *quiet)]
    return Case(every[0], tuple(every[1:]))


def _written(value: Value, age: float) -> str:
    number = value(age) if callable(value) else value
    return f'"{number}"' if isinstance(number, str) else repr(float(number))

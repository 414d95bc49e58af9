"""How a field behaves, by what was seen of it: whether it is a gauge, a counter or a state."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aresmon.agents.line_protocol import FieldValue, Point

_STATE = re.compile(r"(?:^|_)(?:code|status|state|up|role|enabled|version|healthy|running|exists)$")
_GAUGE = re.compile(
    r"uptime|(?:^|_)(?:age|time|timestamp|expiry|percent|limit|max|min|size|current|active|free|used)(?:_|$)"
)
_COUNTER = re.compile(
    r"_(?:total|count|sum)$|^(?:total|num)_"
    r"|(?:^|_)(?:requests|accepts|accepted|handled|hits|misses|errors?|err|failures|failed|evictions|commits|rollbacks"
    r"|commands|queries|connections_received|restarts|drops?|dropped|retries|timeouts|faults|sent|received|recv)(?:_|$)"
)


@dataclass(frozen=True, slots=True)
class SeenField:
    """A field of a measurement. `kind` is its list in a view, `why` what it was recognised by, in words, and `value`
    the last one, as text."""

    name: str
    kind: str
    why: str
    value: str


@dataclass(frozen=True, slots=True)
class SeenMeasurement:
    """A measurement: its tags with the values that each has, and its fields, by their names."""

    name: str
    tags: Mapping[str, tuple[str, ...]]
    fields: tuple[SeenField, ...]
    series: int


Known = Mapping[tuple[str, str], tuple[str, str]]
"""By measurement and field: its kind, and the view that says so."""


def measurements(points: Iterable[Point], known: Known) -> list[SeenMeasurement]:
    """What these points have, in the order of the names. A field that a view describes already has the same kind."""
    by_name: dict[str, list[Point]] = {}
    for point in points:
        by_name.setdefault(point.measurement, []).append(point)
    in_order = {name: sorted(several, key=lambda one: one.time) for name, several in sorted(by_name.items())}
    return [_measurement(name, several, known) for name, several in in_order.items()]


def _measurement(name: str, points: Sequence[Point], known: Known) -> SeenMeasurement:
    tags = {key: tuple(sorted({one.tags.get(key, "") for one in points})) for one in points for key in one.tags}
    names = sorted({field for one in points for field in one.fields})
    series = {tuple(sorted(one.tags.items())) for one in points}
    fields = tuple(_field(one, points, known.get((name, one))) for one in names)
    return SeenMeasurement(name, dict(sorted(tags.items())), fields, len(series))


def _field(name: str, points: Sequence[Point], known: tuple[str, str] | None) -> SeenField:
    of_series: dict[tuple[tuple[str, str], ...], list[FieldValue]] = {}
    for point in points:
        if name in point.fields:
            of_series.setdefault(tuple(sorted(point.tags.items())), []).append(point.fields[name])
    several = list(of_series.values())
    kind, why = kind_of(name, several) if known is None else (known[0], f"as in {known[1]}.yml")
    return SeenField(name, kind, why, _text(several[-1][-1]))


def kind_of(name: str, several: Sequence[Sequence[FieldValue]]) -> tuple[str, str]:
    """The kind of a field by its name and its values in each series, in the order of time; and the reason."""
    values = [value for one in several for value in one]
    if any(isinstance(value, bool | str) for value in values):
        return "states", "a text, or true or false"
    if _STATE.search(name):
        return "states", "by its name"
    steps = [after - before for one in several for before, after in zip(one, one[1:], strict=False)]  # type: ignore[operator]
    if any(step < 0 for step in steps):
        return "gauges", "it fell"
    if _GAUGE.search(name):
        return "gauges", "by its name"
    if _COUNTER.search(name):
        return "counters", "by its name" + (", and it grew" if any(steps) else "")
    is_whole = all(isinstance(value, int) for value in values)
    if is_whole and sum(step > 0 for step in steps) > 1:
        return "counters", "it grew more than once, and never fell"
    if not any(steps):
        return "gauges", "it did not grow"
    return "gauges", "it grew once" if is_whole else "a number with decimals"


def _text(value: FieldValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return re.sub(r"\s+", " ", text)[:40]

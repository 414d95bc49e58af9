"""What there is to look at and to worry about, of each collector: described once, for several readers.

Dashboards, alert rules and the downsampling are all rendered from these; `viewfile` reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

HOST = "host"
"""The tag that every point has."""
PLACES = ("glance", "first", "open", "main", "detail")
"""Where a panel can stand on a host's page, in its order."""
PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""A tag, or `value`, in a name or a text: `{path}`."""

LATE_AFTER, SILENT_AFTER = 60, 180
"""The age in seconds from which the newest point of a host is late, and from which the host is silent: the alert
`agent-silent` fires then, and older values are not said to be of now."""
EVALUATED_EVERY = 60
"""Seconds between two evaluations of the alert rules. All windows and `for` of the catalogue are in minutes."""
MIN_ALERT_STEP = "1m"
"""The shortest step of time over which alerts compare the values of a counter."""

_RATIO = re.compile(r"^(?:([0-9.]+) \* )?([a-z][a-z_]*) / ([a-z][a-z_]*)$")

FieldKind = Literal["gauge", "peak", "low", "counter", "state"]
MarkColor = Literal["orange", "purple", "yellow", "gray"]
Severity = Literal["information", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("information", "warning", "critical")


@dataclass(frozen=True, slots=True)
class Measurement:
    """What Telegraf writes under one name. `fields` are by name; `tags` are those beside `host`. `min_step` is the
    shortest step in seconds over which its counters may be compared, 0 where they grow at each reading."""

    name: str
    tags: tuple[str, ...]
    fields: Mapping[str, FieldKind]
    min_step: int = 0


@dataclass(frozen=True, slots=True)
class Condition:
    """`key` of a point is, is not (`!=`), is greater or less than, or matches (`=~`, `!~`) `value`."""

    key: str
    operator: str
    value: str | float
    is_tag: bool


@dataclass(frozen=True, slots=True)
class SeriesSpec:
    """Values over time: of one field, or what a formula makes of several (`parts`, by name), or what a
    statement of its own gives (`influxql`). `rate` is in seconds, 0 where the value itself is meant; `min_step` is the
    shortest step in seconds over which it is asked, 0 where any will do; `policy` is the one retention policy that has
    it, empty where all have; `role` is what it is, as `used` or `out`, for its look; `beside` are columns of a table
    with tags of its point."""

    measurement: str = ""
    field: str = ""
    aggregate: str = "mean"
    rate: int = 0
    increase: bool = False
    math: str = ""
    where: tuple[Condition, ...] = ()
    by: tuple[str, ...] = ()
    name: str = ""
    formula: str = ""
    parts: tuple[tuple[str, SeriesSpec], ...] = ()
    influxql: str = ""
    policy: str = ""
    role: str = ""
    min_step: int = 0
    beside: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Levels:
    """From which value on it is how bad, the least bad first; `falling` where less is worse."""

    steps: tuple[tuple[Severity, float], ...]
    falling: bool = False


@dataclass(frozen=True, slots=True)
class TableColumn:
    """How a column of a table looks: that of a tag, a series or a field, by its name (`of`). `width` is in pixels, the
    least one where its texts are wrapped."""

    of: str
    title: str = ""
    width: int = 0
    unit: str = ""
    decimals: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    levels: Levels | None = None
    is_bar: bool = False
    is_wrapped: bool = False
    show: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """One thing to look at. `show` are words and colours by value; the scale reaches to `soft_maximum` at least;
    `no_data` stands there where a host has no such data.
    `row` is the heading below which it is folded, the view's title where it is empty; `panel` is the one that tells
    more; `formerly` is the title by which its links know it. Of a table: its `columns`, the titles it is sorted by and
    whether the greatest comes first, the tags of a row, and how old a value may be, empty where any may."""

    title: str
    kind: str
    unit: str
    description: str
    series: tuple[SeriesSpec, ...]
    levels: Levels | None = None
    minimum: float | None = None
    maximum: float | None = None
    soft_maximum: float | None = None
    decimals: int | None = None
    stack: bool = False
    width: int = 0
    height: int = 0
    place: str = "main"
    show: tuple[tuple[str, str, str], ...] = ()
    no_data: str = "no data"
    row: str = ""
    panel: str = ""
    formerly: str = ""
    columns: tuple[TableColumn, ...] = ()
    sort: tuple[tuple[str, bool], ...] = ()
    rows: tuple[str, ...] = ()
    within: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One value a host in the fleet's overview. Columns stand by their `order`; `top` is the title of a list of the ten
    hosts with the worst values, empty for none."""

    title: str
    unit: str
    description: str
    series: SeriesSpec
    levels: Levels | None = None
    decimals: int | None = None
    width: int = 0
    order: int = 100
    trend: bool = False
    top: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to worry about. `resource` is what its value is of, as `Disk space {path}`, empty where its title says
    so; `over` and `lasting` are in seconds; `each_host` makes a rule of every host,
    which also fires when nothing at all is there; where the alert is of no collector, a rule of the server."""

    id: str
    title: str
    series: SeriesSpec
    over: int
    lasting: int
    levels: Levels
    unit: str
    summary: str
    next: str
    when: str = ""
    each_host: bool = False
    panel: str = ""
    resource: str = ""


@dataclass(frozen=True, slots=True)
class Restart:
    """How restarts of something are recognised: `series` is a counter that begins again at zero, or the time of the
    last start in `unit` since 1970, which is empty for a counter. `color` is that of the marks."""

    title: str
    series: SeriesSpec
    unit: str = ""
    color: MarkColor = "orange"


@dataclass(frozen=True, slots=True)
class Board:
    """A collector's own dashboard; `choose` is a tag to choose by, whose values the measurement `of` knows."""

    title: str
    choose: str = ""
    of: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """All of one collector's file; `name` is the collector's."""

    name: str
    title: str
    measurements: Mapping[str, Measurement]
    panels: tuple[Panel, ...]
    columns: tuple[Column, ...]
    alerts: tuple[Alert, ...]
    board: Board | None
    restarts: tuple[Restart, ...] = ()


Views = Mapping[str, View]


def columns_of(views: Iterable[View]) -> tuple[Column, ...]:
    """All columns of the overview, the most important first."""
    return tuple(sorted((column for view in views for column in view.columns), key=lambda column: column.order))


def min_step(several: Iterable[SeriesSpec]) -> int:
    """The shortest step in seconds over which all of these series may be asked; 0 where any will do."""
    return max((part.min_step for one in several for part in (one, *(part for _, part in one.parts))), default=0)


def tags_of(series: SeriesSpec) -> tuple[str, ...]:
    """The tags, beside `host`, that distinguish the series."""
    if series.parts:
        return tuple(dict.fromkeys(tag for _, part in series.parts for tag in part.by))
    return series.by


def ratio_in(formula: str) -> tuple[str, str, str] | None:
    """`100 * a / b` → the factor, empty where there is none, and the two names."""
    found = _RATIO.match(formula)
    return (found[1] or "", found[2], found[3]) if found else None


def rows_of(panel: Panel) -> tuple[str, ...]:
    """The tags, beside `host`, that tell one row of a table from another: those that it names, else those that all of
    its series have."""
    if panel.rows or not panel.series:
        return panel.rows
    first, *others = (tags_of(series) for series in panel.series)
    return tuple(tag for tag in first if all(tag in tags for tags in others))

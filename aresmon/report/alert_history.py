"""How often alerts fired and for how long, from the changes of state that Grafana keeps as annotations.

Source: Grafana 12, pkg/services/ngalert/state/historian/annotation.go, and `GET /api/annotations`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aresmon.report.period import Period

_FIRING = ("Alerting", "Error", "NoData")


@dataclass(frozen=True, slots=True)
class AlertFigures:
    """An alert of a host, or of none, at one severity: how often it fired in the period, and for how many seconds.

    Instances of one alert that fire at the same time, such as two disks of a host, count as one.
    """

    title: str
    severity: str
    host: str
    times: int
    seconds: float


def summarise(annotations: Iterable[Mapping[str, Any]], period: Period) -> list[AlertFigures]:
    """The alerts that fired, the longest first. An alert that fires at the end of the period counts until then."""
    changes: dict[str, list[tuple[float, bool, bool]]] = {}
    for one in annotations:
        at = float(one.get("time", 0)) / 1000
        is_firing, was_firing = _is_firing(one.get("newState")), _is_firing(one.get("prevState"))
        if period.start <= at < period.until and is_firing != was_firing:
            changes.setdefault(_instance(str(one.get("text", ""))), []).append((at, is_firing, was_firing))
    spans: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for instance, several in changes.items():
        title, _, labels = instance.partition(" {")
        key = (title, _label(labels, "severity"), _label(labels, "host"))
        spans.setdefault(key, []).extend(_spans(sorted(several), period))
    found = [_figures(key, list(_merged(several))) for key, several in spans.items()]
    return sorted(found, key=lambda one: (-one.seconds, one.title, one.host))


def _figures(key: tuple[str, str, str], spans: list[tuple[float, float]]) -> AlertFigures:
    title, severity, host = key
    return AlertFigures(title, severity, host, len(spans), sum(end - start for start, end in spans))


def _merged(spans: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """The same time without overlaps."""
    since, until = 0.0, 0.0
    for start, end in sorted(spans):
        if start > until:
            if until:
                yield since, until
            since = start
        until = max(until, end)
    if until:
        yield since, until


def _spans(changes: Iterable[tuple[float, bool, bool]], period: Period) -> Iterator[tuple[float, float]]:
    """The times in which one instance fired. One whose first change ends it had fired since before the period."""
    since: float | None = None
    is_first = True
    for at, is_firing, was_firing in changes:
        if is_firing:
            since = at if since is None else since
        elif since is not None:
            yield since, at
            since = None
        elif is_first and was_firing:
            yield period.start, at
        is_first = False
    if since is not None:
        yield since, period.until


def _is_firing(state: object) -> bool:
    """`Alerting`, or with a reason, as in `Alerting (NoData)`."""
    return str(state).partition(" ")[0] in _FIRING


def _instance(text: str) -> str:
    """The rule's title and the labels, without the values: `Disk full {host=biere, path=/} - B=97.1`."""
    return text.rpartition("} - ")[0] or text.rstrip("}")


def _label(labels: str, name: str) -> str:
    pairs = (pair.partition("=") for pair in labels.split(", "))
    return next((value for key, _, value in pairs if key == name), "")

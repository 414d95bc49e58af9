"""A host's panels, as its dashboard has them, with their curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from aresmon.config.model import Config
from aresmon.config.views import HOST, PLACEHOLDER, PLACES, Condition, Panel, SeriesSpec, View, Views, min_step
from aresmon.monitoring.curves import Answers, Curve, Curves, Questions, Window, steps
from aresmon.monitoring.expressions import Labels


@dataclass(frozen=True, slots=True)
class PlacedPanel:
    """A panel of a host, and the view that it comes from."""

    view: View
    panel: Panel


@dataclass(frozen=True, slots=True)
class NamedCurve:
    """A curve under its name in the legend; `tags` are those that tell it from the others, `role` is what it is."""

    name: str
    tags: tuple[str, ...]
    points: tuple[float | None, ...]
    role: str = ""

    @property
    def last(self) -> float | None:
        """The newest value."""
        return next((value for value in reversed(self.points) if value is not None), None)

    @property
    def most(self) -> float | None:
        """The greatest value."""
        return max((value for value in self.points if value is not None), default=None)


@dataclass(frozen=True, slots=True)
class PanelReading:
    """A panel with its curves, each with a value for every step of the window; of a table one value each. `words` are
    the texts whose numbers are the values, where these are texts."""

    panel: Panel
    window: Window
    curves: tuple[NamedCurve, ...]
    words: tuple[str, ...] = ()


def list_panels(config: Config, views: Views, host: str) -> list[PlacedPanel]:
    """The panels of a host: those at a glance, those of the first screen, each collector's, and the details."""
    known = [views[name] for name in config.host(host).collect if name in views]
    return [
        PlacedPanel(view, panel) for place in PLACES for view in known for panel in view.panels if panel.place == place
    ]


def ask(
    host: str, panels: Sequence[Panel], window: Window
) -> tuple[list[str], Callable[[Answers], list[PanelReading]]]:
    """What is to be asked for these panels of a host, and what makes their readings of the answers."""
    where = (Condition(HOST, "=", host, is_tag=True),)
    variables = {"$host": host}
    stepped = Questions(window, where, variables=variables)
    whole = Questions(window, where, whole=True, variables=variables)
    read = [(panel, _added(panel, whole if panel.kind == "table" else stepped)) for panel in panels]
    first, second = stepped.statements, whole.statements

    def readings(answers: Answers) -> list[PanelReading]:
        parts = {"table": answers[len(first) :]}
        return [
            PanelReading(panel, window, tuple(_named(panel, window, [
                (series, one(parts.get(panel.kind, answers[: len(first)]))) for series, one in several
            ])), tuple((whole if panel.kind == "table" else stepped).words))
            for panel, several in read
        ]  # fmt: skip

    return [*first, *second], readings


def _added(panel: Panel, to: Questions) -> list[tuple[SeriesSpec, Callable[[Answers], Curves]]]:
    """Each series of a panel, with what reads its curves. All have the longest step that one of them needs."""
    least = min_step(panel.series)
    return [(series, to.add(series, least)) for series in panel.series]


def _named(panel: Panel, window: Window, found: Sequence[tuple[SeriesSpec, Curves]]) -> Iterator[NamedCurve]:
    for series, curves in found:
        for labels, curve in sorted(curves.items(), key=lambda pair: sorted(pair[0])):
            tags = {key: value for key, value in labels if key != HOST}
            points = _points(curve, window, is_whole=panel.kind == "table")
            yield NamedCurve(
                _name(series, labels), tuple(value for _, value in sorted(tags.items())), points, series.role
            )


def _name(series: SeriesSpec, labels: Labels) -> str:
    tags = dict(labels)
    name = PLACEHOLDER.sub(lambda found: tags.get(found[1], ""), series.name)
    return name or " ".join(value for key, value in sorted(tags.items()) if key != HOST) or series.field


def _points(curve: Curve, window: Window, *, is_whole: bool) -> tuple[float | None, ...]:
    if is_whole:
        return (curve[max(curve)],) if curve else ()
    return steps(curve, window)

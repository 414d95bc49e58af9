"""What the screen shows, read from the database: few requests, and none that nobody looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aresmon.config.model import Config
from aresmon.config.views import EVALUATED_EVERY, Views
from aresmon.monitoring import host_panels
from aresmon.monitoring.active_alerts import ActiveAlert
from aresmon.monitoring.curves import Window
from aresmon.monitoring.fleet import Fleet, FleetReader
from aresmon.monitoring.host_panels import PanelReading
from aresmon.system.errors import AresmonError

if TYPE_CHECKING:
    from aresmon.monitoring.alerts import AlertWatch
    from aresmon.monitoring.evaluation import AskAll

POINTS = 120
"""Steps of a panel's curves, about."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be read: the fleet over `span` seconds; of `host`, if one is open, its panels, the details too if
    wanted, over a range that ended `offset` seconds ago."""

    span: int
    host: str = ""
    details: bool = False
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read for `wanted`, at a time in seconds since 1970. `alerts` is None until they were evaluated;
    `problem` and `hint` say why there is nothing newer."""

    wanted: Wanted
    at: float
    fleet: Fleet | None = None
    alerts: tuple[ActiveAlert, ...] | None = None
    unknown: tuple[str, ...] = ()
    readings: tuple[PanelReading, ...] = ()
    problem: str = ""
    hint: str = ""


@dataclass
class Feed:
    """Reads snapshots. Alert rules are evaluated once a minute, as Grafana does; everything else at each call."""

    config: Config
    views: Views
    ask_all: AskAll
    _fleet: FleetReader = field(init=False)
    _watch: AlertWatch | None = None
    _alerts: tuple[ActiveAlert, ...] | None = None
    _evaluated: float = 0.0
    _last: Snapshot | None = None

    def __post_init__(self) -> None:
        self._fleet = FleetReader(self.config, self.views)

    def read(self, wanted: Wanted, now: float, *, evaluate: bool = True) -> Snapshot:
        """Read what is wanted. A database that does not answer is a problem of the snapshot, which keeps what the last
        one had. Without `evaluate`, the alerts are those of the last evaluation."""
        try:
            if evaluate and self.is_due(now):
                self._evaluate(now)
            found = self._read(wanted, now)
        except AresmonError as error:
            last = self._last or Snapshot(wanted, now)
            found = replace(last, wanted=wanted, problem=error.message, hint=error.hint)
            if last.wanted.host != wanted.host:
                found = replace(found, readings=())
        self._last = found
        return found

    def is_due(self, now: float) -> bool:
        """Whether the alerts were not evaluated in the last minute."""
        return now - self._evaluated >= EVALUATED_EVERY

    def _evaluate(self, now: float) -> None:
        if self._watch is None:
            # The first values should not wait for it to be loaded.
            from aresmon.monitoring.alerts import AlertWatch

            self._watch = AlertWatch(self.config, self.views, self.ask_all)
        self._alerts = self._watch.look(now)
        self._evaluated = now

    def _read(self, wanted: Wanted, now: float) -> Snapshot:
        statements, fleet = self._fleet.ask(now, wanted.span)
        more: list[str] = []
        readings = None
        if wanted.host:
            window = Window.ending(now - wanted.offset, wanted.span, points=POINTS)
            several = [
                one.panel
                for one in host_panels.list_panels(self.config, self.views, wanted.host)
                if wanted.details or one.panel.place != "detail"
            ]
            more, readings = host_panels.ask(wanted.host, several, window)
        answers = self.ask_all([*statements, *more])
        return Snapshot(
            wanted,
            now,
            fleet(answers[: len(statements)], self._alerts or ()),
            self._alerts,
            self._watch.unknown if self._watch else (),
            tuple(readings(answers[len(statements) :])) if readings else (),
        )


def every(wanted: Wanted, interval: float) -> float:
    """Seconds between two requests: `interval`, and for long ranges, which hardly change, up to a minute."""
    step = Window.ending(0, wanted.span, points=POINTS).step
    return max(interval, min(step / 4, EVALUATED_EVERY))


def alerts_of(snapshot: Snapshot, host: str) -> Sequence[ActiveAlert]:
    """What fires on one host."""
    return [one for one in snapshot.alerts or () if one.host == host]

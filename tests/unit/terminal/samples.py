"""Three hosts and what they do, for the screens of the tests: computed, so that every frame is the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from aresmon.config.views import Column, Levels, Panel, SeriesSpec
from aresmon.monitoring.active_alerts import ActiveAlert
from aresmon.monitoring.curves import Window
from aresmon.monitoring.fleet import POINTS, Fleet, HostRow, HostState, Trend
from aresmon.monitoring.host_panels import NamedCurve, PanelReading
from aresmon.terminal import feed
from aresmon.terminal.feed import Snapshot, Wanted

NOW = 1_780_000_000.0
SPAN, HOUR = 900, 3600
_USE = Levels((("warning", 85.0), ("critical", 95.0)))
_SIZES = {"percent": 100.0, "bytes": 16e9, "bps": 4e7, "none": 2.0, "dtdurations": 4e6}


def column(title: str, unit: str, levels: Levels | None = None, decimals: int | None = None) -> Column:
    return Column(title, unit, "What it is.", SeriesSpec("x", "y"), levels, decimals)


COLUMNS = (
    column("CPU", "percent", _USE, 0),
    column("Memory", "percent", _USE, 0),
    column("Fullest disk", "percent", _USE, 0),
    column("Load", "none", Levels((("warning", 2.0),)), 2),
    column("Network in", "bps"),
    column("Network out", "bps"),
)


def panel(title: str, kind: str, unit: str, *names: str, stack: bool = False, place: str = "main") -> Panel:
    """A panel whose series are `name` or `name:role`."""
    series = tuple(SeriesSpec(name=one.partition(":")[0], role=one.partition(":")[2]) for one in names)
    ends = {"minimum": 0.0, "maximum": 100.0 if unit == "percent" else None}
    described = f"{title} of this host. A second sentence says what to make of it."
    levels = _USE if unit == "percent" and kind != "timeseries" else None
    made = Panel(title, kind, unit, described, series, levels=levels, stack=stack, place=place)
    return made if unit == "bps" else replace(made, **ends)  # type: ignore[arg-type]


PANELS = (
    panel("CPU", "gauge", "percent", "CPU", place="glance"),
    panel("Memory", "gauge", "percent", "Memory", place="glance"),
    panel("Uptime", "stat", "dtdurations", "Uptime", place="glance"),
    panel("Processor use", "timeseries", "percent", "user:used", "system:system", "iowait:wait", stack=True),
    panel("Memory use", "timeseries", "bytes", "used:used", "caches:cached", "total:total"),
    panel("Load", "timeseries", "none", "1 minute", "5 minutes", "15 minutes"),
    panel("Traffic", "timeseries", "bps", "eth0 in:in", "eth0 out:out"),
    panel("Filesystems", "bargauge", "percent", "/", "/srv", "/home"),
    replace(
        panel("Servers", "state-timeline", "none", "shop/web1", "shop/web2"),
        show=(("UP", "up", "green"), ("DOWN", "down", "red")),
    ),
    panel("Each container", "table", "none", "Restarts", "CPU %"),
)


def wave(number: int, top: float, *, until: int = 10**9) -> Callable[[int], float | None]:
    """A curve that goes up and down, and ends at a step."""
    return lambda step: round(top * (0.5 + 0.4 * math.sin(step / 9 + number)), 3) if step < until else None


def trend(host: int, number: int, of: Column, steps: int) -> Trend:
    curve = wave(host * 3 + number, _SIZES[of.unit], until=steps - 15 if host == 2 else steps)
    points = tuple(curve(step) for step in range(steps))
    return Trend(points[-1], points)


def fleet(hosts: int = 3) -> Fleet:
    """So many hosts; the third one is silent."""
    window = Window.ending(NOW, SPAN, points=POINTS)
    names = ["biere", "ronflex", "lewi", *(f"host-{number}" for number in range(4, hosts + 1))][:hosts]
    states: dict[int, HostState] = {1: "warning", 2: "silent", 7: "never"}
    ages: dict[int, float | None] = {2: 460.0, 7: None}
    rows = tuple(
        HostRow(
            name,
            states.get(number, "ok"),
            ages.get(number, 4.0 + number % 5),
            tuple(trend(number, index, one, len(window.times)) for index, one in enumerate(COLUMNS)),
        )
        for number, name in enumerate(names)
    )
    return Fleet(NOW, window, COLUMNS, rows)


ALERTS = (
    ActiveAlert(
        "agent-silent-lewi", "agent-silent", "critical", "firing", "lewi", (), None, NOW - 280,
        "Nothing has arrived from lewi for three minutes.",
        "`aresmon status` says whether one host or all are silent; on lewi: `journalctl -u telegraf -n 50`.",
    ),
    ActiveAlert(
        "disk-full-warning", "disk-full", "warning", "firing", "ronflex", ("/srv",), 91.0, 0.0,
        "/srv on ronflex is 91 % full.",
        "On ronflex: `du -xh --max-depth=2 /srv | sort -h | tail`, then delete or move, or grow it.",
    ),
    ActiveAlert(
        "load-high-warning", "load-high", "warning", "pending", "biere", (), 2.4, NOW - 300,
        "On biere, 2.40 processes wait or run for each core.", "On biere: `top` when the processors are busy.",
    ),
)  # fmt: skip


def reading(of: Panel, *, number: int = 0) -> PanelReading:
    """A panel with the curves that its series would have; one of them has a gap."""
    window = Window.ending(NOW, HOUR, points=feed.POINTS)
    steps = 1 if of.kind == "table" else len(window.times)
    curves = []
    for index, series in enumerate(of.series):
        if of.kind == "state-timeline":
            points: list[float | None] = [float(index == 1 and 40 < step < 60) for step in range(steps)]
        else:
            curve = wave(number + 2 * index, _SIZES[of.unit] / (len(of.series) if of.stack else 1))
            points = [None if index == 1 and 30 <= step < 40 else curve(step) for step in range(steps)]
        tags = ("shop",) if of.kind == "table" else (series.name,)
        curves.append(NamedCurve(series.name, tags, tuple(points), series.role))
    return PanelReading(of, window, tuple(curves), ("UP", "DOWN") if of.kind == "state-timeline" else ())


def snapshot(*, host: str = "", hosts: int = 3) -> Snapshot:
    readings = tuple(reading(one, number=number) for number, one in enumerate(PANELS)) if host else ()
    return Snapshot(Wanted(HOUR if host else SPAN, host), NOW, fleet(hosts), ALERTS, readings=readings)

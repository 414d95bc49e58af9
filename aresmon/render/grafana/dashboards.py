"""Grafana's dashboards: one a host, one of the fleet, one of each collector that has its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from aresmon.config.model import Config
from aresmon.config.names import FLEET, MARKER, uid_of_collector, uid_of_host
from aresmon.config.views import HOST, Board, Condition, Panel, View, Views
from aresmon.render.grafana import fleet, nearest
from aresmon.render.grafana.dashboard import (
    POLICY,
    DashboardSpec,
    choice,
    dashboard,
    format_dashboard,
    values,
)
from aresmon.render.grafana.grid import Grid, Placed
from aresmon.render.grafana.host_page import host_dashboard
from aresmon.render.grafana.panels import (
    MOST_POINTS,
    Json,
    height,
    panel_json,
    width,
)
from aresmon.render.grafana.queries import Scope, host_is

PATH = "grafana/dashboards"
# A board over all hosts costs the database series times points: with many hosts each series has fewer of them, and
# half of these where a host has several series.
_SERIES_POINTS, _FEWEST_POINTS = 1500, 30
# What stands in a pattern for a host's name and uid: no name has such a character.
_HERE, _UID = "\x00host\x00", "\x00uid\x00"


def dashboards(config: Config, views: Views) -> dict[str, bytes]:
    """Every dashboard's file, by its path in the bundle."""
    files = {f"{PATH}/fleet.json": format_dashboard(fleet_dashboard(config, views)).encode()}
    collected = {name for host in config.hosts for name in host.collect}
    for name in sorted(collected & views.keys()):
        if views[name].board is not None:
            made = collector_dashboard(views[name], hosts=sum(name in host.collect for host in config.hosts))
            files[f"{PATH}/{name}.json"] = format_dashboard(made).encode()
    limits = nearest.figures(config, views)
    patterns: dict[tuple[object, ...], bytes] = {}
    for host in config.hosts:
        kind = (host.collect, limits[host.name])
        if kind not in patterns:
            known = [views[name] for name in host.collect if name in views]
            built = host_dashboard(_HERE, known, uid=_UID, limits=limits[host.name])
            patterns[kind] = format_dashboard(built).encode()
        files[f"{PATH}/hosts/{host.name}.json"] = _filled(patterns[kind], host.name)
    return files


def collector_dashboard(view: View, *, hosts: int) -> Json:
    """A collector's own dashboard, over all of so many hosts or those chosen."""
    board = view.board or Board(view.title)
    chosen = Condition(board.choose, "=~", f"/^${board.choose}$/", is_tag=True)
    scope = Scope(POLICY, where=(host_is("$host", several=True),), by=(HOST,), is_cheap=True)
    narrow = replace(scope, where=(*scope.where, chosen))
    points = min(max(_SERIES_POINTS // max(hosts, 1), _FEWEST_POINTS), MOST_POINTS)
    grid = Grid()
    for place in ("first", "open", "main", "own"):
        grid.place(_chosen(view, place, scope, narrow, points=points))
    grid.fold("More", _chosen(view, "detail", scope, narrow, points=points), of=view.name)
    known_by = next((one for one in view.measurements if one != MARKER), "")
    variables = [choice("host", "Host", values(HOST, known_by))]
    if board.choose:
        label = board.choose.replace("_", " ").capitalize()
        variables.append(choice(board.choose, label, values(board.choose, board.of)))
    frame = DashboardSpec(
        uid_of_collector(view.name), board.title, ("aresmon",), since="now-1h", variables=tuple(variables)
    )
    return dashboard(frame, grid.panels, view.restarts)


def fleet_dashboard(config: Config, views: Views) -> Json:
    """The fleet's overview: one row a host, and what is wrong now."""
    known = config.known_views(views)
    grid = Grid()
    grid.place(fleet.overview_panels(known, hosts=len(config.hosts)))
    if len(config.hosts) > fleet.MANY:
        grid.place(fleet.top_panels(known))
    grid.fold("When each host reported", fleet.history_panels(), of=FLEET)
    return dashboard(DashboardSpec(FLEET, "Fleet", ("aresmon",), since="now-1h"), grid.panels)


def _filled(pattern: bytes, host: str) -> bytes:
    """A pattern with a host's name in it: a thousand hosts of one kind are rendered once."""
    for mark, value in ((_UID, uid_of_host(host)), (_HERE, host)):
        pattern = pattern.replace(json.dumps(mark)[1:-1].encode(), value.encode())
    return pattern


# A collector's panels over all hosts -----------------------------------------------------------------


def _chosen(view: View, place: str, scope: Scope, narrow: Scope, *, points: int) -> Iterator[Placed]:
    """A collector's panels over all hosts; those that know the tag to choose by are narrowed by it."""
    choose = view.board.choose if view.board else ""
    for panel in view.panels:
        if panel.place == place:
            knows = all(_knows(view, name, choose) for name in _measurements(panel))
            fewer = max(points // 2, _FEWEST_POINTS) if any(one.by for one in panel.series) else points
            built = panel_json(panel, view.name, narrow if knows else scope, names=(HOST,), points=fewer)
            yield _placed(panel, built)


def _measurements(panel: Panel) -> Iterator[str]:
    for series in panel.series:
        yield from (part.measurement for _, part in series.parts) if series.parts else (series.measurement,)


def _knows(view: View, measurement: str, tag: str) -> bool:
    return measurement in view.measurements and tag in view.measurements[measurement].tags


def _placed(panel: Panel, built: Json) -> Placed:
    return Placed(built, width(panel), height(panel))

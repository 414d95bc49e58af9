"""A host's dashboard: how full it is and what it does on the first screen, then each collector, folded.

What the views show at a glance becomes one panel of bars and one of numbers: a line of small panels is a screen of its
own on a phone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from aresmon.config.names import uid_of_collector, uid_of_host
from aresmon.config.views import Panel, SeriesSpec, View, min_step
from aresmon.render.grafana import cells, nearest, panels, queries
from aresmon.render.grafana.alert_lists import BY_IMPORTANCE, FIRING, alert_list
from aresmon.render.grafana.dashboard import POLICY, DashboardSpec, constant, dashboard
from aresmon.render.grafana.grid import COLUMNS, Grid, Placed
from aresmon.render.grafana.nearest import Figure
from aresmon.render.grafana.panels import DATASOURCE, Json, panel_id, panel_json, thresholds
from aresmon.render.grafana.queries import Scope, host_is

_HEIGHT = 6
_INDEX_HEIGHT, _LOWEST = 3, 7
_FEWEST_INDEXED = 5
"""Services from which a host's page has an index of them: below, their rows are seen beside the graphs."""
_MOST_IN_HEIGHT = (16, 32)
"""Services whose links have room in the index in a narrow window, and in one that is a row higher: two lines, four."""
_OF_NOW = "At the end of the time shown: values of the last three minutes. Without any, the host is silent."
_STEPS = 60  # the most that a value of which only the newest is shown is asked for


def host_dashboard(host: str, views: Iterable[View], *, uid: str = "", limits: Sequence[Figure] = ()) -> Json:
    """The dashboard of the host of this name, which is found by `uid` if that is not to follow from the name; `limits`
    are the values that have one."""
    uid = uid or uid_of_host(host)
    known = list(views)
    scope = Scope(POLICY, where=(host_is("$host"),))
    grid = Grid()
    glances = [(view, panel) for view in known for panel in view.panels if panel.place == "glance"]
    grid.place(_now(glances, limits, scope, uid))
    grid.place([_placed(view, panel, scope) for view, panel in glances if not panels.is_gathered(panel)], even=True)
    services = [view for view in known if _is_service(view)]
    first = list(_panels(known, "first", scope))
    if len(services) >= _FEWEST_INDEXED:
        more = sum(len(services) > most for most in _MOST_IN_HEIGHT)
        grid.place([Placed(_index(services, uid), COLUMNS, _INDEX_HEIGHT + more)])
        # The graphs end with the first screen, whatever stands above them.
        first = [replace(one, height=min(one.height, _LOWEST - more)) for one in first]
    grid.place(first)
    grid.place(_panels(known, "open", scope))
    for view in known:
        folded = _folded(view)
        for heading in dict.fromkeys(_heading(view, panel) for panel in folded):
            inside = [_placed(view, panel, scope) for panel in folded if _heading(view, panel) == heading]
            grid.fold(heading, inside, of=f"{view.name} {heading}")
    frame = DashboardSpec(uid, host, ("aresmon-host",), since="now-6h", variables=(constant("host", host),))
    return dashboard(frame, grid.panels, [one for view in known for one in view.restarts])


def _is_service(view: View) -> bool:
    """Whether it has nothing among the graphs of the machine, but rows or a page of its own."""
    places = {panel.place for panel in view.panels}
    return not places & {"first", "open"} and (view.board is not None or bool(_folded(view)))


def _index(services: Iterable[View], uid: str) -> Json:
    """A link to each service: to its own page for this host, else to the first panel of its rows."""
    links = []
    for view in sorted(services, key=lambda view: view.title.casefold()):
        if view.board is not None:
            target = f"/d/{uid_of_collector(view.name)}?var-host=${{host}}"
        else:
            target = f"/d/{uid}?viewPanel={panels.id_of(view, _folded(view)[0].title)}"
        links.append(f"[{_markdown(view.title)}]({target}&${{__url_time_range}})")
    return {
        "id": panel_id("host", "Services"),
        "type": "text",
        "title": "Services",
        "description": "What else is collected here, each with its page or its panels. What is near its limit or fires "
        "is listed above.",
        "options": {
            "mode": "markdown",
            "content": " · ".join(links),
            "code": {"language": "plaintext", "showLineNumbers": False},
        },
        "fieldConfig": {"defaults": {}, "overrides": []},
        "targets": [],
    }


def _markdown(text: str) -> str:
    """The title as it stands, whatever Markdown would make of it."""
    return re.sub(r"([\\\[\]*_`<>$])", r"\\\1", text)


def _folded(view: View) -> list[Panel]:
    """What stands in its rows."""
    return [panel for panel in view.panels if panel.place in ("main", "detail")]


def _heading(view: View, panel: Panel) -> str:
    """Of the row in which the panel is folded."""
    return panel.row or (view.title if panel.place == "main" else f"{view.title}: more")


def _panels(views: Iterable[View], place: str, scope: Scope) -> Iterator[Placed]:
    for view in views:
        for panel in view.panels:
            if panel.place == place:
                yield _placed(view, panel, scope)


def _placed(view: View, panel: Panel, scope: Scope) -> Placed:
    return Placed(panel_json(panel, view.name, scope), panels.width(panel), panels.height(panel))


# At a glance -----------------------------------------------------------------------------------------

Glance = tuple[View, Panel]


def _now(glances: Sequence[Glance], limits: Sequence[Figure], scope: Scope, uid: str) -> Iterator[Placed]:
    bars = [one for one in glances if panels.is_bar(one[1])]
    numbers = [one for one in glances if panels.is_number(one[1])]
    if bars:
        yield Placed(_full() | _gathered(bars, scope, uid), 7, _HEIGHT)
    if limits:
        yield Placed(nearest.panel(limits, uid), 7, _HEIGHT)
    if numbers:
        yield Placed(_numbers() | _gathered(numbers, scope, uid), 5, _HEIGHT)
    if bars or limits or numbers:
        yield Placed(_alerts(), 5, _HEIGHT)


def _gathered(several: Sequence[Glance], scope: Scope, uid: str) -> Json:
    """Panels of one value each, as one: what differs between them is overridden by each one's query."""
    letters = panels.letters()
    step = min_step([series for _, panel in several for series in panel.series])
    targets: list[Json] = []
    overrides: list[Json] = []
    for view, panel in several:
        for series in panel.series:
            asked = list(panels.asked(panel, series, _recently(series, scope), (), letters))
            targets.extend(asked)
            matcher = {"id": "byFrameRefID", "options": asked[-1]["refId"]}
            overrides.append({"matcher": matcher, "properties": list(_own(view, panel, uid))})
    return {
        "description": " ".join([_OF_NOW, *(f"{panel.title}: {panel.description}" for _, panel in several)]),
        "datasource": {"type": queries.DATASOURCE_TYPE, "uid": DATASOURCE},
        "targets": targets,
        "fieldConfig": {
            "defaults": {
                "unit": "none",
                "color": {"mode": "thresholds"},
                "thresholds": thresholds(None),
                "custom": {},
                "mappings": [],
                "noValue": "no data",
            },
            "overrides": overrides,
        },
        "maxDataPoints": _STEPS,
        **({"interval": f"{step}s"} if step else {}),
    }


def _recently(series: SeriesSpec, scope: Scope) -> Scope:
    """Only values of the last minutes are of now: a silent host has none. Growth needs more than two steps."""
    if any(one.rate or one.increase for one in (series, *(part for _, part in series.parts))):
        return scope
    return replace(scope, policy=cells.POLICY, where=(*scope.where, cells.IS_RECENT))


def _own(view: View, panel: Panel, uid: str) -> Iterator[Json]:
    yield {"id": "displayName", "value": panel.title}
    yield {"id": "unit", "value": panel.unit}
    yield {"id": "thresholds", "value": panels.panel_thresholds(panel)}
    for key, value in (("min", panel.minimum), ("max", panel.maximum), ("decimals", panel.decimals)):
        if value is not None:
            yield {"id": key, "value": value}
    if panel.panel:
        shown = f"viewPanel={panels.id_of(view, panel.panel)}"
        link = {"title": panel.panel, "url": f"/d/{uid}?{shown}&${{__url_time_range}}", "targetBlank": False}
        yield {"id": "links", "value": [link]}


def _full() -> Json:
    """Bars, whose length tells what their colour tells too."""
    return {"id": panel_id("host", "How full"), "type": "bargauge", "title": "How full", "options": panels.BARS}


def _numbers() -> Json:
    return {
        "id": panels.NOW,
        "type": "stat",
        "title": "Now",
        "options": {
            "reduceOptions": panels.REDUCED,
            "colorMode": panels.VALUE_ON_COLOR,
            "graphMode": "none",
            "textMode": "value_and_name",
            "justifyMode": "auto",
            "orientation": "auto",
            "text": {"titleSize": 13, "valueSize": 20},
        },
    }


def _alerts() -> Json:
    """What fires for this host. It is a variable that Grafana fills in, so that hosts' files differ by their name."""
    says = "What fires for this host or is about to. Empty is good. Open one for what to do next."
    options = {"maxItems": 20, "sortOrder": BY_IMPORTANCE, "stateFilter": FIRING | {"pending": True}}
    return alert_list("host", "Alerts here", says, labels='{host="$host"}', **options)

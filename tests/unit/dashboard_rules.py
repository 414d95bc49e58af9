"""Rules of our own that every dashboard keeps; each tells what breaks it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

from aresmon.config.views import HOST
from aresmon.render.grafana.queries import statement
from tests.unit.conftest import VIEWS

Json = dict[str, Any]
Rule = Callable[[Json], Iterator[str]]


def every(built: Json) -> list[Json]:
    """Each panel, those in folded rows too, and no row."""
    several = [one for panel in built["panels"] for one in (panel, *panel.get("panels", []))]
    return [panel for panel in several if panel["type"] != "row"]


def queried(built: Json) -> list[Json]:
    """Each panel that asks the database."""
    return [panel for panel in every(built) if panel["targets"]]


def asked(built: Json) -> Iterator[Json]:
    """Each query: of panels, but no expression, and of annotations."""
    for panel in every(built):
        yield from (one for one in panel["targets"] if one["datasource"]["type"] != "__expr__")
    yield from (one["target"] for one in built["annotations"]["list"])


def has_a_unit(built: Json) -> Iterator[str]:
    for panel in queried(built):
        if not panel["fieldConfig"]["defaults"].get("unit"):
            yield f"{panel['title']}: no unit"


def says_what_to_do(built: Json) -> Iterator[str]:
    for panel in every(built):
        sentences = [one for one in re.split(r"[.;] ?", panel["description"]) if one]
        if len(panel["description"]) < 20 or not panel["description"].endswith(".") or not sentences:
            yield f"{panel['title']}: {panel['description']!r}"


def has_thresholds(built: Json) -> Iterator[str]:
    for panel in queried(built):
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        values = [step["value"] for step in steps[1:]]
        if steps[0]["value"] is not None or values != sorted(set(values)):
            yield f"{panel['title']}: {steps}"


def has_a_legend_that_fits(built: Json) -> Iterator[str]:
    """None for one series; below the lines only what has room there; at the right with a width, sorted by a value."""
    for panel in every(built):
        legend = panel["options"].get("legend", {})
        if panel["type"] != "timeseries":
            continue
        grows = grows_with_the_data(panel)
        number = sum(not query.get("hide") for query in panel["targets"])
        if not legend["showLegend"]:
            if number > 1 or grows:
                yield f"{panel['title']}: its series have no names"
        elif number == 1 and not grows:
            yield f"{panel['title']}: a legend of one series"
        elif legend["placement"] == "bottom":
            if grows or number > rows_of_a_legend(panel):
                yield f"{panel['title']}: no room for {'any number of' if grows else number} series below it"
        elif not legend.get("width") or HEADINGS.get(legend.get("sortBy")) not in legend["calcs"]:
            yield f"{panel['title']}: {legend}"


HEADINGS = {"Mean": "mean", "Max": "max", "Last *": "lastNotNull"}


def grows_with_the_data(panel: Json) -> bool:
    """Whether only the data says how many series there are."""
    parts = [part for query in panel["targets"] for part in query.get("groupBy", [])]
    return any(part["type"] == "tag" for part in parts) or any(query.get("rawQuery") for query in panel["targets"])


def rows_of_a_legend(panel: Json) -> int:
    """How many series have room below a panel: Grafana gives 35 % of its height to a legend, a row of a table has
    21.5 pixels, and a line of a list holds two names and has 22."""
    room = 0.35 * (38 * panel["gridPos"]["h"] - 56)
    if panel["options"]["legend"]["displayMode"] == "table":
        return int((room - 24) // 21.5)
    return 2 * int(room // 22)


def draws_a_hole_where_reports_are_missing(built: Json) -> Iterator[str]:
    for panel in every(built):
        custom = panel["fieldConfig"]["defaults"].get("custom", {})
        wanted = {"timeseries": 61_000, "state-timeline": False}
        if panel["type"] in wanted and custom["spanNulls"] != wanted[panel["type"]]:
            yield f"{panel['title']}: {custom['spanNulls']}"
    for query in asked(built):
        steps = [part for part in query.get("groupBy", []) if part["type"] == "time"]
        fill = [part["params"] for part in query.get("groupBy", []) if part["type"] == "fill"]
        if fill != ([["null"]] if steps else []):
            yield f"{query['measurement']}: {fill}"
        tags = [part["params"] for part in query.get("groupBy", []) if part["type"] == "tag"]
        if [f"{HOST}::tag"] in tags and len(tags) > 1 and "non_negative_difference" in str(query.get("select")):
            continue  # events of several series of several hosts, where it would take three times as long
        # A growth alone has no row where a step is empty.
        growth = re.search(r"non_negative_\w+\((\w+\(.+?\))", text := statement({"rawQuery": True, **query}))
        if growth and steps and f"+ 0 * {growth[1]} FROM" not in text:
            yield f"{query['measurement']}: {text}"


def compares_counters_over_their_shortest_step(built: Json) -> Iterator[str]:
    known = {name: one.min_step for view in VIEWS.values() for name, one in view.measurements.items()}
    for panel in queried(built):
        grown = [one for one in panel["targets"] if any("negative" in part["type"] for part in _selected(one))]
        needed = max((known[one["measurement"]] for one in grown), default=0)
        if panel["type"] == "timeseries" and panel.get("interval") != (f"{needed}s" if needed else None):
            yield f"{panel['title']}: {panel.get('interval')}, and needs {needed} s"


def _selected(target: Json) -> list[Json]:
    return [part for one in target.get("select", []) for part in one]


def has_ids_of_its_own(built: Json) -> Iterator[str]:
    several = [one["id"] for panel in built["panels"] for one in (panel, *panel.get("panels", []))]
    yield from (f"{one} is there {number} times" for one, number in Counter(several).items() if number > 1)
    yield from (f"{one} is no id" for one in several if not 0 < one < 2**31)
    refs = [(panel["id"], query["refId"]) for panel in every(built) for query in panel["targets"]]
    yield from (f"{one} is there {number} times" for one, number in Counter(refs).items() if number > 1)


def stays_in_the_grid(built: Json) -> Iterator[str]:
    for several in (built["panels"], *(panel["panels"] for panel in built["panels"] if panel.get("panels"))):
        for panel in several:
            place = panel["gridPos"]
            if place["x"] < 0 or place["w"] < 1 or place["h"] < 1 or place["x"] + place["w"] > 24:
                yield f"{panel['title']}: {place}"
        for one, other in combinations(several, 2):
            if overlap(one["gridPos"], other["gridPos"]):
                yield f"{one['title']} and {other['title']}"


def overlap(one: Json, other: Json) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "w"), ("y", "h"))
    )


def has_folded_rows_that_begin_below_their_heading(built: Json) -> Iterator[str]:
    for row in built["panels"]:
        if row["type"] == "row" and row["collapsed"] != bool(row["panels"]):
            yield f"{row['title']}: folded without panels, or with panels that nobody sees"
        for panel in row.get("panels", []):
            if panel["gridPos"]["y"] <= row["gridPos"]["y"]:
                yield f"{panel['title']}: {panel['gridPos']}"


def names_no_data_source(built: Json) -> Iterator[str]:
    known = ({"type": "influxdb", "uid": "${datasource}"}, {"type": "__expr__", "uid": "__expr__"})
    for place, source in sources(built, ""):
        if source not in known and not place.endswith(".options.datasource"):  # of alerts, which are Grafana's
            yield f"{place}: {source}"
    if not any(one["name"] == "datasource" and one["query"] == "influxdb" for one in built["templating"]["list"]):
        yield "no variable for the data source"


def sources(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((f"{at}.datasource", one) for key, one in value.items() if key == "datasource")
        for key, one in value.items():
            yield from sources(one, f"{at}.{key}")
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from sources(one, f"{at}[{index}]")


def has_a_uid_that_grafana_takes(built: Json) -> Iterator[str]:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", built["uid"]):
        yield built["uid"]


def keeps_the_time_range_in_links(built: Json) -> Iterator[str]:
    yield from (f"{link['title']}" for link in built["links"] if not link["keepTime"])
    for panel in every(built):
        for override in panel["fieldConfig"]["overrides"]:
            for one in override["properties"]:
                for link in one["value"] if one["id"] == "links" else []:
                    if link["url"].startswith("/d/") and "${__url_time_range}" not in link["url"]:
                        yield f"{panel['title']}: {link['url']}"


def tells_of_pushes_and_reboots(built: Json) -> Iterator[str]:
    found = {one["name"]: one["target"] for one in built["annotations"]["list"] if one["enable"]}
    for name, measurement in (("Pushes", "aresmon_event"), ("Reboots", "kernel")):
        query = found.get(name, {})
        # Without `target`, and `fromAnnotations` in it, Grafana asks nothing.
        if f'"{measurement}"' not in query.get("query", "") or not query.get("fromAnnotations"):
            yield name


def asks_with_variables_that_are_there(built: Json) -> Iterator[str]:
    own = {"timeFilter", "__interval", "__from", "__to", "__url_time_range", "__value", "__data"}
    known = own | {one["name"] for one in built["templating"]["list"]}
    for query in asked(built):
        named = set(re.findall(r"\$\{?(\w+)", statement({"rawQuery": True, **query}))) - known
        yield from (f"{query['refId']} of {query.get('measurement', query.get('query'))}: ${one}" for one in named)
        yield from (f"alias: ${one}" for one in re.findall(r"\$(?!tag_)(\w+)", query.get("alias", "")))
    for one in built["templating"]["list"]:
        yield from (f"{one['name']}: ${name}" for name in set(re.findall(r"\$(\w+)", one["query"])) - known)


def asks_only_of_what_is_described(built: Json) -> Iterator[str]:
    known = {name for view in VIEWS.values() for name in view.measurements}
    yield from (one["measurement"] for one in asked(built) if "measurement" in one and one["measurement"] not in known)


def is_generated_and_says_so(built: Json) -> Iterator[str]:
    if "Generated by aresmon" not in built["description"] or not {"aresmon", "aresmon-host"} & set(built["tags"]):
        yield "not marked as ours"
    if "id" in built:
        yield "has an id, which another Grafana gives to another dashboard"


RULES: list[Rule] = [
    has_a_unit,
    says_what_to_do,
    has_thresholds,
    has_a_legend_that_fits,
    has_ids_of_its_own,
    stays_in_the_grid,
    has_folded_rows_that_begin_below_their_heading,
    names_no_data_source,
    has_a_uid_that_grafana_takes,
    keeps_the_time_range_in_links,
    tells_of_pushes_and_reboots,
    asks_with_variables_that_are_there,
    asks_only_of_what_is_described,
    draws_a_hole_where_reports_are_missing,
    compares_counters_over_their_shortest_step,
    is_generated_and_says_so,
]

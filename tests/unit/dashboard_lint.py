"""What a person would see wrong in a browser, told from a dashboard's JSON: cut titles, holes, legends without room,
colours without a meaning.

The sizes are Grafana 12's: a row of the grid is 30 pixels and 8 between two, a title is written in 14 pixels, and a
window of 1500 x 1000 shows 23 rows.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from itertools import combinations, groupby

from aresmon.config.roles import ROLES
from aresmon.config.views import View
from aresmon.render.grafana import nearest, panels, roles
from tests.unit import colors
from tests.unit.conftest import VIEWS
from tests.unit.dashboard_rules import (
    Json,
    Rule,
    every,
    grows_with_the_data,
    has_a_legend_that_fits,
    has_a_unit,
    overlap,
    queried,
    says_what_to_do,
    stays_in_the_grid,
)

FIRST_SCREEN = 23  # rows
MOST_OPEN, MOST_OPEN_QUERIES, MOST_FOLDED = 12, 40, 4
MOST_LIMITS = 60  # queries of one value each
_NARROW, _WIDE = 800, 1500  # pixels of a window: a small laptop beside an editor, and a screen
_LETTER, _BESIDE_TITLE = 7.5, 48  # pixels: of a letter in a title, and of what stands beside it
_COLUMNS = 24
_MARGIN = 16
_LEAST_APART = 15
_OF_LINES, _OF_WORDS = 3, 4.5  # WCAG 2.2, 1.4.11 and 1.4.3
NAMED = {roles.COLORS[role.color] for role in ROLES.values()} | {
    "transparent", "super-light-orange", "dark-red", "dark-blue", "semi-dark-blue", "orange", "red", "#6e6e6e",
}  # fmt: skip


def has_room_for_its_titles(built: Json) -> Iterator[str]:
    for panel in every(built):
        room = panel["gridPos"]["w"] * (_NARROW - _MARGIN) / _COLUMNS - _BESIDE_TITLE
        if len(panel["title"]) * _LETTER > room:
            yield f"{panel['title']}: needs more than {room:.0f} pixels"


def calls_its_panels_by_names_of_their_own(built: Json) -> Iterator[str]:
    titles = Counter(panel["title"] for panel in every(built))
    yield from (f"{title}: {number} panels" for title, number in titles.items() if number > 1)
    yield from (f"{title}: the name of a tag or field" for title in titles if "_" in title or not title.strip())


def has_no_hole(built: Json) -> Iterator[str]:
    """Each line of panels is as wide as the page, and all of them are as high as the others; no line is left out."""
    yield from stays_in_the_grid(built)
    below = 0
    open_ones = [(one["gridPos"], one["title"]) for one in built["panels"]]
    for start, line in groupby(sorted(open_ones, key=lambda one: (one[0]["y"], one[0]["x"])), lambda one: one[0]["y"]):
        several = list(line)
        yield from _holes(several)
        if start != below:
            yield f"{several[0][1]}: begins at {start}, and what is above it ends at {below}"
        below = start + several[0][0]["h"]
    for row in built["panels"]:
        inside = [(one["gridPos"], one["title"]) for one in row.get("panels", [])]
        for _, line in groupby(inside, lambda one: one[0]["y"]):
            yield from _holes(list(line))


def _holes(line: list[tuple[Json, str]]) -> Iterator[str]:
    titles = ", ".join(title for _, title in line)
    if sum(place["w"] for place, _ in line) != _COLUMNS:
        yield f"{titles}: {sum(place['w'] for place, _ in line)} columns wide"
    if len({place["h"] for place, _ in line}) > 1:
        yield f"{titles}: of different heights"
    if any(overlap(one[0], other[0]) for one, other in combinations(line, 2)):
        yield f"{titles}: over each other"


def shows_what_matters_on_the_first_screen(built: Json) -> Iterator[str]:
    if "aresmon-host" not in built["tags"]:
        return
    first = {panel.title for view in VIEWS.values() for panel in view.panels if panel.place == "first"}
    for panel in built["panels"]:
        below = panel["gridPos"]["y"] + panel["gridPos"]["h"]
        if panel["title"] in {*first, "How full", nearest.TITLE, "Now", "Alerts here"} and below > FIRST_SCREEN:
            yield f"{panel['title']}: ends at {below}"


def asks_for_little_before_anything_is_opened(built: Json) -> Iterator[str]:
    shown = [one for one in built["panels"] if one["type"] != "row"]
    if len(shown) > MOST_OPEN:
        yield f"{len(shown)} open panels"
    limits = sum(len(one["targets"]) for one in shown if one["title"] == nearest.TITLE)
    if (asked := sum(len(one["targets"]) for one in shown) - limits) > MOST_OPEN_QUERIES or limits > MOST_LIMITS:
        yield f"{asked} queries of open panels, and {limits} of limits"
    for row in built["panels"]:
        if len(row.get("panels", [])) > MOST_FOLDED:
            yield f"{row['title']}: {len(row['panels'])} panels"


def has_colours_that_mean_something(built: Json) -> Iterator[str]:
    """Names of the roles' colours only; a line whose name is known has one."""
    for panel in every(built):
        for color in _named_colors(panel):
            if color not in NAMED:
                yield f"{panel['title']}: {color}"
        if panel["type"] != "timeseries" or grows_with_the_data(panel):
            continue
        for query in panel["targets"]:
            if not query.get("hide") and query["refId"] not in _colors(panel):
                yield f"{panel['title']}: {query.get('alias', query['refId'])} has the colour of its position"


def has_colours_that_are_told_apart(built: Json) -> Iterator[str]:
    """By the colour-blind too, in both themes, but for dashed lines; and a thin line is seen before its background."""
    for panel in every(built):
        dashed = {ref for ref, properties in _overridden(panel) if "custom.lineStyle" in properties}
        shown = {color for ref, color in _colors(panel).items() if colors.is_known(color) and ref not in dashed}
        for one, other in combinations(sorted(shown), 2):
            if (apart := colors.apart(one, other)) < _LEAST_APART:
                yield f"{panel['title']}: {one} and {other} are {apart:.0f} apart"
        if panel["fieldConfig"]["defaults"].get("custom", {}).get("stacking", {}).get("mode") != "normal":
            for color in shown:
                if (seen := colors.contrast(color)) < _OF_LINES:
                    yield f"{panel['title']}: a line of {color} has a contrast of {seen:.1f}"


def has_lines_bars_and_words_that_are_seen(built: Json) -> Iterator[str]:
    """In both themes: lines and bars have a contrast of 3, and words of 4.5 to what they stand on."""
    for panel in every(built):
        for where, color, seen, wanted in _shown_colors(panel):
            if color != "transparent" and seen < wanted:
                yield f"{panel['title']}, {where}: {color} has a contrast of {seen:.1f}"


def has_marks_that_are_seen(built: Json) -> Iterator[str]:
    """Each kind of mark has a colour of its own."""
    shown = [one["iconColor"] for one in built["annotations"]["list"]]
    yield from (
        f"a mark of {one} has a contrast of {colors.contrast(one):.1f}"
        for one in shown
        if colors.contrast(one) < _OF_LINES
    )
    yield from (f"{number} kinds of marks are {one}" for one, number in Counter(shown).items() if number > 1)


def _shown_colors(panel: Json) -> Iterator[tuple[str, str, float, float]]:
    """Each colour of a value: where, its name, its contrast and what that should be."""
    defaults = panel["fieldConfig"]["defaults"]
    several = [("", {"thresholds": defaults.get("thresholds", {}), "mappings": defaults.get("mappings", [])})]
    for override in panel["fieldConfig"]["overrides"]:
        one = {each["id"]: each["value"] for each in override["properties"]}
        several.append((str(override["matcher"]["options"]), one))
    for where, one in several:
        named = [step["color"] for step in one.get("thresholds", {}).get("steps", [])]
        named += [each["color"] for mapping in one.get("mappings", []) for each in _results(mapping) if "color" in each]
        for color in named:
            if color != "transparent" and (found := _seen(panel, one.get("custom.cellOptions", {}), color)):
                yield where, color, *found


def _seen(panel: Json, cell: Json, color: str) -> tuple[float, float] | None:
    match panel["type"], cell.get("type", panel["options"].get("colorMode", panel["options"].get("valueMode"))):
        case ("table", "color-background") | ("stat", "background_solid"):
            # Of no colour, the words are those of all other texts.
            return (colors.contrast_of_words_on(color), _OF_WORDS) if color != "text" else None
        case ("table", "color-text") | ("stat", "value"):
            return colors.contrast(color), _OF_WORDS
        case ("bargauge", "color"):
            return colors.contrast(color), _OF_WORDS
        case "state-timeline", _ if panel["options"]["showValue"] != "never":
            return colors.contrast_of_words_in_a_bar(color), _OF_WORDS
        case "table", None:
            return None  # neither its text nor its background
    return colors.contrast(color), _OF_LINES


def is_calm_where_nothing_is_wrong(built: Json) -> Iterator[str]:
    for panel in queried(built):
        wanted = {"blue", "text"} if panel["type"] in ("bargauge", "gauge") else {"text", "transparent"}
        base = panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["color"]
        if base not in wanted:
            yield f"{panel['title']}: {base}"
        if panel["type"] == "stat" and panel["options"]["graphMode"] != "none":
            yield f"{panel['title']}: a graph behind its number"


def says_states_in_words(built: Json) -> Iterator[str]:
    for panel in queried(built):
        mappings = panel["fieldConfig"]["defaults"]["mappings"]
        results = [one for mapping in mappings for one in _results(mapping)]
        yield from (f"{panel['title']}: a colour without a word" for one in results if not one.get("text"))
        nothing = [one for one in mappings if one["type"] == "special" and one["options"]["match"].startswith("null")]
        if panel["type"] == "state-timeline" and not nothing:
            yield f"{panel['title']}: no word for no data"


def _results(mapping: Json) -> Iterator[Json]:
    options = mapping["options"]
    yield from [options["result"]] if "result" in options else options.values()


BELOW_ZERO = {"Clock offset", "Offset of time servers"}
"""The graphs of what can be too little and too much."""


def has_scales_that_fit(built: Json) -> Iterator[str]:
    """A share ends at 100, or where it is flat while little happens; all else that has a unit begins at zero."""
    for panel in every(built):
        if panel["type"] != "timeseries":
            continue
        defaults = panel["fieldConfig"]["defaults"]
        custom = defaults["custom"]
        if custom.get("axisCenteredZero"):
            if "min" in defaults:
                yield f"{panel['title']}: begins at {defaults['min']}, and has lines below zero"
        elif defaults.get("min") != 0 and defaults["unit"] != "none" and panel["title"] not in BELOW_ZERO:
            yield f"{panel['title']}: does not begin at zero"
        if defaults["unit"] == "percent" and defaults.get("max") != 100 and "axisSoftMax" not in custom:
            yield f"{panel['title']}: no end of its scale"


_PAIRS = [(re.compile(r"\b(in|read|reads)$"), re.compile(r"\b(out|written|writes)$"))]


def draws_one_of_a_pair_below_zero(built: Json) -> Iterator[str]:
    for panel in every(built):
        below = {ref for ref, properties in _overridden(panel) if properties.get("custom.transform") == "negative-Y"}
        for query in panel["targets"] if panel["type"] == "timeseries" else ():
            name = query.get("alias", "")
            for first, second in _PAIRS:
                names = [one.get("alias", "") for one in panel["targets"]]
                if not any(first.search(one) for one in names) or not any(second.search(one) for one in names):
                    continue
                if bool(second.search(name)) != (query["refId"] in below) and "error" not in name + "".join(names):
                    yield f"{panel['title']}: {name}"
        if below and not panel["fieldConfig"]["defaults"]["custom"].get("axisCenteredZero"):
            yield f"{panel['title']}: zero is not in its middle"


def keeps_totals_out_of_stacks(built: Json) -> Iterator[str]:
    for panel in every(built):
        stacked = panel["fieldConfig"]["defaults"].get("custom", {}).get("stacking", {}).get("mode") == "normal"
        for ref, properties in _overridden(panel):
            dashed = properties.get("custom.lineStyle", {}).get("fill") == "dash"
            alone = properties.get("custom.stacking", {}).get("mode") == "none"
            if stacked and dashed != alone:
                yield f"{panel['title']}: {ref} is {'dashed in the stack' if dashed else 'out of the stack'}"
        names = {query["refId"]: query.get("alias", "") for query in panel["targets"]}
        totals = {ref for ref, name in names.items() if re.search(r"\b(total|limit)$", name)}
        dashes = {ref for ref, properties in _overridden(panel) if "custom.lineStyle" in properties}
        if panel["type"] == "timeseries" and (missing := totals - dashes):
            yield f"{panel['title']}: {', '.join(sorted(names[ref] for ref in missing))} is no dashed line"


def draws_the_lines_of_alerts_and_no_others(built: Json) -> Iterator[str]:
    alerts = {
        panels.id_of(view, alert.panel): [value for one in _of(view, alert.panel) for value in one]
        for view in VIEWS.values()
        for alert in view.alerts
        if alert.panel
    }
    for panel in every(built):
        if panel["type"] != "timeseries":
            continue
        style = panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"]
        values = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]]
        if style != ("dashed" if values else "off"):
            yield f"{panel['title']}: thresholds are {style}"
        for value in values:
            if value not in alerts.get(panel["id"], []):
                yield f"{panel['title']}: a line at {value:g}, where no alert fires"


def _of(view: View, title: str) -> Iterator[list[float]]:
    for alert in view.alerts:
        if alert.panel == title:
            yield [value for _, value in alert.levels.steps]


def has_room_for_its_links(built: Json) -> Iterator[str]:
    """Lines of an index at 800 pixels: a letter has 7.5, a line 22, and the panel's title and frame 48."""
    for panel in every(built):
        if panel["type"] == "text" and panel["options"]["mode"] == "markdown":
            shown = re.sub(r"\]\([^)]*\)|\[", "", panel["options"]["content"])
            line = (panel["gridPos"]["w"] * (_NARROW - _MARGIN) / _COLUMNS - 2 * _MARGIN) // _LETTER
            needed = 48 + 22 * len(textwrap.wrap(shown, int(line)))
            if needed > 38 * panel["gridPos"]["h"] - 8:
                yield f"{panel['title']}: needs {needed} pixels"


def has_columns_within_its_table(built: Json) -> Iterator[str]:
    for panel in every(built):
        if panel["type"] != "table":
            continue
        room = panel["gridPos"]["w"] * (_WIDE - _MARGIN) / _COLUMNS - _MARGIN
        columns = {
            override["matcher"]["options"]: {one["id"]: one["value"] for one in override["properties"]}
            for override in panel["fieldConfig"]["overrides"]
        }
        shown = {name: one for name, one in columns.items() if not one.get("custom.hidden")}
        widths = [one.get("custom.width", one.get("custom.minWidth", 0)) for one in shown.values()]
        if sum(widths) > room:
            yield f"{panel['title']}: its columns are {sum(widths)} pixels wide, and it has {room:.0f}"
        yield from (
            f"{panel['title']}: {name} has no width" for name, width in zip(shown, widths, strict=True) if not width
        )
        yield from (f"{panel['title']}: {name} is the name of a tag" for name in shown if "_" in name)
        for sort in panel["options"]["sortBy"]:
            if sort["displayName"] not in shown:
                yield f"{panel['title']}: is sorted by {sort['displayName']}, which it does not have"


def _overridden(panel: Json) -> Iterator[tuple[str, Json]]:
    """What is overridden for each query, by its letter."""
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["id"] == "byFrameRefID":
            yield override["matcher"]["options"], {one["id"]: one["value"] for one in override["properties"]}


def _colors(panel: Json) -> dict[str, str]:
    """The fixed colour of each query, by its letter."""
    return {ref: properties["color"]["fixedColor"] for ref, properties in _overridden(panel) if "color" in properties}


def _named_colors(panel: Json) -> Iterator[str]:
    yield from _colors(panel).values()
    config = panel["fieldConfig"]
    several = [config["defaults"].get("thresholds", {})]
    several += [
        one["value"] for override in config["overrides"] for one in override["properties"] if one["id"] == "thresholds"
    ]
    yield from (step["color"] for one in several for step in one.get("steps", []))
    yield from (
        one["color"]
        for mapping in config["defaults"].get("mappings", [])
        for one in _results(mapping)
        if "color" in one
    )


LINT: list[Rule] = [
    has_room_for_its_titles,
    calls_its_panels_by_names_of_their_own,
    has_no_hole,
    shows_what_matters_on_the_first_screen,
    asks_for_little_before_anything_is_opened,
    has_a_legend_that_fits,
    has_colours_that_mean_something,
    has_colours_that_are_told_apart,
    has_lines_bars_and_words_that_are_seen,
    has_marks_that_are_seen,
    is_calm_where_nothing_is_wrong,
    says_states_in_words,
    has_scales_that_fit,
    draws_one_of_a_pair_below_zero,
    keeps_totals_out_of_stacks,
    draws_the_lines_of_alerts_and_no_others,
    has_columns_within_its_table,
    has_room_for_its_links,
    has_a_unit,
    says_what_to_do,
]

"""The legend and the tip of a panel that draws lines, chosen from what its view says of its series.

Source: Grafana 12, packages/grafana-schema, common.gen.ts. Grafana gives a legend below the lines 35 % of the panel's
height: two rows of a table, or three lines of a list.
"""

from __future__ import annotations

from typing import Any

from aresmon.config.views import Panel, tags_of

MOST_IN_LIST = 6
"""So many names fit below a panel of half the page's width."""
_LONGEST_LIST = 72  # characters of all names together, which three lines of such a panel hold on a small screen
# Pixels. With a width of its own, Grafana does not cut a table's names to nothing: it gives them 128, and a value 74.
_WIDE, _NARROW = 280, 204
_HALF = 12  # of the 24 columns of a page: a narrower panel has room for one value
HEADINGS = {"mean": "Mean", "max": "Max", "lastNotNull": "Last *"}
"""What Grafana writes above each value of a legend, and sorts by."""


def legend(panel: Panel, *, several_hosts: bool) -> dict[str, Any]:
    """None for one series, a list for a few whose names are known, else a table at the right, the greatest first."""
    if not grows(panel, several_hosts=several_hosts):
        if len(panel.series) == 1:
            return {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []}
        if len(panel.series) <= MOST_IN_LIST and sum(len(one.name) for one in panel.series) <= _LONGEST_LIST:
            return {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
    is_narrow = 0 < panel.width < _HALF
    return {
        "showLegend": True,
        "displayMode": "table",
        "placement": "right",
        "width": _NARROW if is_narrow else _WIDE,
        "calcs": ["max"] if is_narrow else ["mean", "max"],
        "sortBy": HEADINGS["max"],
        "sortDesc": True,
    }


def tooltip(panel: Panel, *, several_hosts: bool) -> dict[str, Any]:
    """All values at that time. Stacked ones stay in the order in which they are drawn."""
    if panel.stack and not grows(panel, several_hosts=several_hosts):
        return {"mode": "multi", "sort": "none"}
    return {"mode": "multi", "sort": "desc", "hideZeros": grows(panel, several_hosts=several_hosts)}


def grows(panel: Panel, *, several_hosts: bool) -> bool:
    """Whether only the data says how many series there are: one for each interface, container or host."""
    return several_hosts or any(tags_of(one) or one.influxql for one in panel.series)

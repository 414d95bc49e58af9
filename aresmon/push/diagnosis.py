"""Why the data of a pushed configuration did not arrive, as far as the host and InfluxDB show it."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from aresmon.config.names import MARKER
from aresmon.push.protocol import PushOrder
from aresmon.push.result import Explanation
from aresmon.push.verification import Arrival


def explain(arrival: Arrival | None, order: PushOrder, unresolved: Sequence[str]) -> Explanation:
    """What follows the reason of a roll-back, and the next step; both empty where nothing more is known.

    `unresolved` are the host names in the outputs' URLs for which the host finds no address.
    """
    if arrival is None or arrival.arrived or not arrival.is_late:
        return "", ""
    if arrival.elsewhere:
        return "", (
            f"`hostname` in [agent] or a tag `host` is {arrival.elsewhere} in a file that Telegraf also reads, such as "
            "one in telegraf.d/: remove it there, then push again"
        )
    if MARKER in arrival.unmarked:
        return "", "look for a second agent with this host name, or for another file that Telegraf reads"
    if arrival.unmarked:
        return "", (
            f"let the measurement {MARKER} pass the filters of the outputs, processors and aggregators (namepass, "
            "namedrop, tagpass, tagdrop, ...), or look for a second agent with this host name"
        )
    return _explain_outputs(order, unresolved)


def _explain_outputs(order: PushOrder, unresolved: Sequence[str]) -> Explanation:
    host = order.agent.host
    for url in order.outputs:
        name = urlsplit(url).hostname if "[" not in url else None
        if name in unresolved:
            return (
                f"the output writes to {url}, and {host} finds no address of {name}",
                "correct `urls` in [[outputs.influxdb]] or edge.url in aresmon.yml, or the name resolution of the host",
            )
    edge = order.access.url if order.access else ""
    if edge and order.outputs and edge not in order.outputs:
        return (
            f"the output writes to {', '.join(order.outputs)}, not to the edge ({edge})",
            'set `urls = ["${ARESMON_URL}"]` in [[outputs.influxdb]], or remove the output: aresmon adds its own',
        )
    return "", ""

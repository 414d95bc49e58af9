"""The picture of a site in Graphviz's language, DOT: https://graphviz.org/doc/info/lang.html.

Up to a dozen hosts are drawn one by one, with their containers and the backends of their HAProxy. More of them become
the cells of one table for each state, the worst first, so that a hundred hosts still fit on a page.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import count
from math import ceil, sqrt
from typing import TYPE_CHECKING

from aresmon.config.units import format_age_in_words, format_moment
from aresmon.topology.site_map import Backend, MapHost, Part, SiteMap, State

if TYPE_CHECKING:
    import graphviz

MARK = "Drawn by aresmon map"
"""A comment in each picture, by which a file is known as ours."""

_MOST_SINGLE = 12  # hosts that are drawn one by one
_MOST_PARTS = 10  # containers of a host, or servers of a backend, that are named
_FONT = "Helvetica,Arial,sans-serif"
# Fill and border of a state. Blue, orange and red stay apart for colour-blind people; a word says the state too.
_COLOURS: Mapping[State, tuple[str, str]] = {
    State.OK: ("#e8f1fb", "#3274d9"),
    State.WARNING: ("#ffe8cc", "#c4560a"),
    State.CRITICAL: ("#fbd5d5", "#c4162a"),
    State.OFF: ("#f2f2f2", "#8e8e8e"),
    State.UNKNOWN: ("#ffffff", "#8e8e8e"),
}
_WORST_FIRST = (State.CRITICAL, State.WARNING, State.UNKNOWN, State.OFF, State.OK)

Link = Callable[[str], str]
"""The address of a host's dashboard."""


def dot(site: SiteMap, link: Link) -> str:
    """Describe the picture."""
    import graphviz

    graph = graphviz.Digraph(
        comment=MARK,
        graph_attr={
            "rankdir": "LR",
            "bgcolor": "white",
            "pad": "0.3",
            "nodesep": "0.2",
            "ranksep": "1.0",
            "fontname": _FONT,
            "fontsize": "12",
            "labelloc": "t",
            "label": _escape(f"{site.site}, {format_moment(site.at)}"),
            "tooltip": _escape(site.site),
        },
        node_attr={"shape": "box", "style": "filled,rounded", "fontname": _FONT, "fontsize": "11"},
        edge_attr={"fontname": _FONT, "fontsize": "9", "color": "#6e6e6e", "arrowsize": "0.7"},
    )
    _stack(graph, site)
    if len(site.hosts) <= _MOST_SINGLE:
        _single_hosts(graph, site, link)
    else:
        _tables_of_hosts(graph, site, link)
    _around(graph, site)
    return str(graph.source)


def _stack(graph: graphviz.Digraph, site: SiteMap) -> None:
    there = {one.name: one for one in site.services}
    with graph.subgraph(name="cluster_stack", graph_attr=_cluster(f"Stack on {site.server}")) as stack:
        for name, part in there.items():
            _node(stack, f"service-{name}", part, title=_TITLES.get(name, name))
    points = sum(host.points for host in site.hosts)
    # Grafana asks the edge; drawn the other way round, so that it stands behind it like the database.
    for target, attributes in (
        ("influxdb", {"label": f"{_number(points)} points/min"}),
        ("grafana", {"label": "queries", "dir": "back"}),
    ):
        if "edge" in there and target in there:
            graph.edge("service-edge", f"service-{target}", **attributes)


_TITLES = {"edge": "Edge (HAProxy)", "influxdb": "InfluxDB", "grafana": "Grafana"}


def _single_hosts(graph: graphviz.Digraph, site: SiteMap, link: Link) -> None:
    names = {host.name for host in site.hosts}
    with graph.subgraph(name="cluster_hosts", graph_attr=_cluster("Hosts")) as hosts:
        for host in site.hosts:
            hosts.node(_host_id(host.name), _host_label(host), **_link(link(host.name), _host_text(host)), **_plain())
    for host in site.hosts:
        if host.backends:
            with graph.subgraph(name=f"cluster_{host.name}", graph_attr=_cluster(f"HAProxy on {host.name}")) as proxy:
                for number, backend in enumerate(host.backends):
                    _backend(proxy, graph, f"backend-{host.name}-{number}", backend, names)
        graph.edge(_host_id(host.name), "service-edge", label=_rate(host), **_line(host.part.state))


def _host_label(host: MapHost) -> str:
    """A table: the name, the state, the agent, and the containers."""
    rows = [
        f"<b>{_html(host.name)}</b>",
        _html(host.part.words),
        f'<font point-size="9">Telegraf ({"container" if host.agent == "docker" else "service"})</font>',
    ]
    rows += [f'<font point-size="9">{_html(text)}</font>' for text in _named(host.containers, "containers")]
    fill, border = _COLOURS[host.part.state]
    cells = "".join(f'<tr><td align="left">{row}</td></tr>' for row in rows)
    return (
        f'<<table border="1" cellborder="0" cellspacing="0" cellpadding="3" style="rounded" '
        f'color="{border}" bgcolor="{fill}">{cells}</table>>'
    )


def _worst_first(parts: Sequence[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: _WORST_FIRST.index(part.state))


def _named(parts: Sequence[Part], what: str) -> Iterator[str]:
    """A line for each part, those that are not well first; only a count of what is beyond the first ten."""
    ordered = _worst_first(parts)
    yield from (f"{part.name}: {part.words}" for part in ordered[:_MOST_PARTS])
    if rest := ordered[_MOST_PARTS:]:
        yield f"and {len(rest)} more {what}"


def _backend(
    proxy: graphviz.Digraph, graph: graphviz.Digraph, own: str, backend: Backend, names: Collection[str]
) -> None:
    """A backend of HAProxy, and its servers: hosts of the site where they have a host's name."""
    ordered = _worst_first(backend.servers)
    up = sum(part.state is State.OK for part in ordered)
    state = State.CRITICAL if not up else State.OK if up == len(ordered) else State.WARNING
    _node(proxy, own, Part(backend.name, state, f"{up} of {len(ordered)} servers up"), title=backend.name)
    for place, server in enumerate(ordered[:_MOST_PARTS]):
        target, words = _host_id(server.name), server.words
        if server.name not in names:
            target, words = f"{own}-{place}", ""
            _node(graph, target, server, title=server.name)
        graph.edge(own, target, label=words, **_line(server.state))
    if rest := ordered[_MOST_PARTS:]:
        _node(graph, f"{own}-more", Part("", State.OFF), title=f"and {len(rest)} more servers")
        graph.edge(own, f"{own}-more")


def _tables_of_hosts(graph: graphviz.Digraph, site: SiteMap, link: Link) -> None:
    """One node with a table for each state, so that the worst is at the top: Graphviz orders nodes as it likes."""
    alike = {state: [host for host in site.hosts if host.part.state is state] for state in _WORST_FIRST}
    there = [state for state in _WORST_FIRST if alike[state]]
    rows = "".join(f'<tr><td port="{state}">{_table(state, alike[state], link)}</td></tr>' for state in there)
    with graph.subgraph(name="cluster_hosts", graph_attr=_cluster(f"{len(site.hosts)} hosts")) as drawn:
        drawn.node("hosts", f'<<table border="0" cellspacing="6">{rows}</table>>', **_plain())
    for state in there:
        graph.edge(f"hosts:{state}:e", "service-edge", label=_rate(*alike[state]), **_line(state))


def _table(state: State, hosts: Sequence[MapHost], link: Link) -> str:
    """The hosts of one state as the cells of a table that is about as wide as a page is."""
    columns = max(2, ceil(sqrt(len(hosts)) * 0.8))
    fill, border = _COLOURS[state]
    cells = []
    for host in hosts:
        lines = [f"<b>{_html(host.name)}</b>"]
        lines += [f'<font point-size="8">{_html(text)}</font>' for text in _few_words(host)]
        address, text = _html(link(host.name)), _html(_host_text(host))
        cells.append(f'<td href="{address}" title="{text}" id="{_host_id(host.name)}">{"<br/>".join(lines)}</td>')
    rows = [cells[at : at + columns] for at in range(0, len(cells), columns)]
    head = f'<tr><td colspan="{columns}" border="0"><b>{state}: {len(hosts)}</b></td></tr>'
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (
        f'<table border="0" cellborder="1" cellspacing="3" cellpadding="4" color="{border}" bgcolor="{fill}">'
        f"{head}{body}</table>"
    )


def _few_words(host: MapHost) -> Iterator[str]:
    if host.part.state is not State.OK:
        yield host.part.words
    if host.containers:
        ill = sum(part.state is State.WARNING for part in host.containers)
        yield f"{len(host.containers)} containers" + (f", {ill} with problems" if ill else "")
    if host.backends:
        servers = [server for backend in host.backends for server in backend.servers]
        yield f"{sum(server.state is State.OK for server in servers)} of {len(servers)} servers up"


def _around(graph: graphviz.Digraph, site: SiteMap) -> None:
    """Backups and contact points."""
    numbers = count()
    for title, source, parts in (
        ("Backups", "influxdb", site.destinations),
        ("Contact points", "grafana", site.contact_points),
    ):
        if not parts:
            continue
        with graph.subgraph(name=f"cluster_{source}", graph_attr=_cluster(title)) as drawn:
            ids = [f"part-{next(numbers)}" for _ in parts]
            for own, part in zip(ids, parts, strict=True):
                _node(drawn, own, part, title=part.name)
        if any(one.name == source for one in site.services):
            for own, part in zip(ids, parts, strict=True):
                graph.edge(f"service-{source}", own, **_line(part.state))


def _node(graph: graphviz.Digraph, own: str, part: Part, *, title: str) -> None:
    fill, border = _COLOURS[part.state]
    text = "\n".join(line for line in (title, part.words) if line)
    graph.node(own, _escape(text), id=own, fillcolor=fill, color=border, tooltip=_escape(text))


def _plain() -> dict[str, str]:
    """A node that is nothing but the table of its label."""
    return {"shape": "plain", "style": ""}


def _link(address: str, text: str) -> dict[str, str]:
    return {"URL": address, "tooltip": _escape(text), "target": "_top"}


def _line(state: State) -> dict[str, str]:
    """How data flows from a part in this state: a broken line is one on which nothing comes."""
    _, colour = _COLOURS[state]
    return {"color": colour, "style": "dashed" if state in (State.CRITICAL, State.UNKNOWN, State.OFF) else "solid"}


def _cluster(title: str) -> dict[str, str]:
    return {"label": _escape(title), "style": "rounded", "color": "#c0c0c0", "fontname": _FONT, "fontsize": "11"}


def _host_id(name: str) -> str:
    return f"host-{name}"


def _host_text(host: MapHost) -> str:
    """What a pointer shows: everything about the host in one line."""
    return f"{host.name}: {host.part.words}; {_rate(host)}"


def _rate(*hosts: MapHost) -> str:
    """How much comes from these hosts, and how old the newest point of the last of them is."""
    ages = [host.age for host in hosts if host.age is not None]
    if not ages:
        return "nothing arrives"
    return f"{_number(sum(host.points for host in hosts))} points/min, {format_age_in_words(max(ages))} ago"


def _number(value: int) -> str:
    return f"{value:,}"


def _html(text: str) -> str:
    """The same for a label that is a table."""
    return html.escape(text).replace("\\", "\\\\")


def _escape(text: str) -> str:
    """Text without a meaning of its own in DOT: neither `\\N` nor a label in angle brackets is one."""
    import graphviz

    return str(graphviz.nohtml(graphviz.escape(text).replace("\n", "\\n")))

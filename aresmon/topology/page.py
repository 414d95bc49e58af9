"""The map as a page in Grafana, drawn by `aresmon up` when a part has another state than at the last one."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Callable, Iterator

from aresmon.config.names import FOLDER, uid_of_host
from aresmon.config.units import format_moment
from aresmon.grafana.client import Grafana
from aresmon.render.grafana.dashboard import DashboardSpec, dashboard
from aresmon.render.grafana.panels import Json
from aresmon.topology.site_map import Part, SiteMap

UID = "aresmon-map"
_TITLE = "Map"
_WHAT = (
    "What sends data where, and how each part was when `aresmon up` last found a change. "
    "`aresmon map` draws the site as it is now."
)


def publish(grafana: Grafana, site: SiteMap, draw: Callable[[], str]) -> bool:
    """Save the page over the last one, unless that shows the same parts in the same states; whether it was saved.

    `draw` returns the picture as SVG. Raises GrafanaError, or GrafanaUnreachableError.
    """
    last = grafana.dashboard(UID)
    if last is not None and _mark(site) in json.dumps(last.get("dashboard", {}).get("panels", [])):
        return False
    # Grafana makes the folder when it reads the dashboards' files, which may be after its first answers.
    if grafana.folder(FOLDER) is None:
        grafana.create_folder(FOLDER, FOLDER)
    built = {key: value for key, value in page(site, draw()).items() if key != "version"}
    grafana.save_dashboard(built, folder=FOLDER, message=f"as of {format_moment(site.at)}", overwrite=True)
    return True


def page(site: SiteMap, svg: str) -> Json:
    """The dashboard: the picture and a link to each host.

    Grafana takes a drawing out of a text panel, and leaves an image whose address is its content
    (packages/grafana-data/src/text/sanitize.ts, and `safeAttrValue` of the library xss); nothing in an image is a link.
    """
    image = base64.b64encode(svg.encode()).decode()
    links = ", ".join(
        f'<a href="d/{uid_of_host(host.name)}">{html.escape(host.name)}</a> ({html.escape(host.part.words)})'
        for host in site.hosts
    )
    content = (
        f"<!-- {_mark(site)} -->\n"
        f"<p>As of {format_moment(site.at)}. "
        "<code>aresmon up</code> updates it when the state of a part has changed.</p>\n"
        f'<img alt="Map of {html.escape(site.site)}" src="data:image/svg+xml;base64,{image}" style="max-width: 100%">\n'
        f"<p>Hosts: {links}</p>\n"
    )
    panel = {
        "id": 1,
        "type": "text",
        "title": _TITLE,
        "description": _WHAT,
        "gridPos": {"x": 0, "y": 0, "w": 24, "h": 22},
        "options": {"mode": "html", "content": content, "code": {"language": "plaintext", "showLineNumbers": False}},
        "targets": [],
    }
    return dashboard(DashboardSpec(UID, _TITLE, (FOLDER,), since="now-1h"), [panel])


def _mark(site: SiteMap) -> str:
    """The states of all parts as a word. Ages and rates are in none: they change all the time."""
    states = json.dumps(sorted((kind, part.name, part.state) for kind, part in _parts(site)))
    return f"states {hashlib.sha256(states.encode()).hexdigest()[:16]}"


def _parts(site: SiteMap) -> Iterator[tuple[str, Part]]:
    for kind, parts in (
        ("service", site.services),
        ("destination", site.destinations),
        ("contact point", site.contact_points),
    ):
        yield from ((kind, part) for part in parts)
    for host in site.hosts:
        yield "host", host.part
        yield from ((f"container of {host.name}", part) for part in host.containers)
        for backend in host.backends:
            yield from ((f"server of {host.name}/{backend.name}", part) for part in backend.servers)

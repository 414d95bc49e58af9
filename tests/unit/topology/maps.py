"""Maps of sites of any size, for the tests of how they are drawn."""

from __future__ import annotations

from collections.abc import Sequence

from aresmon.topology.site_map import Backend, MapHost, Part, SiteMap, State

AT = 1_796_000_000.0  # in November 2026


def host(
    name: str,
    state: State = State.OK,
    *,
    words: str = "ok",
    containers: Sequence[Part] = (),
    backends: Sequence[Backend] = (),
) -> MapHost:
    return MapHost(
        part=Part(name, state, words),
        agent="systemd",
        age=3.0,
        points=120,
        containers=tuple(containers),
        backends=tuple(backends),
    )


def site(*hosts: MapHost, contact_points: Sequence[Part] = ()) -> SiteMap:
    return SiteMap(
        site="ares",
        server="biere",
        at=AT,
        services=tuple(Part(name, State.OK, "running") for name in ("influxdb", "grafana", "edge")),
        hosts=hosts,
        destinations=(Part("/exports/backup", State.OK, "last backup 5 hours ago"),),
        contact_points=tuple(contact_points),
    )


def many(number: int) -> SiteMap:
    """So many hosts; each ninth is silent and each seventh has a warning."""
    states = [State.CRITICAL if n % 9 == 1 else State.WARNING if n % 7 == 2 else State.OK for n in range(number)]
    return site(*(host(f"host{n}", state) for n, state in enumerate(states)))

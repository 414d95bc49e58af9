"""Where a host's configuration comes from: `configs`, the site's own file, or its collectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aresmon import configs
from aresmon.fleet import Fleet
from aresmon.releases import Releases
from aresmon.site import Site


@dataclass(frozen=True, slots=True)
class Origins:
    """The whole configurations that stand for collectors, by host, and the commits that those of `configs` are of;
    `strangers` are those that no host of the site has."""

    texts: Mapping[str, str] = field(default_factory=dict)
    commits: Mapping[str, str] = field(default_factory=dict)
    strangers: tuple[str, ...] = ()


def repository(site: Site, fleet: Fleet) -> configs.Source | None:
    """The site's repository of configurations, if it has one."""
    return None if fleet.configs is None else configs.Source(site.configs, fleet.configs)


def newest(site: Site, fleet: Fleet) -> Origins:
    """What the repository says now, which is fetched, and of `overrides/agents/` what it does not.

    Raises AresmonError where the repository cannot be had, or not without losing something.
    """
    texts, commits = dict(site.own_agents()), dict[str, str]()
    source = repository(site, fleet)
    if source is not None:
        sha = source.fetch().sha
        known, named = {host.name for host in fleet.hosts}, source.hosts(sha)
        for host in named:
            text = source.read(sha, host) if host in known else None
            if text is not None:
                texts[host], commits[host] = text, sha
        return Origins(texts, commits, tuple(host for host in named if host not in known))
    return Origins(texts, commits)


@dataclass(frozen=True, slots=True)
class Proven:
    """What was pushed and proven last, by host: the marks, and the configurations that came from `configs`."""

    marks: Mapping[str, str]
    bodies: Mapping[str, str]


def proven(site: Site, fleet: Fleet) -> Proven:
    """What is known of earlier pushes; nothing is fetched."""
    marks, bodies = dict[str, str](), dict[str, str]()
    for host in fleet.hosts:
        kept = Releases(site.releases(host.name))
        newest_of = kept.newest()
        if newest_of is not None:
            marks[host.name] = newest_of.mark
            if newest_of.commit and fleet.configs is not None:
                bodies[host.name] = kept.body(newest_of.number)
    return Proven(marks, bodies)

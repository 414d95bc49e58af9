"""Where a bundle will run: what rendering must know of the machine and of the site's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aresmon.layout import Layout


@dataclass(frozen=True, slots=True)
class Place(Layout):
    """A site's places on its server. `users` are user ids by service, `images` image references by service,
    `fingerprints` tell one value of a secret from another by its name, `host_fragments` are the site's
    own Telegraf fragments by host, `own_agents` what stands for its collectors, `proven` what was last pushed to
    it from `configs`, `marks` the mark of its last push; `certificate` changes with Grafana's;
    `provisioned` are the uids of all alert rules and receivers that Grafana ever had of us; `accounts` are the
    database users by the secrets that are for them, where they are not the first; `trusted` are the
    certificates by which agents know the edge, `edge` changes with the edge's own, `in_clear` are the hosts that
    may still write without TLS."""

    users: Mapping[str, int]
    images: Mapping[str, str]
    docker_socket: Path = Path("/var/run/docker.sock")
    docker_group: int = 0
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    host_fragments: Mapping[str, str] = field(default_factory=dict)
    own_agents: Mapping[str, str] = field(default_factory=dict)
    proven: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)
    has_compose_override: bool = False
    certificate: str = ""
    provisioned: frozenset[str] = frozenset()
    accounts: Mapping[str, str] = field(default_factory=dict)
    trusted: str = ""
    edge: str = ""
    in_clear: frozenset[str] = frozenset()

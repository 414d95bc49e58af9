from __future__ import annotations

import hashlib

FOLDER = "aresmon"
FLEET = "aresmon-fleet"
_LONGEST = 40  # characters; grafana/pkg/util/shortid_generator.go
_PREFIX = "host-"


def uid_of_host(host: str) -> str:
    """A host's dashboard. No two hosts share one: a host name has no underscore."""
    uid = f"{_PREFIX}{host.replace('.', '_')}"
    return uid if len(uid) <= _LONGEST else f"{_PREFIX}{hashlib.sha256(host.encode()).hexdigest()[:32]}"


def uid_of_collector(collector: str) -> str:
    """A collector's own dashboard."""
    uid = f"aresmon-{collector}"
    return uid if len(uid) <= _LONGEST else f"aresmon-{hashlib.sha256(collector.encode()).hexdigest()[:32]}"


EVENT = "aresmon_event"
TIER = "aresmon_tier"


DATABASE = "telegraf"
STORE = "aresmon"
SECRET = "agent"  # noqa: S105 (a file's name under /run/secrets)
AGENT_HEALTH = "health.sh"
"""The health check of an agent in a container, beside its configuration."""
AUTHORITY = "aresmon-ca.pem"
MARKER = "aresmon_config"

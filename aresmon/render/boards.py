"""The names by which dashboards and panels are found: the same for as long as what they show is."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import Any

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


def panel_id(collector: str, title: str) -> int:
    """A panel, the same on every dashboard that has it."""
    return 1 + zlib.crc32(f"{collector}/{title}".encode()) % (2**31 - 1)


@dataclass(frozen=True, slots=True)
class Placed:
    """A panel's JSON and the room it takes: its width in 24ths, its height in rows of 30 pixels."""

    json: dict[str, Any]
    width: int
    height: int

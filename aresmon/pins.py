"""Which image each service runs: the site's, the pinned one, or the one built from packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from aresmon import shipped
from aresmon.fleet import Fleet

SERVICES = ("influxdb", "grafana", "edge", "telegraf")
"""Every service of the stack, in the order they start."""


@dataclass(frozen=True, slots=True)
class Pin:
    """The image of one service. `build` is empty where it cannot be built from packages."""

    service: str
    pull: str
    build: str

    @property
    def candidates(self) -> tuple[str, ...]:
        """The images that serve, the best first."""
        return (self.pull, self.build) if self.build else (self.pull,)


def pins(fleet: Fleet | None = None) -> dict[str, Pin]:
    """The pins of this release, as a site's `images:` changes them; by service."""
    shipped_pins: Mapping[str, Mapping[str, str]] = yaml.safe_load((shipped.COMPOSE / "images.yml").read_text("utf-8"))
    own = dict(fleet.images) if fleet else {}
    mirror = f"{fleet.mirror.rstrip('/')}/" if fleet and fleet.mirror else ""
    return {
        service: Pin(service, own[service], "")
        if service in own
        else Pin(service, mirror + shipped_pins[service]["pull"], shipped_pins[service].get("build", ""))
        for service in SERVICES
    }


def services(fleet: Fleet) -> tuple[str, ...]:
    """The services of this site, in the order they start."""
    return tuple(name for name in SERVICES if name != "telegraf" or fleet.sidecar)

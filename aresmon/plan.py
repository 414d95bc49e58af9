"""What `up` would do, decided without touching anything."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from aresmon.container import Container

Action = Literal["create", "recreate", "start", "remove"]


@dataclass(frozen=True, slots=True)
class Step:
    """One change to make, and how it reads to a person."""

    service: str
    action: Action
    because: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """One service as it should run: Compose's hash of its configuration, and the id of its image (empty where
    the image is not ours to choose)."""

    config_hash: str
    image_id: str


def plan(
    wanted: Mapping[str, Wanted], running: Mapping[str, Container], *, bundle_made: float, cut_off: Collection[str] = ()
) -> list[Step]:
    """The steps from `running` to `wanted`, in the order of `wanted`; empty if there is nothing to do.

    `bundle_made` is when the bundle's folder came to be, in seconds since 1970: a container older than it
    looks into a folder that was deleted, as do the services that are `cut_off`.
    """
    stale = {service for service, one in running.items() if one.created < bundle_made or service in cut_off}
    steps = [
        step
        for service, wish in wanted.items()
        for step in _step(service, wish, running.get(service), is_stale=service in stale)
    ]
    strays = (Step(service, "remove", "no longer part of the site") for service in running if service not in wanted)
    return [*steps, *strays]


def _step(service: str, wish: Wanted, container: Container | None, *, is_stale: bool) -> Iterator[Step]:
    if container is None:
        yield Step(service, "create", "there is no container")
    elif container.config_hash != wish.config_hash:
        yield Step(service, "recreate", "its configuration changed")
    elif wish.image_id and container.image_id != wish.image_id:
        yield Step(service, "recreate", "its image changed")
    elif is_stale:
        yield Step(service, "recreate", "the folder it looks into was deleted")
    elif container.state != "running":
        yield Step(service, "start", f"it is {container.state}")
    elif container.health == "unhealthy":
        yield Step(service, "recreate", "it is unhealthy")

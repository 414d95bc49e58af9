"""What is in each place for backups, and what of it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from aresmon.archives import pruning
from aresmon.archives.pruning import Proven
from aresmon.archives.selection import Verdict
from aresmon.archives.store import Store, StoreError
from aresmon.archiving import Rules


@dataclass(frozen=True, slots=True)
class Place:
    """A place, a verdict on each of its archives, the newest last, and its room in bytes where that is known.

    `gone` are the names of what was removed; `error` says why the place could not be looked into, or pruned.
    """

    where: str
    verdicts: tuple[Verdict, ...] = ()
    free: int | None = None
    gone: tuple[str, ...] = ()
    error: StoreError | None = None

    def as_json(self) -> dict[str, Any]:
        """As a script reads it; times in UTC."""
        return {
            "where": self.where,
            "error": self.error.message if self.error else "",
            "free": self.free,
            "archives": [
                {
                    "name": one.archive.name,
                    "bytes": one.archive.size,
                    "at": one.archive.at.isoformat(),
                    "stays": one.stays,
                    "wanted_by": list(one.wanted),
                }
                for one in self.verdicts
            ],
            "removed": list(self.gone),
        }


def look(stores: list[Store], rules: Rules, proof: Proven) -> list[Place]:
    """Each place as it is; one that fails does not keep the others from being looked at."""
    return list(_each(stores, lambda store: _looked(store, rules, proof)))


def prune(stores: list[Store], rules: Rules, proof: Proven) -> list[Place]:
    """Each place, after what no rule wants was removed from it."""

    def pruned(store: Store) -> Place:
        verdicts = pruning.plan(store, rules, proof)
        return Place(store.where, tuple(verdicts), gone=tuple(pruning.apply(store, verdicts)))

    return list(_each(stores, pruned))


def _looked(store: Store, rules: Rules, proof: Proven) -> Place:
    return Place(store.where, tuple(pruning.plan(store, rules, proof)), store.free())


def _each(stores: list[Store], act: Callable[[Store], Place]) -> Iterator[Place]:
    for store in stores:
        try:
            yield act(store)
        except StoreError as error:
            yield Place(store.where, error=error)

"""Archives that no rule wants any more, removed from a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aresmon.backup import record
from aresmon.backup.storage.base import Store, StoredArchive, StoreError, in_order
from aresmon.config.backup import KeepRules
from aresmon.config.layout import Layout

FAILED = "the last verification failed"


@dataclass(frozen=True, slots=True)
class VerificationState:
    """What is known of proofs: the archive that was proven last, and whether the last proof failed."""

    archive: str = ""
    failed: bool = False


def proven(site: Layout) -> VerificationState:
    """What verifying said last."""
    verified = record.read(site).last_verified
    return (
        VerificationState()
        if verified is None
        else VerificationState(verified.archive if verified.ok else "", not verified.ok)
    )


def plan(store: Store, rules: KeepRules, proof: VerificationState) -> list[PruneDecision]:
    """A verdict on each archive of a store, the newest last. Raises StoreError.

    After a proof that failed everything stays: an older archive may be the only good one.
    """
    verdicts = select(store.list(), rules, verified=proof.archive)
    if not proof.failed:
        return verdicts
    return [one if one.stays else PruneDecision(one.archive, (FAILED,)) for one in verdicts]


def apply(store: Store, verdicts: list[PruneDecision]) -> list[str]:
    """Remove what goes, the oldest first; its names. Raises StoreError, with the rest still there."""
    gone = [one.archive.name for one in verdicts if not one.stays]
    for name in gone:
        store.delete(name)
    return gone


def prune(store: Store, rules: KeepRules, proof: VerificationState) -> list[str]:
    """Both, as after each backup."""
    return apply(store, plan(store, rules, proof))


_PERIODS: Mapping[str, Callable[[StoredArchive], object]] = {
    "last": lambda one: one.name,
    "daily": lambda one: one.at.date(),
    "weekly": lambda one: one.at.isocalendar()[:2],
    "monthly": lambda one: (one.at.year, one.at.month),
}


@dataclass(frozen=True, slots=True)
class PruneDecision:
    """An archive and the rules that want it to stay; without any, it goes."""

    archive: StoredArchive
    wanted: tuple[str, ...]

    @property
    def stays(self) -> bool:
        return bool(self.wanted)


def select(archives: Iterable[StoredArchive], rules: KeepRules, *, verified: str = "") -> list[PruneDecision]:
    """A verdict on each archive, the newest last. `verified` is the name of the last one that was proven.

    The newest one stays whatever the rules say, and so does the proven one.
    """
    ordered = in_order(archives)
    wanted: dict[str, list[str]] = {one.name: [] for one in ordered}
    for rule, most in (
        ("last", rules.last),
        ("daily", rules.daily),
        ("weekly", rules.weekly),
        ("monthly", rules.monthly),
    ):
        for number, name in enumerate(_last_of_each(ordered, _PERIODS[rule])[:most], start=1):
            wanted[name].append(f"{rule} {number}")
    if ordered:
        wanted[ordered[-1].name] = wanted[ordered[-1].name] or ["newest"]
    if verified in wanted:
        wanted[verified].append("verified")
    return [PruneDecision(one, tuple(wanted[one.name])) for one in ordered]


def _last_of_each(ordered: Iterable[StoredArchive], period: Callable[[StoredArchive], object]) -> list[str]:
    """The name of the last archive of each period, the newest first."""
    last = {period(one): one.name for one in ordered}
    return list(reversed(last.values()))


@dataclass(frozen=True, slots=True)
class StoredArchives:
    """A place, a verdict on each of its archives, the newest last, and its room in bytes where that is known.

    `gone` are the names of what was removed; `error` says why the place could not be looked into, or pruned.
    """

    where: str
    verdicts: tuple[PruneDecision, ...] = ()
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


def inventory(stores: list[Store], rules: KeepRules, proof: VerificationState) -> list[StoredArchives]:
    """Each place as it is; one that fails does not keep the others from being looked at."""
    return list(_each(stores, lambda store: _looked(store, rules, proof)))


def prune_all(stores: list[Store], rules: KeepRules, proof: VerificationState) -> list[StoredArchives]:
    """Each place, after what no rule wants was removed from it."""

    def pruned(store: Store) -> StoredArchives:
        verdicts = plan(store, rules, proof)
        return StoredArchives(store.where, tuple(verdicts), gone=tuple(apply(store, verdicts)))

    return list(_each(stores, pruned))


def _looked(store: Store, rules: KeepRules, proof: VerificationState) -> StoredArchives:
    return StoredArchives(store.where, tuple(plan(store, rules, proof)), store.free())


def _each(stores: list[Store], act: Callable[[Store], StoredArchives]) -> Iterator[StoredArchives]:
    for store in stores:
        try:
            yield act(store)
        except StoreError as error:
            yield StoredArchives(store.where, error=error)

"""Select the archives that no rule of `backup.keep` keeps, and delete them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aresmon.backup import record
from aresmon.backup.storage.base import Store, StoredArchive, StoreError, sort_archives
from aresmon.config.backup import KeepRules
from aresmon.config.layout import Layout

FAILED = "the last verification failed"


@dataclass(frozen=True, slots=True)
class VerificationState:
    """The archive that was verified last, and whether the last verification failed."""

    archive: str = ""
    failed: bool = False


def read_verification(site: Layout) -> VerificationState:
    """The result of the last verification."""
    verified = record.read(site).last_verified
    return (
        VerificationState()
        if verified is None
        else VerificationState(verified.archive if verified.ok else "", not verified.ok)
    )


def plan(store: Store, rules: KeepRules, proof: VerificationState) -> list[PruneDecision]:
    """Decide about each archive of a store, the newest last. Raises StoreError.

    After a failed verification every archive is kept: an older one may be the only good one.
    """
    verdicts = select(store.list(), rules, verified=proof.archive)
    if not proof.failed:
        return verdicts
    return [one if one.is_kept else PruneDecision(one.archive, (FAILED,)) for one in verdicts]


def apply(store: Store, verdicts: list[PruneDecision]) -> list[str]:
    """Delete the archives that are not kept, the oldest first; return their names. Raises StoreError if one fails."""
    gone = [one.archive.name for one in verdicts if not one.is_kept]
    for name in gone:
        store.delete(name)
    return gone


def prune(store: Store, rules: KeepRules, proof: VerificationState) -> list[str]:
    """Plan and apply, as each backup does."""
    return apply(store, plan(store, rules, proof))


_PERIODS: Mapping[str, Callable[[StoredArchive], object]] = {
    "last": lambda one: one.name,
    "daily": lambda one: one.at.date(),
    "weekly": lambda one: one.at.isocalendar()[:2],
    "monthly": lambda one: (one.at.year, one.at.month),
}


@dataclass(frozen=True, slots=True)
class PruneDecision:
    """An archive and the rules that keep it; without any, it is deleted."""

    archive: StoredArchive
    rules: tuple[str, ...]

    @property
    def is_kept(self) -> bool:
        return bool(self.rules)


def select(archives: Iterable[StoredArchive], rules: KeepRules, *, verified: str = "") -> list[PruneDecision]:
    """Decide about each archive, the newest last. `verified` is the name of the last one that was verified.

    The newest archive and the verified one are always kept.
    """
    ordered = sort_archives(archives)
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
    """A destination, the decision about each of its archives, the newest last, and its free bytes if known.

    `removed` are the names of the deleted archives; `error` is why the destination could not be listed or pruned.
    """

    where: str
    verdicts: tuple[PruneDecision, ...] = ()
    free: int | None = None
    removed: tuple[str, ...] = ()
    error: StoreError | None = None

    def as_json(self) -> dict[str, Any]:
        """The output of --json; times in UTC."""
        return {
            "where": self.where,
            "error": self.error.message if self.error else "",
            "free": self.free,
            "archives": [
                {
                    "name": one.archive.name,
                    "bytes": one.archive.size,
                    "at": one.archive.at.isoformat(),
                    "stays": one.is_kept,
                    "wanted_by": list(one.rules),
                }
                for one in self.verdicts
            ],
            "removed": list(self.removed),
        }


def inventory(stores: list[Store], rules: KeepRules, proof: VerificationState) -> list[StoredArchives]:
    """List each destination; one that fails does not prevent the others from being listed."""
    return list(_each(stores, lambda store: _list(store, rules, proof)))


def prune_all(stores: list[Store], rules: KeepRules, proof: VerificationState) -> list[StoredArchives]:
    """Delete the archives that no rule keeps from each destination."""

    def pruned(store: Store) -> StoredArchives:
        verdicts = plan(store, rules, proof)
        return StoredArchives(store.where, tuple(verdicts), removed=tuple(apply(store, verdicts)))

    return list(_each(stores, pruned))


def _list(store: Store, rules: KeepRules, proof: VerificationState) -> StoredArchives:
    return StoredArchives(store.where, tuple(plan(store, rules, proof)), store.free())


def _each(stores: list[Store], act: Callable[[Store], StoredArchives]) -> Iterator[StoredArchives]:
    for store in stores:
        try:
            yield act(store)
        except StoreError as error:
            yield StoredArchives(store.where, error=error)

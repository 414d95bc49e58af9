"""Archives that no rule wants any more, removed from a store."""

from __future__ import annotations

from dataclasses import dataclass

from aresmon import backuprecord
from aresmon.archives import selection
from aresmon.archives.selection import Verdict
from aresmon.archives.store import Store
from aresmon.archiving import Rules
from aresmon.layout import Layout

FAILED = "the last verification failed"


@dataclass(frozen=True, slots=True)
class Proven:
    """What is known of proofs: the archive that was proven last, and whether the last proof failed."""

    archive: str = ""
    failed: bool = False


def proven(site: Layout) -> Proven:
    """What verifying said last."""
    verified = backuprecord.read(site).last_verified
    return Proven() if verified is None else Proven(verified.archive if verified.ok else "", not verified.ok)


def plan(store: Store, rules: Rules, proof: Proven) -> list[Verdict]:
    """A verdict on each archive of a store, the newest last. Raises StoreError.

    After a proof that failed everything stays: an older archive may be the only good one.
    """
    verdicts = selection.select(store.list(), rules, verified=proof.archive)
    if not proof.failed:
        return verdicts
    return [one if one.stays else Verdict(one.archive, (FAILED,)) for one in verdicts]


def apply(store: Store, verdicts: list[Verdict]) -> list[str]:
    """Remove what goes, the oldest first; its names. Raises StoreError, with the rest still there."""
    gone = [one.archive.name for one in verdicts if not one.stays]
    for name in gone:
        store.delete(name)
    return gone


def prune(store: Store, rules: Rules, proof: Proven) -> list[str]:
    """Both, as after each backup."""
    return apply(store, plan(store, rules, proof))

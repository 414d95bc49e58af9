"""What became of the last backup: where it went, why it failed, what verifying it found. Kept in `backups.json`."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from aresmon.config.layout import Layout
from aresmon.system.json_file import JsonFile


@dataclass(frozen=True, slots=True)
class CompletedBackup:
    """An archive that is whole where it belongs. `at` is in seconds since 1970; `destination` is for people, and
    names the places that took it."""

    at: float
    archive: str
    bytes: int
    destination: str


@dataclass(frozen=True, slots=True)
class FailedBackup:
    """A backup that was not made, and why; `at` is in seconds since 1970."""

    at: float
    what: str


@dataclass(frozen=True, slots=True)
class Verification:
    """An archive that was restored for trial; `what` is what was compared, or what does not hold."""

    at: float
    archive: str
    ok: bool
    what: str


@dataclass(frozen=True, slots=True)
class BackupRecord:
    """What is known. `last_failed` is there only where no backup was made since. `kept_passphrase` is the mark of the
    passphrase that somebody was shown, to keep it elsewhere."""

    last_made: CompletedBackup | None = None
    last_failed: FailedBackup | None = None
    last_verified: Verification | None = None
    kept_passphrase: str = ""


def read(site: Layout) -> BackupRecord:
    """The record of a site; an empty one where there is none, or none that can be read."""
    return _file(site).read_or(BackupRecord())


def find_problems(record: BackupRecord, *, due: float, now: float) -> Iterator[tuple[str, str]]:
    """What is wrong with the backups, and what to do; `due` is how many seconds may pass between two, 0 for any.

    A site that never made any has made its choice: `aresmon doctor` says so, and nothing else does.
    """
    made, failed, verified = record.last_made, record.last_failed, record.last_verified
    if failed is not None:
        yield f"the last backup failed: {failed.what}", "mend it, then `aresmon backup`"
    elif made is not None and due and now - made.at > due:
        yield f"the last backup is {_ago(now - made.at)} old", "`aresmon backup`, and see why its timer did not"
    if verified is not None and not verified.ok:
        yield (
            f"the archive {verified.archive} does not hold: {verified.what}",
            "`aresmon backup`, then `aresmon backup --verify latest`",
        )


def describe(record: BackupRecord, *, now: float) -> str:
    """The last backup and the last proof, in one line."""
    made, verified = record.last_made, record.last_verified
    if made is None:
        return "Backup: none yet"
    proof = "none was ever proven"
    if verified is not None:
        proof = f"{verified.archive} {'was proven' if verified.ok else 'did not hold'} {_ago(now - verified.at)} ago"
    return f"Backup: {_ago(now - made.at)} ago, {made.bytes / 10**6:.1f} MB, in {made.destination}; {proof}"


def _ago(seconds: float) -> str:
    """`3 min`, `5 h`, `12 d`"""
    size, unit = next(one for one in ((86400, "d"), (3600, "h"), (0, "min")) if seconds >= 2 * one[0])
    return f"{seconds / (size or 60):.0f} {unit}"


def note_made(site: Layout, made: CompletedBackup) -> None:
    """Remember a backup that was made; what failed before is no news any more."""
    _write(site, replace(read(site), last_made=made, last_failed=None))


def note_failed(site: Layout, failed: FailedBackup) -> None:
    """Remember that a backup was not made."""
    _write(site, replace(read(site), last_failed=failed))


def note_verified(site: Layout, verified: Verification) -> None:
    """Remember what a trial restore found."""
    _write(site, replace(read(site), last_verified=verified))


def mark_of(passphrase: str) -> str:
    """What tells one passphrase from another. Keyed with itself: the site's key may be replaced, the passphrase not."""
    return hmac.new(passphrase.encode(), b"shown", hashlib.sha256).hexdigest()[:12]


def note_passphrase(site: Layout, mark: str) -> None:
    """Remember that somebody was shown the passphrase with this mark."""
    _write(site, replace(read(site), kept_passphrase=mark))


def _write(site: Layout, record: BackupRecord) -> None:
    _file(site).write(record)


def _file(site: Layout) -> JsonFile[BackupRecord]:
    return JsonFile(site.state / "backups.json", _parse, asdict)


def _parse(data: Any) -> BackupRecord:
    return BackupRecord(
        last_made=_one(CompletedBackup, data.get("last_made")),
        last_failed=_one(FailedBackup, data.get("last_failed")),
        last_verified=_one(Verification, data.get("last_verified")),
        kept_passphrase=str(data.get("kept_passphrase", "")),
    )


def _one(kind: Any, data: dict[str, Any] | None) -> Any:
    return None if data is None else kind(**data)
